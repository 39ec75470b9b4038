"""The size and orientation of a mask against those of its video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vrm.errors import MaskError
from vrm.media.read.picture_tags import upright
from vrm.types import VideoInfo

ASPECT_TOLERANCE = 0.02
"""Aspect ratios this close are the same picture: 432x240 is what data sets make of 854x480, 1.2% off."""


@dataclass(frozen=True)
class Placement:
    """How a mask gets the video's stored size ``(height, width)``: quarter turns counter-clockwise, then scaling.

    ``orientation``: EXIF's, by which it is turned before.
    """

    turns: int
    size: tuple[int, int]
    note: str = ""
    orientation: int = 1

    def apply(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turn and scale a plane ``(h, w)`` of uint8 or uint16 to the stored size (nearest neighbour)."""
        turned = np.rot90(upright(plane, self.orientation), self.turns)
        if turned.shape == self.size:
            return np.ascontiguousarray(turned)
        height, width = self.size
        # Nearest, because ids must not be mixed.
        return cv2.resize(np.ascontiguousarray(turned), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def placement(size: tuple[int, int], info: VideoInfo, name: str) -> Placement:
    """How a mask of ``size`` ``(height, width)`` lies on the video.

    Masks are drawn in the displayed orientation. One in the stored size of a turned video, one of another size with the
    same aspect, and one drawn on a screenshot with the sample aspect applied are taken too, each with a note.

    Raises MaskError: the aspect fits neither way.
    """
    turns = info.rotation // 90
    shown, stored = info.display_size, info.size
    stretch = float(info.sample_aspect) or 1.0  # width over height of a pixel on the screen, before the video is turned
    if info.rotation in (90, 270):
        stretch = 1 / stretch
    scaled = f"Mask {name} is {_text(size)} and is scaled to the video's"
    if size == shown:
        return Placement(turns, stored)
    if size == stored:
        note = f"Mask {name} is {_text(size)}, the stored orientation of a video that is turned for display to "
        return Placement(0, stored, f"{note}{_text(shown)}; it is taken as stored.")
    if _same_aspect(size, shown):
        return Placement(turns, stored, f"{scaled} {_text(shown)}.")
    if info.orientation >= 5 and _same_aspect(size, shown[::-1]):
        note = f"Mask {name} is {_text(size)}, the stored orientation of pictures that are turned for display to "
        return Placement(0, stored, f"{note}{_text(shown)}; it is turned as they are.", info.orientation)
    if _same_aspect(size, shown, stretch):
        return Placement(turns, stored, f"{scaled} {_text(shown)}. (It has the shape of the picture on the screen.)")
    if _same_aspect(size, stored):
        return Placement(0, stored, f"{scaled} {_text(stored)}. It is taken in the stored orientation.")
    raise MaskError(
        f"Mask {name} is {_text(size)}, but the video is shown at {_text(shown)}.",
        "Draw the mask on a frame of this video; another size is scaled only if it has the same shape.",
    )


def fits_some_way(size: tuple[int, int], stored: tuple[int, int], stretch: float) -> bool:
    """Whether ``placement`` may take a mask of ``size`` for frames of a ``stored`` size, whichever way they are turned.

    ``stretch`` is width over height of a stored pixel.
    """
    turned = stored[::-1]
    return any(_same_aspect(size, stored, by) or _same_aspect(size, turned, 1 / by) for by in (1.0, stretch))


def _same_aspect(one: tuple[int, int], other: tuple[int, int], stretch: float = 1.0) -> bool:
    ratio = (one[1] / one[0]) / (other[1] * stretch / other[0])
    rounding = 0.5 / min(one)
    return abs(ratio - 1.0) <= ASPECT_TOLERANCE + rounding


def _text(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
