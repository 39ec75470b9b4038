"""What a pixel looks like and how it moves, as numbers a small classifier can learn an object from."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vrm.motion.flow.camera import camera_motion, grid, transform
from vrm.types import F32, U8, Bool, Pixels

GetFrame = Callable[[int], Pixels]
"""Frame t of the video, uint8 or uint16 RGB ``(H, W, 3)``."""
WORK_SIDE = 480
"""Longest side, in pixels, that tracking works at."""


def shrink(frame: Pixels, side: int = WORK_SIDE) -> U8:
    """A frame ``(H, W, 3)`` of either depth as uint8 with its longest side at most ``side``."""
    height, width = frame.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA)) if scale < 1.0 else frame
    return (small // 257).astype(np.uint8) if small.dtype == np.uint16 else small.astype(np.uint8)


def small_grey(frame: Pixels) -> U8:
    """A frame as optical flow is estimated on: grey, uint8 ``(h, w)``, at working size."""
    return np.asarray(cv2.cvtColor(shrink(frame), cv2.COLOR_RGB2GRAY), np.uint8)


def camera_flow(flow: F32, background: Bool) -> F32:
    """The part of a flow ``(h, w, 2)`` that one homography of the background explains; zeros if none is found."""
    homography, _ = camera_motion(flow, background)
    if homography is None:
        return np.zeros_like(flow)
    points = grid(*background.shape)
    return np.asarray(transform(points, homography) - points, np.float32)


def pixel_features(rgb: U8, flow: F32, background: Bool) -> F32:
    """Colour at three scales, edge strength in four directions at two, and motion against the camera's.

    float32 ``(h, w, 20)``, each channel of order one, from a flow to a neighbouring frame, ``(h, w, 2)`` pixels. The
    camera's motion is measured on the background.
    """
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) / np.float32(30)
    light = lab[..., 0] * 3
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    edges = np.abs(np.stack([across, down, across + down, across - down], 2))
    residual = flow - camera_flow(flow, background)
    speed = np.hypot(residual[..., 0], residual[..., 1])
    usual = np.median(speed) + 0.3
    motion = [blurred(speed, 1.5) / usual, blurred(speed, 6) / usual, speed]
    colours = [blurred(lab, sigma) for sigma in (0.7, 2.5, 7)]
    strengths = [np.log(0.1 + blurred(edges, sigma)) for sigma in (1.5, 4)]
    return np.asarray(cv2.merge([*colours, *strengths, np.log(0.2 + np.stack(motion, 2))]), np.float32)


def blurred(image: F32, sigma: float) -> F32:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))
