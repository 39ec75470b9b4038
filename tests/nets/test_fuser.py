import pytest
import torch

from vrm.nets.fuser import RESIDUAL, Fuser


@pytest.fixture
def problem():
    torch.manual_seed(0)
    colours = torch.rand(2, 4, 3, 33, 50)
    valid = torch.rand(2, 4, 33, 50) > 0.5
    valid[:, 0] = True
    return torch.randn(2, 9, 33, 50), colours, valid


def test_untrained_it_hands_the_prefill_on(problem):
    x, colours, valid = problem
    only = torch.zeros_like(valid)
    only[:, 0] = True
    fused, weights = Fuser(9, 4, 8)(x, colours, only)
    assert torch.allclose(fused, colours[:, 0], atol=1e-6)
    assert torch.allclose(weights[:, 0], torch.ones(2, 33, 50))
    fused, weights = Fuser(9, 4, 8)(x, colours, valid)
    assert weights[:, 0].min() > 0.9


def test_weights_sum_to_one_and_spare_what_is_not_valid(problem):
    x, colours, valid = problem
    net = Fuser(9, 4, 8)
    torch.nn.init.normal_(net.head.conv.weight)
    fused, weights = net(x, colours, valid)
    assert torch.allclose(weights.sum(1), torch.ones(2, 33, 50), atol=1e-5)
    assert (weights[~valid] == 0).all()
    mixed = (weights[:, :, None] * colours).sum(1)
    assert (fused - mixed).abs().max() <= RESIDUAL + 1e-6


@pytest.mark.parametrize("size", [(1, 1), (7, 200)])
def test_any_size(size):
    x, colours = torch.rand(1, 5, *size), torch.rand(1, 2, 3, *size)
    assert Fuser(5, 2, 8)(x, colours, torch.ones(1, 2, *size, dtype=torch.bool))[0].shape == (1, 3, *size)
