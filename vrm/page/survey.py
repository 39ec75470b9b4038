"""The process that looks through the whole video for the borders of its shots, while the page is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vrm.events import JsonEvents, json_text, stages
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.shots.cuts import find_shots, small
from vrm.system.lifeline import end_with_starter
from vrm.system.process import configure_process

_STAGE = "look for cuts"


def main() -> None:
    """Say progress, and at the end ``{"event": "shots", "shots": [[start, stop], ...]}``, as lines of JSON."""
    end_with_starter()
    configure_process()
    if hasattr(os, "nice"):
        os.nice(10)
    info = probe(Path(sys.argv[1]))
    progress = stages(JsonEvents())

    def pictures() -> Iterator[tuple[int, np.ndarray]]:
        with Reader(info) as reader:
            for frame in reader.frames():
                progress(_STAGE, frame.index + 1, info.n_frames)
                yield frame.index, small(frame.rgb())

    print(json_text({"event": "shots", "shots": find_shots(pictures())}), flush=True)
