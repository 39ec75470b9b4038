"""What a pixel looks like and how it moves, as numbers a small classifier can learn an object from."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vrm.media.frame.linear_light import linear_light
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
    lab = lab_colours(rgb) / np.float32(30)
    light = lab[..., 0] * 3
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    edges = np.abs(np.stack([across, down, across + down, across - down], 2))
    residual = flow - camera_flow(flow, background)
    speed = np.hypot(residual[..., 0], residual[..., 1])
    usual = np.median(speed) + 0.3
    motion = np.stack([blurred(speed, 1.5) / usual, _widely_blurred(speed, 6) / usual, speed], 2)
    colours = [blurred(lab, 0.7), blurred(lab, 2.5), _widely_blurred(lab, 7)]
    strengths = [cv2.log(0.1 + soft) for soft in (blurred(edges, 1.5), _widely_blurred(edges, 4))]
    return np.asarray(cv2.merge([*colours, *strengths, cv2.log(0.2 + motion)]), np.float32)


def lab_colours(rgb: U8) -> F32:
    """CIE L*a*b* (D65) of sRGB, as ``cv2.COLOR_RGB2LAB`` has it for float pictures, but for its tables.

    OpenCV makes them at the first conversion of a process, which takes as long as to convert a hundred frames.
    """
    xyz = cv2.transform(linear_light(rgb), _XYZ)
    # The cube root, and below the threshold a straight line, which meets it there.
    root = cv2.exp(cv2.log(np.maximum(xyz, _THRESHOLD)) / np.float32(3))
    root += np.float32(7.787) * np.minimum(xyz - _THRESHOLD, 0)
    return np.asarray(cv2.transform(root, _LAB), np.float32)


_WHITE = np.array([0.950456, 1, 1.088754])
_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
) / _WHITE[:, None]  # fmt: skip
_LAB = np.array([[0, 116, 0, -16], [500, -500, 0, 0], [0, 200, -200, 0]], np.float32)
_THRESHOLD = np.float32(0.008856)


def blurred(image: F32, sigma: float) -> F32:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))


def _widely_blurred(image: F32, sigma: float) -> F32:
    """The same for a sigma of several pixels: at half the size, where it takes an eighth of the time."""
    height, width = image.shape[:2]
    half = cv2.resize(image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(half, (0, 0), sigma / 2), (width, height)))
