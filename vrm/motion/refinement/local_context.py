"""Local context: where the surroundings move by themselves, what lay beside such surroundings on nearby frames.

The camera says nothing of a thing or of water that moves by itself. But flow between two *filled* frames, not aligned
by the camera first, follows what is around the hole and what already fills it. What nearby frames show along it is
averaged by how well it fits the known surroundings, and mixed with the fill by how far both can be trusted. Only where
the surroundings depart from the camera's motion: on rigid ground non-local frames are right, and this is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.flow.camera import grid
from vrm.motion.flow.warp import remap
from vrm.motion.frames import (
    GUARD,
    FrameAccess,
    HolePixels,
    WorkingFrames,
    box_around,
    dilate,
    length_scale,
    mean_of_channels,
    unit,
)
from vrm.motion.fusion.expected_error import HoleBlur
from vrm.motion.layers.own_motion import OwnMotion
from vrm.motion.poisson import push_pull
from vrm.motion.result import HoleFill, Propagation
from vrm.system.threads import parallel_map
from vrm.types import U8, Array, Bool, Box, FlowEstimator, grow_box

_OFFSETS = (1, 2, 3, 4, 6, 8, 11, 16)
"""Frames before and after that are looked at."""

_MARGIN = 40
"""Known pixels around a hole that flow is estimated on (in frames 432 wide)."""

_UNSURE = 3
"""Pixels next to a hole, besides the guard, whose flow is not believed to be that of the surroundings."""

_SHARES = (0.4, 0.8)
"""Shares of surroundings that move by themselves from which on local context counts, and counts in full."""

_POWER = 4.0
"""What nearby frames show is weighted by the error it has on the surroundings, to the power of minus this."""

_PER_FRAME = np.float32(0.15 / 255)
"""Added to that error, times the square root of the distance in frames."""

_NOISE, _FILL_NOISE = 30 / 255**2, 60 / 255**2
"""Squared error that even an average of equals, and a fill that agrees with it, is expected to have."""


def refine_by_context(
    found: Propagation, shot: FrameAccess, frames: WorkingFrames, own_motion: OwnMotion, estimator: FlowEstimator
) -> None:
    """Mix the fills with what nearby frames show in such surroundings, in place.

    Args:
        frames: the working frames; their holes are filled with what was found.
        own_motion: which of their pixels move by themselves.
    """
    for t, fill in found.fills.items():
        frames.put(t, _draft(shot, frames, t, fill))
    holed = list(found.fills)

    def refined(t: int) -> HoleFill | None:
        box = box_around(frames.hole(t), round(_MARGIN * length_scale(frames.size)))
        share = _share(own_motion, t, frames.hole(t), box)
        return None if share is None else _mixed(found, shot, frames, estimator, t, box, share)

    for t, mixed in list(zip(holed, parallel_map(refined, holed), strict=True)):
        if mixed is not None:
            found.fills[t] = mixed


def _draft(shot: FrameAccess, frames: WorkingFrames, t: int, fill: HoleFill) -> U8:
    """Frame t, grey at working size, with its fill."""
    grey = np.zeros(shot.size, np.float32)
    grey.reshape(-1)[fill.index] = fill.rgb @ np.array([0.299, 0.587, 0.114], np.float32) * 255
    small = cv2.resize(grey, frames.size[::-1], interpolation=cv2.INTER_AREA) if frames.scale < 1 else grey
    hole = frames.hole(t)
    if frames.scale < 1:
        inside = cv2.resize(shot.hole(t).astype(np.float32), frames.size[::-1], interpolation=cv2.INTER_AREA)
        known = frames.grey(t) * (1 - inside)
        small = np.where(inside > 0.5, small / np.maximum(inside, 0.5), small + known)
    out = frames.grey(t).copy()
    out[hole] = np.clip(small[hole] + 0.5, 0, 255)
    return out


def _share(own_motion: OwnMotion, t: int, hole: Bool, box: Box) -> Array | None:
    """How far the surroundings of each pixel of a box move by themselves, 0..1; None where nowhere they do enough."""
    y0, x0, y1, x1 = box
    moves, known = (plane[y0:y1, x0:x1] for plane in own_motion.of(t))
    if not known.any():
        return None
    weight = known.astype(np.float32)
    around = cv2.blur(moves * weight, (15, 15)) / np.maximum(cv2.blur(weight, (15, 15)), 1e-3)
    share = push_pull(around, weight)
    counts = np.clip((share - _SHARES[0]) / (_SHARES[1] - _SHARES[0]), 0, 1)
    return counts if counts[hole[y0:y1, x0:x1]].mean() > 0.05 else None


def _mixed(
    found: Propagation,
    shot: FrameAccess,
    frames: WorkingFrames,
    estimator: FlowEstimator,
    t: int,
    box: Box,
    share: Array,
) -> HoleFill:
    fill = found.fills[t]
    pixels = HolePixels(frames, fill.index)
    rows, cols = pixels.rows - box[0], pixels.cols - box[1]
    total, square = np.zeros_like(fill.rgb), np.zeros(len(fill.index), np.float32)
    weight, doubt = np.zeros(len(fill.index), np.float32), np.zeros(len(fill.index), np.float32)
    for s, xy, error in _seen(frames, estimator, t, box):
        usable = error[rows, cols] < np.inf
        colour = np.zeros_like(fill.rgb)
        colour[usable] = _colours(shot, s, pixels.full_size(xy[rows, cols])[usable])
        w = np.where(usable, np.maximum(error[rows, cols], 1 / 255) ** -_POWER, 0).astype(np.float32)
        total += w[:, None] * colour
        square += w * mean_of_channels(np.square(colour))
        doubt += w * np.where(usable, error[rows, cols], 0)
        weight += w
    mean = total / np.maximum(weight, 1e-12)[:, None]
    # Where others show something else, the mean of them is wrong; far from the fill, one of the two is.
    variance = np.maximum(square / np.maximum(weight, 1e-12) - mean_of_channels(np.square(mean)), 0)
    differences = variance, mean_of_channels(np.square(fill.rgb - mean))
    blur, all_of_it = _hole_blur(fill.index, shot.size), np.ones(len(fill.index), np.bool_)
    spread, apart = (blur(values, all_of_it) for values in differences)
    doubt /= np.maximum(weight, 1e-12)
    ours = 1 / (0.5 * spread + np.square(doubt) + np.float32(_NOISE))
    theirs = 1 / (0.7 * np.maximum(apart - spread, 0) + np.float32(_FILL_NOISE))
    part = np.where(weight > 0, share[rows, cols] * ours / (ours + theirs), 0)[:, None]
    return replace(fill, rgb=(fill.rgb + part * (mean - fill.rgb)).astype(np.float32))


def _seen(frames: WorkingFrames, estimator: FlowEstimator, t: int, box: Box) -> Iterator[tuple[int, Array, Array]]:
    """Nearby frames, the places there of a box of frame t, and their error as continued into the hole, inf = hidden."""
    y0, x0, y1, x1 = box
    here = frames.grey(t)[y0:y1, x0:x1]
    inside = frames.hole(t)[y0:y1, x0:x1]
    hole = dilate(inside, GUARD)
    unsure = dilate(inside, GUARD + _UNSURE)
    points = grid(y1 - y0, x1 - x0)
    corner = np.array((x0, y0), np.float32)
    for s in (t + sign * far for far in _OFFSETS for sign in (-1, 1)):
        if not frames.shot.start <= s < frames.shot.stop:
            continue
        estimated = estimator(here, frames.grey(s)[y0:y1, x0:x1])
        around = push_pull(estimated, (~unsure).astype(np.float32))
        for flow in (np.where(inside[..., None], around, estimated), estimated):
            xy = points + flow + corner
            there, shown = frames.warped(s, xy)
            known = (shown & ~hole).astype(np.float32)
            difference = cv2.absdiff(here, there).astype(np.float32) / 255
            local = cv2.blur(difference * known, (15, 15)) / np.maximum(cv2.blur(known, (15, 15)), 1e-3)
            error = push_pull(local, known) + _PER_FRAME * np.float32(abs(s - t) ** 0.5)
            yield s, xy, np.where(shown, error, np.inf)


def _colours(shot: FrameAccess, t: int, xy: Array) -> Array:
    """Frame t in [0, 1] at places ``(N, 2)``; of it only the part that is needed is read."""
    if not len(xy):
        return np.zeros((0, 3), np.float32)
    low, high = np.floor(xy.min(0)).astype(int), np.ceil(xy.max(0)).astype(int)
    y0, x0, y1, x1 = grow_box((low[1], low[0], high[1] + 1, high[0] + 1), 4, shot.size)
    corner = np.array([x0, y0], np.float32)
    return remap(unit(shot.frame(t)[y0:y1, x0:x1]), xy - corner, cv2.INTER_CUBIC)


def _hole_blur(index: np.ndarray, size: tuple[int, int]) -> HoleBlur:
    hole = np.zeros(size, np.bool_)
    hole.reshape(-1)[index] = True
    y0, x0, y1, x1 = box_around(hole, 0)
    return HoleBlur(np.ascontiguousarray(hole[y0:y1, x0:x1]), 9)
