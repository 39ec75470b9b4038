"""The fusion of overlapping tokens against its definition: fold, divide by the overlaps, take tokens again."""

import pytest
import torch
from torch.nn import functional as F

from vrm.nets.fuseformer import tokens as tk
from vrm.nets.fuseformer.blocks import FusionFeedForward
from vrm.nets.fuseformer.fusion import Fusion, ordered

CHANNELS = 2 * tk.CELLS


def defined(tokens, grid, activation=F.relu):
    return activation(tk.unfold(tk.fold(tokens, grid) / tk.overlaps(grid)))


@pytest.mark.parametrize("activation", [F.relu, F.gelu])
@pytest.mark.parametrize("size", [(60, 108), (5, 9), (1, 1), (16, 22), (30, 31)])
def test_fusion_is_what_it_is_defined_as(size, activation):
    grid = tk.Grid(*size)
    tokens = torch.randn(2, grid.tokens, CHANNELS, dtype=torch.float64)
    found = Fusion(grid, activation)(ordered(tokens, 2))
    assert torch.allclose(found, ordered(defined(tokens, grid, activation), 2), atol=1e-12)


@pytest.mark.parametrize("size", [(60, 108), (31, 47)])
def test_tokens_that_agree_stay_as_they_are(size):
    grid = tk.Grid(*size)
    tokens = ordered(tk.unfold(torch.rand(1, 2, *size)), 2)
    assert torch.allclose(Fusion(grid, F.relu)(tokens), tokens, atol=1e-6)


@pytest.mark.parametrize("box", [(0, 0, 20, 36), (3, 5, 9, 11), (0, 33, 2, 36), (19, 0, 20, 1), (7, 7, 8, 8)])
def test_some_tokens_are_fused_as_all_are(box):
    grid = tk.Grid(60, 108)
    around = grid.cover(grid.cells(box))
    tokens = torch.randn(1, grid.tokens, CHANNELS, dtype=torch.float64)
    whole, part = Fusion(grid, F.relu), Fusion(grid, F.relu, around, box)
    given = tk.crop_tokens(tokens, grid, around)
    assert torch.allclose(part(given), tk.crop_tokens(whole(tokens), grid, box), atol=1e-12)
    assert torch.equal(part.within(given), tk.crop_tokens(tokens, grid, box))
    assert torch.equal(whole.within(tokens), tokens)


def test_the_feed_forward_is_f3n_and_so_are_its_gradients():
    torch.manual_seed(0)
    grid, layer = tk.Grid(16, 22), FusionFeedForward(12, CHANNELS).double()
    tokens = torch.randn(3, grid.tokens, 12, dtype=torch.float64)
    found, expected = layer(tokens, Fusion(grid, F.relu)), layer.contract(defined(layer.expand(tokens), grid))
    assert torch.allclose(found, expected, atol=1e-12)
    for one, other in zip(
        *(torch.autograd.grad(x.sin().sum(), list(layer.parameters())) for x in (found, expected)), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-10)
