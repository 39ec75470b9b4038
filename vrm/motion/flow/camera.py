"""The camera's motion as a homography, and whether what lies around a place follows it or moves by itself."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import FrameAccess, WorkingFrames, dilate, length_scale
from vrm.types import Array, Bool, FlowEstimator

MIN_POINTS = 24
"""Fewer points than this do not make a homography."""

_LONGEST = 640
"""Longer side of the frames on which ``background_moves`` estimates flow."""

_GAPS = (4, 2, 1)
"""Frames between the two that are compared: enough for a slow walk to show; fewer where the camera moves too fast."""

_AGREEMENT = 0.5
"""Share of the known pixels that must follow one homography for it to be the camera's motion."""

_OWN_MOTION = 1.0
"""Pixels off the camera's motion, over the whole gap, from which on a pixel moves by itself (in frames 432 wide)."""

_RING = 12
"""Width of the ring around a place that is looked at, likewise."""

_GUARD = 7
"""Pixels next to a hole that are left out: flow there is smoothed with the object's."""


def grid(h: int, w: int) -> Array:
    """Pixel coordinates (x, y): float32 ``(h, w, 2)``."""
    return np.stack(np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)), -1)


def transform(points: Array, homography: np.ndarray) -> Array:
    """Points ``(..., 2)`` through a 3x3 homography, float32."""
    flat = np.ascontiguousarray(points, np.float32).reshape(-1, 1, 2)
    return cv2.perspectiveTransform(flat, homography.astype(np.float64)).reshape(points.shape)


def transform_affine(points: Array, matrix: Array) -> Array:
    """Points ``(..., 2)`` through a 2x3 float32 matrix."""
    places: Array = points @ matrix[:, :2].T + matrix[:, 2]
    return places


def camera_motion(flow: Array, usable: Bool) -> tuple[np.ndarray | None, float]:
    """The homography that lies nearest to most of the usable flow, whatever planes it is of; see ``point_motion``.

    Args:
        flow: float32 ``(h, w, 2)``.
        usable: bool ``(h, w)``: where the flow may be believed.
    """
    flat = np.flatnonzero(usable)
    flat = flat[:: max(1, flat.size // 800)]
    w = usable.shape[1]
    source = np.stack([flat % w, flat // w], -1).astype(np.float32)
    return point_motion(source, source + flow.reshape(-1, 2)[flat], 1.0, cv2.USAC_MAGSAC)


def point_motion(
    source: Array, target: Array, tolerance: float, method: int = cv2.USAC_ACCURATE
) -> tuple[np.ndarray | None, float]:
    """The homography most pairs of points agree with.

    Args:
        source, target: float32 ``(N, 2)``.
        tolerance: pixels within which a point agrees.
        method: ``USAC_ACCURATE`` (Barath and Matas, CVPR 2018) finds the one plane with the most points, exactly.
            ``USAC_MAGSAC`` (Barath et al., CVPR 2020) takes a mean of planes that move nearly alike.

    Returns:
        The 3x3 matrix (the exact identity where nothing moves, None where no homography is found) and the share of
        the points that agree with it.
    """
    if len(source) < MIN_POINTS:
        return None, 0.0
    still = np.linalg.norm(target - source, axis=-1) < 0.15
    if still.mean() > 0.6:
        return np.eye(3), float(still.mean())
    cv2.setRNGSeed(0)
    try:
        homography, _ = cv2.findHomography(source, target, method, tolerance, maxIters=400, confidence=0.995)
    except cv2.error:
        homography = None
    if homography is None or not np.isfinite(homography).all() or abs(np.linalg.det(homography[:2, :2])) < 0.1:
        return None, 0.0
    miss = np.linalg.norm(transform(source, homography) - target, axis=-1)
    return homography, float((miss < 2 * tolerance).mean())


def background_moves(shot: FrameAccess, places: Mapping[int, Bool], within: tuple[int, int]) -> bool:
    """Whether most of what is known around places in the holes departs from the camera's motion.

    True as well where nothing tells. Arguments as of ``moving_share``.
    """
    share = moving_share(shot, places, within)
    return share is None or share > 0.5


def moving_share(shot: FrameAccess, places: Mapping[int, Bool], within: tuple[int, int]) -> float | None:
    """The share of what is known around places in the holes that departs from the camera's motion, 0..1.

    None where nothing tells: no known pixel around, a single frame. 1 as well where no homography explains the picture.

    Args:
        places: by frame, bool ``(H, W)``.
        within: the first and the last frame that they are compared with.
    """
    frames, flow = WorkingFrames(shot, _LONGEST), DisFlow()
    shares = [_moving_share(frames, flow, t, frames.shrunk(place), within) for t, place in places.items()]
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if known else None


def _moving_share(
    frames: WorkingFrames, flow: FlowEstimator, t: int, place: Bool, within: tuple[int, int]
) -> float | None:
    """The share of what is known around a place of frame t that departs from the camera; None where none is known."""
    scale = length_scale(frames.size)
    for gap in _GAPS:
        other = t + gap if t + gap <= within[1] else t - gap
        if other < within[0]:
            continue
        motion = flow(frames.grey(t), frames.grey(other))
        points = grid(*place.shape)
        not_hidden = (~dilate(frames.hole(other), _GUARD)).view(np.uint8)
        arrives = cv2.remap(not_hidden, points + motion, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) > 0  # type: ignore[call-overload]
        known = ~dilate(frames.hole(t), _GUARD) & arrives
        ring = dilate(place, _GUARD + round(_RING * scale)) & known
        if not ring.any():
            return None
        homography, agreement = camera_motion(motion, known)
        if homography is not None and agreement >= _AGREEMENT:
            off = np.linalg.norm(points + motion - transform(points, homography), axis=-1)
            return float((off[ring] > _OWN_MOTION * scale).mean())
    # No homography explains half of the picture: water, a crowd, or a camera too fast to tell.
    return 1.0 if within[1] > within[0] else None
