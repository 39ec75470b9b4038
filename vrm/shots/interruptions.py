"""Frames amid a shot that are not of it, or of it in another light: black frames, a glitch, a flash.

A detector of cuts sees a change at both their ends. A flash is no cut: the shot goes on through it. Black frames are
not of the shot, and must not fill anything in it, so they become a shot of their own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.types import U8

LONGEST = 12
"""Frames that an interruption may have."""
_SIDE = 64
_JUMP = 8.0
"""Mean change (of 255) from one frame to the next that may begin or end an interruption."""
_OUTSTANDING = 3.0
"""And that change is so many times that from frame to frame before, at least."""
_RETURNED = 0.5
"""What follows an interruption differs from what was before by at most this share of the changes at its ends."""
_ALIKE = 0.6
"""Correlation, at the best shift, from which two neighbouring frames show the same thing, whatever their light."""
_FLAT = 2.0
"""Standard deviation of a picture (of 255) that shows nothing."""


@dataclass(frozen=True)
class Interruption:
    """Frames ``start..stop-1``, and of them those (if any) that show something else: ``other_start..other_stop-1``."""

    start: int
    stop: int
    other_start: int
    other_stop: int


class InterruptionFinder:
    """Looks at the frames of a video in order; ``found`` are the interruptions so far."""

    def __init__(self) -> None:
        self.found: list[Interruption] = []
        self._recent: deque[tuple[int, U8, float]] = deque(maxlen=2 * LONGEST)  # number, picture, change before it

    def add(self, number: int, picture: U8) -> None:
        """Look at the next frame, uint8 BGR ``(h, w, 3)``."""
        height, width = picture.shape[:2]
        size = (_SIDE, max(8, round(_SIDE * height / width))) if width > height else (
            max(8, round(_SIDE * width / height)), _SIDE)  # fmt: skip
        now = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        change = _difference(self._recent[-1][1], now) if self._recent else 0.0
        self._recent.append((number, now, change))
        if change > _JUMP:
            self._look_back()

    def _look_back(self) -> None:
        """Whether the newest frame, which differs from the one before, shows again what was there a few before."""
        seen = list(self._recent)
        _, now, change = seen[-1]
        if now.std() < _FLAT:
            return
        for k in range(len(seen) - 2, max(0, len(seen) - 2 - LONGEST), -1):
            least = min(change, seen[k][2])
            usual = float(np.mean([each for _, _, each in seen[:k]]))
            before = seen[k - 1][1]
            if least > max(_JUMP, _OUTSTANDING * usual) and _returned(before, now, _RETURNED * least):
                self.found.append(_interruption(before, [(t, one) for t, one, _ in seen[k:-1]]))
                return


def _interruption(before: U8, frames: list[tuple[int, U8]]) -> Interruption:
    start, stop = frames[0][0], frames[-1][0] + 1
    other = [t for t, one in frames if not _alike(before, one)]
    return Interruption(start, stop, other[0], other[-1] + 1) if other else Interruption(start, stop, stop, stop)


def _difference(one: U8, other: U8) -> float:
    return float(np.mean(cv2.absdiff(one, other)))


def _returned(before: U8, now: U8, most: float) -> bool:
    """Whether two frames show the same in the same light, but for a shift: they differ by less than ``most``."""
    middle, (y, x), _ = _best_shift(before, now)
    height, width = middle.shape[:2]
    return _difference(middle, now[y : y + height, x : x + width]) < most


def _alike(one: U8, other: U8) -> bool:
    """Whether two frames show the same thing, up to its light and a shift."""
    return other.std() > _FLAT and _best_shift(one, other)[2] > _ALIKE


def _best_shift(one: U8, other: U8) -> tuple[U8, tuple[int, int], float]:
    """The middle of one picture, where (y, x) the other is most like it, and the correlation there."""
    height, width = one.shape[:2]
    middle = one[height // 4 : height - height // 4, width // 4 : width - width // 4]
    _, correlation, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED))
    return middle, (y, x), correlation
