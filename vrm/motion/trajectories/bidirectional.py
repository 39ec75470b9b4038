"""Bidirectional refinement: what the past shows must be where the future shows it.

Flow inside a hole is only as good as its completion from the surroundings. A thing that moves by itself behind the hole
drifts away along such flow, further with every frame, and the two directions then show it in two places. Where both
show it, the way between the two places is known, and so is how far along it the frame lies: as far as it is between
the two source frames. The trajectories are moved there, not the colours, so that each colour is still sampled once.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.flow.camera import grid
from vrm.motion.flow.warp import remap_grid
from vrm.motion.frames import WorkingFrames
from vrm.motion.trajectories.trajectory import Trajectories, grey_at
from vrm.types import Array, Bool, FlowEstimator, grow_box

_MARGIN = 24
"""Known pixels around the hole that both pictures share: they hold the flow between them at zero there."""

_ITERATIONS = 3
"""Steps of the fixed-point search for the place that moves to a given pixel."""

_WINDOW = 9
"""Whether two pictures agree is asked over windows of this many pixels."""

_BETTER = 0.8
"""The difference between the two pictures must fall to this share, or the trajectories stay."""


def refine_bidirectional(
    frames: WorkingFrames,
    t: int,
    backward: MutableMapping[int, Trajectories],
    forward: MutableMapping[int, Trajectories],
    max_error: float,
    estimator: FlowEstimator,
) -> None:
    """Move the trajectories of frame t to the place in between where that makes both directions agree better, in place.

    Args:
        frames: the working frames, filled.
        t: the frame; nothing is done unless it has trajectories in both directions.
        max_error: trajectories of more accumulated error are not looked at.
        estimator: flow between the pictures that the two directions give.
    """
    if t in backward and t in forward:
        backward[t], forward[t] = _refined(frames, t, backward[t], forward[t], max_error, estimator)


def _refined(
    frames: WorkingFrames,
    t: int,
    backward: Trajectories,
    forward: Trajectories,
    max_error: float,
    estimator: FlowEstimator,
) -> tuple[Trajectories, Trajectories]:
    from_past, from_future = backward.valid(max_error), forward.valid(max_error)
    if not (from_past & from_future).any():
        return backward, forward
    y0, x0, y1, x1 = grow_box(backward.box, _MARGIN, frames.size)
    hole = np.s_[backward.box[0] - y0 : backward.box[2] - y0, backward.box[1] - x0 : backward.box[3] - x0]
    # Two pictures of frame t, one as the past shows it and one as the future does; what only one of them shows is the
    # same in both, so that there is no flow.
    base = frames.grey(t)[y0:y1, x0:x1]
    past, future = base.copy(), base.copy()
    for picture, own, has_own, other, has_other in (
        (past, backward, from_past, forward, from_future),
        (future, forward, from_future, backward, from_past),
    ):
        part = picture[hole]
        part[has_own] = grey_at(frames, own.source[has_own], own.xy[has_own])
        only = has_other & ~has_own
        part[only] = grey_at(frames, other.source[only], other.xy[only])
    flow = estimator(past, future)
    share = np.full(base.shape, 0.5, np.float32)
    share[hole] = _share(t, backward, forward)
    # A thing at ``start`` in the past's picture and at ``end`` in the future's passes pixel p at t if
    # start + share * flow(start) = p; solved for start by fixed-point iteration.
    points = grid(*base.shape)
    start = points.copy()
    for _ in range(_ITERATIONS):
        start = points - share[..., None] * remap_grid(flow, start)
    end = start + remap_grid(flow, start)
    usable = from_past & from_future & _agree_better(past, future, start, end)[hole]
    corner = np.array([hole[1].start, hole[0].start], np.float32)
    return (
        _moved(backward, start[hole] - corner, usable, from_past),
        _moved(forward, end[hole] - corner, usable, from_future),
    )


def _share(t: int, backward: Trajectories, forward: Trajectories) -> Array:
    """How far along the way from the earlier to the later source frame t lies, 0..1, per pixel."""
    before, after = (np.maximum(np.abs(one.source - t), 1).astype(np.float32) for one in (backward, forward))
    share: Array = before / (before + after)
    return share


def _agree_better(past: Array, future: Array, start: Array, end: Array) -> Bool:
    """Where the pictures agree better once moved, over a window."""

    def difference(a: Array, b: Array) -> Array:
        return cv2.blur(np.abs(a.astype(np.float32) - b.astype(np.float32)), (_WINDOW, _WINDOW))

    moved = difference(remap_grid(past, start), remap_grid(future, end))
    better: Bool = moved < _BETTER * difference(past, future)
    return better


def _moved(found: Trajectories, places: Array, usable: Bool, valid: Bool) -> Trajectories:
    """Each pixel takes over the trajectory that starts at another place of the box, where there is a valid one."""
    h, w = usable.shape
    near = np.rint(places).astype(np.int32)
    inside = (near[..., 0] >= 0) & (near[..., 1] >= 0) & (near[..., 0] < w) & (near[..., 1] < h)
    col, row = np.clip(near[..., 0], 0, w - 1), np.clip(near[..., 1], 0, h - 1)
    use = usable & inside & valid[row, col]
    xy, source, error = found.xy.copy(), found.source.copy(), found.error.copy()
    xy[use] = (found.xy[row, col] + (places - near))[use]
    source[use], error[use] = found.source[row, col][use], found.error[row, col][use]
    return replace(found, xy=xy, source=source, error=error)
