"""Clicks that correct an outline: near each, what was known gives way to what was clicked on and looks like it.

How far a click reaches follows from the outline: whoever corrects it clicks well inside of what is wrong, so what is
wrong is about as large as the click is deep in it. Farther away the outline stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.selection.prompts.graph_cut import ColourModel, PixelGraph
from vrm.types import F32, Bool

_REACH, _CORE = 2.0, 0.8
"""A click reaches this many times its depth, and counts fully at this many."""
_FARTHEST, _EDGE_FREE = 6.0, 2.0
"""Along what looks alike, as a shadow below a car does, it reaches this many times its depth, as long as the geodesic
way there is not much longer than this many times the one to the rim of what is wrong."""
_LEAST_DEPTH = 2.0
"""Pixels."""
_LIKE, _AT = 3.0, 3.0
"""Log odds of what an edge-free way leads to from a click, and of what lies around it."""
_NEARBY, _ALIKE = 0.08, 0.02
"""Shares of the box that are near a click, by geodesic distance, and whose colours it stands for."""
_FAITH = 2.0
"""Log odds by which the outline stays as it is where no click reaches."""
_COLOURS, _EVIDENCE = 0.8, 0.25
"""How much colours count, and what else is known."""
_STRENGTH, _ROUNDS = 3.0, 2
Places = Sequence[tuple[int, int]]
"""Pixels ``(y, x)``."""


@dataclass(frozen=True)
class _Reach:
    """What clicks say of every pixel.

    Attributes:
        odds: log odds for the object.
        untouched: 1 where no click reaches, 0 at one.
        on, off: what surely looks like the object, and like its surroundings.
    """

    odds: F32
    untouched: F32
    on: Bool
    off: Bool


def corrected(
    lab: F32, graph: PixelGraph, inside: Bool, mask: Bool, evidence: F32, on: Places, off: Places
) -> Bool:  # fmt: skip
    """A mask, corrected by places that are, and are not, the object; see ``smooth_lab`` for ``lab``.

    Args:
        inside: the box, bool ``(h, w)``; nothing outside of it is taken.
        evidence: log odds of all but colours.
    """
    reach = _reach(graph, inside, mask, on, off)
    known = np.where(mask, _FAITH, -_FAITH) * reach.untouched + reach.odds
    colours = lab.reshape(-1, 3).astype(np.float64)
    asked = inside.ravel()
    mask = np.asarray((known > 0) & inside)
    for _ in range(_ROUNDS):
        own, other = (mask | reach.on) & ~reach.off, (~mask | reach.off) & ~reach.on
        looks = np.zeros(mask.size)
        models = (ColourModel(colours, part.ravel(), n)(colours[asked]) for part, n in ((own, 6), (other, 8)))
        looks[asked] = np.clip(next(models) - next(models), -4, 4)
        odds = _COLOURS * looks.reshape(mask.shape) + known + _EVIDENCE * evidence
        odds = np.where(inside, odds, -9)
        for places, sign in ((on, 9), (off, -9)):
            for y, x in places:
                odds[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = sign
        mask = graph.min_cut(odds.astype(np.float32), _STRENGTH)
    return mask


def _reach(graph: PixelGraph, inside: Bool, mask: Bool, on: Places, off: Places) -> _Reach:
    height, width = mask.shape
    yy, xx = np.mgrid[:height, :width]
    odds, untouched = np.zeros(mask.shape, np.float32), np.ones(mask.shape, np.float32)
    alike = []
    for places, sign, wrong in ((on, 1, inside & ~mask), (off, -1, inside & mask)):
        depth = cv2.distanceTransform(np.pad(wrong, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        like = np.zeros(mask.shape, np.bool_)
        for y, x in places:
            away = np.hypot(yy - y, xx - x) / max(_LEAST_DEPTH, float(depth[y, x]))
            path = graph.distances([y * width + x])
            around = _EDGE_FREE * max(1e-6, float(np.median(path[(away > 0.7) & (away < 1.3)])))
            along = np.exp(-((path / around) ** 2) - (away / _FARTHEST) ** 2)
            local = np.maximum(np.exp(-((away / _REACH) ** 2)), along)
            near, close = np.quantile(path[inside], (_NEARBY, _ALIKE))
            odds += sign * (_LIKE * np.exp(-path / max(near, 1e-6)) * local + _AT * np.exp(-((away / _CORE) ** 2)))
            untouched *= 1 - local
            like |= inside & (path <= close)
        alike.append(like)
    return _Reach(odds, untouched, *alike)
