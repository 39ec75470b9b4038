"""Shots that are one scene: what lies between them, a few black frames or a glitch, is no reason to stop following."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import cv2
import numpy as np

from vrm.events import span
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.flow.warp import sampled
from vrm.selection.tracking.features import GetFrame, small_grey
from vrm.shots.interruptions import LONGEST
from vrm.types import U8

_CONSISTENT = 0.1
"""Share of the textured pixels that flow leads to the like of them, and back again, from which two frames show one
scene. Of unrelated pictures it was 0.01 at most, of frames 4 apart 0.3 or more unless the camera was whipped round."""
_RETURN = 1.5
"""Pixels, at working size, within which it returns."""
_ALIKE = 12
"""Difference (of 255, mean of 5x5 pixels) to what flow leads to, within which that is alike."""
_TEXTURE = 40
"""Gradient (Sobel, of 8-bit grey) of a textured pixel."""


@dataclass(frozen=True)
class Scene:
    """Frames ``start..stop-1`` without those of ``gaps``, which belong to other scenes."""

    start: int
    stop: int
    gaps: tuple[tuple[int, int], ...] = ()
    without: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "without", frozenset(t for first, last in self.gaps for t in range(first, last)))

    def __contains__(self, t: int) -> bool:
        return self.start <= t < self.stop and t not in self.without

    def __iter__(self) -> Iterator[int]:
        return (t for t in range(self.start, self.stop) if t not in self.without)

    def within(self, frames: range) -> Scene:
        """The part of the scene that lies in those frames."""
        gaps = tuple(gap for gap in self.gaps if frames.start < gap[1] and gap[0] < frames.stop)
        return Scene(max(self.start, frames.start), min(self.stop, frames.stop), gaps)

    def __str__(self) -> str:
        words = span(self.start, self.stop - 1)
        if self.gaps:
            words += f" (without {in_words(self.gaps)}, which show something else)"
        return words


def find_scenes(shots: list[tuple[int, int]], frame: GetFrame) -> list[Scene]:
    """The scenes that shots ``(start, stop)`` make up: a shot that comes back after a few frames is the same one."""
    scenes: list[Scene] = []
    for start, stop in shots:
        for k, one in enumerate(scenes):
            if 0 < start - one.stop <= LONGEST and _same(frame(one.stop - 1), frame(start)):
                scenes[k] = Scene(one.start, stop, (*one.gaps, (one.stop, start)))
                break
        else:
            scenes.append(Scene(start, stop))
    return scenes


def runs(frames: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    for _, run in groupby(enumerate(frames), key=lambda item: item[1] - item[0]):
        numbers = [t for _, t in run]
        yield numbers[0], numbers[-1]


def in_words(stretches: Iterable[tuple[int, int]]) -> str:
    """Stretches of frames ``(start, stop)``, such as "frames 3 to 5 and frame 9"."""
    words = [span(a, b - 1) for a, b in stretches]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the flow between two frames agrees with itself and with both where there is something to see."""
    first, second = small_grey(one), small_grey(other)
    estimator = DisFlow()
    forth = estimator(first, second)
    missed = forth + sampled(estimator(second, first), forth)
    textured = _texture(first) > _TEXTURE
    returns = np.square(missed).sum(2) < _RETURN**2
    difference = np.abs(sampled(second.astype(np.float32), forth) - first)
    alike = cv2.blur(difference, (5, 5)) < _ALIKE
    return bool((returns & alike & textured).sum() > _CONSISTENT * max(1, int(textured.sum())))


def _texture(grey: U8) -> np.ndarray:
    return cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
