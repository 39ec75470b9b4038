"""From object masks to the holes that are filled: one-frame drop-outs closed, grown, with a feathered rim.

An object that is missing from its mask on one frame would flash back there, so every frame is united with what its two
neighbours agree on. Growing takes in the soft rim that motion blur, scaling and chroma subsampling leave around an
object. The feather is a ramp inside the grown ring only: on the object itself the fill always counts in full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from vrm.options.remove import MaskOptions
from vrm.types import F32, Array, Bool, Box, Masks, bounding_box, grow_box, union_box

DROPPED = 0.7
"""A mask with less than this share of both neighbours' areas has lost something."""
GONE = 0.3
"""A piece of which less than this share is covered on the next frame may have dropped out."""
_SPECK = 16
"""Pieces of fewer pixels are not looked for."""


def default_grow(size: tuple[int, int]) -> int:
    """Pixels to grow by at a size ``(height, width)``: 2 at 432x240, 4 at 854x480, 8 at 1080p, 16 at 2160p."""
    return max(1, round(math.hypot(*size) / 275))


@dataclass(frozen=True)
class ShapedMasks:
    """Masks ready for removal.

    Attributes:
        objects: what is removed, drop-outs closed, not grown.
        holes: ``objects`` grown by ``grow`` pixels (Euclidean): what is filled.
        feather: pixels of ramp at the rim, at most ``grow``.
        closed: frames on which an object was missing from its mask and was put back.
    """

    objects: Masks
    holes: Masks
    grow: int
    feather: int
    closed: int = 0

    def joined(self, exact: Masks, grow: int) -> ShapedMasks:
        """These and masks that are meant as they are, but for being grown by so much."""
        wider = Masks(exact.size, exact.n_frames)
        before = -1
        for t in exact.frames():
            if before >= 0 and exact.same(t, before):
                wider.repeat(t, before)
            else:
                wider[t] = grown(exact[t], grow)
            before = t
        return replace(self, objects=self.objects.united(exact), holes=self.holes.united(wider))

    def alpha(self, t: int) -> tuple[Box, F32] | None:
        """The box of the hole of frame t and how much of the fill counts in it, float32 ``(h, w)``; None: no hole.

        With d the distance to the nearest object pixel, alpha is ``min(1, (grow + 1 - d) / (feather + 1))`` up to
        ``d = grow`` and 0 beyond: 1 on the object and ``grow - feather`` pixels around it, above 0 on the whole hole.
        """
        box = self.holes.box(t)
        if box is None:
            return None
        y0, x0, y1, x1 = box
        distance = _distance(self.objects[t][y0:y1, x0:x1])
        ramp = np.clip((self.grow + 1 - distance) / np.float32(self.feather + 1), 0, 1).astype(np.float32)
        ramp[~self.holes[t][y0:y1, x0:x1]] = 0
        return box, ramp


def shape(masks: Masks, shots: Sequence[tuple[int, int]], options: MaskOptions, *, exact: bool = False) -> ShapedMasks:
    """Close drop-outs within each shot, unless masks are ``exact``; grow, and choose the feather.

    Masks outside all shots, ``(start, stop)``, are dropped.
    """
    grow = default_grow(masks.size) if options.grow is None else options.grow
    if options.grow is None and options.feather is not None:
        grow = max(grow, options.feather)
    feather = grow // 2 if options.feather is None else options.feather
    objects, holes = Masks(masks.size, masks.n_frames), Masks(masks.size, masks.n_frames)
    closed = 0
    for start, stop in shots:
        for t, mask, lost in _closed(masks, start, stop, exact):
            closed += lost
            if mask is None:
                objects.repeat(t, t - 1)
                holes.repeat(t, t - 1)
            else:
                objects[t] = mask
                holes[t] = grown(mask, grow)
    return ShapedMasks(objects, holes, grow, feather, closed)


def grown(mask: Bool, by: int) -> Bool:
    """Every pixel whose centre is within ``by`` pixels (Euclidean) of a masked one's; bool ``(H, W)``."""
    box = bounding_box(mask)
    if box is None or by == 0:
        return mask.copy()
    y0, x0, y1, x1 = grow_box(box, by, (mask.shape[0], mask.shape[1]))
    out = np.zeros_like(mask)
    out[y0:y1, x0:x1] = _distance(mask[y0:y1, x0:x1]) <= by + 1e-3
    return out


def _distance(mask: Bool) -> F32:
    """Distance to the nearest True pixel (there is one), float32."""
    away = np.where(mask, np.uint8(0), np.uint8(1))
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _closed(masks: Masks, start: int, stop: int, exact: bool) -> Iterator[tuple[int, Bool | None, bool]]:
    """Each frame of a shot, its mask without drop-outs (None: that of the frame before), and whether one was closed."""
    for t in range(start, stop):
        still = t > start and masks.same(t - 1, t) and (t == stop - 1 or masks.same(t, t + 1))
        if still and (t - 1 == start or masks.same(t - 2, t - 1)):
            yield t, None, False
        elif exact or t == start or t == stop - 1 or masks.box(t - 1) is None or masks.box(t + 1) is None:
            yield t, masks[t], False
        else:
            yield t, *_united(masks, t)


def _united(masks: Masks, t: int) -> tuple[Bool, bool]:
    """Frame t's mask with the pixels that both neighbours have, and with the objects that vanish for this one frame.

    The second value says whether there are such objects.
    """
    box = union_box((masks.box(t - 1), masks.box(t), masks.box(t + 1)))
    mask = masks[t]
    if box is None:
        return mask, False
    y0, x0, y1, x1 = box
    before, now, after = (m[y0:y1, x0:x1] for m in (masks[t - 1], mask, masks[t + 1]))
    given = now.copy()
    now |= before & after
    # Where area is missing, a piece that is present in part has lost the rest; else only a piece that is gone counts.
    missing = given.sum() < DROPPED * min(before.sum(), after.sum())
    pairs = list(_lost_pieces(before, given, after, DROPPED if missing else GONE))
    if not given.any() and not pairs:
        pairs = [(before, after)]
    for one, two in pairs:
        now |= _between(one, two)
    return mask, bool(pairs)


def _lost_pieces(before: Bool, given: Bool, after: Bool, share: float) -> Iterator[tuple[Bool, Bool]]:
    """Separate objects of both neighbours of which less than ``share`` is covered in between: their two masks."""
    labels, areas, centres = _pieces(before)
    covered = np.bincount(labels[given], minlength=len(areas))
    lost = [i for i in range(1, len(covered)) if areas[i] >= _SPECK and covered[i] < share * areas[i]]
    if not lost:
        return
    later, later_areas, later_centres = _pieces(after)
    for i in lost:
        # The same object two frames on: of similar area, not farther away than three times its own size.
        away = np.linalg.norm(later_centres - centres[i], axis=1)
        similar = (later_areas >= 0.5 * areas[i]) & (later_areas <= 2 * areas[i])
        away[~similar | (away > 3 * math.sqrt(areas[i]))] = np.inf
        away[0] = np.inf
        j = int(away.argmin())
        if np.isfinite(away[j]):
            yield np.asarray(labels == i), np.asarray(later == j)


def _pieces(mask: Bool) -> tuple[Array, Array, Array]:
    """Connected pieces of a mask: label image ``(H, W)``, area and centre ``(x, y)`` by label; 0 is the background."""
    _, labels, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return labels, stats[:, cv2.CC_STAT_AREA], centres


def _between(before: Bool, after: Bool) -> Bool:
    """The object half-way: both masks shifted by half the way between their centres, united."""
    half = (_centre(after) - _centre(before)) / 2
    return _shifted(before, half) | _shifted(after, -half)


def _centre(mask: Bool) -> npt.NDArray[np.float64]:
    """The centre of gravity ``(x, y)``."""
    rows, cols = mask.sum(1), mask.sum(0)
    total = rows.sum()
    return np.array([(cols * np.arange(cols.size)).sum() / total, (rows * np.arange(rows.size)).sum() / total])


def _shifted(mask: Bool, by: npt.NDArray[np.float64]) -> Bool:
    matrix = np.array([[1, 0, round(by[0])], [0, 1, round(by[1])]], np.float64)
    moved = cv2.warpAffine(mask.astype(np.uint8), matrix, (mask.shape[1], mask.shape[0]), flags=cv2.INTER_NEAREST)
    return np.asarray(moved > 0)
