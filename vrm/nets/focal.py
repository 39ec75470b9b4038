"""Attention within windows and to pooled windows: the kind of backbone that E2FGVI (Li et al., CVPR 2022) has.

A token attends to its own window of 5x9 tokens in all frames, and to one pooled token for every window of every frame
(focal attention, Yang et al. 2021). That is linear in the frame's size where full attention is quadratic.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vrm.nets.fuseformer import Attention
from vrm.nets.tokens import Grid, crop_tokens
from vrm.types import Box

WINDOW = (5, 9)
"""Rows and columns of tokens in a window."""


class FocalAttention(Attention):
    """Multi-head attention as the module says; layers and heads as in ``Attention``."""

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """``(B, T * tokens, width)`` to the same."""
        b, n, width = tokens.shape
        frames = n // grid.tokens
        near = _windows(tokens, grid)  # (B, windows, T * 45, width)
        inside = _windows(torch.ones_like(tokens[..., :1]), grid)
        count = near.shape[1]
        # A pooled token is the mean of the tokens that its window really has.
        sums, sizes = (x.reshape(b, count, frames, -1, x.shape[-1]).sum(3) for x in (near, inside))
        far = (sums / sizes.clamp(min=1)).transpose(1, 2).flatten(1, 2)
        q = self._split(self.query(near))
        k, v = (
            torch.cat([self._split(layer(near)), self._split(layer(far))[:, None].expand(-1, count, -1, -1, -1)], 3)
            for layer in (self.key, self.value)
        )
        there = torch.cat([inside[..., 0], torch.ones_like(far[:, None, :, 0]).expand(-1, count, -1)], 2) > 0
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=there[:, :, None, None])
        made: Tensor = self.output(out.transpose(2, 3).reshape(b, count, -1, width))
        return _unwindowed(made, grid, frames)

    def at(self, tokens: Tensor, grid: Grid, places: list[tuple[int, Box]]) -> list[Tensor]:
        """As ``forward``, of which only some frames' boxes are kept: windows cross them everywhere."""
        frames = self(tokens, grid).reshape(-1, grid.tokens, tokens.shape[-1])
        return [crop_tokens(frames[t : t + 1], grid, box) for t, box in places]

    def _split(self, x: Tensor) -> Tensor:
        """``(..., n, width)`` to ``(..., heads, n, width / heads)``."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(-2, -3)


def _windows(tokens: Tensor, grid: Grid) -> Tensor:
    """``(B, T * tokens, C)`` to ``(B, windows, T * 45, C)``; what is missing at right and bottom is zero."""
    b, _, c = tokens.shape
    x = tokens.reshape(b, -1, grid.rows, grid.cols, c)
    x = F.pad(x, (0, 0, 0, -grid.cols % WINDOW[1], 0, -grid.rows % WINDOW[0]))
    t, rows, cols = x.shape[1:4]
    x = x.reshape(b, t, rows // WINDOW[0], WINDOW[0], cols // WINDOW[1], WINDOW[1], c)
    return x.permute(0, 2, 4, 1, 3, 5, 6).reshape(b, -1, t * WINDOW[0] * WINDOW[1], c)


def _unwindowed(windows: Tensor, grid: Grid, frames: int) -> Tensor:
    """The reverse of ``_windows``."""
    b, c = windows.shape[0], windows.shape[-1]
    down, across = -(-grid.rows // WINDOW[0]), -(-grid.cols // WINDOW[1])
    x = windows.reshape(b, down, across, frames, *WINDOW, c).permute(0, 3, 1, 4, 2, 5, 6)
    x = x.reshape(b, frames, down * WINDOW[0], across * WINDOW[1], c)[:, :, : grid.rows, : grid.cols]
    return x.reshape(b, -1, c)
