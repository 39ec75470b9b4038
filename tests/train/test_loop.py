import pytest
import torch

from vrm.errors import EngineError, UsageError
from vrm.options.remove import EngineOptions
from vrm.system.device import choose
from vrm.train.loop import Budget, fit

CPU = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))


def line():
    torch.manual_seed(0)
    return torch.nn.Linear(1, 1)


def loss(net, step=0):
    x = torch.linspace(-1, 1, 20)[:, None]
    return (net(x) - (2 * x + 1)).abs().mean()


def test_it_fits_and_equal_seeds_give_equal_weights():
    nets = [line(), line()]
    for net in nets:
        history = fit(net, loss, Budget(200, 0.05, anneal=True, average=0.9), CPU, lambda n: float(loss(n).detach()))
        assert history.held[history.best_step] == min(history.held.values()) < 0.05
        assert abs(float(loss(net).detach()) - history.held[history.best_step]) < 1e-6
    assert torch.equal(nets[0].weight, nets[1].weight)


def test_the_best_state_is_kept_and_the_fit_stops_when_it_no_longer_falls():
    values = iter([5.0, 3.0, 2.0, 4.0, 4.0, 4.0, 4.0])
    weights = {}

    def held(net):
        value = next(values)
        weights[value] = float(net.weight.detach())
        return value

    net = line()
    history = fit(net, loss, Budget(1000, 0.05, check_every=10, patience=3), CPU, held)
    assert history.steps == 50
    assert history.best_step == 20
    assert float(net.weight.detach()) == weights[2.0]


def test_no_steps_leaves_the_network_as_it_is():
    net = line()
    before = net.weight.detach().clone()
    assert fit(net, loss, Budget(0), CPU).steps == 0
    assert torch.equal(net.weight, before)


def test_without_looks_the_last_state_is_kept():
    net = line()
    history = fit(net, loss, Budget(30, 0.05, check_every=7), CPU)
    assert history.best_step == 30
    assert not net.training


def test_a_fit_that_diverges_says_so():
    with pytest.raises(EngineError, match="diverged"):
        fit(line(), lambda net, step: loss(net) * torch.nan, Budget(5, check_every=1), CPU)


@pytest.mark.parametrize("bad", [{"steps": -1}, {"steps": 1, "rate": 0}, {"steps": 1, "average": 1.0}])
def test_impossible_budgets_are_refused(bad):
    with pytest.raises(UsageError):
        Budget(**bad)
