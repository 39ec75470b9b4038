"""Fills on disk: those of a window of 1080p frames would not fit into the memory of a laptop."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from dataclasses import fields
from pathlib import Path

import numpy as np

from vrm.motion.result import HoleFill
from vrm.system.files import writing


class FillFolder(MutableMapping[int, HoleFill]):
    """Fills by frame number: the recent ones in memory, the others in files, which go when the mapping does.

    Args:
        parent: an existing scratch folder; the files go into a folder of their own in it.
    """

    recent_bytes = 32 << 20
    """What the fills that stay in memory may take: those of a small hole need no files."""

    def __init__(self, parent: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fills-", dir=parent))
        self._frames: set[int] = set()
        self._written: set[int] = set()
        self._recent: OrderedDict[int, HoleFill] = OrderedDict()
        self._lock = threading.Lock()
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def __setitem__(self, t: int, fill: HoleFill) -> None:
        with self._lock:
            self._recent.pop(t, None)
            self._written.discard(t)
            self._frames.add(t)
            self._remember(t, fill)

    def __getitem__(self, t: int) -> HoleFill:
        """The fill; not to be written to."""
        with self._lock:
            if t not in self._frames:
                raise KeyError(t)
            fill = self._recent.pop(t, None)
            fill = self._read(t) if fill is None else fill
            self._remember(t, fill)
            return fill

    def __delitem__(self, t: int) -> None:
        with self._lock:
            self._frames.remove(t)
            self._recent.pop(t, None)
            self._written.discard(t)
        self._file(t).unlink(missing_ok=True)

    def __contains__(self, t: object) -> bool:
        return t in self._frames

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._frames))

    def __len__(self) -> int:
        return len(self._frames)

    def _remember(self, t: int, fill: HoleFill) -> None:
        """Keep a fill in memory, and write the least recently used ones once there are too many."""
        self._recent[t] = fill
        total = sum(recent.nbytes for recent in self._recent.values())
        while total > self.recent_bytes:
            oldest, evicted = self._recent.popitem(last=False)
            total -= evicted.nbytes
            if oldest not in self._written:
                self._write(oldest, evicted)

    def _write(self, t: int, fill: HoleFill) -> None:
        arrays = {one.name: getattr(fill, one.name) for one in fields(HoleFill)}
        with writing(f"Scratch cannot be written in {self._folder}"):
            np.savez(self._file(t), **{name: array for name, array in arrays.items() if array is not None})
        self._written.add(t)

    def _read(self, t: int) -> HoleFill:
        with np.load(self._file(t)) as file:
            return HoleFill(**file)

    def _file(self, t: int) -> Path:
        return self._folder / f"{t:08d}.npz"
