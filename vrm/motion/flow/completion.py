"""Flow inside the hole: the camera's motion where it explains the surroundings, a smooth residual on it."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.motion.frames import dilate
from vrm.motion.poisson import Array, membrane
from vrm.types import Bool, bounding_box, grow_box

MIN_POINTS = 24
"""Fewer points than this do not make a homography."""


def grid(h: int, w: int) -> Array:
    """Pixel coordinates (x, y): float32 ``(h, w, 2)``."""
    return np.stack(np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)), -1)


def transform(points: Array, homography: np.ndarray) -> Array:
    """Points ``(..., 2)`` through a 3x3 homography."""
    h = homography.astype(np.float64)
    x, y = points[..., 0].astype(np.float64), points[..., 1].astype(np.float64)
    z = h[2, 0] * x + h[2, 1] * y + h[2, 2]
    z = np.where(np.abs(z) < 1e-8, 1e-8, z)
    xy = np.stack([(h[0, 0] * x + h[0, 1] * y + h[0, 2]) / z, (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / z], -1)
    return xy.astype(np.float32)


def camera_motion(flow: Array, usable: Bool, tolerance: float = 1.0) -> tuple[np.ndarray | None, float]:
    """The homography most of the usable flow agrees with (MAGSAC++, Barath et al., CVPR 2020).

    Args:
        flow: float32 ``(h, w, 2)``.
        usable: bool ``(h, w)``: where the flow may be believed.
        tolerance: pixels; agreement within this counts.

    Returns:
        The 3x3 matrix (the exact identity where nothing moves, None where no homography is found) and the share of
        the points that agree with it.
    """
    flat = np.flatnonzero(usable)
    if flat.size < MIN_POINTS:
        return None, 0.0
    flat = flat[:: max(1, flat.size // 800)]
    w = usable.shape[1]
    source = np.stack([flat % w, flat // w], -1).astype(np.float32)
    target = source + flow.reshape(-1, 2)[flat]
    still = np.linalg.norm(target - source, axis=-1) < 0.15
    if still.mean() > 0.6:
        return np.eye(3), float(still.mean())
    cv2.setRNGSeed(0)
    try:
        homography, _ = cv2.findHomography(source, target, cv2.USAC_MAGSAC, tolerance, maxIters=400, confidence=0.995)
    except cv2.error:
        homography = None
    if homography is None or not np.isfinite(homography).all() or abs(np.linalg.det(homography[:2, :2])) < 0.1:
        return None, 0.0
    miss = np.linalg.norm(transform(source, homography) - target, axis=-1)
    return homography, float((miss < 2 * tolerance).mean())


def complete(flow: Array, hole: Bool, grow: int, use_camera: bool = True, agreement: float = 0.5) -> Array:
    """Replace the flow in the hole, grown by ``grow`` pixels, by what its surroundings say.

    Where a homography explains at least the share ``agreement`` of the surroundings, the result is the homography
    plus a smooth (membrane) residual taken from the surroundings that follow it; else the membrane through the
    surrounding flow alone. Where the camera stands still the result is exactly zero.

    Args:
        flow: float32 ``(h, w, 2)``; not changed.
        hole: bool ``(h, w)``.
        grow: pixels around the hole whose estimated flow is not believed either.
        use_camera: False = always the pure membrane.
        agreement: see above, 0..1.
    """
    box = bounding_box(hole)
    if box is None:
        return flow
    h, w = hole.shape
    grown = dilate(hole, grow)
    reach = max(32, (box[2] - box[0]) // 2, (box[3] - box[1]) // 2) + grow
    y0, x0, y1, x1 = grow_box(box, reach, (h, w))
    part, unknown = flow[y0:y1, x0:x1], grown[y0:y1, x0:x1]
    if unknown.all():
        return _from_afar(flow, grown)
    homography, share = camera_motion(part, ~unknown) if use_camera else (None, 0.0)
    out = flow.copy()
    if homography is None or share < agreement:
        out[y0:y1, x0:x1] = membrane(part, unknown)
        return out
    points = grid(y1 - y0, x1 - x0)
    camera = transform(points, homography) - points
    residual = part - camera
    odd = np.linalg.norm(residual, axis=-1) > 2.5
    if np.array_equal(homography, np.eye(3)):
        smooth = np.zeros_like(residual)
    else:
        smooth = membrane(np.where(odd[..., None], 0, residual), unknown | odd)
    out[y0:y1, x0:x1] = np.where(unknown[..., None], camera + smooth, part)
    return out


def _from_afar(flow: Array, grown: Bool) -> Array:
    """The hole and all around it is unknown: the membrane over the whole frame (zero if that is unknown too)."""
    return np.where(grown[..., None], membrane(np.where(grown[..., None], 0, flow), grown), flow)
