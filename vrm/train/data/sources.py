"""What ``vrm train keyframe`` learns from: pictures, or the frames of clips, at the size that views are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vrm.errors import UsageError
from vrm.media.read.probe import probe
from vrm.media.read.stills import read_image
from vrm.train.data.clips import FRAMES, clip_paths
from vrm.train.data.decoded import at_size, decoded
from vrm.types import U8

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

_BYTES = 512 << 20
"""Of pictures, decoded, that stay in memory."""

Source = Callable[[], Sequence[U8]]
"""Gives one picture, or the frames of one clip (these lie in a file): uint8 RGB ``(H, W, 3)``."""


def find_sources(data: Path, shorter: int, scratch: Path) -> list[Source]:
    """Every picture in a folder; or, where there are none, every clip in it.

    Args:
        data: the folder.
        shorter: pictures and frames whose shorter side is longer than this are reduced to it.
        scratch: clips are decoded into this folder, when they are first asked for.

    Raises:
        UsageError: it has neither.
    """
    if not data.is_dir():
        raise UsageError(f"{data} is not a folder.", "Give a folder of pictures or videos.")
    pictures = [path for path in sorted(data.iterdir()) if path.suffix.lower() in _PICTURES]
    if pictures:
        return [partial(_picture, path, shorter) for path in pictures]
    return [partial(_clip, path, shorter, scratch) for path in clip_paths(data)]


class Shelf:
    """Sources by number; pictures that were read last are kept, as many as fit into a bound. Clips lie in files."""

    def __init__(self, sources: Sequence[Source], most: int = _BYTES) -> None:
        self._sources, self._most = sources, most
        self._read: dict[int, Sequence[U8]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, number: int) -> Sequence[U8]:
        if number in self._read:
            return self._read[number]
        frames = self._sources[number]()
        if isinstance(frames, np.ndarray):
            return frames
        size = _bytes(frames)
        while self._read and self._bytes + size > self._most:
            self._bytes -= _bytes(self._read.pop(next(iter(self._read))))
        self._read[number] = frames
        self._bytes += size
        return frames


def _bytes(frames: Sequence[U8]) -> int:
    return sum(frame.nbytes for frame in frames)


def _picture(path: Path, shorter: int) -> list[U8]:
    image = read_image(path)
    return [at_size(image, _reduced((image.shape[0], image.shape[1]), shorter))]


def _clip(path: Path, shorter: int, scratch: Path) -> Sequence[U8]:
    info = probe(path)
    start = max(0, (info.n_frames - FRAMES) // 2)
    return decoded(path, scratch, _reduced(info.size, shorter), range(start, start + FRAMES))  # type: ignore[return-value]


def _reduced(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    scale = min(1.0, shorter / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
