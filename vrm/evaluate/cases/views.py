"""Synthetic keyframes of a single image: random perspective, scale, rotation and shear (Esser et al. 2022)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vrm.types import U8

_PROBABILITY = 0.5  # of each
_PERSPECTIVE, _SCALE, _DEGREES, _SHEAR = 0.06, (0.7, 1.3), 40.0, 0.1  # the most; perspective: share of the size


def view(image: U8, size: tuple[int, int], rng: np.random.Generator) -> U8:
    """Another view of the image, cropped in the middle: uint8 ``(size, 3)``; beyond its borders it is mirrored."""
    h, w = image.shape[:2]
    matrix = np.eye(3)
    if rng.random() < _PROBABILITY:
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        moved = corners + (rng.uniform(-1, 1, (4, 2)) * _PERSPECTIVE * np.array([w, h])).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(corners, moved) @ matrix
    scale = rng.uniform(*_SCALE) if rng.random() < _PROBABILITY else 1.0
    turn = np.deg2rad(rng.uniform(-_DEGREES, _DEGREES)) if rng.random() < _PROBABILITY else 0.0
    shear = rng.uniform(-_SHEAR, _SHEAR) if rng.random() < _PROBABILITY else 0.0
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = scale * rotation @ np.array([[1, shear], [0, 1]])
    matrix = _about((w / 2, h / 2), (size[1] / 2, size[0] / 2), linear) @ matrix
    return np.asarray(cv2.warpPerspective(image, matrix, size[::-1], borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def _about(
    before: tuple[float, float], after: tuple[float, float], linear: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The 3x3 map that takes one point to the other and is ``linear`` around it."""
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.array(after) - linear @ np.array(before)
    return matrix
