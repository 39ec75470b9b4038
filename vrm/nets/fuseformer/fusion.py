"""The fusion inside F3N (Liu et al., FuseFormer, ICCV 2021): overlapping tokens are averaged.

By definition tokens are folded to a map, each cell is divided by how many tokens cover it, and tokens are taken from
the map again. A token of 7x7 cells, every 3 cells, covers three squares of 3x3 cells along each axis: two whole, of the
third the first row or column. Where channels are ordered by these nine parts, folding is nine sums and taking is nine
copies of contiguous memory, at a quarter of the cost of patches cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from vrm.nets.fuseformer.tokens import CELLS, KERNEL, STRIDE, Grid, overlaps
from vrm.types import Box

_EXTENTS = (STRIDE, STRIDE, KERNEL - 2 * STRIDE)
"""Cells of a token in the squares before, at and behind its place, along an axis."""

_PARTS = tuple(product(range(3), repeat=2))


def ordered(x: Tensor, axis: int) -> Tensor:
    """A tensor whose C * 49 channels along an axis, channel first, are put in the order that ``Fusion`` wants."""
    before, after = x.shape[:axis].numel(), x.shape[axis + 1 :].numel()
    apart = x.reshape(before, -1, KERNEL, KERNEL, after)
    parts = []
    for a, b in _PARTS:
        part = apart[:, :, STRIDE * a : STRIDE * a + _EXTENTS[a], STRIDE * b : STRIDE * b + _EXTENTS[b]]
        parts.append(part.permute(0, 2, 3, 1, 4).reshape(before, -1, after))
    return torch.cat(parts, 1).reshape(x.shape)


class Fusion:
    """Each cell becomes the mean of its tokens' values, activated, and tokens are taken from the cells again.

    Args:
        activation: of cells; it must leave 0 as it is.
        around: rows and columns of the tokens that are given; None = all.
        box: those that are wanted; all tokens that share a cell with them must be given. None = those that are given.
    """

    def __init__(
        self, grid: Grid, activation: Callable[[Tensor], Tensor], around: Box | None = None, box: Box | None = None
    ) -> None:
        self._grid, self._activation = grid, activation
        self._around = around or grid.box
        self._box = box or self._around

    def __call__(self, tokens: Tensor) -> Tensor:
        """Ordered tokens ``(N, given, C * 49)`` of N frames to ordered tokens ``(N, wanted, C * 49)``."""
        squares = self._activation(self._folded(tokens) / self._counts(tokens))
        y, x, rows, cols = self._inside
        taken = [
            squares[:, y + a : y + a + rows, x + b : x + b + cols, : _EXTENTS[a], : _EXTENTS[b]].flatten(3)
            for a, b in _PARTS
        ]
        return torch.cat(taken, -1).flatten(1, 2)

    def within(self, tokens: Tensor) -> Tensor:
        """The wanted tokens ``(N, wanted, C)`` among the given ones ``(N, given, C)``."""
        y, x, rows, cols = self._inside
        apart = tokens.reshape(len(tokens), -1, self._around[3] - self._around[1], tokens.shape[-1])
        return apart[:, y : y + rows, x : x + cols].flatten(1, 2)

    @property
    def _inside(self) -> tuple[int, int, int, int]:
        """Of the wanted tokens: first row and column among the given ones, and how many of each."""
        (y0, x0, _, _), box = self._around, self._box
        return box[0] - y0, box[1] - x0, box[2] - box[0], box[3] - box[1]

    def _folded(self, tokens: Tensor) -> Tensor:
        """The sum of tokens in squares ``(N, rows + 2, cols + 2, 3, 3, C)``: one more than tokens on every side."""
        n, _, channels = tokens.shape
        rows, cols = self._around[2] - self._around[0], self._around[3] - self._around[1]
        apart = tokens.reshape(n, rows, cols, channels)
        squares = tokens.new_zeros(n, rows + 2, cols + 2, STRIDE, STRIDE, channels // CELLS)
        start = 0
        for a, b in _PARTS:
            at = squares[:, a : a + rows, b : b + cols, : _EXTENTS[a], : _EXTENTS[b]]
            stop = start + at[0, 0, 0].numel()
            at += apart[..., start:stop].reshape(at.shape)
            start = stop
        return squares

    def _counts(self, tokens: Tensor) -> Tensor:
        """How many tokens cover each cell of the squares of ``_folded``; infinitely many outside the map."""
        grid, counts = self._grid, overlaps(self._grid, tokens.device)
        behind = STRIDE * (grid.cols + 1) - grid.width, STRIDE * (grid.rows + 1) - grid.height
        padded = F.pad(counts, (STRIDE, behind[0], STRIDE, behind[1]), value=torch.inf)
        squares = padded.reshape(grid.rows + 2, STRIDE, grid.cols + 2, STRIDE).transpose(1, 2)
        y0, x0, y1, x1 = self._around
        return squares[y0 : y1 + 2, x0 : x1 + 2, ..., None].to(tokens.dtype)
