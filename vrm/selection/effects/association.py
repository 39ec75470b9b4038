"""Which loss of light belongs to the object: that which goes with it (the object-triggered average).

Every frame's loss of light is laid into the object's coordinates; what belongs to the scene moves against the object
and averages out, what belongs to the object stays.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from vrm.selection.effects.evidence import Evidence
from vrm.selection.effects.placement import Placement, into_frame, into_object
from vrm.types import F32, Bool

_SIDE = 112
_HEIGHTS = 2.0
"""The picture in the object's coordinates: ``_SIDE`` pixels for twice ``_HEIGHTS`` heights of the object."""

_BLUR = 0.025
"""Heights that shadows sway by against the object; twice as much along the ground."""

_FEWEST = 5
_LEAST = 0.7
"""Frames do not err less than this, in standard deviations: what they share is no accident."""
_SEED, _WEAK = 3.0, 1.7
"""Standard deviations of light lost from which a region starts, and is continued."""
_SUPPORTED, _LIKELY = 2.2, 1.7
"""Standard deviations of the average: of a seed's place, and of the places that most of a region lies in."""
_SHARE = 0.35
_SMALLEST = 12
_ABOVE = 0.5
"""What lies more than this many heights above the foot is no shadow on the ground."""


def supported(evidences: Mapping[int, Evidence], places: Mapping[int, Placement]) -> dict[int, F32]:
    """How sure it is that a loss of light at a place goes with the object: standard deviations, ``(h, w)`` by frame.

    The better of two averages: tied to the object, and tied to the ground below it.
    """
    times = [t for t in evidences if t in places]
    found: dict[int, F32] = {}
    if len(times) < _FEWEST:
        return found
    unit, middle = _SIDE / (2 * _HEIGHTS), _SIDE / 2
    for grounded in (False, True):
        matrices = {t: places[t].to_frame(evidences[t].known.shape, unit, (middle, middle), grounded) for t in times}
        stack = np.full((len(times), _SIDE, _SIDE), np.nan, np.float32)
        for k, t in enumerate(times):
            shown = into_object(evidences[t].known.astype(np.float32), matrices[t], (_SIDE, _SIDE)) > 0.99
            blur = places[t].height * _BLUR
            soft = cv2.GaussianBlur(evidences[t].sureness, (0, 0), 2 * blur, sigmaY=blur)
            sureness = into_object(np.asarray(soft, np.float32), matrices[t], (_SIDE, _SIDE))
            stack[k][shown] = np.clip(sureness[shown], -4, 6)
        average = _significance(stack)
        average[: int(middle - _ABOVE * unit)] = 0
        for t in times:
            here = into_frame(average, matrices[t], evidences[t].known.shape)
            found[t] = np.maximum(found[t], here) if t in found else here
    return found


def _significance(stack: F32) -> F32:
    """Median over its standard error, with a third of the frames counted as independent."""
    count = np.isfinite(stack).sum(0)
    enough = count >= _FEWEST
    out = np.zeros(stack.shape[1:], np.float32)
    part = stack[:, enough]
    if part.size:
        median = np.nanmedian(part, 0)
        deviation = 1.25 * 1.48 * np.nanmedian(np.abs(part - median), 0)
        error = np.maximum(deviation, _LEAST) / np.sqrt(np.maximum(1, count[enough] / 3))
        out[enough] = median / error
    return out


def associated(found: Evidence, support: F32) -> Bool:
    """The regions of light lost that go with the object, bool ``(h, w)``."""
    weak = (found.score > _WEAK).astype(np.uint8)
    seeds = (found.score > _SEED) & (support > _SUPPORTED)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    if count < 2 or not seeds.any():
        return np.zeros(weak.shape, np.bool_)
    area = stats[:, cv2.CC_STAT_AREA].astype(np.float32)
    likely = np.bincount(labels[support > _LIKELY], minlength=count) / np.maximum(area, 1)
    seeded = np.bincount(labels[seeds], minlength=count) > 0
    kept = seeded & (area > _SMALLEST) & (likely > _SHARE)
    kept[0] = False
    return np.asarray(kept[labels])
