"""Trajectories of a half hidden thing, held to the half that is seen: drift is measured there and taken out.

A trajectory that is chained from frame to frame drifts, and inside a hole nothing corrects it. But the thing it follows
is seen beside the hole, in the frame and in the whole frame the trajectory leads to. The motion of the hidden part goes
on as a similarity into the visible one; what flow still finds there between the two frames is the drift.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.flow.completion import grid
from vrm.motion.flow.estimators import FlowEstimator
from vrm.motion.frames import WorkingFrames, dilate
from vrm.motion.fusion.fusion import length_scale
from vrm.motion.poisson import Array
from vrm.motion.trajectories.trajectory import GUARD, Trail, remap
from vrm.types import Bool, grow_box

_REACH = 48
"""Pixels around the hole in which the visible part is looked at (in frames 432 wide)."""

_LEAST = 60
"""Visible pixels of a thing that are enough to measure its drift, likewise."""

_FARTHEST = 16.0
"""Pixels that a trajectory may have drifted, likewise; more is another thing."""

_AGREE = 0.5
"""Share of the visible pixels that must have drifted alike."""

_TURNS = 2


def anchor(
    frames: WorkingFrames, t: int, trail: Trail, key: int, thing: Bool, bound: float, estimator: FlowEstimator
) -> Trail:
    """Take the drift out of the part of a trail that leads to one whole frame.

    Args:
        frames: the working frames, filled.
        t: the frame, of which the trail is.
        trail: along the motion of a thing.
        key: a frame that is known whole.
        thing: bool ``(h, w)``, where that frame shows a thing.
        bound: chains of more drift than this are not looked at.
        estimator: flow between the two pictures.

    Returns:
        The trail; the one given where the thing is not seen beside the hole, or does not fit better than before.
    """
    scale = length_scale(frames.size)
    leads = trail.inside & (trail.frame == key) & (trail.error <= bound)
    near = np.rint(trail.xy).astype(np.int32)
    shown = leads & thing[near[..., 1], near[..., 0]]
    motion = _similarity(*_pairs(shown, trail.xy), 1.0 * scale) if shown.sum() >= _LEAST * scale**2 else None
    if motion is None:
        return trail
    y0, x0, y1, x1 = box = grow_box(trail.box, round(_REACH * scale), frames.size)
    here = frames.grey(t)[y0:y1, x0:x1]
    known = ~dilate(frames.hole(t), GUARD)[y0:y1, x0:x1]
    offset = np.array([trail.box[1] - x0, trail.box[0] - y0], np.float32)
    points = grid(y1 - y0, x1 - x0)
    # Where this frame's pixels would be if they had drifted as the trail has.
    moved: Array = np.eye(2, 3, dtype=np.float32)
    before = 0.0
    for turn in range(_TURNS):
        places = _apply(motion, _apply(moved, points) - offset)
        warped, visible = _warped(frames.grey(key), thing, places)
        compare = visible & known
        if compare.sum() < _LEAST * scale**2:
            return trail
        if turn == 0:
            before = _apart(here, warped, compare)
        # Where one shows nothing to compare, both are given the same: no flow is made up there.
        flow = estimator(np.where(compare, here, warped), warped)
        pairs = _pairs(compare & (np.linalg.norm(flow, axis=-1) < _FARTHEST * scale), _apply(moved, points + flow))
        found = _similarity(*pairs, 0.7 * scale)
        if found is None:
            return trail
        moved = found
    places = _apply(motion, _apply(moved, points) - offset)
    warped, visible = _warped(frames.grey(key), thing, places)
    compare = visible & known
    if compare.sum() < _LEAST * scale**2 or _apart(here, warped, compare) > 0.9 * before:
        return trail
    return _shifted(trail, leads, motion, _apply(moved, points) - points, box, frames.size)


def _pairs(where: Bool, there: Array) -> tuple[Array, Array]:
    """Some pixels (x, y), and the places they have there."""
    ys, xs = np.nonzero(where)
    some = np.s_[:: max(1, len(ys) // 600)]
    return np.stack([xs, ys], -1)[some].astype(np.float32), there[where][some].astype(np.float32)


def _similarity(here: Array, there: Array, tolerance: float) -> Array | None:
    """The 2x3 similarity that most pairs agree with, or None."""
    if len(here) < 12:
        return None
    cv2.setRNGSeed(0)
    matrix, agree = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=tolerance)
    if matrix is None or agree.mean() < _AGREE or not 0.5 < np.linalg.norm(matrix[0, :2]) < 2:
        return None
    return matrix.astype(np.float32)


def _apply(matrix: Array, points: Array) -> Array:
    places: Array = points @ matrix[:, :2].T + matrix[:, 2]
    return places


def _warped(grey: Array, thing: Bool, places: Array) -> tuple[Array, Bool]:
    """A frame at places, and where these show the thing."""
    h, w = thing.shape
    flat = places.reshape(-1, 2).astype(np.float32)
    near = np.rint(np.clip(flat, 0, (w - 1, h - 1))).astype(np.int32)
    inside = (flat >= 0).all(-1) & (flat <= (w - 1, h - 1)).all(-1)
    shape = places.shape[:2]
    return remap(grey, flat).reshape(shape), (inside & thing[near[:, 1], near[:, 0]]).reshape(shape)


def _apart(here: Array, warped: Array, compare: Bool) -> float:
    return float(cv2.absdiff(here, warped)[compare].mean())


def _shifted(
    trail: Trail, leads: Bool, motion: Array, drift: Array, box: tuple[int, int, int, int], size: tuple[int, int]
) -> Trail:
    """The trail with its drift taken out."""
    y, x = trail.box[0] - box[0], trail.box[1] - box[1]
    h, w = leads.shape
    shift = drift[y : y + h, x : x + w] @ motion[:, :2].T
    xy = trail.xy.copy()
    xy[leads] = np.clip(trail.xy[leads] + shift[leads], 0, (size[1] - 1, size[0] - 1))
    return replace(trail, xy=xy)
