"""Flow inside a hole: estimated there, it would be the object's. Its surroundings say what the background does.

Where the camera's motion explains the surroundings it is continued into the hole, with what departs from it (parallax,
lens distortion) as a smooth residual.
"""

from __future__ import annotations

import cv2
import numpy as np

from vrm.motion.flow.camera import camera_motion, grid, transform
from vrm.motion.flow.pairs import FlowPair, flow_pair
from vrm.motion.frames import dilate
from vrm.motion.poisson import interpolate_laplace
from vrm.types import U8, Array, Bool, FlowEstimator, bounding_box, grow_box, union_box

_AGREEMENT = 0.5
"""Share of the surroundings that must follow one homography for it to be the camera's motion."""

_OUTLIER = 2.5
"""Pixels off the camera's motion from which on the surroundings are not the static background."""

_STEP = 4
"""A smooth flow is known from every so manieth pixel each way."""


def complete(flow: Array, hole: Bool, grow: int) -> Array:
    """Replace the flow in the hole, grown by ``grow`` pixels, by what its surroundings say.

    Where a homography explains at least half of the surroundings, the result is the homography plus a smooth (Laplace)
    residual taken from the surroundings that follow it; else Laplace interpolation of the surrounding flow alone. Where
    the camera stands still the result is exactly zero.

    Args:
        flow: float32 ``(h, w, 2)``; not changed.
        hole: bool ``(h, w)``.
        grow: pixels around the hole whose estimated flow is not believed either.
    """
    box = bounding_box(hole)
    if box is None:
        return flow
    h, w = hole.shape
    grown = dilate(hole, grow)
    reach = max(32, (box[2] - box[0]) // 2, (box[3] - box[1]) // 2) + grow
    y0, x0, y1, x1 = grow_box(box, reach, (h, w))
    if grown[y0:y1, x0:x1].all():
        y0, x0, y1, x1 = 0, 0, h, w
    part, unknown = flow[y0:y1, x0:x1], np.ascontiguousarray(grown[y0:y1, x0:x1])
    if unknown.all():
        return np.zeros_like(flow)
    homography, share = camera_motion(part, ~unknown)
    if share < _AGREEMENT:
        homography = None
    out = flow.copy()
    if homography is not None and np.array_equal(homography, np.eye(3)):
        out[y0:y1, x0:x1][unknown] = 0
        return out
    mean, empty = _sparse(part, ~unknown)
    if homography is not None:
        places = (grid(*empty.shape) + np.float32(0.5)) * np.float32(_STEP) - 0.5
        camera = transform(places, homography) - places
        residual = mean - camera
        outlier = np.einsum("hwc,hwc->hw", residual, residual) > _OUTLIER**2
        completed = camera + interpolate_laplace(residual, empty | outlier)
    else:
        completed = interpolate_laplace(mean, empty)
    dense = cv2.resize(completed, None, fx=_STEP, fy=_STEP, interpolation=cv2.INTER_LINEAR)
    cv2.copyTo(dense[: y1 - y0, : x1 - x0], unknown.view(np.uint8), out[y0:y1, x0:x1])
    return out


def _sparse(flow: Array, known: Bool) -> tuple[Array, Bool]:
    """A flow's means over what is known of blocks of ``_STEP`` pixels each way, and the blocks of which nothing is."""
    h, w = known.shape
    size = -(-w // _STEP), -(-h // _STEP)
    padding = (0, size[1] * _STEP - h, 0, size[0] * _STEP - w)
    weight: Array = cv2.copyMakeBorder(known.astype(np.float32), *padding, cv2.BORDER_CONSTANT, value=0.0)
    weighted: Array = cv2.copyMakeBorder(flow, *padding, cv2.BORDER_CONSTANT, value=(0.0, 0.0))
    weighted *= weight[..., None]
    share: Array = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-6)[..., None]
    return mean, share == 0


def completed_pairs(
    estimator: FlowEstimator, first: U8, second: U8, hole: Bool, next_hole: Bool, reach: int, grow: int
) -> tuple[FlowPair | None, FlowPair | None]:
    """Flow from a frame to its neighbour and back, estimated around their holes and completed in them.

    Args:
        first, second: the two frames, grey ``(h, w)``.
        hole, next_hole: bool ``(h, w)``, at least one not empty.
        reach: pixels around the holes that flow is estimated on, at least; half the holes' size, if that is more.
        grow: see ``complete``.
    """
    box = union_box(bounding_box(mask) for mask in (hole, next_hole))
    assert box is not None
    reach = max(reach, (box[2] - box[0]) // 2, (box[3] - box[1]) // 2)
    y0, x0, y1, x1 = grow_box(box, reach, hole.shape)
    first, second = first[y0:y1, x0:x1], second[y0:y1, x0:x1]
    hole, next_hole = (np.ascontiguousarray(mask[y0:y1, x0:x1]) for mask in (hole, next_hole))
    forth = complete(estimator(first, second), hole, grow)
    back = complete(estimator(second, first), next_hole, grow)
    return flow_pair(forth, back, hole, (y0, x0)), flow_pair(back, forth, next_hole, (y0, x0))
