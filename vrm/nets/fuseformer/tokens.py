"""Overlapping tokens on a feature map (Liu et al., FuseFormer, ICCV 2021): 7x7 patches, every 3 cells, 3 cells around.

Token i covers the cells ``3 i - 3 ... 3 i + 3`` along an axis; cells outside the map are zero and count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vrm.types import Box

KERNEL, STRIDE, AROUND = 7, 3, 3
CELLS = KERNEL * KERNEL


@dataclass(frozen=True)
class Grid:
    """The ``rows`` by ``cols`` tokens of a feature map of ``height`` by ``width`` cells."""

    height: int
    width: int

    @property
    def rows(self) -> int:
        return (self.height - 1) // STRIDE + 1

    @property
    def cols(self) -> int:
        return (self.width - 1) // STRIDE + 1

    @property
    def tokens(self) -> int:
        return self.rows * self.cols

    @property
    def box(self) -> Box:
        """All tokens, as a box of token rows and columns."""
        return 0, 0, self.rows, self.cols

    def cover(self, cells: Box) -> Box:
        """The tokens that reach into a box of cells, as a box of token rows and columns."""
        return (
            _first(cells[0]),
            _first(cells[1]),
            min(self.rows, (cells[2] - 1 + AROUND) // STRIDE + 1),
            min(self.cols, (cells[3] - 1 + AROUND) // STRIDE + 1),
        )

    def cells(self, tokens: Box) -> Box:
        """The cells, inside the map, that a box of tokens covers."""
        return (
            max(0, STRIDE * tokens[0] - AROUND),
            max(0, STRIDE * tokens[1] - AROUND),
            min(self.height, STRIDE * (tokens[2] - 1) + AROUND + 1),
            min(self.width, STRIDE * (tokens[3] - 1) + AROUND + 1),
        )


def _first(cell: int) -> int:
    return max(0, -(-(cell - AROUND) // STRIDE))


def unfold(cells: Tensor) -> Tensor:
    """Feature maps ``(N, C, h, w)`` to tokens ``(N, rows * cols, C * 49)``, channel first within a token."""
    return F.unfold(cells, KERNEL, padding=AROUND, stride=STRIDE).transpose(1, 2)


def fold(tokens: Tensor, grid: Grid) -> Tensor:
    """Tokens ``(N, rows * cols, C * 49)`` to feature maps ``(N, C, h, w)``; where they overlap they are summed."""
    return F.fold(tokens.transpose(1, 2), (grid.height, grid.width), KERNEL, padding=AROUND, stride=STRIDE)


def overlaps(grid: Grid, device: torch.device | None = None) -> Tensor:
    """How many tokens cover each cell, float32 ``(h, w)``."""
    counts = [torch.zeros(n, device=device) for n in (grid.height, grid.width)]
    for count, tokens in zip(counts, (grid.rows, grid.cols), strict=True):
        for i in range(tokens):
            count[max(0, STRIDE * i - AROUND) : STRIDE * i + AROUND + 1] += 1
    return counts[0][:, None] * counts[1]


def crop_tokens(tokens: Tensor, grid: Grid, box: Box) -> Tensor:
    """The tokens ``(N, rows * cols, C)`` inside a box of token rows and columns."""
    split = tokens.reshape(len(tokens), grid.rows, grid.cols, -1)[:, box[0] : box[2], box[1] : box[3]]
    return split.flatten(1, 2)


def fold_part(tokens: Tensor, box: Box, cells: Box) -> Tensor:
    """As ``fold``, for the cells of a box alone, from those tokens that reach into it: ``(N, C, h, w)`` of the cells.

    Args:
        tokens: ``(N, n, C * 49)``, those of ``box`` in the order of rows.
        box: of token rows and columns; at least ``Grid.cover(cells)``.
        cells: which part of the map is wanted.
    """
    rows, cols = box[2] - box[0], box[3] - box[1]
    size = STRIDE * (rows - 1) + KERNEL, STRIDE * (cols - 1) + KERNEL
    whole = F.fold(tokens.transpose(1, 2), size, KERNEL, stride=STRIDE)
    y, x = STRIDE * box[0] - AROUND, STRIDE * box[1] - AROUND
    return whole[..., cells[0] - y : cells[2] - y, cells[1] - x : cells[3] - x]
