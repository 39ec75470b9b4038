"""Which segmenter a folder or a card's name means."""

from __future__ import annotations

from pathlib import Path

from vrm.errors import UsageError, WeightsError
from vrm.options import EngineOptions
from vrm.segment.fallback import MovableSegmenter, Note, silent
from vrm.segment.panoptic import Segmenter
from vrm.weights import located


def create_segmenter(name: str | None, options: EngineOptions, note: Note = silent) -> Segmenter:
    """The segmenter that ``--segmenter`` names; ``note`` is told where it does not fit into a device's memory.

    Raises:
        UsageError: none is named.
        WeightsError: it is not here, files are missing, or it is of another kind.
    """
    if name is None:
        raise UsageError(
            "Nothing says how to label the video.",
            "Give --segmenter (a model's folder or name) or --labels (a folder of label maps).",
        )
    path = located(name, "segmenter", "--segmenter")
    if not path.is_dir():
        raise WeightsError(
            f"--segmenter {name} is a file.", "Give the folder with the model's configuration and weights."
        )
    return MovableSegmenter(lambda options: _of_folder(path, options), options, note)


def _of_folder(path: Path, options: EngineOptions) -> Segmenter:
    from vrm.segment.mmdet import MmdetSegmenter, is_mmdet
    from vrm.segment.mmseg import MmsegSegmenter, is_mmseg
    from vrm.segment.mmstub import allow_mmseg
    from vrm.train.device import choose

    if is_mmseg(path):
        allow_mmseg()
        if is_mmdet(path):
            return MmdetSegmenter(path, choose(options))
        return MmsegSegmenter(path, choose(options))
    from vrm.segment.hugging import HuggingSegmenter

    return HuggingSegmenter(path, choose(options))
