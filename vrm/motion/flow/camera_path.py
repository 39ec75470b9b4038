"""The camera's path: homographies between any two frames, chained from neighbour to neighbour.

Corners are tracked from each frame to the next (Lucas-Kanade in a pyramid, Bouguet 2000), there and back.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np

from vrm.motion.flow.camera import MIN_POINTS, point_motion, transform
from vrm.motion.frames import FrameAccess, WorkingFrames, dilate
from vrm.types import Array

_LONGEST = 480
"""Longer side of the frames that corners are tracked on."""

_CORNERS, _APART = 500, 6
"""Corners tracked at most, and pixels between any two of them."""

_QUALITY = 0.003
"""The weakest corner, as a share of the strongest."""

_WINDOW, _LEVELS = 15, 4
"""Pixels a corner is known by, and how often the frames are halved: motion of 100 pixels is found."""

_RETURN = 0.5
"""Pixels off where it began up to which a corner that is tracked there and back is believed."""

_GUARD = 4
"""Pixels next to a hole that are left out."""

_TOLERANCE = 0.3
"""Pixels within which a corner agrees: less than what parallax moves the nearer of two planes by."""

_AGREEMENT = 0.45
"""Share of the corners that must follow one homography for it to be the camera's motion."""

_AREAS = (0.1, 10.0)
"""How many times smaller or larger a frame may become."""


class CameraPath:
    """Homographies between the frames of a shot, 3x3 matrices in pixels of frames of ``size``, (height, width).

    A chain drifts by a fraction of a pixel a frame: whoever needs more starts from it. May be asked from several
    threads.
    """

    def __init__(self, shot: FrameAccess, size: tuple[int, int]) -> None:
        self._frames, self._size = WorkingFrames(shot, _LONGEST), size
        self._steps: dict[int, np.ndarray | None] = {}
        self._corners: dict[int, tuple[Array, Array]] = {}
        self._lock = threading.Lock()

    def between(self, t: int, s: int) -> np.ndarray | None:
        """From frame t to frame s; the exact identity where the camera stood still, None where it is not known."""
        matrix: np.ndarray = np.eye(3)
        for step in range(min(t, s), max(t, s)):
            onward = self._step(step)
            if onward is None:
                return None
            matrix = onward @ matrix
        if np.array_equal(matrix, np.eye(3)):
            return matrix
        matrix = self.at_size(np.linalg.inv(matrix) if s < t else matrix)
        height, width = self._size
        corners = transform(np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32), matrix)
        area = cv2.contourArea(corners) / (height * width)
        return matrix / matrix[2, 2] if cv2.isContourConvex(corners) and _AREAS[0] < area < _AREAS[1] else None

    def at_size(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix between the frames that corners are tracked on, in pixels of the size asked for."""
        (h, w), (height, width) = self._frames.size, self._size
        scale = np.diag([width / w, height / h, 1.0])
        scaled: np.ndarray = scale @ matrix @ np.linalg.inv(scale)
        return scaled

    def corners(self, t: int, s: int) -> tuple[Array, Array, np.ndarray | None]:
        """Corners of frame t and their places in its neighbour s, float32 ``(N, 2)`` each, and the camera's motion.

        All in pixels of the frames that corners are tracked on, which are of ``tracked_size``.
        """
        self._step(min(t, s))
        here, there, matrix = *self._corners[min(t, s)], self._steps[min(t, s)]
        return (here, there, matrix) if t < s else (there, here, None if matrix is None else np.linalg.inv(matrix))

    @property
    def tracked_size(self) -> tuple[int, int]:
        """The size of the frames that corners are tracked on."""
        return self._frames.size

    def _step(self, t: int) -> np.ndarray | None:
        """From frame t to the next."""
        with self._lock:
            if t not in self._steps:
                self._corners[t] = here, there = self._tracked(t)
                matrix, share = point_motion(here, there, _TOLERANCE)
                self._steps[t] = matrix if share >= _AGREEMENT else None
                self._frames.drop(t - 8)
            return self._steps[t]

    def _tracked(self, t: int) -> tuple[Array, Array]:
        """Corners of frame t outside its hole and their places in the next, float32 ``(N, 2)`` each."""
        frames = self._frames
        first, second = frames.grey(t), frames.grey(t + 1)
        known = (~dilate(frames.hole(t), _GUARD)).view(np.uint8)
        here = cv2.goodFeaturesToTrack(first, _CORNERS, _QUALITY, _APART, mask=known)
        if here is None or len(here) < MIN_POINTS:
            return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
        how = {"winSize": (_WINDOW, _WINDOW), "maxLevel": _LEVELS}
        there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, here, None, **how)  # type: ignore[call-overload]
        back, found_back, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None, **how)  # type: ignore[call-overload]
        here, there, back = (points.reshape(-1, 2) for points in (here, there, back))
        good = (found.ravel() > 0) & (found_back.ravel() > 0) & (np.linalg.norm(back - here, axis=1) < _RETURN)
        h, w = frames.size
        near = np.rint(np.clip(there, 0, (w - 1, h - 1))).astype(np.int32)
        good &= ~dilate(frames.hole(t + 1), _GUARD)[near[:, 1], near[:, 0]]
        return here[good], there[good]
