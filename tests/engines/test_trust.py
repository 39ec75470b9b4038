import torch

from vrm.engines.trust import Trust, judge
from vrm.options import EngineOptions
from vrm.train.device import choose
from vrm.train.lessons import Batch

CPU = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))


def batch():
    torch.manual_seed(0)
    truth = torch.rand(1, 3, 8, 8)
    colours = torch.stack([truth + 0.2, truth + 0.3], 1)
    where = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    where[..., 2:5, 2:5] = True
    return Batch(torch.zeros(1, 4, 8, 8), colours, torch.ones(1, 2, 8, 8, dtype=torch.bool), truth.clamp(0, 1), where)


class Answer(torch.nn.Module):
    def __init__(self, offsets):
        super().__init__()
        self.offsets = offsets

    def forward(self, x, colours, valid, hardness=1.0):
        return (colours[:, 0] - 0.2).clamp(0, 1) + self.offsets[hardness], valid.float()


def test_the_hardest_mix_that_costs_nothing_is_taken():
    trust = judge(Answer({1.0: 0.0, 1.5: 0.0, 2.0: 0.0, 3.0: 0.1}), [batch()], CPU)
    assert trust.network
    assert trust.hardness == 2.0


def test_a_network_that_is_worse_than_the_prefill_is_not_trusted():
    trust = judge(Answer(dict.fromkeys((1.0, 1.5, 2.0, 3.0), 0.9)), [batch()], CPU)
    assert not trust.network
    errors = dict(trust.errors)
    assert errors["prefill"] < errors["spatial"]


def test_without_held_back_holes_the_network_is_taken_as_it_is():
    assert judge(Answer({}), [], CPU) == Trust()
