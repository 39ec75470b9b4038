"""Everything ``vrm segment`` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vrm.options.declare import EVERYDAY, MODEL, OUTPUT, READ, group, option
from vrm.options.remove import EngineOptions, InputOptions, one_labelling, overwrite_option


@dataclass(frozen=True)
class SegmentOptions(InputOptions):
    """One video to label."""

    # fmt: off
    segmenter: str | None = option(None, EVERYDAY, "NAME|DIR", kind=MODEL,
        help="Model: a folder of transformers or mmsegmentation, or a name. Default: the first that is installed.")
    labels: Path | None = option(None, EVERYDAY, "DIR", kind=READ, noun="label maps",
        help="Label maps to start from, in place of a model.")
    every: int = option(1, EVERYDAY, "N", between=(1, 30), hint="Farther apart, labels cannot be carried along.",
        help="Label every Nth frame; motion carries the labels to those between.")
    video: bool = option(False, OUTPUT, flag="--label-video", help="Write maps as lossless video, not as PNGs.")
    preview: bool = option(True, OUTPUT, help="Write a video with the labels laid over it.")
    overwrite: bool = overwrite_option()
    engine: EngineOptions = group(EngineOptions, only=("device", "dtype", "threads"))
    # fmt: on

    def __post_init__(self) -> None:
        super().__post_init__()
        one_labelling(self.labels, self.segmenter)
