"""Frames as networks take them and as they are stored: number formats and sizes."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from vrm.types import F32, Bool, Pixels


def as_float(frames: Pixels) -> F32:
    """uint8 or uint16 frames to float32 in [0, 1]."""
    return np.asarray(frames.astype(np.float32) / np.float32(np.iinfo(frames.dtype).max))


def from_float(rgb: np.ndarray, like: Pixels) -> Pixels:
    """Float32 in [0, 1] to the number format of a frame, rounded and clipped."""
    top = np.iinfo(like.dtype).max
    return cast(Pixels, np.clip(np.rint(rgb * np.float32(top)), 0, top).astype(like.dtype))


def resized(image: F32, size: tuple[int, int]) -> F32:
    """An image ``(h, w, 3)`` at a size ``(height, width)``: averaged where it shrinks, cubic where it grows."""
    if image.shape[:2] == size:
        return image
    how = _shrinking(image.shape, size) if image.shape[0] > size[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size[::-1], interpolation=how), np.float32).reshape(*size, 3)


def resized_mask(mask: Bool, size: tuple[int, int]) -> Bool:
    """A mask ``(h, w)`` at a size: set wherever any of its set pixels lies."""
    if mask.shape == size:
        return mask
    # Averaging shows every set pixel where the mask shrinks, the nearest pixel keeps it where the mask grows.
    averaged = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=_shrinking(mask.shape, size))
    nearest = cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray((averaged > 0) | (nearest > 0))


def _shrinking(shape: tuple[int, ...], size: tuple[int, int]) -> int:
    return cv2.INTER_AREA if shape[0] >= size[0] and shape[1] >= size[1] else cv2.INTER_LINEAR
