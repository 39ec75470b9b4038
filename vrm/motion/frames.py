"""The frames motion works on: grey, at reduced size, their holes filled with the best guess so far."""

from __future__ import annotations

from typing import Protocol, cast

import cv2
import numpy as np

from vrm.motion.poisson import Array
from vrm.types import U8, Bool, Pixels, eight_bits


class FrameAccess(Protocol):
    """What propagation needs of a shot; ``vrm.engines.base.Shot`` has it. Frame numbers are the video's own."""

    start: int
    stop: int
    size: tuple[int, int]

    def frame(self, t: int) -> Pixels:
        """Frame t, uint8 or uint16 ``(H, W, 3)`` RGB."""
        ...

    def hole(self, t: int) -> Bool:
        """Bool ``(H, W)``, True = to be made anew."""
        ...


def unit(frame: Pixels) -> Array:
    """uint8 or uint16 pixels as float32 in [0, 1]."""
    return frame.astype(np.float32) * np.float32(1 / np.iinfo(frame.dtype).max)


class WorkingFrames:
    """Grey frames and holes at working size, read once each and kept.

    Args:
        shot: the frames.
        longest: working frames are not larger than this on the longer side.

    Attributes:
        scale: working pixels per pixel of the shot, <= 1.
        size: working ``(height, width)``.
    """

    def __init__(self, shot: FrameAccess, longest: int) -> None:
        self.shot = shot
        height, width = shot.size
        self.scale = min(1.0, longest / max(height, width))
        self.size = max(1, round(height * self.scale)), max(1, round(width * self.scale))
        self._grey: dict[int, U8] = {}
        self._hole: dict[int, np.ndarray] = {}  # as bits: a window sees hundreds of frames

    def grey(self, t: int) -> U8:
        """Frame t, uint8 ``(h, w)``; its hole holds what was last put there (at first the object itself)."""
        if t not in self._grey:
            frame = self.shot.frame(t)
            grey: Array = eight_bits(cast(Pixels, cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)))
            if self.scale < 1:
                grey = cv2.resize(grey, self.size[::-1], interpolation=cv2.INTER_AREA)
            self._grey[t] = grey
        return self._grey[t]

    def hole(self, t: int) -> Bool:
        """Hole t, bool ``(h, w)``, see ``shrunk``."""
        if t not in self._hole:
            self._hole[t] = np.packbits(self.shrunk(self.shot.hole(t)))
        h, w = self.size
        return np.unpackbits(self._hole[t], count=h * w).reshape(h, w).view(np.bool_)

    def shrunk(self, mask: Bool) -> Bool:
        """A full-size mask at working size: every pixel that holds any of it."""
        if self.scale < 1:
            mask = cv2.resize(mask.astype(np.float32), self.size[::-1], interpolation=cv2.INTER_AREA) > 0
        return mask

    def put(self, t: int, grey: U8) -> None:
        """Replace frame t by a version with a better filled hole."""
        self._grey[t] = grey


def dilate(mask: Bool, radius: int) -> Bool:
    """The mask grown by a disc of ``radius`` pixels (a 3x3 square for 1)."""
    if radius < 1:
        return mask
    shape = cv2.MORPH_ELLIPSE if radius > 1 else cv2.MORPH_RECT
    kernel = cv2.getStructuringElement(shape, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.view(np.uint8), kernel).view(np.bool_)
