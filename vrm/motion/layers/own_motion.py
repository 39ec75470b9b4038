"""Which pixels move by themselves: their flow against the camera's motion over a few frames."""

from __future__ import annotations

import threading

import numpy as np

from vrm.motion.flow.camera import grid, transform
from vrm.motion.flow.camera_path import CameraPath
from vrm.motion.frames import GUARD, WorkingFrames, dilate, length_scale
from vrm.types import Array, Bool, FlowEstimator

_GAPS = (2, -2)
"""Frames that a frame is compared with."""

_OWN_MOTION, _RAMP = 1.5, 0.4
"""Pixels off the camera's motion, over a gap, from which on a pixel rather moves by itself than not, and pixels to
either side of that in which it is uncertain (in frames 432 wide)."""

_UNSURE = GUARD + 3
"""Pixels next to a hole whose flow is not believed to be that of the surroundings."""

_UNKNOWN = 255
_SURE = 254


class OwnMotion:
    """What moves by itself in each frame, at working size; found once, and kept. May be asked from several threads.

    Args:
        path: the camera's, in working pixels.
    """

    def __init__(self, frames: WorkingFrames, path: CameraPath, estimator: FlowEstimator) -> None:
        self._frames, self._path, self._estimator = frames, path, estimator
        self._found: dict[int, np.ndarray] = {}  # a byte a pixel: a window asks of all its frames
        self._locks: dict[int, threading.Lock] = {}

    def of(self, t: int) -> tuple[Array, Bool]:
        """How far frame t's pixels move by themselves, float32 0..1 ``(h, w)``, and of which pixels that is known."""
        with self._locks.setdefault(t, threading.Lock()):
            if t not in self._found:
                self._found[t] = self._find(t)
        found = self._found[t]
        known = found != _UNKNOWN
        return found.astype(np.float32) * (known / np.float32(_SURE)), known

    def _find(self, t: int) -> np.ndarray:
        frames, size = self._frames, self._frames.size
        scale = length_scale(size)
        hole = dilate(frames.hole(t), _UNSURE)
        total, count = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for other in (t + gap for gap in _GAPS):
            matrix = self._path.between(t, other) if frames.shot.start <= other < frames.shot.stop else None
            if matrix is None:
                continue
            there, shown = frames.warped(other, transform(grid(*size), matrix), _UNSURE)
            flow = self._estimator(frames.grey(t), there)
            off = np.sqrt(np.einsum("hwc,hwc->hw", flow, flow)) / scale
            usable = shown & ~hole
            total += usable * np.clip(0.5 + (off - _OWN_MOTION) / (2 * _RAMP), 0, 1)
            count += usable
        moves = np.rint(_SURE * total / np.maximum(count, 1)).astype(np.uint8)
        moves[count == 0] = _UNKNOWN
        return moves
