"""Which tokens a window attends to; what it makes of them is held against E2FGVI written out, in test_e2fgvi."""

import pytest
import torch

from vrm.nets.e2fgvi.focal import FocalAttention, windows
from vrm.nets.fuseformer.tokens import Grid


@pytest.mark.parametrize("size", [(60, 108), (30, 54), (24, 36), (5, 7), (31, 100)])
def test_every_token_is_in_one_window_and_sees_what_lies_around(size):
    grid = Grid(*size)
    found = windows(grid)
    assert sorted(token for window in found for token in window.own) == list(range(grid.tokens))
    for number, window in enumerate(found):
        assert window.seen[: len(window.own)] == window.own
        assert number in window.pooled
        assert set(window.seen) <= set(range(grid.tokens))
        if size == (60, 108):
            assert len(window.seen) == 165
            assert len(set(window.seen)) == 9 * 17, "half a window more on every side"


def test_windows_that_are_cut_off_are_attended_alike():
    torch.manual_seed(0)
    layer, grid = FocalAttention(8, 2).double(), Grid(24, 36)  # 8x12 tokens
    x = torch.randn(1, 3 * grid.tokens, 8).double()
    with torch.no_grad():
        found = layer(x, grid).reshape(3, grid.tokens, 8)
        frames = x.reshape(3, grid.rows, grid.cols, 8)
        weight, bias = layer.pool.weight[0].reshape(5, 9, 1), layer.pool.bias
        pooled = []
        for a, b in ((0, 0), (0, 9), (5, 0), (5, 9)):
            part = frames[:, a : a + 5, b : b + 9]
            pooled.append((part * weight[: part.shape[1], : part.shape[2]]).sum((1, 2)) + bias)
        window = windows(grid)[3]
        seen = torch.cat([x.reshape(3, -1, 8)[:, list(window.seen)].flatten(0, 1), *pooled])
        k, v = layer.key(seen), layer.value(seen)
        q = layer.query(x.reshape(3, -1, 8)[1, window.own[-1]])
        heads = [((q[s] @ k[:, s].T) / 2).softmax(-1) @ v[:, s] for s in (slice(0, 4), slice(4, 8))]
        assert (found[1, window.own[-1]] - layer.output(torch.cat(heads))).abs().max() < 1e-10
