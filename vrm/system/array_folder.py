"""Arrays by number: in memory while there is room, in files beyond that."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from vrm.system.files import atomic_write, writing
from vrm.system.memory import give_back

Array = np.ndarray[Any, Any]
Value = TypeVar("Value")

_GONE = 64 << 20
"""Bytes of values that leave the memory before what is free between those in use goes back to the system: it came to
four tenths of the heap where a window sees hundreds of frames."""


def _alone(t: int, value: Any) -> Sequence[Array]:
    return (value,)


def _first(t: int, arrays: Sequence[Array]) -> Any:
    return arrays[0]


def is_intact(path: Path) -> bool:
    """Whether every array of an ``.npz`` file agrees with its checksum."""
    try:
        with zipfile.ZipFile(path) as members:
            return members.testzip() is None
    except (OSError, EOFError, zipfile.BadZipFile):
        return False


class ArrayFolder(MutableMapping[int, Value], Generic[Value]):
    """Values by number: those used last are in memory, the others in files, which are deleted with the mapping.

    Memory-mapped pages count as resident memory, so files are read and forgotten. A value is read-only once it is
    set. May be used by several threads.

    Args:
        parent: an existing scratch folder; the files go into a folder of their own in it.
        memory_bytes: what the values in memory may take.
        pack, unpack: ``pack(t, value)`` gives a value as arrays, ``unpack(t, arrays)`` the value; by default a value
            is an array.
        durable: the files lie in ``parent`` itself, which is made, and outlast the process and a loss of power; intact
            ones that are there already belong to the mapping.

    Raises OutputError: the disk takes no more; on setting and on reading, as either may move another value to a file.
    """

    memory_bytes = 32 << 20

    def __init__(
        self,
        parent: Path,
        memory_bytes: int | None = None,
        pack: Callable[[int, Value], Sequence[Array]] = _alone,
        unpack: Callable[[int, Sequence[Array]], Value] = _first,
        *,
        durable: bool = False,
    ) -> None:
        if memory_bytes is not None:
            self.memory_bytes = memory_bytes
        self._pack, self._unpack, self._durable = pack, unpack, durable
        with writing(f"Scratch cannot be written in {parent}"):
            if durable:
                parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder = parent if durable else Path(tempfile.mkdtemp(prefix="arrays-", dir=parent))
        self._numbers = {int(path.stem) for path in self._folder.glob("*.npz") if is_intact(path)}
        self._written = set(self._numbers)
        self._recent: OrderedDict[int, Value] = OrderedDict()
        self._held = self._gone = 0
        self._lock = threading.Lock()
        if not durable:
            self._delete_files = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def __setitem__(self, t: int, value: Value) -> None:
        with self._lock:
            self._forget(t)
            if self._durable:
                self._write(t, value)
            self._numbers.add(t)
            self._remember(t, value)

    def __getitem__(self, t: int) -> Value:
        with self._lock:
            if t not in self._numbers:
                raise KeyError(t)
            if t in self._recent:
                self._recent.move_to_end(t)
                return self._recent[t]
            value = self._read(t)
            self._remember(t, value)
            return value

    def __delitem__(self, t: int) -> None:
        with self._lock:
            self._numbers.remove(t)
            self._forget(t)
        self._file(t).unlink(missing_ok=True)

    def __contains__(self, t: object) -> bool:
        return t in self._numbers

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def close(self) -> None:
        """Drop everything; the memory goes back to the system, and files that are not durable are deleted."""
        with self._lock:
            self._numbers.clear()
            self._recent.clear()
            if not self._durable:
                self._delete_files()
        give_back()

    def _forget(self, t: int) -> None:
        self._written.discard(t)
        if t in self._recent:
            self._held -= self._size(t, self._recent.pop(t))

    def _remember(self, t: int, value: Value) -> None:
        """Keep a value in memory, and move those used longest ago to files where they are too much."""
        for array in self._pack(t, value):
            array.flags.writeable = False
        self._recent[t] = value
        self._held += self._size(t, value)
        while self._held > self.memory_bytes:
            oldest, left = self._recent.popitem(last=False)
            size = self._size(oldest, left)
            self._held -= size
            self._gone += size
            if oldest not in self._written:
                self._write(oldest, left)
        if self._gone >= _GONE:
            self._gone = 0
            give_back()

    def _size(self, t: int, value: Value) -> int:
        return sum(array.nbytes for array in self._pack(t, value))

    def _write(self, t: int, value: Value) -> None:
        path, arrays, what = self._file(t), self._pack(t, value), f"Scratch cannot be written in {self._folder}"
        if self._durable:
            atomic_write(path, lambda file: np.savez(file, *arrays), what, durable=True)
        else:
            with writing(what), path.open("wb") as file:
                for array in arrays:
                    np.save(file, array)
        self._written.add(t)

    def _read(self, t: int) -> Value:
        path = self._file(t)
        if self._durable:
            with np.load(path) as members:
                return self._unpack(t, [members[name] for name in members.files])
        arrays: list[Array] = []
        with path.open("rb") as file:  # no checksums: six times as fast as an .npz
            end = path.stat().st_size
            while file.tell() < end:
                arrays.append(np.load(file))
        return self._unpack(t, arrays)

    def _file(self, t: int) -> Path:
        return self._folder / f"{t:08d}.{'npz' if self._durable else 'npy'}"
