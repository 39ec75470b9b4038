"""What the background's motion explains over several frames, and what it does not: evidence for a second cut.

    the background's flow, continued under the mask, is chained from a frame to those around it
    -> each of these, warped back along the chain, shows every pixel as it would be if it were background
    -> what looks the same is background; what does not, although nothing covers it there, is the object

Between two frames an object often moves too little to be told from the flow's own errors; over eight it rarely does.
What is only darker than it would be as background may be a shadow, and counts neither way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from vrm.motion.flow.completion import complete
from vrm.motion.flow.warp import sampled
from vrm.selection.prompts.graph_cut import smooth_lab
from vrm.selection.prompts.recent_flows import recent_flow
from vrm.selection.tracking.features import GetFrame, blurred, shrink, small_grey
from vrm.system.threads import parallel_map
from vrm.types import F32, U8, Bool, Box, grow_box

REACH = 8
"""Frames on either side that are looked at."""
_NOISE, _SLOPE = 0.3, 0.7
"""Differences in Lab, in units of ten, mean nothing up to ``_NOISE`` plus ``_SLOPE`` times the local slope."""
_LEAST = 0.6
"""A difference in units of that noise is unexplained from here on, and ..."""
_UNEVEN = 1.5
"""... from this many times the 70th percentile of the background around the box on."""
_STEEP = 1.5
"""Log odds for a difference e times as large."""
_MOST_FOREGROUND, _MOST_BACKGROUND = 1.5, 0.5
"""Log odds of one frame are cut off here: some places look like background by chance."""
_TELLING = 0.3
"""A place tells background from object fully if its slope times their relative displacement is this much."""
_MARGIN = 5
"""Side of the square by which the mask is dilated, at tracking size: what lies there is left open."""
_BESIDE, _WIDELY = 40, 0.4
"""Around the box so many pixels, at tracking size, and this share of its longer side are compared: more than the crop
that is cut (``vrm.selection.prompts.box``) and the ring that shows the background, and what blurring mixes in."""
_PACE = 0.5
"""What moves, against the background, at least at this share of the object's pace may be part of it."""


@dataclass(frozen=True)
class MotionEvidence:
    """Log odds at tracking size, float32 ``(h, w)``: foreground is 0 or more, background 0 or less.

    Far from the box both are 0.
    """

    foreground: F32
    background: F32


@dataclass(frozen=True)
class _WarpedFrame:
    """Another frame, warped back along the background's motion.

    It is visible in places that are in the picture there and that the object does not cover. Its displacement is the
    pixels that object and background have moved against each other.
    """

    rgb: U8
    visible: Bool
    displacement: float


def background_evidence(frame: GetFrame, t: int, box: Box, mask: Bool, span: tuple[int, int]) -> MotionEvidence | None:
    """What up to ``REACH`` frames of the shot on both sides say about every pixel of frame t; None: they say nothing.

    What is near the box, but outside, is background. The mask is the object as far as it is known.
    """
    now = shrink(frame(t))
    size = now.shape[0], now.shape[1]
    window = _window(box, mask.shape[0], size)
    part = np.s_[window[0] : window[2], window[1] : window[3]]
    here = _Appearance(np.ascontiguousarray(now[part]))
    around = _ring(box, mask.shape[0], size)[part]
    foreground, background, count = (np.zeros(size, np.float32) for _ in range(3))
    warped_frames = _warped_frames(frame, t, mask, box, span, window)
    differences = parallel_map(lambda warped: here.differences(warped.rgb), warped_frames)
    for warped, (difference, beside_shade) in zip(warped_frames, differences, strict=True):
        known = around & warped.visible
        if int(known.sum()) < 50:
            continue
        least = max(_LEAST, _UNEVEN * float(np.percentile(difference[known], 70)))
        odds, unshaded = (_STEEP * np.log((d + 0.1) / least) for d in (difference, beside_shade))
        rise = np.clip(np.minimum(odds, unshaded), 0, _MOST_FOREGROUND)
        telling = np.clip(here.slope * warped.displacement / _TELLING, 0.1, 1)
        fall = np.clip(odds, -_MOST_BACKGROUND, 0) * telling
        counts = warped.visible & ~((odds > 0) & (rise < 0.2))
        foreground[part] += rise * counts
        background[part] += fall * counts
        count[part] += counts
    if not count.any():
        return None
    total = np.sqrt(np.maximum(count, 1))  # not the count: neighbouring frames err alike
    return MotionEvidence(np.asarray(foreground / total, np.float32), np.asarray(background / total, np.float32))


class _Appearance:
    """A picture, prepared to be compared with others."""

    def __init__(self, rgb: U8) -> None:
        self._lab, self._blurred = smooth_lab(rgb), blurred(rgb.astype(np.float32), 0.8)
        across, down = (cv2.Sobel(self._lab, cv2.CV_32F, a, 1 - a, scale=1 / 8) for a in (1, 0))
        slope = np.sqrt((across**2 + down**2).sum(2))
        self.slope = np.asarray(cv2.dilate(slope, np.ones((3, 3))), np.float32)

    def differences(self, other: U8) -> tuple[F32, F32]:
        """How much another picture differs, in units of noise: as it is, and darkened to match where that helps."""
        soft = blurred(other.astype(np.float32), 0.8)
        match = cv2.blur((self._blurred * soft).sum(2), (9, 9)) / (cv2.blur((soft**2).sum(2), (9, 9)) + 1)
        shaded = np.clip(other * np.clip(match, 0.3, 1)[..., None], 0, 255).astype(np.uint8)
        noise = _NOISE + _SLOPE * self.slope
        plain, beside_shade = (np.linalg.norm(self._lab - smooth_lab(x), axis=2) / noise for x in (other, shaded))
        return blurred(plain, 1), blurred(beside_shade, 1)


def prepare_evidence(frame: GetFrame, t: int, span: tuple[int, int]) -> None:
    """Estimate the flows that boxes on frame t will ask for, as long as they are remembered (``recent_flows``)."""
    for step in (1, -1):
        greys = [small_grey(frame(n)) for n in range(t, t + step * (REACH + 1), step) if span[0] <= n < span[1]]
        for near, far in pairwise(greys):
            recent_flow(near, far)
            recent_flow(far, near)


def _warped_frames(
    frame: GetFrame, t: int, mask: Bool, box: Box, span: tuple[int, int], window: Box
) -> list[_WarpedFrame]:
    """The frames after t, then those before. The object lies in the box, as far as it is in the mask or not."""
    now = shrink(frame(t))

    def small(plane: Bool) -> F32:
        return np.asarray(cv2.resize(plane.astype(np.float32), now.shape[1::-1], interpolation=cv2.INTER_AREA))

    soft, around = small(mask), small(filled(box, mask.shape))
    after = [shrink(frame(n)) for n in range(t + 1, min(t + REACH + 1, span[1]))]
    before = [shrink(frame(n)) for n in range(t - 1, max(t - REACH - 1, span[0] - 1), -1)]
    return [warped for others in (after, before) for warped in _warped_back(now, others, soft, around, window)]


def _warped_back(now: U8, others: list[U8], soft: F32, around: F32, window: Box) -> Iterator[_WarpedFrame]:
    """Frames that follow one another away from this one, each warped back along the chain, as long as there is one.

    ``soft`` and ``around``, float32 ``(h, w)`` in [0, 1], are the object as far as it is known, and the box. Only the
    window of this frame is looked at.
    """
    greys = [small_grey(rgb) for rgb in (now, *others)]
    forth = list(parallel_map(lambda k: recent_flow(greys[k], greys[k + 1]), range(len(others))))
    back = parallel_map(lambda k: recent_flow(greys[k + 1], greys[k]), range(len(others)))
    softs, arounds = [soft], [around]
    for flow in back:
        softs.append(sampled(softs[-1], flow))
        arounds.append(sampled(arounds[-1], flow))

    def background(k: int) -> F32 | None:
        hole = _not_background(forth[k], softs[k], arounds[k])
        return None if hole.all() else np.asarray(complete(forth[k], hole, 2), np.float32)

    # From a pixel of the window to where it is in the other frame.
    total = np.full((window[2] - window[0], window[3] - window[1], 2), window[1::-1], np.float32)
    displacement = 0.0
    for k, flow_there in enumerate(parallel_map(background, range(len(others)))):
        if flow_there is None:
            return
        total = np.asarray(total + sampled(flow_there, total), np.float32)
        certain = softs[k] > 0.5
        if int(certain.sum()) > 20:
            displacement += float(np.median(np.linalg.norm(forth[k][certain] - flow_there[certain], axis=1)))
        covered = sampled(_widened(softs[k + 1] > 0.3).astype(np.float32), total) >= 0.3
        warped = np.clip(sampled(others[k].astype(np.float32), total), 0, 255).astype(np.uint8)
        yield _WarpedFrame(warped, _in_picture(total, soft.shape) & ~covered, displacement)


def _not_background(flow: F32, soft: F32, around: F32) -> Bool:
    """Where a flow is not the background's: at the object, and where the box holds what moves about as fast as it.

    Else what is missing from the mask would be explained by its own motion.
    """
    hole, inside = _widened(soft > 0.3), around > 0.3
    certain = soft > 0.5
    if (hole | inside).all() or int(certain.sum()) <= 20:
        return hole
    own = np.linalg.norm(flow - complete(flow, hole | inside, 2), axis=2)
    fast = own > max(1.0, _PACE * float(np.median(own[certain])))
    return hole | (cv2.dilate((fast & inside).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def filled(box: Box, size: tuple[int, ...]) -> Bool:
    out = np.zeros(size, np.bool_)
    out[box[0] : box[2], box[1] : box[3]] = True
    return out


def _ring(box: Box, height: int, size: tuple[int, int]) -> Bool:
    inside = filled(_small_box(box, height, size), size).astype(np.uint8)
    near, far = (cv2.dilate(inside, np.ones((n, n), np.uint8)) for n in (5, 49))
    return np.asarray((far > 0) & (near == 0))


def _window(box: Box, height: int, size: tuple[int, int]) -> Box:
    y0, x0, y1, x1 = small = _small_box(box, height, size)
    return grow_box(small, _BESIDE + round(_WIDELY * max(y1 - y0, x1 - x0)), size)


def _small_box(box: Box, height: int, size: tuple[int, int]) -> Box:
    """A box of a frame of this height, at tracking size."""
    y0, x0, y1, x1 = (round(v * size[0] / height) for v in box)
    return y0, x0, y1, x1


def _widened(mask: Bool) -> Bool:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((_MARGIN, _MARGIN), np.uint8)) > 0)


def _in_picture(flow: F32, size: tuple[int, ...]) -> Bool:
    """Whether a flow leads into a picture of this size."""
    height, width = flow.shape[:2]
    xs = np.arange(width, dtype=np.float32) + flow[..., 0]
    ys = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    return np.asarray((xs >= 0) & (xs <= size[1] - 1) & (ys >= 0) & (ys <= size[0] - 1))
