"""Holes punched into known pixels: what a network fitted to one video is taught with.

Two kinds. ``translated`` is the paper's (Eq. 1 and Appendix B, boundary-aware sampling): any frame's mask, moved at
random, a new one for each step. ``held_back`` moves the shot's own masks by one offset per copy, so that the hidden
region behaves in time as the real hole does; propagation is run on these, and its errors there are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.types import Bool, Box, bounding_box

NEAR = (45 / 480, 80 / 854)
"""Appendix B: how far past the mask's border, of height and width, counts as near (45 by 80 px at 854x480)."""

NEAR_WEIGHT = 5.0
"""Appendix B: how much likelier a place near the mask is than another."""


def shift(mask: Bool, dy: int, dx: int) -> Bool:
    """The mask ``(H, W)`` moved down by dy and right by dx; what leaves the frame is lost, nothing wraps around."""
    h, w = mask.shape
    out = np.zeros_like(mask)
    if abs(dy) < h and abs(dx) < w:
        out[max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)] = mask[
            max(-dy, 0) : h - max(dy, 0), max(-dx, 0) : w - max(dx, 0)
        ]
    return out


def translated(mask: Bool, hole: Box | None, rng: np.random.Generator) -> Bool:
    """M'_t of Eq. 1: a mask at a random place, five times likelier near the real hole than elsewhere (Appendix B).

    Args:
        mask: bool ``(H, W)``: the mask of any frame t.
        hole: the box of frame i's real hole, or None: then every place is equally likely.
        rng: the source of chance.

    Returns:
        Bool ``(H, W)``; empty if ``mask`` is.
    """
    box = bounding_box(mask)
    if box is None:
        return mask.copy()
    cy, cx = near_place((mask.shape[0], mask.shape[1]), hole, rng)
    return shift(mask, cy - (box[0] + box[2]) // 2, cx - (box[1] + box[3]) // 2)


def near_place(size: tuple[int, int], hole: Box | None, rng: np.random.Generator) -> tuple[int, int]:
    """A random (y, x) in an image of ``size``, five times likelier near the hole than elsewhere (Appendix B)."""
    h, w = size
    weight = np.ones((h, w), np.float32)
    if hole is not None:
        near_y, near_x = round(NEAR[0] * h), round(NEAR[1] * w)
        y0, x0, y1, x1 = hole
        weight[max(0, y0 - near_y) : y1 + near_y, max(0, x0 - near_x) : x1 + near_x] = NEAR_WEIGHT
    cumulative = weight.ravel().cumsum(dtype=np.float64)
    place = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    cy, cx = divmod(min(place, h * w - 1), w)
    return cy, cx


@dataclass(frozen=True)
class Copy:
    """The masks of a stretch, shrunk by ``shrink`` (1 = as they are) and moved by (dy, dx)."""

    dy: int
    dx: int
    shrink: int = 1

    def of(self, mask: Bool) -> Bool:
        """This copy of one frame's mask."""
        if self.shrink > 1:
            mask = _shrunk(mask, self.shrink)
        return shift(mask, self.dy, self.dx)


def held_back(
    masks: Sequence[Bool], seed: int, copies: int = 2, most: float = 0.5, tries: int = 60
) -> tuple[Copy, ...]:
    """Choose where to hide known pixels of a stretch: the masks themselves, moved, each copy by one offset.

    Offsets are drawn at random; one is better the more hidden pixels have a known truth (inside the frame, outside
    the real hole) and the nearer it is. Masks too large to be moved anywhere are shrunk: by two, four, eight.

    Args:
        masks: bool ``(H, W)`` for each frame of the stretch.
        seed: the same seed gives the same choice.
        copies: at most this many.
        most: real and hidden pixels together cover at most this share of the frame on average, if the real ones
            alone do not already.
        tries: offsets drawn for each copy.

    Returns:
        The copies; empty where nothing is masked or nothing is known.
    """
    scale, small = _reduced([m for m in masks if m.any()])
    if not small:
        return ()
    rng = np.random.default_rng(seed)
    for shrink in (1, 2, 4, 8):
        shapes = [_shrunk(m, shrink) for m in small] if shrink > 1 else small
        chosen = _choose(small, shapes, rng, copies, most, tries)
        if chosen:
            return tuple(Copy(dy * scale, dx * scale, shrink) for dy, dx in chosen)
    return ()


def _reduced(masks: list[Bool]) -> tuple[int, list[Bool]]:
    """At most twelve of the masks, at a fraction of the size: enough to judge overlaps by."""
    if not masks:
        return 1, []
    picked = [masks[i] for i in np.unique(np.linspace(0, len(masks) - 1, 12).astype(int))]
    scale = max(1, max(picked[0].shape) // 160)
    return scale, [np.ascontiguousarray(m[::scale, ::scale]) for m in picked]


def _choose(
    real: list[Bool], shapes: list[Bool], rng: np.random.Generator, copies: int, most: float, tries: int
) -> list[tuple[int, int]]:
    h, w = real[0].shape
    area = max(float(np.mean([s.sum() for s in shapes])), 1.0)
    if area < 1.5:
        return []
    taken = [m.copy() for m in real]
    chosen: list[tuple[int, int]] = []
    for _ in range(copies):
        best, offset = 0.45, None
        for _ in range(tries):
            dy, dx = int(rng.integers(-h * 3 // 4, h * 3 // 4 + 1)), int(rng.integers(-w * 3 // 4, w * 3 // 4 + 1))
            moved = [shift(s, dy, dx) for s in shapes]
            fresh = float(np.mean([(m & ~t).sum() for m, t in zip(moved, taken, strict=True)])) / area
            covered = float(np.mean([(m | t).mean() for m, t in zip(moved, taken, strict=True)]))
            score = fresh - 0.3 * np.hypot(dy / h, dx / w)
            if score > best and (covered <= most or (shapes is not real and covered <= 0.9)):
                best, offset = score, (dy, dx)
        if offset is None:
            break
        chosen.append(offset)
        taken = [t | shift(s, *offset) for t, s in zip(taken, shapes, strict=True)]
    return chosen


def _shrunk(mask: Bool, by: int) -> Bool:
    """The mask at ``1 / by`` of its size, in its own box's corner."""
    box = bounding_box(mask)
    if box is None:
        return mask
    y0, x0, y1, x1 = box
    size = (max(1, (x1 - x0) // by), max(1, (y1 - y0) // by))
    small = cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    out = np.zeros_like(mask)
    out[y0 : y0 + size[1], x0 : x0 + size[0]] = small > 0
    return out
