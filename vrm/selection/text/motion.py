"""How a line of text moves on the screen, and whether it moves with the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.flow.camera import camera_motion, transform
from vrm.motion.flow.estimators import DisFlow
from vrm.selection.text.chains import Chain, grey_of, match, outside, shifted
from vrm.selection.tracking.features import GetFrame
from vrm.types import U8, Bool, Box

_STILL = 1.5
"""A line whose place varies by no more pixels stands still."""
_STRAIGHT = 2.5
"""A line that departs from a straight, steady way by no more pixels moves in one, as credits do."""
_GAPS = (1, 3, 9)
"""Frames between two that are compared, until the camera has moved by enough to tell."""
_TELLING = 0.006
"""The camera has moved by enough if the ground under a line has, by this share of the frame's longest side."""
_WITH = 0.35
"""A line moves with the scene if it departs from the ground's way by less than this share of it."""
_SIDE = 320
"""Longest side, in pixels, of the pictures that the camera's motion is estimated on."""
_PLACES = 5
"""Samples of a line on which its motion is compared with the camera's."""


@dataclass(frozen=True)
class Way:
    """Where a line is on each frame: ``times`` and its shifts there, in between and beyond by straight lines.

    Attributes:
        steady: pixels per frame ``(x, y)`` of a line that stands or moves evenly; None where it moves otherwise.
    """

    times: tuple[int, ...]
    shifts: tuple[tuple[float, float], ...]
    steady: tuple[float, float] | None

    def at(self, t: int) -> tuple[int, int]:
        """By how many pixels ``(x, y)`` the line is moved on frame t from where it is on the first of ``times``."""
        if self.steady is not None:
            x0, y0 = self.shifts[0]
            return round(x0 + self.steady[0] * (t - self.times[0])), round(y0 + self.steady[1] * (t - self.times[0]))
        x, y = (float(np.interp(t, self.times, [s[k] for s in self.shifts])) for k in (0, 1))
        return round(x), round(y)

    @property
    def stands(self) -> bool:
        return self.steady == (0.0, 0.0)


def way_of(chain: Chain) -> Way:
    """Standing, steady, or as its samples show it."""
    times, path = np.array(chain.samples), np.array(chain.path)
    if np.abs(path - np.median(path, 0)).max() <= _STILL:
        return Way((chain.samples[0],), ((0.0, 0.0),), (0.0, 0.0))
    if len(times) >= 3:
        (vx, vy), start = np.polyfit(times - times[0], path, 1)
        off = np.abs(path - (start + np.outer(times - times[0], (vx, vy)))).max()
        upright = min(abs(vx), abs(vy)) * (times[-1] - times[0]) <= 2 * _STILL
        if off <= _STRAIGHT and upright:
            return Way((chain.samples[0],), ((float(start[0]), float(start[1])),), (float(vx), float(vy)))
    return Way(tuple(chain.samples), tuple(chain.path), None)


class CameraMotion:
    """The camera's motion between frames, away from all text."""

    def __init__(self, frame: GetFrame, found: dict[int, list[Box]]) -> None:
        self._frame, self._found = frame, found
        self._flow = DisFlow()
        self._known: dict[tuple[int, int], np.ndarray | None] = {}

    def ground_shift(self, t: int, other: int, box: Box) -> tuple[float, float] | None:
        """How the ground under a box moves from frame t to another, ``(x, y)`` pixels; None where nothing tells."""
        picture = self._frame(t)
        scale = max(picture.shape[:2]) / _SIDE
        if (t, other) not in self._known:
            self._known[t, other] = self._camera(t, other, scale)
        homography = self._known[t, other]
        if homography is None:
            return None
        corners = np.array([[box[1], box[0]], [box[3], box[0]], [box[1], box[2]], [box[3], box[2]]], np.float32) / scale
        middle = corners.mean(0, keepdims=True)
        x, y = (transform(middle, homography) - middle)[0] * scale
        return float(x), float(y)

    def _camera(self, t: int, other: int, scale: float) -> np.ndarray | None:
        one, two = (_small(grey_of(self._frame(n)), scale) for n in (t, other))
        flow = self._flow(one, two)
        away: Bool = np.ones(one.shape, np.bool_)
        near = min(self._found, key=lambda n: abs(n - t), default=None)
        for y0, x0, y1, x1 in self._found.get(near, []) if near is not None else []:
            y0, x0, y1, x1 = (int(v / scale) for v in (y0, x0, y1, x1))
            away[max(0, y0 - 3) : y1 + 3, max(0, x0 - 3) : x1 + 3] = False
        homography, share = camera_motion(flow, away)
        return homography if share >= 0.5 else None


def _small(grey: U8, scale: float) -> U8:
    size = (max(16, round(grey.shape[1] / scale)), max(16, round(grey.shape[0] / scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def with_scene(
    frame: GetFrame, scene: CameraMotion, chain: Chain, way: Way, life: range, shots: Sequence[tuple[int, int]]
) -> float | None:
    """Whether a line moves with the scene: 0 (as no sample has it) to 1; None where the camera does not move.

    Compared over short gaps, in which even a fast camera's motion is found.
    """
    votes = []
    for t in spread(chain.samples, _PLACES):
        shot = next((s for s in shots if s[0] <= t < s[1]), (t, t + 1))
        for gap in _GAPS:
            inside = [n for n in (t + gap, t - gap) if shot[0] <= n < shot[1]]
            inside.sort(key=lambda n: n not in life)  # where the line is, if it can be
            moved = _vote(frame, scene, chain, way, life, t, inside[0]) if inside else None
            if moved is not None:
                votes.append(moved)
                break
    return float(np.mean(votes)) if votes else None


def _vote(frame: GetFrame, scene: CameraMotion, chain: Chain, way: Way, life: range, t: int, other: int) -> bool | None:
    """Whether the line's picture on frame t is found on another where the ground went, or where the line itself did."""
    one, two = grey_of(frame(t)), grey_of(frame(other))
    here, there = way.at(t), way.at(other)
    y0, x0, y1, x1 = shifted(chain.box, here)
    box = (max(0, y0), max(0, x0), min(one.shape[0], y1), min(one.shape[1], x1))
    ground = scene.ground_shift(t, other, box)
    if ground is None or box[2] - box[0] < 4 or box[3] - box[1] < 4:
        return None
    own = (there[0] - here[0], there[1] - here[1])
    apart = float(np.hypot(ground[0] - own[0], ground[1] - own[1]))
    if way.steady is not None and apart < _TELLING * max(one.shape):
        return None
    if way.stands and (
        len(chain.samples) > 1 or other in life
    ):  # it was found in its place again, and the ground was not
        return False
    line = one[box[0] : box[2], box[1] : box[3]]
    with_ground = shifted(box, ground)
    if outside(with_ground, two.shape):  # part of it has left the picture: what is left tells
        return match(line, two, shifted(box, own), 1)[1] < 0.5
    reach = 2 + round(_WITH * apart)
    return match(line, two, with_ground, reach)[1] > match(line, two, shifted(box, own), 1)[1]


def spread(values: Sequence[int], most: int) -> list[int]:
    """At most so many of the values, evenly spread."""
    if len(values) <= most:
        return list(values)
    return [values[round(i)] for i in np.linspace(0, len(values) - 1, most)]
