"""Which loss of light belongs to the object: that which goes with it.

Every frame's loss of light is laid into the object's coordinates. What belongs to the scene moves against the object
and averages out, what belongs to the object stays (the object-triggered average). A shadow on uneven ground sways too
much for that, but where it is plain it is there on most frames of a second in which the object has left its place.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from vrm.selection.effects.evidence import Evidence
from vrm.selection.effects.stance import Stance, Vector, into_frame, into_object
from vrm.types import F32, Bool

_UNIT = 28.0
"""An object's height, in pixels, on the picture in the object's coordinates, ..."""
_SIZE = 84, 113
_FOOT = 56.0, 28.0
"""its ``(height, width)``, and where the foot lies ``(x, y)``."""

_BLUR, _STEADY_BLUR = 0.025, 0.05
"""Heights that shadows sway by against the object; twice as much along the ground."""

_FEWEST = 5
_LEAST = 0.7
"""Frames do not err less than this, in standard deviations: what they share is no accident."""
_SEED, _WEAK = 3.0, 1.7
"""Standard deviations of light lost from which a region starts, and is continued."""
_SUPPORTED, _LIKELY, _STAYS = 3.0, 2.5, 3.1
"""Standard deviations of the average: of a seed's place, of the places that most of a region lies in, and what a
plain loss of light that stays with the object counts as."""
_SHARE = 0.4
_SMALLEST = 12
_APART = 0.5
"""Heights around the object and the ground below it, or around what is kept so, within which a region must begin."""
_ABOVE = 0.5
"""What lies more than this many heights above the foot is no shadow on the ground."""

_AROUND = 8
"""Frames on either side on which a plain shadow stays with the object, ..."""
_PLAIN = 4.0
"""standard deviations of light lost that make it plain, ..."""
_MOST = 0.7
"""share of these frames that must show it, ..."""
_SWAY = 0.07
"""heights that it sways by meanwhile, ..."""
_TRAVEL = 0.6
"""and heights that the object must have moved against the ground meanwhile, or the ground stays with it as well."""
_LEAST_TRAVEL = 0.25
"""The same for the average over all frames."""
_ZONE = 1.2, 0.25, 0.8
"""Heights to either side of the foot, above and below it, within which this is looked for."""


def supported(
    evidences: Mapping[int, Evidence], places: Mapping[int, Stance], moved: Mapping[int, Vector], steady: bool = False
) -> dict[int, F32]:
    """How sure it is that a loss of light at a place goes with the object: standard deviations, ``(h, w)`` by frame.

    The better of two: tied to the object, and tied to the ground below it.

    Args:
        moved: see ``own_motion``.
        steady: by what ``Evidence.steady`` says: less is found, and less by accident.
    """
    times = [t for t in evidences if t in places]
    found: dict[int, F32] = {}
    if len(times) < _FEWEST or _travel(times, moved) < _LEAST_TRAVEL:
        return found
    for grounded in (False, True):
        matrices = {t: places[t].to_frame(evidences[t].known.shape, _UNIT, _FOOT, grounded) for t in times}
        average = _average(evidences, places, matrices, steady)
        stays = _staying(evidences, matrices, moved)
        for t in times:
            sure = np.maximum(average, np.where(stays[t], np.float32(_STAYS), 0)) if t in stays else average
            here = into_frame(sure, matrices[t], evidences[t].known.shape)
            found[t] = np.maximum(found[t], here) if t in found else here
    return found


def _travel(times: list[int], moved: Mapping[int, Vector]) -> float:
    """How far the object comes against the ground, in heights."""
    path = np.cumsum([moved[t] for t in times if t in moved] or np.zeros((1, 2)), 0)
    return float(np.linalg.norm(np.ptp(np.vstack([np.zeros(2), path]), 0)))


def _average(
    evidences: Mapping[int, Evidence], places: Mapping[int, Stance], matrices: Mapping[int, F32], steady: bool
) -> F32:
    """The object-triggered average, in standard deviations, in the object's coordinates."""
    stack = np.full((len(matrices), *_SIZE), np.nan, np.float32)
    for k, (t, matrix) in enumerate(matrices.items()):
        shown = into_object(evidences[t].known.astype(np.float32), matrix, _SIZE) > 0.99
        blur = places[t].height * (_STEADY_BLUR if steady else _BLUR)
        sure = evidences[t].steady if steady else evidences[t].sureness
        soft = cv2.GaussianBlur(sure, (0, 0), 2 * blur, sigmaY=blur)
        sureness = into_object(np.asarray(soft, np.float32), matrix, _SIZE)
        stack[k][shown] = np.clip(sureness[shown], -4, 6)
    average = _significance(stack)
    average[: int(_FOOT[1] - _ABOVE * _UNIT)] = 0
    return average


def _staying(
    evidences: Mapping[int, Evidence], matrices: Mapping[int, F32], moved: Mapping[int, Vector]
) -> dict[int, Bool]:
    """Where a plain loss of light stays with the object for a while, in its coordinates, for frames that can tell."""
    times = list(matrices)
    sway = np.ones((2 * round(_SWAY * _UNIT) + 1,) * 2, np.uint8)
    plain = np.zeros((len(times) + 1, *_SIZE), np.float32)
    for k, t in enumerate(times):
        dark = cv2.dilate((evidences[t].score > _PLAIN).astype(np.float32), np.ones((3, 3), np.uint8))
        plain[k + 1] = cv2.dilate(into_object(np.asarray(dark), matrices[t], _SIZE), sway) > 0.5
    total = np.cumsum(plain, 0)
    down, across = (np.arange(n) - middle for n, middle in zip(_SIZE, _FOOT[::-1], strict=True))
    side, above, below = (part * _UNIT for part in _ZONE)
    zone = (np.abs(across) < side) & ((down > -above) & (down < below))[:, None]
    found = {}
    for k, t in enumerate(times):
        first, stop = max(0, k - _AROUND), min(len(times), k + _AROUND + 1)
        travel = sum((moved[u] for u in times[first : stop - 1] if u in moved), np.zeros(2))
        if stop - first > _AROUND // 2 and np.linalg.norm(travel) >= _TRAVEL:
            found[t] = ((total[stop] - total[first]) >= _MOST * (stop - first)) & zone
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


def associated(found: Evidence, support: F32, outline: Bool, place: Stance) -> Bool:
    """The regions of light lost that go with an object, bool ``(h, w)``."""
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
    begins = outline.copy()
    begins[round(place.y) : round(place.ground) + 1, max(0, round(place.x) - 1) : round(place.x) + 2] = True
    return _begun_at(begins, np.asarray(kept[labels]), _APART * place.height)


def _begun_at(begins: Bool, regions: Bool, apart: float) -> Bool:
    """Those regions from which one comes to ``begins`` without a gap wider than ``apart`` pixels."""
    away = cv2.distanceTransform((~(regions | begins)).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    _, labels = cv2.connectedComponents((away <= apart / 2).astype(np.uint8), connectivity=8)
    return regions & np.isin(labels, labels[begins])
