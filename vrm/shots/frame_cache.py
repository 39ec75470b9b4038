"""Random access to a video's frames in bounded memory: decoded in chunks, kept as plain files, dropped when old.

Memory-mapped pages count as resident memory, so chunks are plain files that are read and forgotten.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from vrm.errors import VideoError
from vrm.system.files import writing
from vrm.system.memory import give_back
from vrm.types import Pixels

CHUNK = 32
"""Frames decoded together; a jump backwards costs at most one chunk and the way from the key frame to it."""

_GONE = 64 << 20
"""Bytes of frames that leave the memory before what is free between those in use goes back to the system: it came to
four tenths of the heap where a window sees hundreds of frames."""


class HasRGB(Protocol):
    """A decoded frame, as far as the store needs it."""

    def rgb(self) -> Pixels:
        """uint8 or uint16 ``(H, W, 3)``."""
        ...


class FrameCache:
    """Frames of one video by number, as RGB; may be asked from several threads.

    Args:
        decode: ``decode(start, stop)`` yields the frames ``start..stop-1`` of the video in order.
        stop: one past the last frame that may be asked for.
        folder: an existing scratch folder of the caller's, for this store alone.
        memory_bytes: how much is kept in memory.
        disk_bytes: how much is kept in ``folder`` (at least two chunks are).
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
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._disk_bytes = disk_bytes
        self._memory: OrderedDict[int, Pixels] = OrderedDict()
        self._chunks: OrderedDict[int, list[Path]] = OrderedDict()
        self._frames: Iterator[HasRGB] | None = None
        self._next = 0
        self._gone = 0
        self._lock = threading.Lock()

    def frame(self, t: int) -> Pixels:
        """Frame t, uint8 or uint16 ``(H, W, 3)`` RGB; not to be written to. Raises VideoError if it cannot be had."""
        if not 0 <= t < self._stop:
            raise IndexError(f"frame {t} of {self._stop}")
        with self._lock:
            return self._frame(t)

    def _frame(self, t: int) -> Pixels:
        if t in self._memory:
            self._memory.move_to_end(t)
            return self._memory[t]
        chunk, place = divmod(t, CHUNK)
        if chunk not in self._chunks:
            self._load(chunk)
        self._chunks.move_to_end(chunk)
        files = self._chunks[chunk]
        if place >= len(files):
            raise VideoError(f"Frame {t} cannot be decoded, though it could before.", "Did the file change?")
        if t not in self._memory:
            self._remember(t, np.load(files[place]))
        return self._memory[t]

    def close(self) -> None:
        """Stop decoding and drop everything kept; the memory goes back to the system, as others need it now."""
        self._frames = None
        self._memory.clear()
        while self._chunks:
            self._drop_oldest()
        give_back()

    def _load(self, chunk: int) -> None:
        first, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, self._stop)
        if self._frames is None or self._next != first:
            self._frames, self._next = self._decode(first, self._stop), first
        files: list[Path] = []
        self._chunks[chunk] = files
        for t in range(first, stop):
            decoded = next(self._frames, None)
            if decoded is None:
                break
            rgb = decoded.rgb()
            self._next = t + 1
            while len(self._chunks) > 2 and self._on_disk() * rgb.nbytes >= self._disk_bytes:
                self._drop_oldest()
            files.append(self._folder / f"{t:08d}.npy")
            with writing(f"Scratch cannot be written in {self._folder}"):
                np.save(files[-1], rgb)
            self._remember(t, rgb)

    def _remember(self, t: int, rgb: Pixels) -> None:
        rgb.flags.writeable = False
        self._memory[t] = rgb
        while len(self._memory) > 1 and len(self._memory) * rgb.nbytes > self._memory_bytes:
            self._gone += self._memory.popitem(last=False)[1].nbytes
        if self._gone >= _GONE:
            self._gone = 0
            give_back()

    def _on_disk(self) -> int:
        return sum(map(len, self._chunks.values()))

    def _drop_oldest(self) -> None:
        _, files = self._chunks.popitem(last=False)
        for file in files:
            file.unlink(missing_ok=True)
