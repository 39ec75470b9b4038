"""Temporal focal attention, the transformer of E2FGVI (Li et al., CVPR 2022, Sec. 3.4; Yang et al., NeurIPS 2021).

In all frames, a token attends to its window of 5x9 tokens, to those around it that four shifts of the windows by half
their size bring in, and to windows near and far, each pooled to one token by learned weights. That is linear in the
frame's size where full attention is quadratic.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.nets.fuseformer.blocks import PatchAttention, attend
from vrm.nets.fuseformer.tokens import Grid, crop_tokens
from vrm.types import Box

WINDOW = (5, 9)
"""Rows and columns of tokens in a window; pooled ones are seen from a window in the same number around it."""

_HALF = WINDOW[0] // 2, WINDOW[1] // 2


@dataclass(frozen=True)
class FocalWindow:
    """A window by the numbers of its tokens, and of other windows; both are counted row by row."""

    own: tuple[int, ...]  # the tokens of the window
    seen: tuple[int, ...]  # the tokens they attend to: their own and those around, some of them twice, as published
    pooled: tuple[int, ...]  # the windows they attend to, each pooled to one token


@functools.lru_cache(64)
def windows(grid: Grid) -> tuple[FocalWindow, ...]:
    """The windows of a frame; those at right and bottom have fewer tokens where the grid is no multiple of theirs."""
    down, across = -(-grid.rows // WINDOW[0]), -(-grid.cols // WINDOW[1])
    rows, cols = down * WINDOW[0], across * WINDOW[1]

    def numbers(places: list[tuple[int, int]]) -> tuple[int, ...]:
        there = [(y, x) for y, x in places if y < grid.rows and x < grid.cols]
        return tuple(y * grid.cols + x for y, x in there)

    found = []
    for a, b in product(range(down), range(across)):
        inside = list(product(range(WINDOW[0]), range(WINDOW[1])))
        own = [(a * WINDOW[0] + i, b * WINDOW[1] + j) for i, j in inside]
        around = []
        for dy, dx in product((_HALF[0], -_HALF[0]), (_HALF[1], -_HALF[1])):
            moved = [(i + dy, j + dx) for i, j in inside]
            out = [(i, j) for i, j in moved if not (0 <= i < WINDOW[0] and 0 <= j < WINDOW[1])]
            # Beyond the frame's border its other side is seen, as published.
            around += [((a * WINDOW[0] + i) % rows, (b * WINDOW[1] + j) % cols) for i, j in out]
        near = [
            p * across + q
            for p, q in product(range(down), range(across))
            if abs(p - a) <= WINDOW[0] // 2 and abs(q - b) <= WINDOW[1] // 2
        ]
        found.append(FocalWindow(numbers(own), numbers(own + around), tuple(near)))
    return tuple(found)


class FocalAttention(PatchAttention):
    """Multi-head attention in windows of tokens, see the module."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.pool = nn.Linear(WINDOW[0] * WINDOW[1], 1)

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """``(B, T * tokens, width)`` to the same."""
        return self._windowed(tokens, grid, None).flatten(1, 2)

    def at(self, tokens: Tensor, grid: Grid, places: list[tuple[int, Box]]) -> list[Tensor]:
        """See ``PatchAttention``; only windows that reach into the places are computed."""
        wanted = {y * grid.cols + x for _, box in places for y in range(box[0], box[2]) for x in range(box[1], box[3])}
        frames = self._windowed(tokens, grid, wanted)[0]
        return [crop_tokens(frames[t : t + 1], grid, box) for t, box in places]

    def _windowed(self, tokens: Tensor, grid: Grid, wanted: set[int] | None) -> Tensor:
        """All tokens ``(B, T, tokens, width)``; zero in windows without a token of ``wanted``."""
        b, n, width = tokens.shape
        frames = tokens.reshape(b, -1, grid.tokens, width)
        pooled = self._pooled(frames, grid)
        q = self.query(frames)
        count = n // grid.tokens
        near, far = ((self.key(x), self.value(x)) for x in (frames, pooled))
        made: list[Tensor] = []
        order: list[int] = []
        for window in windows(grid):
            order += window.own
            if wanted is not None and wanted.isdisjoint(window.own):
                made.append(q.new_zeros(b, count, len(window.own), width))
                continue
            own, seen, whole = (torch.tensor(x, device=q.device) for x in (window.own, window.seen, window.pooled))
            k, v = (
                self._split(torch.cat([a.index_select(2, seen), b.index_select(2, whole)], 2))
                for a, b in zip(near, far, strict=True)
            )
            out = attend(self._split(q.index_select(2, own)), k, v)
            made.append(out.transpose(1, 2).reshape(b, count, -1, width))
        back = torch.tensor(order, device=q.device).argsort()
        found: Tensor = self.output(torch.cat(made, 2).index_select(2, back))
        return found

    def _pooled(self, frames: Tensor, grid: Grid) -> Tensor:
        """``(B, T, tokens, width)`` to ``(B, T, windows, width)``; the right and the bottom are padded with zeros."""
        b, t, _, width = frames.shape
        x = frames.reshape(b, t, grid.rows, grid.cols, width)
        x = F.pad(x, (0, 0, 0, -grid.cols % WINDOW[1], 0, -grid.rows % WINDOW[0]))
        down, across = x.shape[2] // WINDOW[0], x.shape[3] // WINDOW[1]
        x = x.reshape(b, t, down, WINDOW[0], across, WINDOW[1], width).permute(0, 1, 2, 4, 6, 3, 5)
        out: Tensor = self.pool(x.flatten(5)).reshape(b, t, down * across, width)
        return out

    def _split(self, x: Tensor) -> Tensor:
        """``(B, T, n, width)`` to ``(B, heads, T * n, width / heads)``."""
        return x.reshape(len(x), -1, self.heads, x.shape[-1] // self.heads).transpose(1, 2)
