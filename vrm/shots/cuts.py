"""Scene cuts: where one shot ends and the next begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import pairwise

import cv2
import numpy as np

from vrm.shots.copies import is_copy
from vrm.shots.interruptions import InterruptionFinder
from vrm.types import U8, Pixels, eight_bits

SURVEY_SIDE = 256
"""Longest side, in pixels, of the pictures the detector sees; more does not find more cuts."""

_MIN_SHOT = 8
"""Frames from one cut to the next, at least."""
_MIN_CHANGE = 12.0
"""Change (of 255) of a cut, at least. Grey material scores a third of colour material; PySceneDetect's own 15 misses
cuts there."""
_OUTSTANDING = 3.0
"""And it is so many times the mean change of the frames around."""
_AROUND = 2
"""So many frames before it, and as many after."""
_COPIES = 3
"""So many copies of a picture the detector does not see: to it, 8 frames shown as 24 are stills and cuts in turn."""


def small(rgb: Pixels) -> U8:
    """The picture the detector wants: uint8 BGR ``(h, w, 3)``, longest side ``SURVEY_SIDE`` or less."""
    rgb = eight_bits(rgb)
    scale = min(1.0, SURVEY_SIDE / max(rgb.shape[:2]))
    size = max(8, round(rgb.shape[1] * scale)), max(8, round(rgb.shape[0] * scale))
    return cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR).astype(np.uint8)


def find_shots(pictures: Iterable[tuple[int, U8]]) -> list[tuple[int, int]]:
    """Cut consecutive frames, ``(number, picture)`` as of ``small``, into shots ``(start, stop)`` without gaps.

    A few frames amid a shot that are not of it are a shot of their own, see ``vrm.shots.interruptions``.
    """
    detector = CutDetector()
    interruptions = InterruptionFinder()
    first = last = before = None
    copies = 0
    for number, picture in pictures:
        first = number if first is None else first
        last = number
        interruptions.add(number, picture)
        copies = copies + 1 if before is not None and is_copy(before, picture) else 0
        before = picture
        if not 0 < copies <= _COPIES:
            detector.add(number, picture)
    if first is None or last is None:
        return []
    cuts = set(detector.found)
    for one in interruptions.found:
        cuts -= set(range(one.start, one.stop + 1))
        if one.other_start < one.other_stop:
            cuts |= {one.other_start, one.other_stop}
    edges = [first, *sorted(c for c in cuts if first < c <= last), last + 1]
    return list(pairwise(edges))


class CutDetector:
    """PySceneDetect's adaptive detector (``AdaptiveDetector`` of 0.7): a change that stands out from those around it.

    The change of a frame is the mean difference of hue, saturation and value to the frame before. To import that
    package starts ffmpeg, to see whether it is there, which takes longer than to look through a short video.
    """

    def __init__(self) -> None:
        self.found: list[int] = []
        """The first frame of every shot but the first, so far; a cut is found ``_AROUND`` frames later."""
        self._before: U8 | None = None
        self._changes: deque[tuple[int, float]] = deque(maxlen=2 * _AROUND + 1)
        self._last: int | None = None  # the cut before, or the first frame

    def add(self, number: int, picture: U8) -> None:
        """Look at the next frame, uint8 BGR ``(h, w, 3)``."""
        now = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV).astype(np.uint8, copy=False)
        change = 0.0 if self._before is None else sum(cv2.mean(cv2.absdiff(now, self._before))) / 3
        self._before = now
        self._last = number if self._last is None else self._last
        self._changes.append((number, change))
        if len(self._changes) < 2 * _AROUND + 1:
            return
        number, change = self._changes[_AROUND]
        around = sum(other for at, (_, other) in enumerate(self._changes) if at != _AROUND) / (2 * _AROUND)
        stands_out = change >= _MIN_CHANGE and change >= _OUTSTANDING * around
        if stands_out and number - self._last >= _MIN_SHOT:
            self._last = number
            self.found.append(number)
