"""Whether what lies around a place goes with the camera, or moves by itself."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from vrm.motion.flow.completion import camera_motion, grid, transform
from vrm.motion.flow.estimators import DisFlow, FlowEstimator
from vrm.motion.frames import FrameAccess, WorkingFrames, dilate
from vrm.motion.fusion.fusion import length_scale
from vrm.types import Bool

_LONGEST = 640
"""Longer side of the frames that motion is looked at on."""

_GAPS = (4, 2, 1)
"""Frames between two that are compared: so many that a slow walk shows, fewer where the camera is too fast for that."""

_AGREEMENT = 0.5
"""Share of the known pixels that the camera's motion must explain to be taken for it."""

_OWN = 1.0
"""Pixels that a place may be off from the camera's motion, all in all (in frames 432 wide)."""

_AROUND = 12
"""Pixels around a place that are looked at, likewise, beyond those next to a hole, whose flow is the object's."""

_GUARD = 7


def surroundings_move(shot: FrameAccess, places: Mapping[int, Bool], within: tuple[int, int]) -> bool:
    """Whether most of what is known around places in the holes departs from the camera's motion.

    Args:
        shot: the frames and holes.
        places: by frame, bool ``(H, W)``.
        within: the first and the last frame that they are compared with.

    Returns:
        True as well where nothing tells: no known pixel around, a single frame.
    """
    frames, flow = WorkingFrames(shot, _LONGEST), DisFlow()
    shares = [_moving_share(frames, flow, t, frames.shrunk(place), within) for t, place in places.items()]
    told = [share for share in shares if share is not None]
    return not told or float(np.mean(told)) > 0.5


def _moving_share(
    frames: WorkingFrames, flow: FlowEstimator, t: int, place: Bool, within: tuple[int, int]
) -> float | None:
    """The share of what is known around a place of frame t that departs from the camera; None where none is known."""
    scale = length_scale(frames.size)
    for gap in _GAPS:
        other = t + gap if t + gap <= within[1] else t - gap
        if other < within[0]:
            continue
        moved = flow(frames.grey(t), frames.grey(other))
        points = grid(*place.shape)
        there = (~dilate(frames.hole(other), _GUARD)).view(np.uint8)
        arrives = cv2.remap(there, points + moved, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) > 0  # type: ignore[call-overload]
        known = ~dilate(frames.hole(t), _GUARD) & arrives
        ring = dilate(place, _GUARD + round(_AROUND * scale)) & known
        if not ring.any():
            return None
        homography, agreement = camera_motion(moved, known)
        if homography is not None and agreement >= _AGREEMENT:
            off = np.linalg.norm(points + moved - transform(points, homography), axis=-1)
            return float((off[ring] > _OWN * scale).mean())
    return 1.0 if within[1] > within[0] else None  # nowhere one camera's motion: water, a crowd, or too fast to tell
