"""Drift correction for half hidden things: drift is measured on the visible half, and taken out of the hidden one.

A trajectory that is chained from frame to frame drifts, and inside a hole nothing corrects it. But what it follows is
visible beside the hole, in the frame as in the keyframe that the trajectory leads to. The hidden part's motion is
continued into the visible one as a similarity; the flow that is still found there between the two frames is the drift.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.flow.camera import grid, transform_affine
from vrm.motion.flow.warp import remap
from vrm.motion.frames import GUARD, WorkingFrames, dilate, length_scale
from vrm.motion.trajectories.trajectory import Trajectories
from vrm.types import U8, Array, Bool, Box, FlowEstimator, grow_box

_REACH = 48
"""Pixels around the hole in which the visible part is looked for (in frames 432 wide)."""

_LEAST = 60
"""Visible pixels that are enough to measure drift, likewise."""

_FARTHEST = 16.0
"""Pixels that a trajectory may have drifted, likewise; flow that is longer is of another thing."""

_AGREEMENT = 0.5
"""Share of the visible pixels that must have drifted alike."""

_BETTER = 0.9
"""The difference on the visible pixels must fall to this share, or nothing is changed."""

_ITERATIONS = 2

_SAMPLES = 600


def correct_drift(
    frames: WorkingFrames,
    t: int,
    found: Trajectories,
    key: int,
    foreground: Bool,
    max_error: float,
    estimator: FlowEstimator,
) -> Trajectories:
    """Take the drift out of those trajectories that lead to one keyframe.

    Args:
        frames: the working frames, filled.
        found: trajectories along the motion of the foreground.
        foreground: bool ``(h, w)``: where the keyframe shows foreground.
        max_error: trajectories of more accumulated error are not looked at.

    Returns:
        The trajectories; those given if the foreground is not visible beside the hole, or fits no better than before.
    """
    scale = length_scale(frames.size)
    enough = _LEAST * scale**2
    leads = found.inside & (found.source == key) & (found.error <= max_error)
    near = np.rint(found.xy).astype(np.int32)
    shown = leads & foreground[near[..., 1], near[..., 0]]
    # From the hole's pixels, in coordinates of the trajectories' box, to the keyframe.
    motion = _similarity(*_pairs(shown, found.xy), 1.0 * scale) if shown.sum() >= enough else None
    if motion is None:
        return found
    y0, x0, y1, x1 = box = grow_box(found.box, round(_REACH * scale), frames.size)
    here = frames.grey(t)[y0:y1, x0:x1]
    known = ~dilate(frames.hole(t), GUARD)[y0:y1, x0:x1]
    offset = np.array([found.box[1] - x0, found.box[0] - y0], np.float32)
    points = grid(y1 - y0, x1 - x0)
    # Where this frame's pixels would be if they had drifted as the trajectories have.
    drifted: Array = np.eye(2, 3, dtype=np.float32)
    before = 0.0
    for iteration in range(_ITERATIONS):
        places = transform_affine(transform_affine(points, drifted) - offset, motion)
        warped, visible = _warped(frames.grey(key), foreground, places)
        compare = visible & known
        if compare.sum() < enough:
            return found
        if iteration == 0:
            before = _difference(here, warped, compare)
        # Where there is nothing to compare both pictures are the same, so that no flow is invented there.
        flow = estimator(np.where(compare, here, warped), warped)
        pairs = _pairs(
            compare & (np.linalg.norm(flow, axis=-1) < _FARTHEST * scale), transform_affine(points + flow, drifted)
        )
        similarity = _similarity(*pairs, 0.7 * scale)
        if similarity is None:
            return found
        drifted = similarity
    places = transform_affine(transform_affine(points, drifted) - offset, motion)
    warped, visible = _warped(frames.grey(key), foreground, places)
    compare = visible & known
    if compare.sum() < enough or _difference(here, warped, compare) > _BETTER * before:
        return found
    return _without(found, leads, motion, transform_affine(points, drifted) - points, box, frames.size)


def _pairs(where: Bool, there: Array) -> tuple[Array, Array]:
    """At most about ``_SAMPLES`` of the pixels (x, y), and their places ``there``."""
    ys, xs = np.nonzero(where)
    some = np.s_[:: max(1, len(ys) // _SAMPLES)]
    return np.stack([xs, ys], -1)[some].astype(np.float32), there[where][some].astype(np.float32)


def _similarity(here: Array, there: Array, tolerance: float) -> Array | None:
    """The 2x3 similarity that most pairs agree with, or None."""
    if len(here) < 12:
        return None
    cv2.setRNGSeed(0)
    matrix, agree = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=tolerance)
    if matrix is None or agree.mean() < _AGREEMENT or not 0.5 < np.linalg.norm(matrix[0, :2]) < 2:
        return None
    return matrix.astype(np.float32)


def _warped(grey: U8, foreground: Bool, places: Array) -> tuple[U8, Bool]:
    """A frame at places ``(h, w, 2)``, and which of them show its foreground."""
    h, w = foreground.shape
    flat = places.reshape(-1, 2).astype(np.float32)
    near = np.rint(np.clip(flat, 0, (w - 1, h - 1))).astype(np.int32)
    inside = (flat >= 0).all(-1) & (flat <= (w - 1, h - 1)).all(-1)
    shape = places.shape[:2]
    return remap(grey, flat).reshape(shape), (inside & foreground[near[:, 1], near[:, 0]]).reshape(shape)


def _difference(here: Array, warped: Array, compare: Bool) -> float:
    return float(cv2.absdiff(here, warped)[compare].mean())


def _without(
    found: Trajectories, leads: Bool, motion: Array, drift: Array, box: Box, size: tuple[int, int]
) -> Trajectories:
    """The trajectories without their drift, which is given in this frame's pixels over ``box``."""
    y, x = found.box[0] - box[0], found.box[1] - box[1]
    h, w = leads.shape
    shift = drift[y : y + h, x : x + w] @ motion[:, :2].T
    xy = found.xy.copy()
    xy[leads] = np.clip(found.xy[leads] + shift[leads], 0, (size[1] - 1, size[0] - 1))
    return replace(found, xy=xy)
