"""Composition of frames, squared error and PSNR."""

from __future__ import annotations

import math
from typing import Any, cast

import cv2
import numpy as np

from vrm.types import Array, Bool, Pixels


def composed(truth: Pixels, filled: Pixels, mask: Bool) -> Pixels:
    """The frame that is scored: ``filled`` under the mask, ``truth`` elsewhere; uint8 or uint16 ``(H, W, 3)``."""
    # OpenCV would copy nothing, without an error.
    if truth.dtype != filled.dtype or truth.shape != filled.shape or mask.shape != truth.shape[:2]:
        shapes = f"{truth.dtype} {truth.shape} and {filled.dtype} {filled.shape} under a mask {mask.shape}"
        raise ValueError(f"frames {shapes}")
    out: Any = truth.copy()
    cv2.copyTo(filled, mask.view(np.uint8), out)
    return cast(Pixels, out)


def squared_error(truth: Pixels, filled: Pixels) -> int:
    """The exact sum of squared differences of two frames of one type, in squared levels."""
    difference = filled.astype(np.int64) - truth
    return int(np.vdot(difference, difference))


def psnr(mse: float, peak: float) -> float:
    """Peak signal-to-noise ratio in dB: ``10 log10(peak^2 / mse)``; +inf for equal frames, nan for nan."""
    if mse == 0:
        return math.inf
    return 10 * math.log10(peak**2 / mse)


def peak_of(frame: Array) -> int:
    """The largest value of the frame's type: 255 or 65535."""
    return int(np.iinfo(frame.dtype).max)
