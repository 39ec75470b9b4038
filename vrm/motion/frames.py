"""Working frames: grey, at reduced size, their holes filled as well as is known so far; masks, boxes and lengths.

Constants said to be "in frames 432 wide" were chosen on such frames; ``length_scale`` stretches them for larger ones.
"""

from __future__ import annotations

from typing import Protocol, cast

import cv2
import numpy as np

from vrm.types import U8, Array, Bool, Box, Pixels, bounding_box, eight_bits, grow_box

GUARD = 2
"""Pixels around a hole that no colour is taken from: interpolation and gradients would touch the object."""

_REFERENCE_WIDTH = 432.0


class FrameAccess(Protocol):
    """What propagation needs of a shot; ``vrm.engines.base.Shot`` has it. Frame numbers are the video's own."""

    start: int
    stop: int
    size: tuple[int, int]

    def frame(self, t: int) -> Pixels:
        """Frame t, uint8 or uint16 ``(H, W, 3)`` RGB."""
        ...

    def hole(self, t: int) -> Bool:
        """Bool ``(H, W)``, True = to be filled."""
        ...


class WorkingFrames:
    """Grey frames and holes at working size, each read once and kept.

    ``longest``: working frames are not larger than this on the longer side.

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
        self._hole: dict[int, np.ndarray] = {}  # packed to bits: a window sees hundreds of frames

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

    def warped(self, t: int, xy: Array, guard: int = GUARD) -> tuple[U8, Bool]:
        """Frame t at places ``(h, w, 2)``, and which of them are inside it and ``guard`` pixels outside its hole."""
        x, y = xy[..., 0], xy[..., 1]
        hidden = dilate(self.hole(t), guard).view(np.uint8)
        shown = cv2.remap(hidden, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0) == 0
        there = cv2.remap(self.grey(t), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cast(U8, there), shown

    def drop(self, t: int) -> None:
        """Forget frame t; it is read again where it is needed again."""
        self._grey.pop(t, None)

    def put(self, t: int, grey: U8) -> None:
        """Replace frame t by a version with a better filled hole."""
        self._grey[t] = grey


class HolePixels:
    """Pixels of a hole at full size, and the working pixel each belongs to.

    Args:
        frames: the working frames.
        index: int64 ``(N,)``: flat indices in a frame at full size.
        size: the full ``(height, width)``; the shot's by default.

    Attributes:
        rows, cols: int64 ``(N,)``: the working pixels.
    """

    def __init__(self, frames: WorkingFrames, index: np.ndarray, size: tuple[int, int] | None = None) -> None:
        self.index = index
        height, width = size or frames.shot.size
        self._scale = max(frames.size) / max(height, width)
        self._limit = np.array([width - 1, height - 1], np.float32)
        rows, cols = np.divmod(index, width)
        h, w = frames.size
        self.rows = np.minimum(((rows + 0.5) * h / height).astype(np.int64), h - 1)
        self.cols = np.minimum(((cols + 0.5) * w / width).astype(np.int64), w - 1)
        self._full = np.stack([cols, rows], -1).astype(np.float32)
        self._working = np.stack([self.cols, self.rows], -1).astype(np.float32)

    def full_size(self, xy: Array) -> Array:
        """Places in a source frame at full size, from those of the working pixels; float32 ``(N, 2)``.

        What a working pixel moves by, all full-size pixels that belong to it move by.
        """
        places: Array = (xy - self._working) / np.float32(self._scale) + self._full
        return np.clip(places, 0, self._limit)


def unit(frame: Pixels) -> Array:
    """uint8 or uint16 pixels as float32 in [0, 1]."""
    return frame.astype(np.float32) * np.float32(1 / np.iinfo(frame.dtype).max)


_MEAN = np.full(3, 1 / 3, np.float32)


def mean_of_channels(values: Array) -> Array:
    """The mean over the last of float32 ``(..., 3)``; NumPy's own takes ten times as long over so few."""
    mean: Array = values @ _MEAN
    return mean


def length_scale(size: tuple[int, int]) -> float:
    """How much longer lengths are in frames ``(height, width)`` than in frames 432 wide; at least 1."""
    return max(1.0, max(size) / _REFERENCE_WIDTH)


def odd(size: float) -> int:
    """The odd whole number nearest to a size: what a centred window can have."""
    return 2 * round((size - 1) / 2) + 1


def disc(diameter: int) -> U8:
    """A disc as a structuring element."""
    return cast(U8, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)))


def dilate(mask: Bool, radius: int) -> Bool:
    """The mask grown by a disc of ``radius`` pixels (a 3x3 square for 1)."""
    if radius < 1:
        return mask
    kernel = disc(2 * radius + 1) if radius > 1 else np.ones((3, 3), np.uint8)
    return cv2.dilate(mask.view(np.uint8), kernel).view(np.bool_)


def closed(mask: Bool, diameter: int) -> Bool:
    """The mask with gaps closed that a disc does not fit into."""
    return cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, disc(diameter)).view(np.bool_)


def opened(mask: Bool, diameter: int) -> Bool:
    """The mask without parts that a disc does not fit into."""
    return cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, disc(diameter)).view(np.bool_)


def box_around(hole: Bool, margin: int) -> Box:
    """The bounding box of a hole that is not empty, with a margin."""
    box = bounding_box(hole)
    assert box is not None
    return grow_box(box, margin, hole.shape)


def alignment_box(hole: Bool) -> Box | None:
    """The box that whole frames are aligned on: the hole and enough known pixels around it. None if it is empty."""
    box = bounding_box(hole)
    if box is None:
        return None
    return grow_box(box, max(40, (box[2] - box[0]) // 2, (box[3] - box[1]) // 2), hole.shape)


def depth_in_hole(inside: Bool) -> Array:
    """Distance of each hole pixel to the nearest known one, float32 ``(N,)``.

    There is nothing to fit beyond the border of the picture, so it counts as hole.
    """
    padded = cv2.copyMakeBorder(inside.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1][inside]
