"""Trajectories from both sides, made to meet: what one side shows must be where the other side shows it.

Flow inside a hole is only as good as its completion from the surroundings. A thing that moves by itself behind the hole
drifts away along such flow, further with every frame, and the two sides then show it in two places. If both sides see
it, the way between the two places is known, and so is where on it the frame lies: as far along as it is between the
two sources. The trails, not the colours, are moved there, so that each colour is still sampled once.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.flow.estimators import FlowEstimator
from vrm.motion.frames import WorkingFrames
from vrm.motion.poisson import Array
from vrm.motion.trajectories.trajectory import Trail, remap
from vrm.types import Bool, grow_box

_AROUND = 24
"""Known pixels around the hole that both pictures share: they hold the flow between them at zero there."""

_TURNS = 3
"""Steps of the fixed-point search for the place that moves to a given pixel."""

_WINDOW = 9
"""Two pictures agree or not over so many pixels."""


def meet(
    frames: WorkingFrames, t: int, backward: Trail, forward: Trail, bound: float, estimator: FlowEstimator
) -> tuple[Trail, Trail]:
    """Move both trails of frame t to the place in between, where that makes them agree better.

    Args:
        frames: the working frames, filled.
        t: the frame, of which both trails are.
        backward, forward: its trails, of the same box.
        bound: chains of more drift than this are not looked at.
        estimator: flow between the pictures that the two sides give.

    Returns:
        The two trails; the ones given where nothing is to be gained.
    """
    ours, theirs = (_valid(trail, bound) for trail in (backward, forward))
    if not (ours & theirs).any():
        return backward, forward
    y0, x0, y1, x1 = grow_box(backward.box, _AROUND, frames.size)
    at = np.s_[backward.box[0] - y0 : backward.box[2] - y0, backward.box[1] - x0 : backward.box[3] - x0]
    base = frames.grey(t)[y0:y1, x0:x1]
    one, other = base.copy(), base.copy()
    for picture, here, there, trail, rest in (
        (one, ours, theirs, backward, forward), (other, theirs, ours, forward, backward)
    ):  # fmt: skip
        part = picture[at]
        part[here] = _look(frames, trail, here)
        only = there & ~here
        part[only] = _look(frames, rest, only)
    flow = estimator(one, other)
    share = _share(t, backward, forward)
    points = np.stack(np.meshgrid(np.arange(x1 - x0), np.arange(y1 - y0)), -1).astype(np.float32)
    along = np.full(base.shape, 0.5, np.float32)
    along[at] = share
    start = points.copy()
    for _ in range(_TURNS):
        moved = remap(flow, start.reshape(-1, 2)).reshape(flow.shape)
        start = points - along[..., None] * moved
    end = start + remap(flow, start.reshape(-1, 2)).reshape(flow.shape)
    better = _better(one, other, start, end)
    corner = np.array([at[1].start, at[0].start], np.float32)
    usable = ours & theirs & better[at]
    return (
        _taken(backward, start[at] - corner, usable, ours),
        _taken(forward, end[at] - corner, usable, theirs),
    )


def _valid(trail: Trail, bound: float) -> Bool:
    valid: Bool = trail.inside & (trail.frame >= 0) & (trail.error <= bound)
    return valid


def _look(frames: WorkingFrames, trail: Trail, where: Bool) -> Array:
    """Grey levels 0..255 that a trail leads to."""
    source, xy = trail.frame[where], trail.xy[where]
    out = np.zeros(len(source), np.float32)
    for s in np.unique(source):
        of = source == s
        out[of] = remap(frames.grey(int(s)), xy[of], cv2.INTER_LINEAR)
    return out


def _share(t: int, backward: Trail, forward: Trail) -> Array:
    """How far along the way from the earlier to the later source frame t lies, 0..1, per pixel."""
    before, after = (np.maximum(np.abs(trail.frame - t), 1).astype(np.float32) for trail in (backward, forward))
    share: Array = before / (before + after)
    return share


def _better(one: Array, other: Array, start: Array, end: Array) -> Bool:
    """Where the moved pictures agree better than the unmoved ones, over a window."""

    def apart(a: Array, b: Array) -> Array:
        return cv2.blur(np.abs(a.astype(np.float32) - b.astype(np.float32)), (_WINDOW, _WINDOW))

    first, second = (remap(p, xy.reshape(-1, 2)).reshape(p.shape) for p, xy in ((one, start), (other, end)))
    better: Bool = apart(first, second) < 0.8 * apart(one, other)
    return better


def _taken(trail: Trail, places: Array, usable: Bool, valid: Bool) -> Trail:
    """The trail as it is at other places of its box, where that can be had."""
    h, w = usable.shape
    near = np.rint(places).astype(np.int32)
    inside = (near[..., 0] >= 0) & (near[..., 1] >= 0) & (near[..., 0] < w) & (near[..., 1] < h)
    col, row = np.clip(near[..., 0], 0, w - 1), np.clip(near[..., 1], 0, h - 1)
    use = usable & inside & valid[row, col]
    xy, frame, error = trail.xy.copy(), trail.frame.copy(), trail.error.copy()
    xy[use] = (trail.xy[row, col] + (places - near))[use]
    frame[use], error[use] = trail.frame[row, col][use], trail.error[row, col][use]
    return replace(trail, xy=xy, frame=frame, error=error)
