"""The fusion inside F3N (Liu et al., FuseFormer, ICCV 2021): tokens that overlap are brought to agree.

By definition tokens are folded to a map, each cell is divided by how many tokens cover it, and tokens are taken from
the map again. A token of 7x7 cells, every 3 cells, covers three squares of 3x3 cells along each axis: two whole, of the
third the first row or column. Where channels are ordered by these nine parts, folding is nine sums and taking is nine
copies of stretches that lie together in memory, for a quarter of what going through patches cell by cell costs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from vrm.nets.tokens import CELLS, KERNEL, STRIDE, Grid, overlaps
from vrm.types import Box

_EXTENTS = (STRIDE, STRIDE, KERNEL - 2 * STRIDE)
"""Cells of a token in the squares before, at and behind its place, along an axis."""

_PARTS = tuple(product(range(3), repeat=2))


@functools.lru_cache(16)
def order(channels: int, device: torch.device) -> Tensor:
    """The order in which ``Fusion`` wants a token's C * 49 channels, as places in one that is channel first."""
    places = torch.arange(channels, device=device).reshape(-1, KERNEL, KERNEL)
    parts = []
    for a, b in _PARTS:
        y, x = STRIDE * a, STRIDE * b
        parts.append(places[:, y : y + _EXTENTS[a], x : x + _EXTENTS[b]].permute(1, 2, 0).flatten())
    return torch.cat(parts)


class Fusion:
    """Each cell becomes the mean of what its tokens say, activated, and tokens are taken again.

    Args:
        grid: of a frame.
        activation: of cells; it must leave 0 as it is.
        around: rows and columns of the tokens that are given; None = all.
        box: those that are wanted; all tokens that share a cell with them must be given. None = those that are given.
    """

    def __init__(
        self, grid: Grid, activation: Callable[[Tensor], Tensor], around: Box | None = None, box: Box | None = None
    ) -> None:
        self._grid, self._activation = grid, activation
        self.around = around or grid.box
        self._box = box or self.around

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
        apart = tokens.unflatten(1, (-1, self.around[3] - self.around[1]))
        return apart[:, y : y + rows, x : x + cols].flatten(1, 2)

    @property
    def _inside(self) -> tuple[int, int, int, int]:
        """Of the wanted tokens: first row and column among the given ones, and how many of each."""
        (y0, x0, _, _), box = self.around, self._box
        return box[0] - y0, box[1] - x0, box[2] - box[0], box[3] - box[1]

    def _folded(self, tokens: Tensor) -> Tensor:
        """The sum of tokens in squares ``(N, rows + 2, cols + 2, 3, 3, C)``: one more than tokens on every side."""
        rows, cols = self.around[2] - self.around[0], self.around[3] - self.around[1]
        width = tokens.shape[-1] // CELLS
        squares = tokens.new_zeros(len(tokens), rows + 2, cols + 2, STRIDE, STRIDE, width)
        sizes = [_EXTENTS[a] * _EXTENTS[b] * width for a, b in _PARTS]
        parts = tokens.unflatten(1, (rows, cols)).split(sizes, -1)
        for (a, b), part in zip(_PARTS, parts, strict=True):
            at = squares[:, a : a + rows, b : b + cols, : _EXTENTS[a], : _EXTENTS[b]]
            at += part.unflatten(-1, (_EXTENTS[a], _EXTENTS[b], width))
        return squares

    def _counts(self, tokens: Tensor) -> Tensor:
        """How many tokens cover each cell of the squares of ``_folded``; infinitely many outside the map."""
        grid, counts = self._grid, overlaps(self._grid, tokens.device)
        behind = STRIDE * (grid.cols + 1) - grid.width, STRIDE * (grid.rows + 1) - grid.height
        padded = F.pad(counts, (STRIDE, behind[0], STRIDE, behind[1]), value=torch.inf)
        squares = padded.unflatten(1, (-1, STRIDE)).unflatten(0, (-1, STRIDE)).transpose(1, 2)
        y0, x0, y1, x1 = self.around
        return squares[y0 : y1 + 2, x0 : x1 + 2, ..., None].to(tokens.dtype)
