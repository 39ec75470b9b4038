"""Clicks become masks without learned weights, and correct masks that are there already.

A click says where the object is but not how large. Connected areas around it, by colour (geodesic distance: edges are
far to cross) and by motion, give candidate boxes; each box is outlined, and the outline with the clearest border wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from vrm.selection.prompts.base import Outline
from vrm.selection.prompts.box import BoxOutliner, near_flows
from vrm.selection.prompts.graph_cut import ColourModel, PixelGraph, Points, seeds, smooth_lab
from vrm.selection.tracking.features import GetFrame, camera_flow, shrink
from vrm.system.threads import parallel_map
from vrm.types import F32, Bool, Box, Pixels, bounding_box, grow_box

_SIDE = 160
"""Longest side of the picture on which candidate boxes are found."""
_SHARES = (0.004, 0.015, 0.05, 0.12, 0.25)
"""Sizes that an object is tried at, as shares of the picture."""
_MOVES = 1.0
"""Pixels per frame at tracking size, against the camera's motion, from which on something moves on its own."""


def outline_points(
    frame: GetFrame, t: int, points: Points, span: tuple[int, int], negative_points: Points = ()
) -> Outline:
    """The object that was clicked on, on frame t; see ``outline_box``. There is at least one point on the object."""
    rgb = frame(t)
    clicked = seeds(points, (rgb.shape[0], rgb.shape[1]))
    flows = near_flows(frame, t, span)
    boxes = list(dict.fromkeys(_candidate_boxes(rgb, points, flows)))

    def judged(box: Box) -> tuple[float, BoxOutliner]:
        outliner = BoxOutliner(rgb, box, flows, points, negative_points)
        found = outliner.guess()
        mask = _connected(found.mask, clicked)
        # Where the click is on a speck, the outline is that of another object.
        share = mask.sum() / max(1, found.mask.sum())
        score = float(found.confidence * _fits(found.mask, box) * share) * _usual_size(float(mask.mean()))
        return score, outliner

    score, best = max(parallel_map(judged, boxes), key=lambda candidate: candidate[0])
    last = best.outline(frame, t, span)
    stays = seeds(negative_points, (rgb.shape[0], rgb.shape[1]))
    return Outline(_connected(last.mask & ~stays, clicked), float(np.sqrt(score * best.clarity(last.mask))))


def correct(frame: Pixels, mask: Bool, negative_points: Points) -> Bool:
    """A mask without what was clicked on: that connected piece, or of a single piece the part that looks like it."""
    size = (mask.shape[0], mask.shape[1])
    stays = seeds(negative_points, size)
    box = bounding_box(mask)
    if box is None or not (mask & stays).any():
        return mask & ~stays
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    hit = np.unique(pieces[mask & stays])
    if len(hit) < count - 1:  # a piece of its own: all of it stays
        return np.asarray(mask & ~stays & ~np.isin(pieces, hit))
    y0, x0, y1, x1 = grow_box(box, 8, size)
    small = shrink(frame[y0:y1, x0:x1].copy(), 200)

    def resized(plane: Bool, to: tuple[int, int]) -> Bool:
        return cv2.resize(plane.astype(np.uint8), to, interpolation=cv2.INTER_NEAREST) > 0

    inside, clicked = (resized(plane[y0:y1, x0:x1], small.shape[1::-1]) for plane in (mask, stays))
    lab = smooth_lab(small)
    graph = PixelGraph(lab)
    colours = lab.reshape(-1, 3).astype(np.float64)
    away = graph.distances(np.flatnonzero(clicked.ravel()).tolist() or [int(inside.ravel().argmax())])
    near = inside & (away <= np.quantile(away[inside], 0.1))
    unwanted = ColourModel(colours, (near | clicked).ravel(), 3)
    wanted = ColourModel(colours, (inside & ~near & ~clicked).ravel(), 5)
    looks = np.clip(wanted(colours) - unwanted(colours), -3, 3).reshape(inside.shape) + 0.5
    odds = np.where(inside & ~clicked, looks, -9)
    kept = graph.min_cut(odds.astype(np.float32), 4.0)
    _, areas = cv2.connectedComponents((inside & ~kept).astype(np.uint8))
    dropped = np.isin(areas, np.unique(areas[clicked & inside])) & (areas > 0)
    out = mask & ~stays
    out[y0:y1, x0:x1] &= ~resized(dropped, (x1 - x0, y1 - y0))
    return out


def _candidate_boxes(rgb: Pixels, points: Points, flows: Sequence[F32]) -> Iterator[Box]:
    height, width = rgb.shape[:2]
    small = shrink(rgb, _SIDE)
    rows, columns = small.shape[:2]
    scale = rows / height
    clicked = [min(rows - 1, int(y * scale)) * columns + min(columns - 1, int(x * scale)) for x, y in points]
    away = PixelGraph(smooth_lab(small)).distances(clicked)
    regions = [np.asarray(away <= np.quantile(away, share)) for share in _SHARES]
    if flows:
        moving = _moving(flows[0]).astype(np.uint8)
        resized = cv2.resize(moving, (columns, rows), interpolation=cv2.INTER_NEAREST)
        _, pieces = cv2.connectedComponents(resized)
        hit = {int(pieces.flat[place]) for place in clicked} - {0}
        if hit and 0.001 < float(np.isin(pieces, list(hit)).mean()) < 0.5:
            regions.append(np.isin(pieces, list(hit)))
    for box in filter(None, map(bounding_box, regions)):
        y0, x0, y1, x1 = (round(v / scale) for v in box)
        margin = round(0.12 * max(y1 - y0, x1 - x0)) + 4
        yield grow_box((y0, x0, min(y1, height), min(x1, width)), margin, (height, width))


def _moving(flow: F32) -> Bool:
    """What moves against the camera."""
    away = np.linalg.norm(flow - camera_flow(flow, np.ones(flow.shape[:2], np.bool_)), axis=2)
    return np.asarray(away > max(_MOVES, 3 * float(np.median(away))))


def _fits(mask: Bool, box: Box) -> float:
    """Less than 1 for a mask that runs along its box, as it does where too small a box cuts the object off."""
    y0, x0, y1, x1 = box
    inner = mask[y0:y1, x0:x1]
    height, width = mask.shape
    sides = [(inner[0], y0), (inner[-1], height - y1), (inner[:, 0], x0), (inner[:, -1], width - x1)]
    along = [float(side.mean()) for side, room in sides if room > 0 and side.size]
    return float(np.clip(1 - max(along, default=0.0), 0.2, 1))


def _usual_size(share: float) -> float:
    """1 for a mask of 3% of the picture, less the smaller or larger it is than objects usually are."""
    return float(np.exp(-0.5 * (np.log(max(share, 1e-5) / 0.03) / 2) ** 2))


def _connected(mask: Bool, clicked: Bool) -> Bool:
    """The pieces of a mask that were clicked on, and the clicks."""
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    hit = np.unique(pieces[clicked & mask])
    return np.asarray(np.isin(pieces, hit[hit > 0]) | clicked)
