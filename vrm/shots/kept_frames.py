"""Whole frames kept between processes and runs: of each only what lies under its hole, as the rest is the video's."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

import numpy as np

from vrm.system.files import atomic_write, writing
from vrm.types import Bool, Pixels, bounding_box


class KeptFrames(MutableMapping[int, Pixels]):
    """Frames, or maps of their size, by number, each read from its file when it is asked for.

    Args:
        folder: where they lie; what is in it already is there. Made when the first is kept.
        whole: what a frame shows outside its hole.
        hole: bool ``(H, W)`` of a frame.
    """

    def __init__(self, folder: Path, whole: Callable[[int], Pixels], hole: Callable[[int], Bool]) -> None:
        self._folder, self._whole, self._hole = folder, whole, hole
        self._frames = {int(path.stem) for path in folder.glob("*.npz") if _sound(path)}

    def __setitem__(self, t: int, frame: Pixels) -> None:
        box = bounding_box(self._hole(t))
        if box is None:
            raise ValueError(f"frame {t} has no hole: there is nothing to keep")
        part = frame[box[0] : box[2], box[1] : box[3]]
        what = f"Scratch cannot be written in {self._folder}"
        with writing(what):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        at = np.array(box)
        atomic_write(self._file(t), lambda file: np.savez_compressed(file, box=at, part=part), what, durable=True)
        self._frames.add(t)

    def __getitem__(self, t: int) -> Pixels:
        if t not in self._frames:
            raise KeyError(t)
        out = self._whole(t).copy()
        with np.load(self._file(t)) as file:
            y0, x0, y1, x1 = (int(n) for n in file["box"])
            out[y0:y1, x0:x1] = file["part"]
        out.flags.writeable = False
        return out

    def __delitem__(self, t: int) -> None:
        self._frames.remove(t)
        self._file(t).unlink()

    def __contains__(self, t: object) -> bool:
        return t in self._frames

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._frames))

    def __len__(self) -> int:
        return len(self._frames)

    def _file(self, t: int) -> Path:
        return self._folder / f"{t:08d}.npz"


def _sound(path: Path) -> bool:
    """Every byte against its check sum; what is damaged is made again."""
    try:
        with zipfile.ZipFile(path) as members:
            return members.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
