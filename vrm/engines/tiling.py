"""Which part of a frame the network sees, and how large parts are cut into overlapping tiles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vrm.types import F32, Box

OVERLAP = 64
"""Pixels that neighbouring tiles share; they are cross-faded there."""


def tile_boxes(box: Box, side: int) -> list[Box]:
    """Cover ``box`` with boxes of at most ``side`` by ``side`` pixels that overlap by at least ``OVERLAP``."""
    if side <= OVERLAP:
        raise ValueError(f"tiles of {side} pixels cannot overlap by {OVERLAP}")
    y0, x0, y1, x1 = box
    return [(a, c, b, d) for a, b in _cuts(y0, y1, side) for c, d in _cuts(x0, x1, side)]


def _cuts(start: int, stop: int, side: int) -> list[tuple[int, int]]:
    length = stop - start
    if length <= side:
        return [(start, stop)]
    count = -(-(length - OVERLAP) // (side - OVERLAP))
    starts = np.linspace(start, stop - side, count).round().astype(int)
    return [(int(a), int(a) + side) for a in starts]


def in_tiles(box: Box, side: int, render: Callable[[Box], F32]) -> F32:
    """Render ``box``, float32 ``(H, W, C)``, in tiles of ``side`` pixels that are cross-faded where they overlap.

    ``render`` gives the float32 ``(h, w, C)`` of a tile's box.
    """
    boxes = tile_boxes(box, side)
    if len(boxes) == 1:
        return render(box)
    total: F32 | None = None
    weight = np.zeros((box[2] - box[0], box[3] - box[1], 1), np.float32)
    for tile in boxes:
        part = render(tile)
        if total is None:
            total = np.zeros((*weight.shape[:2], part.shape[2]), np.float32)
        ramp = _ramp(part.shape[0])[:, None, None] * _ramp(part.shape[1])[None, :, None]
        at = np.s_[tile[0] - box[0] : tile[2] - box[0], tile[1] - box[1] : tile[3] - box[1]]
        total[at] += part * ramp
        weight[at] += ramp
    if total is None:
        raise ValueError(f"box {box} is empty")
    return total / weight


def _ramp(length: int) -> F32:
    """Rises from the ends of a tile to 1 at ``OVERLAP`` pixels."""
    from_end = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1
    return np.minimum(from_end / OVERLAP, 1).astype(np.float32)
