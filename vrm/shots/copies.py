"""Pictures that are shown more than once: 12 frames in 24 per second, 3:2 pull-down, a freeze."""

from __future__ import annotations

import cv2

from vrm.types import U8

_BLOCK = 8
_MOST = 4.0
"""Copies that went through a codec differ by up to 2 (of 255) in some block, neighbours in which anything moves by
tens."""


def is_copy(one: U8, other: U8) -> bool:
    """Whether two frames ``(h, w, 3)`` show the same picture: no block of 8x8 pixels differs by much on average."""
    height, width = one.shape[:2]
    size = (max(1, width // _BLOCK), max(1, height // _BLOCK))
    return float(cv2.resize(cv2.absdiff(one, other), size, interpolation=cv2.INTER_AREA).max()) < _MOST
