"""Frames in one light: where it jumps from one frame to the next (a flash, a strobe), gain and offset are taken out.

Flow takes a pixel to keep its brightness, and a colour from another frame is put in as it is. A fade changes so little
between neighbours that blending with the surroundings makes up for it; a flash does not. So a frame whose light jumps
is worked on as it would look in the light of the others, and what fills it is put into its own light in the end.
Frames without a jump are left exactly as they are.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import cv2
import numpy as np

from vrm.motion.frames import FrameAccess, alignment_box, unit
from vrm.motion.fusion.candidate import Correspondences
from vrm.types import Array, Bool, Pixels

_SIDE = 96
"""Longer side of the pictures that light is compared on."""
_JUMP = 0.04
"""Median change of the known pixels (of 1) from which the light may have jumped."""
_EXPLAINED = 0.5
"""Gain and offset explain it if they leave at most this share of that change."""
_ALIKE = 0.5
"""Correlation, at the best shift, below which two pictures show something else."""
_GAINS = (0.1, 10.0)
_DOUBT = 0.7
"""Added to the logarithm of the expected error of what is taken from a frame in another light; more where contrast is
less there."""
_QUANTILES = np.linspace(0.04, 0.96, 47)
_LEAST_QUANTILES = 10
_DARKEST, _LIGHTEST = 0.02, (0.8, 0.98)
"""Values (of 1) beyond these do not count: they may be the mean of some that are cut off at black or white. Where too
few are left, the lighter limit holds."""
_FEWEST = 100
"""Known pixels around a hole that are enough for a fit; where there are fewer, all of the picture counts."""
_RECENT = 12
"""Frames back to one without a jump that a frame after a jump is compared to; else to its neighbour."""


@dataclass(frozen=True)
class Exposure:
    """``gain * x + offset`` is what a frame shows of x, float32 ``(3,)`` each, of values in [0, 1]."""

    gain: Array
    offset: Array

    def after(self, before: Exposure | None) -> Exposure:
        """This relation to a frame that has itself the exposure ``before``."""
        if before is None:
            return self
        return Exposure(self.gain * before.gain, self.gain * before.offset + self.offset)


@dataclass(frozen=True)
class _Look:
    """A small picture, float32 ``(h, w, 3)`` in [0, 1]; what of it is known, and is near the hole, bool ``(h, w)``."""

    rgb: Array
    known: Bool
    near: Bool


class EvenExposure:
    """A shot in the usual light of a ``window``; a ``FrameAccess`` itself. May be asked from several threads."""

    def __init__(self, shot: FrameAccess, window: range) -> None:
        self.start, self.stop, self.size = shot.start, shot.stop, shot.size
        self._shot, self._window = shot, window
        self._looks: dict[int, _Look] = {}
        # The median frame; of as many bright as dark ones a dark one: in its light nothing of the others is cut off.
        reference = sorted(window, key=lambda t: float(self._look(t).rgb.mean()))[(len(window) - 1) // 2]
        self._found: dict[int, Exposure | None] = {reference: None}
        self._first = self._last = reference
        self._plain = {1: reference, -1: reference}  # the latest frame without a jump, by the direction of the search
        self._lock = threading.Lock()
        self._frame = lru_cache(maxsize=4)(lambda t: self.evened(t, shot.frame(t)))

    def frame(self, t: int) -> Pixels:
        return self._frame(t) if self.exposure(t) is not None else self._shot.frame(t)

    def hole(self, t: int) -> Bool:
        return self._shot.hole(t)

    def evened(self, t: int, pixels: Pixels) -> Pixels:
        """Pixels ``(..., 3)`` of frame t in the usual light."""
        light = self.exposure(t)
        if light is None:
            return pixels
        top = np.iinfo(pixels.dtype).max
        even = (unit(pixels) - light.offset) / light.gain
        return cast(Pixels, np.clip(even * np.float32(top) + 0.5, 0, top).astype(pixels.dtype))

    def restored(self, t: int, rgb: Array) -> Array:
        """Colours ``(..., 3)`` in the usual light, in [0, 1], in that of frame t."""
        light = self.exposure(t)
        return rgb if light is None else np.clip(light.gain * rgb + light.offset, 0, 1).astype(np.float32)

    def doubted(self, found: Correspondences) -> Correspondences:
        """The same, with a penalty where the source is in another light: what is dark or cut off there is lost."""
        penalty = np.zeros(len(found.source), np.float32)
        for s in np.unique(found.source[found.source >= 0]):
            light = self.exposure(int(s))
            if light is not None:
                penalty[found.source == s] = _DOUBT + max(0.0, -float(np.log(light.gain.mean())))
        return replace(found, penalty=found.penalty + penalty) if penalty.any() else found

    def exposure(self, t: int) -> Exposure | None:
        """Frame t's exposure against the usual light; None where it is the same."""
        with self._lock:
            while self._last < t:
                self._last += 1
                self._found[self._last] = self._next(self._last, 1)
            while self._first > t:
                self._first -= 1
                self._found[self._first] = self._next(self._first, -1)
            return self._found[t]

    def _next(self, t: int, way: int) -> Exposure | None:
        before, plain = t - way, self._plain[way]
        here, there = self._look(t), self._look(before)
        found = self._found[before]
        if _jumped(there, here):
            recent = found is None or abs(t - plain) > _RECENT
            other = before if recent else plain
            found = _relation(self._look(other), here)
            if found is not None:
                found = found.after(self._found[other])
        if found is None:
            self._plain[way] = t
        kept = {self._first, self._last, *self._plain.values()}
        self._looks = {n: look for n, look in self._looks.items() if n in kept or n in self._window}
        return found

    def _look(self, t: int) -> _Look:
        if t not in self._looks:
            height, width = self.size
            scale = min(1.0, _SIDE / max(height, width))
            h, w = max(8, round(height * scale)), max(8, round(width * scale))
            rgb = unit(cast(Pixels, cv2.resize(self._shot.frame(t), (w, h), interpolation=cv2.INTER_AREA)))
            hole = self._shot.hole(t)
            known = cv2.resize(hole.view(np.uint8), (w, h), interpolation=cv2.INTER_AREA) == 0
            if known.any():
                rgb[~known] = rgb[known].mean(0)  # what the object shows must not count where pictures are compared
            near, box = np.ones((h, w), np.bool_), alignment_box(hole)
            if box is not None:
                near[:] = False
                y0, x0, y1, x1 = (round(edge * scale) for edge in box)
                near[y0:y1, x0:x1] = True
            self._looks[t] = _Look(rgb, known, near)
        return self._looks[t]


def _jumped(one: _Look, other: _Look) -> bool:
    return _median(one.rgb - other.rgb, one.known & other.known) > _JUMP


def _relation(one: _Look, other: _Look) -> Exposure | None:
    """Gain and offset from one picture to another, where they explain the change; the camera may have moved."""
    first, known, near = _shifted(one, other)
    known = known & other.known
    if np.count_nonzero(known) < _FEWEST or _correlation(first[known], other.rgb[known]) < _ALIKE:
        return None
    change = _median(first - other.rgb, known)
    if change <= _JUMP:
        return None
    around = known & (near | other.near)
    for where in (around, known):
        if np.count_nonzero(where) < _FEWEST:
            continue
        found = _fit(first[where], other.rgb[where])
        if found is not None:
            left = _median(found.gain * first + found.offset - other.rgb, where)
            if left < _EXPLAINED * change:
                return found
    return None


def _shifted(one: _Look, other: _Look) -> tuple[Array, Bool, Bool]:
    """The one picture, what is known of it and where light counts, moved to where the other shows the same."""
    h, w = one.known.shape
    first, second = (cv2.cvtColor(look.rgb, cv2.COLOR_RGB2GRAY) for look in (one, other))
    top, left = h // 8, w // 8
    match = cv2.matchTemplate(second, first[top : h - top, left : w - left], cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(match)
    move = np.array([[1, 0, x - left], [0, 1, y - top]], np.float32)

    def moved(image: Array) -> Array:
        return cv2.warpAffine(image, move, (w, h), flags=cv2.INTER_NEAREST, borderValue=0)

    return moved(one.rgb), moved(one.known.view(np.uint8)) > 0, moved(one.near.view(np.uint8)) > 0


def _fit(one: Array, other: Array) -> Exposure | None:
    """The line that takes the quantiles of one set of colours ``(N, 3)`` to another's, by channel.

    Quantiles do not ask which pixel became which; those at which either may be cut off at black or white do not count.
    """
    gain, offset = np.ones(3, np.float32), np.zeros(3, np.float32)
    for c in range(3):
        x, y = (np.quantile(values[:, c], _QUANTILES) for values in (one, other))
        for lightest in _LIGHTEST:
            inside = (np.minimum(x, y) > _DARKEST) & (np.maximum(x, y) < lightest)
            if np.count_nonzero(inside) >= _LEAST_QUANTILES and np.ptp(x[inside]) > _DARKEST:
                break
        else:
            return None
        gain[c], offset[c] = np.polyfit(x[inside], y[inside], 1)
    return Exposure(gain, offset) if (gain > _GAINS[0]).all() and (gain < _GAINS[1]).all() else None


def _correlation(one: Array, other: Array) -> float:
    one, other = one.mean(-1), other.mean(-1)
    return float(np.mean((one - one.mean()) * (other - other.mean())) / max(1e-6, float(one.std() * other.std())))


def _median(difference: Array, where: Bool) -> float:
    return float(np.median(np.abs(difference[where]).mean(-1))) if where.any() else 0.0
