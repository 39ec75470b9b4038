"""Scene cuts: where one shot ends and the next begins."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np

from vrm.shots.copies import is_copy
from vrm.shots.interruptions import InterruptionFinder
from vrm.types import U8, Pixels, eight_bits

SURVEY_SIDE = 256
"""Longest side, in pixels, of the pictures the detector sees; more does not find more cuts."""

_MIN_SHOT = 8
# Grey material scores a third of colour material; the detector's own 15 misses cuts there.
_MIN_CHANGE = 12.0
_COPIES = 3
"""So many copies of a picture the detector does not see: to it, 8 frames shown as 24 are stills and cuts in turn."""
_RATE = Fraction(25)  # the detector counts frames through a rate; any will do


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
    from scenedetect import FrameTimecode  # slow to import; a video that passes through needs no cuts
    from scenedetect.detectors import AdaptiveDetector

    detector = AdaptiveDetector(min_scene_len=_MIN_SHOT, min_content_val=_MIN_CHANGE)
    interruptions = InterruptionFinder()
    cuts: set[int] = set()
    first = last = before = None
    copies = 0
    for number, picture in pictures:
        first = number if first is None else first
        last = number
        interruptions.add(number, picture)
        copies = copies + 1 if before is not None and is_copy(before, picture) else 0
        before = picture
        if not 0 < copies <= _COPIES:
            found = detector.process_frame(FrameTimecode(number, _RATE), picture)
            cuts.update(cut.frame_num for cut in found)
    if first is None or last is None:
        return []
    for one in interruptions.found:
        cuts -= set(range(one.start, one.stop + 1))
        if one.other_start < one.other_stop:
            cuts |= {one.other_start, one.other_stop}
    edges = [first, *sorted(c for c in cuts if first < c <= last), last + 1]
    return list(pairwise(edges))
