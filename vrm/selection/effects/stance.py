"""Where an object stands on each frame, and pictures of its surroundings in its own coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vrm.selection.effects.working_frames import EffectFrames
from vrm.types import F32, Bool, bounding_box

Vector = npt.NDArray[np.float64]
"""``(x, y)``."""

_GROUND = 12
"""Frames on either side among which an object that leaves the ground touches it."""


@dataclass(frozen=True)
class Stance:
    """An object's foot ``(x, y)`` and its height, in pixels at working size.

    ``ground`` is the y of the ground below, where the object is in the air: a leaping horse leaves its shadow there.
    """

    x: float
    y: float
    height: float
    ground: float

    def to_frame(self, size: tuple[int, int], unit: float, origin: tuple[float, float], grounded: bool) -> F32:
        """The affine matrix from a picture in the object's coordinates to the frame.

        ``unit`` pixels of the picture are one height; the foot lies at ``origin`` ``(x, y)`` of it.
        """
        scale = self.height / unit
        y = self.ground if grounded else self.y
        return np.array([[scale, 0, self.x - scale * origin[0]], [0, scale, y - scale * origin[1]]], np.float32)


def stances(objects: Mapping[int, Bool], middle: bool = False) -> dict[int, Stance]:
    """The stance on each frame that shows the object.

    ``middle``: its x is that of the object's middle, which sways less than a foot that steps.
    """
    feet: dict[int, tuple[float, float]] = {}
    heights: dict[int, float] = {}
    for t, mask in objects.items():
        box = bounding_box(mask)
        if box is None or mask.sum() < 16:
            continue
        ys, xs = np.nonzero(mask)
        y = float(np.percentile(ys, 99.5))
        feet[t] = float((xs if middle else xs[ys >= y - 3]).mean()), y
        heights[t] = max(8.0, float(box[2] - box[0]))
    found = {}
    for t, (x, y) in feet.items():
        near = [u for u in range(t - _GROUND, t + _GROUND + 1) if u in feet]
        height = float(np.median([heights[u] for u in near]))
        found[t] = Stance(x, y, height, max(feet[u][1] for u in near))
    return found


def own_motion(frames: EffectFrames, places: Mapping[int, Stance]) -> dict[int, Vector]:
    """How far the foot moves against the ground from each frame to the next, in heights."""
    moved = {}
    h, w = frames.flow_size
    for t, place in places.items():
        if t + 1 in places:
            x, y = min(w - 1, max(0, int(place.x * w / frames.size[1]))), min(h - 1, int(place.y * h / frames.size[0]))
            ground = frames.flow(t, 1)[y, x] * np.array([frames.size[1] / w, frames.size[0] / h])
            after = places[t + 1]
            moved[t] = (np.array([after.x - place.x, after.y - place.y]) - ground) / place.height
    return moved


def into_object(picture: F32, matrix: F32, size: tuple[int, int], interpolation: int = cv2.INTER_LINEAR) -> F32:
    """A frame's plane in the object's coordinates, ``size`` ``(height, width)``; zero outside the frame."""
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, size[::-1], flags=flags), np.float32)


def into_frame(picture: F32, matrix: F32, size: tuple[int, int]) -> F32:
    """A plane in the object's coordinates laid into a frame; zero outside the plane."""
    return np.asarray(cv2.warpAffine(picture, matrix, size[::-1], flags=cv2.INTER_LINEAR), np.float32)
