"""Clips to train on: a folder of videos and of folders of frames, each read in part and at a bounded size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from vrm.errors import UsageError, VideoError
from vrm.media.read.frame_folder import frame_files
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.containers import CONTAINERS
from vrm.types import U8, Pixels, eight_bits

FRAMES = 320
"""Most frames read of a clip, from its middle."""

LONGEST = 960
"""Longer sides are reduced to this."""

Clip = tuple[str, Callable[[], list[U8]]]
"""A clip's name, and a function that reads its frames, uint8 RGB ``(H, W, 3)`` of one size."""


def find_clips(data: Path) -> list[Clip]:
    """The clips of ``clip_paths`` by name. Raises UsageError."""
    return [(path.stem, partial(read_clip, path)) for path in clip_paths(data)]


def clip_paths(data: Path) -> list[Path]:
    """Every video file in a folder, and every folder in it that holds numbered frames.

    Raises:
        UsageError: there is none.
    """
    if not data.is_dir():
        raise UsageError(f"{data} is not a folder.", "Give a folder of videos or of folders of frames.")
    found = [path for path in sorted(data.iterdir()) if _is_clip(path)]
    if not found:
        raise UsageError(f"{data} holds no clips.", "Put videos into it, or folders of numbered frames.")
    return found


def _is_clip(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in CONTAINERS
    try:
        return bool(frame_files(path))
    except VideoError:
        return False


def read_clip(path: Path) -> list[U8]:
    """The middle ``FRAMES`` frames of a clip. Raises VideoError."""
    info = probe(path)
    start = max(0, (info.n_frames - FRAMES) // 2)
    scale = min(1.0, LONGEST / max(info.size))
    size = max(1, round(info.width * scale)), max(1, round(info.height * scale))
    with Reader(info) as reader:
        return [_eight_bit(f.rgb(), size) for f in reader.frames(start, start + FRAMES)]


def _eight_bit(rgb: Pixels, size: tuple[int, int]) -> U8:
    rgb = eight_bits(rgb)
    if rgb.shape[1::-1] == size:
        return rgb
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
