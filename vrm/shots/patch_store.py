"""What the engine made, kept window by window until it is pasted; neighbouring windows are cross-faded.

A window is one file, written whole or not at all, so that a job that was interrupted finds the windows it finished.
Cross-fading happens when a frame is read: a window's file never depends on another's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from vrm.shots.windows import Window
from vrm.system.array_folder import is_intact
from vrm.system.files import atomic_write
from vrm.types import Box, Patch

_FACTS = "facts"


@dataclass(frozen=True)
class Extra:
    """What goes with a window's patches, for the report: plain JSON values, and arrays by name."""

    facts: dict[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class _Piece:
    """One window's patch of a frame; ``weight`` of it against what earlier windows made, or None: it alone counts."""

    file: Path
    box: Box
    weight: float | None


class PatchStore:
    """Patches by frame number.

    Args:
        folder: an existing scratch folder of the caller's, for this store alone.
        durable: windows are on the disk before they count, so that they outlast a loss of power.
    """

    def __init__(self, folder: Path, durable: bool = False) -> None:
        self._folder, self._durable = folder, durable
        self._pieces: dict[int, list[_Piece]] = {}
        self._last: Window | None = None

    def __contains__(self, t: int) -> bool:
        return t in self._pieces

    def add(self, window: Window, patches: Mapping[int, Patch], extra: Extra | None = None) -> None:
        """Keep a window's patches; windows come in order. Where one overlaps the last, the two are cross-faded.

        Raises OutputError: scratch is full.
        """
        extra = extra or Extra()
        boxes = {str(t): list(patch.box) for t, patch in patches.items()}
        text = json.dumps({"window": _numbers(window), "boxes": boxes, "extra": extra.facts})
        arrays: dict[str, np.ndarray] = {str(t): patch.rgb for t, patch in patches.items()}
        arrays |= {f"+{name}": array for name, array in extra.arrays.items()}
        arrays[_FACTS] = np.frombuffer(text.encode(), np.uint8)
        atomic_write(
            self._file(window),
            lambda file: np.savez(file, **arrays),  # type: ignore[arg-type]
            f"Scratch cannot be written in {self._folder}",
            durable=self._durable,
        )
        self._put(window, {t: patch.box for t, patch in patches.items()})

    def holds(self, window: Window) -> bool:
        """Whether there is a file of the window, damaged or not; it is not taken over."""
        return self._file(window).exists()

    def finished(self, window: Window) -> Extra | None:
        """Take over a window that an earlier run finished; None where there is none, or its file is damaged.

        A damaged file is deleted. Windows are asked for, or added, in order.
        """
        path = self._file(window)
        if not path.exists():
            return None
        try:
            whole = is_intact(path)
            with np.load(path) as file:
                record = json.loads(bytes(file[_FACTS]))
                boxes = {int(t): _box(box) for t, box in record["boxes"].items()}
                extra = Extra(record["extra"], {n[1:]: file[n] for n in file.files if n.startswith("+")})
                whole = whole and record["window"] == _numbers(window) and {str(t) for t in boxes} <= set(file.files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile):
            whole = False
        if not whole:
            path.unlink(missing_ok=True)
            return None
        self._put(window, boxes)
        return extra

    def __getitem__(self, t: int) -> Patch:
        first, *others = self._pieces[t]
        patch = self._read(t, first)
        for piece in others:
            assert piece.weight is not None
            patch = _blend(patch, self._read(t, piece), piece.weight)
        return patch

    def _put(self, window: Window, boxes: Mapping[int, Box]) -> None:
        shared = range(window.start, self._last.stop) if self._last is not None else range(0)
        for t, box in boxes.items():
            if t in self._pieces and t in shared:
                weight = (t - shared.start + 1) / (len(shared) + 1)
                self._pieces[t].append(_Piece(self._file(window), box, weight))
            else:
                self._pieces[t] = [_Piece(self._file(window), box, None)]
        self._last = window

    @staticmethod
    def _read(t: int, piece: _Piece) -> Patch:
        with np.load(piece.file) as file:
            return Patch(piece.box, file[str(t)])

    def _file(self, window: Window) -> Path:
        return self._folder / f"window-{'-'.join(map(str, _numbers(window)))}.npz"


def _numbers(window: Window) -> list[int]:
    return [window.start, window.stop, window.context_start, window.context_stop]


def _box(numbers: list[int]) -> Box:
    y0, x0, y1, x1 = (int(n) for n in numbers)
    return y0, x0, y1, x1


def _blend(old: Patch, new: Patch, weight: float) -> Patch:
    """``(1 - weight) * old + weight * new``; the boxes of one frame are the same unless an engine says otherwise."""
    if old.box != new.box:
        return new
    mixed = old.rgb.astype(np.float32) * (1 - weight) + new.rgb.astype(np.float32) * weight
    rounded = np.rint(mixed)
    return Patch(new.box, rounded.astype(np.uint8) if new.rgb.dtype == np.uint8 else rounded.astype(np.uint16))
