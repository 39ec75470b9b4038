"""Pixel values as light and back, by the curve of sRGB (IEC 61966-2-1): light adds up, pixel values do not."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.types import F32, U8

_CODES = np.arange(256) / 255
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def linear_light(rgb: U8) -> F32:
    """uint8 pixels as light, 0..1."""
    return np.asarray(cv2.LUT(rgb, _LINEAR), np.float32)


def luminance(light: F32) -> F32:
    """The luminance (BT.709) of light ``(..., 3)``."""
    return np.asarray(light @ _LUMINANCE, np.float32)


def as_pixels(light: F32) -> U8:
    """Light, 0..1, as the nearest uint8 pixels: the inverse of ``linear_light``."""
    light = np.clip(light, 0, 1)
    codes = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(codes * 255), np.uint8)
