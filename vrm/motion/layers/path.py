"""The path of a layer: the motion of what moves by itself around one frame's hole, from there to other frames.

Corners that depart from the camera's motion are grouped by one affine motion from frame to frame (motion layers: Wang
and Adelson, 1994); the group is found again in each further frame among the corners where the last motion leads it.
"""

from __future__ import annotations

import cv2
import numpy as np

from vrm.motion.flow.camera import transform
from vrm.motion.flow.camera_path import CameraPath
from vrm.types import Array, Bool

_DEPARTS = 0.6
"""Pixels off the camera's motion, from one frame to the next, from which on a corner moves by itself."""

_TOLERANCE = 1.0
"""Pixels within which a corner follows the layer's motion."""

_FEWEST, _SHARE = 6, 0.4
"""Corners that must follow it, and their share of those that move by themselves there."""

_BESIDE = 12
"""Pixels around the layer's corners in which more of it is looked for."""


def layer_path(path: CameraPath, t: int, near: Bool, reach: range) -> dict[int, np.ndarray]:
    """Affine motions of the layer around a hole of frame t to other frames: 3x3 matrices as of ``path.between``.

    Args:
        near: bool ``(h, w)`` in frames of the path: where in frame t the layer is looked for.
        reach: frames that it is followed to, as far as it is found.
    """
    out: dict[int, np.ndarray] = {}
    for way in (1, -1):
        region, matrix = near, np.eye(3)
        for s in range(t + way, reach.stop if way > 0 else reach.start - 1, way):
            found = _step(path, s - way, s, region)
            if found is None:
                break
            step, region = found
            matrix = step @ matrix
            out[s] = path.at_size(matrix)
    return out


def _step(path: CameraPath, t: int, s: int, region: Bool) -> tuple[np.ndarray, Bool] | None:
    """The layer's motion from frame t to its neighbour s, and where it lies there; None where it is not found."""
    here, there, camera = path.corners(t, s)
    if camera is None or not len(here):
        return None
    h, w = region.shape
    at = np.rint(np.clip(here, 0, (w - 1, h - 1))).astype(int)
    off = np.linalg.norm(transform(here, camera) - there, axis=-1)
    chosen = region[at[:, 1], at[:, 0]] & (off > _DEPARTS)
    if chosen.sum() < _FEWEST:
        return None
    source, target = here[chosen], there[chosen]
    cv2.setRNGSeed(0)
    affine, inliers = cv2.estimateAffine2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=_TOLERANCE)
    if affine is None or inliers.sum() < max(_FEWEST, _SHARE * len(source)):
        return None
    if not 0.7 < np.linalg.det(affine[:, :2]) < 1.4:
        return None
    return np.vstack([affine, [0, 0, 1]]), _around(target[inliers.ravel() > 0], region.shape)


def _around(points: Array, shape: tuple[int, ...]) -> Bool:
    """The convex hull of points, grown."""
    mask = np.zeros(shape, np.uint8)
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1)
    return cv2.dilate(mask, np.ones((2 * _BESIDE + 1,) * 2, np.uint8)) > 0
