"""Which pixels move by themselves: their flow against the camera's motion over a few frames."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from vrm.motion.flow.camera import grid, transform
from vrm.motion.flow.camera_path import CameraPath
from vrm.motion.frames import GUARD, WorkingFrames, dilate, length_scale
from vrm.types import Array, Bool, FlowEstimator

GAPS = (2, -2)
"""Frames that a frame is compared with."""

LEAST = 1.5
"""Pixels off the camera's motion, over a gap, from which on a pixel moves by itself (in frames 432 wide)."""

_UNSURE = 3
"""Pixels next to a hole, besides the guard, whose flow is not believed to be that of the surroundings."""


class OwnMotion:
    """For each frame, what moves by itself, at working size; found once and kept. May be asked from several threads.

    Args:
        path: the camera's, in working pixels.
    """

    def __init__(self, frames: WorkingFrames, path: CameraPath, estimator: FlowEstimator) -> None:
        self._frames, self._path, self._estimator = frames, path, estimator
        self._known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._lock = threading.Lock()

    def of(self, t: int) -> tuple[Array, Bool]:
        """How far frame t's pixels move by themselves, float32 0..1 ``(h, w)``, and of which it is known."""
        with self._lock:
            if t not in self._known:
                self._known[t] = self._found(t)
            moves, known = self._known[t]
            return moves.astype(np.float32) / 255, known

    def _found(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        frames, size = self._frames, self._frames.size
        hole = dilate(frames.hole(t), GUARD + _UNSURE)
        total, count = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for gap in GAPS:
            other = t + gap
            matrix = self._path.between(t, other) if frames.shot.start <= other < frames.shot.stop else None
            if matrix is None:
                continue
            there, shown = frames.warped(other, transform(grid(*size), matrix), GUARD + _UNSURE)
            flow = self._estimator(frames.grey(t), there)
            usable = shown & ~hole
            off = np.sqrt(np.einsum("hwc,hwc->hw", flow, flow)) / (LEAST * length_scale(size))
            total += usable * np.clip(2 * off - 1, 0, 1)
            count += usable
        known = count > 0
        moves = total / np.maximum(count, 1)
        return (moves * 255 + 0.5).astype(np.uint8), known
