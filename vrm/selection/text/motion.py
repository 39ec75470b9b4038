"""How a line of text moves on the screen, and whether it moves with the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vrm.motion.flow.camera import transform
from vrm.motion.flow.camera_path import CameraPath
from vrm.selection.text.chains import STANDING, Chain, average, grey_of, halves, match, outside, shifted, spread
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
_KEPT = 24
"""Frames from one another that the camera's path is kept for."""
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
    """The camera's motion between frames ``(height, width)``, away from all text."""

    def __init__(self, frame: GetFrame, found: dict[int, list[Box]], size: tuple[int, int]) -> None:
        self._shot = _AwayFromText(frame, found, size)
        self._path, self._at = CameraPath(self._shot, size), 0

    def between(self, t: int, other: int) -> np.ndarray | None:
        """The homography from frame t to another; None where nothing tells."""
        if abs(t - self._at) > _KEPT:  # what it keeps of frames far away would add up in a long video
            self._path, self._at = CameraPath(self._shot, self._shot.size), t
        return self._path.between(t, other)

    def ground_shift(self, t: int, other: int, box: Box) -> tuple[float, float] | None:
        """How the ground under a box moves from frame t to another, ``(x, y)`` pixels; None where nothing tells."""
        matrix = self.between(t, other)
        if matrix is None:
            return None
        middle = np.array([[(box[1] + box[3]) / 2, (box[0] + box[2]) / 2]], np.float32)
        x, y = (transform(middle, matrix) - middle)[0]
        return float(x), float(y)


class _AwayFromText:
    """Frames whose text counts as hidden, as ``FrameAccess`` has them."""

    start, stop = 0, 0

    def __init__(self, frame: GetFrame, found: dict[int, list[Box]], size: tuple[int, int]) -> None:
        self.frame, self._found, self.size = frame, found, size

    def hole(self, t: int) -> Bool:
        out: Bool = np.zeros(self.size, np.bool_)
        near = min(self._found, key=lambda n: abs(n - t), default=t)
        for y0, x0, y1, x1 in self._found.get(near, []):
            out[y0:y1, x0:x1] = True
        return out


def with_scene(
    frame: GetFrame, scene: CameraMotion, chain: Chain, way: Way, life: range, shots: Sequence[tuple[int, int]]
) -> float | None:
    """Whether a line moves with the scene: 0 (as no sample has it) to 1; None where the camera does not move.

    Compared over short gaps, in which even a fast camera's motion is found.
    """
    votes = []
    if chain.windows:
        pairs = [halves(window) for window in spread(chain.windows, _PLACES)]
        answers = [_vote(_View.of(frame, a), _View.of(frame, b), scene, chain, way) for a, b in pairs]
        votes = [answer for answer in answers if answer is not None]
    for t in [] if chain.windows else spread(chain.samples, _PLACES):
        shot = next((s for s in shots if s[0] <= t < s[1]), (t, t + 1))
        for gap in _GAPS:
            inside = [n for n in (t + gap, t - gap) if shot[0] <= n < shot[1]]
            inside.sort(key=lambda n: n not in life)  # where the line is, if it can be
            moved = None
            if inside:
                # One that was found in its place again, while the ground was not, stands.
                seen = way.stands and (len(chain.samples) > 1 or inside[0] in life)
                moved = _vote(_View.of(frame, [t]), _View.of(frame, [inside[0]]), scene, chain, way, seen)
            if moved is not None:
                votes.append(moved)
                break
    return float(np.mean(votes)) if votes else None


@dataclass(frozen=True)
class _View:
    """A frame, or the average of some around it."""

    t: int
    grey: U8

    @classmethod
    def of(cls, frame: GetFrame, times: Sequence[int]) -> _View:
        return cls(times[len(times) // 2], grey_of(average(frame, times)))


def _vote(
    here: _View, there: _View, scene: CameraMotion, chain: Chain, way: Way, seen_standing: bool = False
) -> bool | None:
    """Whether the line's picture is found where the ground went (True), or where the line itself did (False).

    None where the ground under it hardly moves, or nothing tells.
    """
    one, two = here.grey, there.grey
    start, end = way.at(here.t), way.at(there.t)
    y0, x0, y1, x1 = shifted(chain.box, start)
    box = (max(0, y0), max(0, x0), min(one.shape[0], y1), min(one.shape[1], x1))
    ground = scene.ground_shift(here.t, there.t, box)
    if ground is None or box[2] - box[0] < 4 or box[3] - box[1] < 4:
        return None
    own = (end[0] - start[0], end[1] - start[1])
    apart = float(np.hypot(ground[0] - own[0], ground[1] - own[1]))
    if way.steady is not None and apart < _TELLING * max(one.shape):
        return None
    if seen_standing:
        return False
    line = one[box[0] : box[2], box[1] : box[3]]
    with_ground = shifted(box, ground)
    if outside(with_ground, two.shape):  # part of it has left the picture: what is left tells
        return match(line, two, shifted(box, own), 1)[1] < (STANDING if chain.windows else 0.5)
    reach = 2 + round(_WITH * apart)
    return match(line, two, with_ground, reach)[1] > match(line, two, shifted(box, own), 1)[1]
