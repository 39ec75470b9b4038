"""Random access to a video's frames in bounded memory and disk space: decoded in chunks, dropped when long unused."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from vrm.errors import VideoError
from vrm.system.array_folder import ArrayFolder
from vrm.types import Bool, Pixels, bounding_box

CHUNK = 32
"""Frames decoded together; a jump backwards costs at most one chunk and the way from the key frame to it."""


class HasRGB(Protocol):
    """A decoded frame, as far as the cache needs it."""

    def rgb(self) -> Pixels:
        """uint8 or uint16 ``(H, W, 3)``."""
        ...


class FrameCache:
    """Frames of one video by number, as RGB; may be asked from several threads.

    Args:
        decode: ``decode(start, stop)`` yields the frames ``start..stop-1`` of the video in order.
        stop: one past the last frame that may be asked for.
        folder: an existing scratch folder.
        memory_bytes: how much is kept in memory.
        disk_bytes: how much is kept in all (at least two chunks are).
    """

    def __init__(
        self,
        decode: Callable[[int, int], Iterator[HasRGB]],
        stop: int,
        folder: Path,
        *,
        memory_bytes: int = 256 << 20,
        disk_bytes: int = 4 << 30,
    ) -> None:
        self._decode = decode
        self._stop = stop
        self._disk_bytes = disk_bytes
        self._frames: ArrayFolder[Pixels] = ArrayFolder(folder, memory_bytes)
        self._chunks: OrderedDict[int, None] = OrderedDict()
        self._decoding: Iterator[HasRGB] | None = None
        self._next = 0
        self._lock = threading.Lock()

    def frame(self, t: int) -> Pixels:
        """Frame t, uint8 or uint16 ``(H, W, 3)`` RGB, read-only. Raises VideoError where it cannot be decoded."""
        if not 0 <= t < self._stop:
            raise IndexError(f"frame {t} of {self._stop}")
        with self._lock:
            chunk = t // CHUNK
            if chunk not in self._chunks:
                self._load(chunk)
            self._chunks.move_to_end(chunk)
            if t not in self._frames:
                raise VideoError(f"Frame {t} cannot be decoded, though it could before.", "Did the file change?")
            return self._frames[t]

    def close(self) -> None:
        """Stop decoding and drop everything; the memory goes back to the system."""
        with self._lock:
            self._decoding = None
            self._chunks.clear()
            self._frames.close()

    def _load(self, chunk: int) -> None:
        first, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, self._stop)
        if self._decoding is None or self._next != first:
            self._decoding, self._next = self._decode(first, self._stop), first
        self._chunks[chunk] = None
        for t in range(first, stop):
            decoded = next(self._decoding, None)
            if decoded is None:
                break
            rgb = decoded.rgb()
            self._next = t + 1
            while len(self._chunks) > 2 and len(self._frames) * rgb.nbytes >= self._disk_bytes:
                self._drop_oldest()
            self._frames[t] = rgb

    def _drop_oldest(self) -> None:
        chunk, _ = self._chunks.popitem(last=False)
        for t in range(chunk * CHUNK, (chunk + 1) * CHUNK):
            if t in self._frames:
                del self._frames[t]


def durable_frames(folder: Path, whole: Callable[[int], Pixels], hole: Callable[[int], Bool]) -> ArrayFolder[Pixels]:
    """Frames, or maps of their size, by number, that outlast the process; only what lies under the hole is kept.

    ``whole`` gives what a frame shows outside its hole, ``hole`` its bool ``(H, W)``.
    """

    def pack(t: int, frame: Pixels) -> Sequence[np.ndarray]:
        box = bounding_box(hole(t))
        if box is None:
            raise ValueError(f"frame {t} has no hole: there is nothing to keep")
        y0, x0, y1, x1 = box
        return np.array(box), frame[y0:y1, x0:x1]

    def unpack(t: int, arrays: Sequence[np.ndarray]) -> Pixels:
        (y0, x0, y1, x1), part = arrays
        frame = whole(t).copy()
        frame[y0:y1, x0:x1] = part
        frame.flags.writeable = False
        return frame

    return ArrayFolder(folder, 0, pack, unpack, durable=True)
