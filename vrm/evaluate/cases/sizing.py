"""Frames and masks resized to the size of the cases, as each protocol does it."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from vrm.evaluate.cases.protocols import Protocol
from vrm.types import Bool, Pixels


def resized(frame: Pixels, size: tuple[int, int], protocol: Protocol) -> Pixels:
    if not protocol.cover:
        return _resample(frame, size, protocol.resample)
    covering, (y, x) = _covering((frame.shape[0], frame.shape[1]), size)
    return _resample(frame, covering, protocol.resample)[y : y + size[0], x : x + size[1]]


def _resample(frame: Pixels, size: tuple[int, int], how: str) -> Pixels:
    if frame.shape[:2] == size:
        return frame
    if how == "area" or frame.dtype != np.uint8:
        return cast(Pixels, cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA))
    from PIL import Image

    # Pillow's bicubic filter covers all pixels when it shrinks; OpenCV's does not.
    return np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BICUBIC), np.uint8)


def _covering(frame: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The smallest size of the frame's aspect that covers ``size``, and the corner of its middle part."""
    scale = max(size[0] / frame[0], size[1] / frame[1])
    covering = max(size[0], round(frame[0] * scale)), max(size[1], round(frame[1] * scale))
    return covering, ((covering[0] - size[0]) // 2, (covering[1] - size[1]) // 2)


def fitted(mask: Bool, size: tuple[int, int], protocol: Protocol) -> Bool:
    """A mask resized as its frame is by ``resized``."""
    if not protocol.cover or mask.shape == size:
        return stretched(mask, size)
    covering, (y, x) = _covering((mask.shape[0], mask.shape[1]), size)
    return np.asarray(stretched(mask, covering)[y : y + size[0], x : x + size[1]])


def stretched(mask: Bool, size: tuple[int, int]) -> Bool:
    """A mask resized to nearest neighbours, without regard to its aspect."""
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0)


def grown(mask: Bool, how: str) -> Bool:
    """A hole dilated as ``Protocol.grow`` says."""
    if not how:
        return mask
    if how == "ellipse":
        kernel, rounds = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)), 1
    else:
        kernel, rounds = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), 4
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel, iterations=rounds) > 0)


def centred_box(size: tuple[int, int]) -> Bool:
    """A box of a quarter of height and width in the middle of the frame."""
    height, width = size
    h, w = height // 4, width // 4
    y0, x0 = (height - h) // 2, (width - w) // 2
    mask = np.zeros(size, np.bool_)
    mask[y0 : y0 + h, x0 : x0 + w] = True
    return mask
