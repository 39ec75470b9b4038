"""What the ground's motion explains over several frames, and what it does not: for a second look at an outline.

    the ground's flow, continued under the outline, is chained from a frame to those around it
    -> each of these, brought back along the chain, shows every pixel as it would be if it were ground
    -> what looks the same there is ground; what does not, although nothing covers it there, is the thing

Between two frames a thing often moves too little to be told from the flow's own errors; over eight it rarely does.
What is only darker than it would be as ground may be a shadow, and counts neither way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.flow.completion import complete
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.flow.warp import sampled
from vrm.selection.prompts.graph_cut import smooth_lab
from vrm.selection.tracking.features import shrink
from vrm.types import F32, U8, Bool, Box, Pixels

REACH = 8
"""Frames on either side that are looked at."""
_NOISE = 0.3
"""Differences of Lab, in units of ten, that mean nothing; besides, as much as this share of the local slope:"""
_SLOPE = 0.7
_LEAST = 0.6
"""A difference in those units from which on something is not explained, if the ground around differs less ..."""
_UNEVEN = 1.5
"""... and else this many times what 70% of the ground around the box stay below."""
_STEEP = 1.5
"""Log odds for a difference e times as large."""
_MOST, _EXPLAINED = 1.5, 0.5
"""Log odds of one frame, at most, for the thing and for the ground: some places look alike by chance."""
_TELLING = 0.3
"""A place tells ground from thing fully if the slope there, times how far the two moved apart, is this much."""
_MARGIN = 5
"""Pixels around the outline, at tracking size, of which it is not said what they are."""

_PACE = 0.5
"""What moves at least this share of how the thing moves, against the ground, may be part of it."""


@dataclass(frozen=True)
class GroundEvidence:
    """Log odds at tracking size, float32 ``(h, w)``.

    Attributes:
        thing: 0 or more: how surely a pixel is not what the ground would show there.
        ground: 0 or less: how surely it is.
    """

    thing: F32
    ground: F32


@dataclass(frozen=True)
class _Step:
    """Another frame, brought back along the ground's motion.

    Attributes:
        rgb: uint8 ``(h, w, 3)``.
        open: bool ``(h, w)``: the place is in the picture there, and the thing does not cover it.
        apart: pixels that thing and ground have moved apart.
    """

    rgb: U8
    open: Bool
    apart: float


def ground_evidence(
    frame: Callable[[int], Pixels], t: int, box: Box, mask: Bool, span: tuple[int, int]
) -> GroundEvidence | None:
    """What the frames around say about every pixel of frame t; None where they say nothing.

    Args:
        frame: gives frame n of the video, uint8 or uint16 RGB ``(H, W, 3)``; asked for up to ``REACH`` on both sides.
        t: the frame.
        box: around the thing: what is near, but outside, is ground.
        mask: the thing as far as it is known, ``(H, W)``.
        span: ``(start, stop)`` of the shot.
    """
    now = shrink(frame(t))
    look = _Look(now)
    around = _around(box, mask.shape[0], (now.shape[0], now.shape[1]))
    thing, ground, count = (np.zeros(now.shape[:2], np.float32) for _ in range(3))
    for step in _steps(frame, t, mask, _filled(box, mask.shape), span):
        difference, beside_shade = look.differences(step.rgb)
        known = around & step.open
        if int(known.sum()) < 50:
            continue
        least = max(_LEAST, _UNEVEN * float(np.percentile(difference[known], 70)))
        odds, unshaded = (_STEEP * np.log((d + 0.1) / least) for d in (difference, beside_shade))
        rise = np.clip(np.minimum(odds, unshaded), 0, _MOST)
        fall = np.clip(odds, -_EXPLAINED, 0) * np.clip(look.slope * step.apart / _TELLING, 0.1, 1)
        counts = step.open & ~((odds > 0) & (rise < 0.2))
        thing += rise * counts
        ground += fall * counts
        count += counts
    if not count.any():
        return None
    total = np.sqrt(np.maximum(count, 1))  # neighbouring frames err alike
    return GroundEvidence(np.asarray(thing / total, np.float32), np.asarray(ground / total, np.float32))


class _Look:
    """What a picture looks like, to be compared."""

    def __init__(self, rgb: U8) -> None:
        self._lab, self._blurred = smooth_lab(rgb), _blurred(rgb)
        across, down = (cv2.Sobel(self._lab, cv2.CV_32F, a, 1 - a, scale=1 / 8) for a in (1, 0))
        slope = np.sqrt((across**2 + down**2).sum(2))
        self.slope = np.asarray(cv2.dilate(slope, np.ones((3, 3))), np.float32)

    def differences(self, other: U8) -> tuple[F32, F32]:
        """How much another picture differs, in units of noise; the second if it may be darkened to match first."""
        blurred = _blurred(other)
        match = cv2.blur((self._blurred * blurred).sum(2), (9, 9)) / (cv2.blur((blurred**2).sum(2), (9, 9)) + 1)
        shaded = np.clip(other * np.clip(match, 0.3, 1)[..., None], 0, 255).astype(np.uint8)
        noise = _NOISE + _SLOPE * self.slope
        one, two = (np.linalg.norm(self._lab - smooth_lab(x), axis=2) / noise for x in (other, shaded))
        return tuple(np.asarray(cv2.GaussianBlur(d, (0, 0), 1), np.float32) for d in (one, two))  # type: ignore[return-value]


def _steps(frame: Callable[[int], Pixels], t: int, mask: Bool, box: Bool, span: tuple[int, int]) -> Iterator[_Step]:
    """The frames after t, then those before. The thing lies in the box, as far as it is in the mask or not."""
    dis = DisFlow()
    now = shrink(frame(t))
    size = (now.shape[1], now.shape[0])

    def small(plane: Bool) -> F32:
        return np.asarray(cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)

    for way in (1, -1):
        before, apart = now, 0.0
        soft, around = small(mask), small(box)
        total = np.zeros((*now.shape[:2], 2), np.float32)
        for n in range(t + way, t + way * (REACH + 1), way):
            if not span[0] <= n < span[1]:
                break
            after = shrink(frame(n))
            forth, back = (np.asarray(dis(a, b), np.float32) for a, b in _both_ways(before, after))
            hole = _moving(forth, soft, around)
            if hole.all():
                break
            ground = np.asarray(complete(forth, hole, 2), np.float32)
            total = np.asarray(total + sampled(ground, total), np.float32)
            if int((soft > 0.5).sum()) > 20:
                apart += float(np.median(np.linalg.norm(forth - ground, axis=2)[soft > 0.5]))
            soft, around, before = sampled(soft, back), sampled(around, back), after
            covered = sampled(_widened(soft > 0.3).astype(np.float32), total) >= 0.3
            rgb = np.clip(sampled(after.astype(np.float32), total), 0, 255).astype(np.uint8)
            yield _Step(rgb, _in_picture(total) & ~covered, apart)


def _moving(flow: F32, soft: F32, around: F32) -> Bool:
    """Where a flow is not the ground's: at the thing, and where the box moves about as fast against what is around it.

    Else what is missing from the mask would be explained by its own motion.
    """
    hole, inside = _widened(soft > 0.3), around > 0.3
    certain = soft > 0.5
    if (hole | inside).all() or int(certain.sum()) <= 20:
        return hole
    own = np.linalg.norm(flow - complete(flow, hole | inside, 2), axis=2)
    fast = own > max(1.0, _PACE * float(np.median(own[certain])))
    return hole | (cv2.dilate((fast & inside).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _both_ways(one: U8, other: U8) -> tuple[tuple[U8, U8], tuple[U8, U8]]:
    first, second = (np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8) for rgb in (one, other))
    return (first, second), (second, first)


def _filled(box: Box, size: tuple[int, ...]) -> Bool:
    out = np.zeros((size[0], size[1]), np.bool_)
    out[box[0] : box[2], box[1] : box[3]] = True
    return out


def _around(box: Box, height: int, size: tuple[int, int]) -> Bool:
    """A ring around the box, at tracking size."""
    y0, x0, y1, x1 = (round(v * size[0] / height) for v in box)
    inside = np.zeros(size, np.uint8)
    inside[y0:y1, x0:x1] = 1
    near, far = (cv2.dilate(inside, np.ones((n, n), np.uint8)) for n in (5, 49))
    return np.asarray((far > 0) & (near == 0))


def _widened(mask: Bool) -> Bool:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((_MARGIN, _MARGIN), np.uint8)) > 0)


def _in_picture(flow: F32) -> Bool:
    """Where a flow leads to places in the picture."""
    height, width = flow.shape[:2]
    xs = np.arange(width, dtype=np.float32) + flow[..., 0]
    ys = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return np.asarray((xs >= 0) & (xs <= width - 1) & (ys >= 0) & (ys <= height - 1))


def _blurred(rgb: U8) -> F32:
    return np.asarray(cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), 0.8), np.float32)
