"""What the engine made, kept as plain files until it is pasted; neighbouring windows are cross-faded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vrm.engines.base import Window
from vrm.errors import OutputError
from vrm.types import Box, Patch, Pixels


class PatchStore:
    """Patches by frame number.

    Args:
        folder: an existing scratch folder of the caller's, for this store alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boxes: dict[int, Box] = {}
        self._last: Window | None = None

    def __contains__(self, t: int) -> bool:
        return t in self._boxes

    def add(self, window: Window, patches: Mapping[int, Patch]) -> None:
        """Keep a window's patches; windows come in order. Where one overlaps the last, the two are cross-faded."""
        shared = range(window.start, self._last.stop) if self._last is not None else range(0)
        for t, patch in patches.items():
            if t in self._boxes and t in shared:
                weight = (t - shared.start + 1) / (len(shared) + 1)
                patch = _blend(self[t], patch, weight)
            self._save(t, patch)
        self._last = window

    def __getitem__(self, t: int) -> Patch:
        return Patch(self._boxes[t], np.load(self._file(t)))

    def _save(self, t: int, patch: Patch) -> None:
        try:
            np.save(self._file(t), patch.rgb)
        except OSError as error:
            raise OutputError(f"Scratch cannot be written in {self._folder}: {error.strerror}.") from error
        self._boxes[t] = patch.box

    def _file(self, t: int) -> Path:
        return self._folder / f"{t:08d}.npy"


def _blend(old: Patch, new: Patch, weight: float) -> Patch:
    """``(1 - weight) * old + weight * new``; the boxes of one frame are the same unless an engine says otherwise."""
    if old.box != new.box:
        return new
    mixed = old.rgb.astype(np.float32) * (1 - weight) + new.rgb.astype(np.float32) * weight
    rounded = np.rint(mixed)
    return Patch(new.box, rounded.astype(np.uint8) if new.rgb.dtype == np.uint8 else rounded.astype(np.uint16))


def cut(patch: Patch, box: Box) -> Pixels:
    """The part of a patch inside ``box``, which must lie within the patch's own."""
    y0, x0, y1, x1 = box
    py, px, qy, qx = patch.box
    if y0 < py or x0 < px or y1 > qy or x1 > qx:
        raise ValueError(f"patch {patch.box} does not hold {box}")
    part: Pixels = patch.rgb[y0 - py : y1 - py, x0 - px : x1 - px]
    return part
