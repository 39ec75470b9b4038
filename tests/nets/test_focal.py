"""Windowed attention against itself written out token by token."""

import pytest
import torch

from vrm.nets.focal import FocalAttention
from vrm.nets.tokens import Grid


@pytest.mark.parametrize(("size", "frames"), [((30, 54), 2), ((24, 36), 3), ((5, 7), 1)])
def test_a_token_sees_its_window_and_every_window_pooled(size, frames):
    torch.manual_seed(0)
    layer = FocalAttention(8, 2).double()
    grid = Grid(*size)
    x = torch.randn(1, frames * grid.tokens, 8).double()
    split = x.reshape(frames, grid.rows, grid.cols, 8)
    windows = [(a, b) for a in range(0, grid.rows, 5) for b in range(0, grid.cols, 9)]
    pooled = [split[t, a : a + 5, b : b + 9].flatten(0, 1).mean(0) for t in range(frames) for a, b in windows]
    found = layer(x, grid).reshape(frames, grid.rows, grid.cols, 8)
    for a, b in windows:
        own = split[:, a : a + 5, b : b + 9].reshape(-1, 8)
        seen = torch.cat([own, torch.stack(pooled)])
        k, v = layer.key(seen), layer.value(seen)
        for t in range(frames):
            for i in range(a, min(a + 5, grid.rows)):
                j = min(b + 3, grid.cols - 1)
                q = layer.query(split[t, i, j])
                heads = [((q[s] @ k[:, s].T) / 2).softmax(-1) @ v[:, s] for s in (slice(0, 4), slice(4, 8))]
                assert (found[t, i, j] - layer.output(torch.cat(heads))).abs().max() < 1e-10
