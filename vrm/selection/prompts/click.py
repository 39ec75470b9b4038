"""Clicks become outlines without any learned weights, and correct masks that are there already.

A click says where the thing is but not how large. Areas that hang together around it, by colour (geodesic distance,
edges are far to cross) and by motion, are taken as guesses of a box each; every box is outlined, and the outline with
the clearest border wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from vrm.motion.flow.estimators import DisFlow
from vrm.selection.prompts.box import Outline, outline_box
from vrm.selection.prompts.graph_cut import Borders, ColourModel, smooth_lab
from vrm.selection.tracking.features import camera_motion, shrink
from vrm.types import Bool, Box, Pixels, bounding_box, grow_box

_SIDE = 160
"""Longest side of the picture that boxes are guessed on."""
_SHARES = (0.004, 0.015, 0.05, 0.12, 0.25)
"""How large a thing may be, as shares of the picture."""
_MOVES = 1.0
"""Pixels at tracking size per frame, against the camera, from which on something moves on its own."""


def outline_points(
    frame: Callable[[int], Pixels],
    t: int,
    points: Sequence[tuple[float, float]],
    span: tuple[int, int],
    not_points: Sequence[tuple[float, float]] = (),
) -> Outline:
    """The thing that was clicked on, on frame t.

    Args:
        frame, t, span: as for ``outline_box``.
        points, not_points: ``(x, y)`` in the frame, on the thing and on what is not; at least one of the first.
    """
    size = (frame(t).shape[0], frame(t).shape[1])
    ours, others = discs(points, size), discs(not_points, size) if not_points else None
    best, best_box = None, None
    for box in dict.fromkeys(_boxes(frame, t, points, span)):
        found = outline_box(frame, t, box, span, ours=ours, others=others, quick=True)
        mask = _connected(found.mask, ours)
        whole = mask.sum() / max(1, found.mask.sum())  # an outline of which the click is on a speck is of another thing
        found = Outline(mask, float(found.confidence * _fits(found.mask, box) * whole) * _usual(float(mask.mean())))
        if best is None or found.confidence > best.confidence:
            best, best_box = found, box
    assert best is not None
    assert best_box is not None
    last = outline_box(frame, t, best_box, span, ours=ours, others=others)
    return Outline(_connected(last.mask, ours), float(np.sqrt(best.confidence * last.confidence)))


def correct(frame: Pixels, mask: Bool, not_points: Sequence[tuple[float, float]]) -> Bool:
    """A mask without what was clicked on: that piece, or of a single piece the part around the click that looks so.

    Args:
        frame: ``(H, W, 3)``.
        mask: ``(H, W)``.
        not_points: ``(x, y)`` of what stays.
    """
    size = (mask.shape[0], mask.shape[1])
    stays = discs(not_points, size)
    box = bounding_box(mask)
    if box is None or not (mask & stays).any():
        return mask & ~stays
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    hit = np.unique(pieces[mask & stays])
    if len(hit) < count - 1:  # a piece of its own: all of it stays
        return np.asarray(mask & ~stays & ~np.isin(pieces, hit))
    y0, x0, y1, x1 = grow_box(box, 8, size)
    small = shrink(frame[y0:y1, x0:x1].copy(), 200)
    to = (small.shape[1], small.shape[0])
    inside = cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8), to, interpolation=cv2.INTER_NEAREST) > 0
    seeds = cv2.resize(stays[y0:y1, x0:x1].astype(np.uint8), to, interpolation=cv2.INTER_NEAREST) > 0
    lab = smooth_lab(small)
    borders = Borders(lab)
    colours = lab.reshape(-1, 3).astype(np.float64)
    away = borders.distances(np.flatnonzero(seeds.ravel()).tolist() or [int(inside.ravel().argmax())])
    near = inside & (away <= np.quantile(away[inside], 0.1))
    theirs = ColourModel(colours, (near | seeds).ravel(), 3)
    ours = ColourModel(colours, (inside & ~near & ~seeds).ravel(), 5)
    looks = np.clip(ours(colours) - theirs(colours), -3, 3).reshape(inside.shape) + 0.5
    odds = np.where(inside, looks, -9)
    odds[seeds] = -9
    kept = borders.cut(odds.astype(np.float32), 4.0)
    _, areas = cv2.connectedComponents((inside & ~kept).astype(np.uint8))
    dropped = np.isin(areas, np.unique(areas[seeds & inside])) & (areas > 0)
    out = mask & ~stays
    out[y0:y1, x0:x1] &= cv2.resize(dropped.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST) == 0
    return out


def discs(points: Sequence[tuple[float, float]], size: tuple[int, int]) -> Bool:
    """A small disc around each point ``(x, y)``, bool ``(height, width)``."""
    out = np.zeros(size, np.uint8)
    radius = max(1, round(max(size) / 240))
    for x, y in points:
        cv2.circle(out, (int(x), int(y)), radius, 1, -1)
    return np.asarray(out > 0)


def _boxes(
    frame: Callable[[int], Pixels], t: int, points: Sequence[tuple[float, float]], span: tuple[int, int]
) -> Iterator[Box]:
    """Guesses of a box, in pixels of the frame."""
    height, width = frame(t).shape[:2]
    small = shrink(frame(t), _SIDE)
    scale = small.shape[0] / height
    seeds = [
        min(small.shape[0] - 1, int(y * scale)) * small.shape[1] + min(small.shape[1] - 1, int(x * scale))
        for x, y in points
    ]
    away = Borders(smooth_lab(small)).distances(seeds)
    regions = [np.asarray(away <= np.quantile(away, share)) for share in _SHARES]
    moving = _moving(frame, t, span)
    if moving is not None:
        size = (small.shape[1], small.shape[0])
        _, pieces = cv2.connectedComponents(cv2.resize(moving.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST))
        hit = {int(pieces.flat[s]) for s in seeds} - {0}
        if hit and 0.001 < float(np.isin(pieces, list(hit)).mean()) < 0.5:
            regions.append(np.isin(pieces, list(hit)))
    for region in regions:
        box = bounding_box(region)
        if box is not None:
            y0, x0, y1, x1 = (round(v / scale) for v in box)
            margin = round(0.12 * max(y1 - y0, x1 - x0)) + 4
            yield grow_box((y0, x0, min(y1, height), min(x1, width)), margin, (height, width))


def _moving(frame: Callable[[int], Pixels], t: int, span: tuple[int, int]) -> Bool | None:
    """What moves against the camera, at tracking size; None for a shot of one frame."""
    other = t + 1 if t + 1 < span[1] else t - 1
    if other < span[0]:
        return None
    greys = [np.asarray(cv2.cvtColor(shrink(frame(n)), cv2.COLOR_RGB2GRAY), np.uint8) for n in (t, other)]
    flow = DisFlow()(greys[0], greys[1])
    away = np.linalg.norm(flow - camera_motion(np.asarray(flow, np.float32), np.ones(flow.shape[:2], np.bool_)), axis=2)
    return np.asarray(away > max(_MOVES, 3 * float(np.median(away))))


def _fits(mask: Bool, box: Box) -> float:
    """Less than 1 for an outline that runs along its box, as what is cut off by too small a box does."""
    y0, x0, y1, x1 = box
    inner = mask[y0:y1, x0:x1]
    height, width = mask.shape
    sides = [(inner[0], y0), (inner[-1], height - y1), (inner[:, 0], x0), (inner[:, -1], width - x1)]
    along = [float(side.mean()) for side, room in sides if room > 0 and side.size]
    return float(np.clip(1 - max(along, default=0.0), 0.2, 1))


def _usual(share: float) -> float:
    """Less than 1 for outlines that are a much smaller or larger share of the picture than things usually are."""
    return float(np.exp(-0.5 * (np.log(max(share, 1e-5) / 0.03) / 2) ** 2))


def _connected(mask: Bool, ours: Bool) -> Bool:
    """The pieces of a mask that a click lies in."""
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    hit = np.unique(pieces[ours & mask])
    return np.asarray(np.isin(pieces, hit[hit > 0]) | ours)
