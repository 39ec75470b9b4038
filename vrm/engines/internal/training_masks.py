"""Holes in known pixels, which the network fitted to one video learns to fill.

Each is a mask of any frame, moved at random (Ouyang et al. 2021, Eq. 1 and Appendix B, boundary-aware sampling).
"""

from __future__ import annotations

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
    """M'_t of Eq. 1: the mask ``(H, W)`` of any frame t at a random place, see ``near_place``; empty if ``mask`` is.

    ``hole`` is the box of frame i's real hole; None: then every place is equally likely.
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
