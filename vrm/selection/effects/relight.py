"""Relighting: under a shadow the ground is seen, only darker, so its own texture is kept.

frame and fill, as light -> how much darker the frame is, in windows, and the one factor that a shadow has
-> the frame divided by these -> mixed with the fill, which counts where it shows the same texture

The fill knows how bright the ground should be, the frame knows its texture. Either alone is worse.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from vrm.media.frame.frame import Frame
from vrm.motion.frames import GUARD, dilate, length_scale, odd
from vrm.selection.masks.morphology import ShapedMasks
from vrm.types import F32, Array, Bool, Masks, Patch, Pixels, grow_box

_LOCAL, _NARROW, _DETAIL, _LIKENESS = 9, 5, 11, 15
"""Windows in frames 432 wide: in which the frame's light is held against the fill's; the same for a shadow's outline;
what is smaller is detail; and in which that is compared."""

_DARK = 2e-3
"""Light (of 1) that counts as none."""
_DARKENED = -0.1
"""Log-ratio of a shadow's light at most."""
_CORE = 4
"""Pixels from a shadow's rim, in frames 432 wide, to where its factor is measured, ..."""
_DARKEST = 15
"""as this percentile: a mask is wider than its shadow."""
_REMEMBERED = 24
"""Frames whose shadow's factor is averaged: one light has one."""

_TRUSTED = 1.4, 0.6
"""The fill counts as much as its detail is like the frame's, times the first (1 at most), times the second."""
_LOST, _SEEN = -1.9, -1.5
"""Log-ratios of light at which too little of the ground is seen, and enough; where a shadow has a factor ..."""
_DARKER, _SAME = 2.2, 1.6
"""... also this many times that: where a thing touches the ground it is darkest, and no one factor holds."""
_NEIGHBOURHOOD = 12
"""Deviation of the Gaussian window, in pixels of frames 432 wide, that tells how rough the ground is, ..."""
_SMOOTH, _ROUGH = 0.2, 0.35
"""from detail of this deviation in log-light, where the fill is all, up to this, where the frame counts in full."""
_NEAR = 5
"""Pixels from the thing, in frames 432 wide, over which the fill gives way to the frame."""


class Relighting:
    """Gives fills of a video's frames, one after another, the ground's own texture where a shadow lay on it.

    Args:
        masks: what is removed, with its effects.
        shadows: those that are shadows; a reflection would come back with the ground's texture.
        shots: ``(start, stop)``; each has a light of its own.
    """

    def __init__(self, masks: ShapedMasks, shadows: Masks, shots: list[tuple[int, int]]) -> None:
        self._masks, self._shadows = masks, shadows
        self._starts = {start for start, _ in shots}
        self._factors: list[F32] = []
        self._scale = length_scale(shadows.size)

    def __call__(self, frame: Frame, patch: Patch) -> Patch:
        """The patch with what the frame shows of the ground; the same patch where there is no shadow."""
        t = frame.index
        if t in self._starts:
            self._factors.clear()
        box = self._shadows.box(t)
        if box is None:
            return patch
        around = grow_box(box, odd(2 * _NEIGHBOURHOOD * self._scale), self._shadows.size)
        y0, x0, y1, x1 = common(around, patch.box)
        if y0 >= y1 or x0 >= x1:
            return patch
        py, px = y0 - patch.box[0], x0 - patch.box[1]
        part, inside = (slice(y0, y1), slice(x0, x1)), (slice(py, py + y1 - y0), slice(px, px + x1 - x0))
        shown, hole = as_light(frame.rgb()[part]), self._masks.holes[t][part]
        most = self._share(t, part) * hole * self._textured(shown, ~hole)
        ground = most > 0
        rgb = patch.rgb.copy()
        mixed = self._mixed(shown, as_light(patch.rgb[inside]), most)
        rgb[inside][ground] = _pixels(mixed[ground], rgb.dtype)
        return Patch(patch.box, rgb)

    def _share(self, t: int, part: tuple[slice, slice]) -> F32:
        """How much the frame may count at each pixel, 0..1: where nothing but a shadow alters the ground."""
        shadow, grow = self._shadows[t][part], self._masks.grow
        away = _distance(self._masks.objects[t][part] & ~shadow) - (grow + GUARD)
        return np.asarray(np.clip(away / (_NEAR * self._scale), 0, 1) * (_distance(shadow) <= grow), np.float32)

    def _textured(self, shown: F32, around: Bool) -> F32:
        """How rough the ground around is, 0..1, ``(h, w)``: on a smooth one a shadow's rim would be seen."""
        weight = around.astype(np.float32)
        log = np.log(shown.mean(-1) + _DARK)
        power = (log - _mean(log, weight, odd(_DETAIL * self._scale))) ** 2 * weight
        near = _NEIGHBOURHOOD * self._scale
        mean = cv2.GaussianBlur(power, (0, 0), near) / (cv2.GaussianBlur(weight, (0, 0), near) + 1e-3)
        return np.asarray(np.clip((np.sqrt(mean) - _SMOOTH) / (_ROUGH - _SMOOTH), 0, 1), np.float32)

    def _mixed(self, shown: F32, filled: F32, most: F32) -> F32:
        """The ground's light, float32 ``(h, w, 3)``; of use where ``most``, the share of the frame, is above 0."""
        weight = (most > 0).astype(np.float32)
        local, narrow, detail, likeness = (odd(side * self._scale) for side in (_LOCAL, _NARROW, _DETAIL, _LIKENESS))
        ratio = _ratio(shown, filled, weight, local)
        edge = _ratio(shown, filled, weight, narrow)
        factor = self._factor(edge, most > 0)
        if factor is None:
            return filled
        one = 0.5 * ratio + 0.5 * _outline(edge, factor, weight, 2 * self._scale) * factor
        lost, seen = (max(least, times * float(factor.mean())) for least, times in ((_LOST, _DARKER), (_SEEN, _SAME)))
        relit = shown * np.exp(-one)
        alike = np.minimum(1, _TRUSTED[0] * _alike(shown, filled, weight, detail, likeness))
        plain = np.clip((edge.mean(-1) - lost) / (seen - lost), 0, 1)
        share = most * plain * (1 - _TRUSTED[1] * alike)
        return np.asarray(filled + share[..., None] * (relit - filled), np.float32)

    def _factor(self, edge: F32, ground: Bool) -> F32 | None:
        """The log-factor of the shadow for each channel, None where most of it did not get darker."""
        core = edge[~dilate(~ground, round(_CORE * self._scale))]
        dark = core[(core < _DARKENED).all(-1)]
        if 2 * len(dark) <= len(core):
            return None
        self._factors = [*self._factors[1 - _REMEMBERED :], np.percentile(dark, _DARKEST, 0).astype(np.float32)]
        return np.asarray(np.mean(self._factors, 0), np.float32)


def _distance(mask: Bool) -> F32:
    """Distance to the nearest True pixel, far where there is none, ``(h, w)``."""
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away, np.float32)


def _outline(ratio: F32, factor: F32, weight: F32, soft: float) -> F32:
    """How much of a shadow's factor holds at each pixel, 0..1, ``(h, w, 1)``."""
    share = np.clip(ratio.mean(-1) / factor.mean(), 0, 1)
    smooth = cv2.GaussianBlur(share * weight, (0, 0), soft) / (cv2.GaussianBlur(weight, (0, 0), soft) + 1e-3)
    return np.asarray(np.clip(1.6 * (smooth - 0.5) + 0.5, 0, 1)[..., None], np.float32)


def _ratio(one: F32, other: F32, weight: F32, side: int) -> F32:
    """The logarithm of one light over the other, each the mean over a window, ``(h, w, 3)``."""
    here, there = (_mean(light, weight, side) + _DARK for light in (one, other))
    return np.asarray(np.log(here / there), np.float32)


def _mean(values: Array, weight: F32, side: int) -> F32:
    """The mean over windows of ``side`` pixels of what has weight."""
    total = cv2.boxFilter(weight, -1, (side, side)) + 1e-3
    if values.ndim == 2:
        return np.asarray(cv2.boxFilter(values * weight, -1, (side, side)) / total, np.float32)
    return np.asarray(cv2.boxFilter(values * weight[..., None], -1, (side, side)) / total[..., None], np.float32)


def _alike(one: F32, other: F32, weight: F32, detail: int, side: int) -> F32:
    """Correlation of the detail of two pictures in windows, negative as 0, ``(h, w)``."""
    logs = [np.log(light.mean(-1) + _DARK) for light in (one, other)]
    first, second = (values - _mean(values, weight, detail) for values in logs)
    power = _mean(first**2, weight, side) * _mean(second**2, weight, side)
    return np.asarray(np.clip(_mean(first * second, weight, side) / np.sqrt(power + 1e-6), 0, 1), np.float32)


def as_light(rgb: Array) -> F32:
    """Pixels of any depth as about their light, 0..1: what counts is that a factor is one everywhere."""
    return np.asarray((rgb / np.float32(np.iinfo(rgb.dtype).max)) ** np.float32(2.2), np.float32)


def from_light(light: F32) -> F32:
    """Light as pixel values 0..1."""
    return np.asarray(np.clip(light, 0, 1) ** np.float32(1 / 2.2), np.float32)


def _pixels(light: F32, dtype: np.dtype[Any]) -> Pixels:
    pixels: Pixels = np.rint(from_light(light) * np.iinfo(dtype).max).astype(dtype)
    return pixels


def common(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    (a, b, c, d), (e, f, g, h) = one, other
    return max(a, e), max(b, f), min(c, g), min(d, h)
