"""The training loop and the fit of one network: the same weights each time, checkpoints, interruptions."""

import os
import signal

import numpy as np
import pytest
import torch

from vrm.errors import EngineError
from vrm.options.remove import EngineOptions
from vrm.system.device import choose
from vrm.train.fit import fit
from vrm.train.loop import Every, train

CPU = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))


def line():
    torch.manual_seed(0)
    return torch.nn.Linear(1, 1)


def loss(net, step=0):
    x = torch.linspace(-1, 1, 20)[:, None]
    return (net(x) - (2 * x + 1)).abs().mean()


def noisy(rng):
    return lambda net, step: loss(net) * float(rng.uniform(0.5, 1.5)) + 0 * torch.rand(1)


class Memory:
    """A checkpoint that is always due, and keeps the state of each step."""

    due = True

    def __init__(self, state=None):
        self.state, self.states = state, []

    def read(self):
        return self.state

    def write(self, state):
        copied = {k: v.clone() for k, v in state["nets"]["net"].items()}
        self.states.append(state | {"nets": {"net": copied}})


def test_it_fits_and_equal_seeds_give_equal_weights():
    nets = [line(), line()]
    for net in nets:
        fit(net, loss, 200, 0.05, CPU)
        assert not net.training
        assert float(loss(net).detach()) < 0.1
    assert torch.equal(nets[0].weight, nets[1].weight)


def test_no_steps_leaves_the_network_as_it_is():
    net = line()
    before = net.weight.detach().clone()
    fit(net, loss, 0, 0.05, CPU)
    assert torch.equal(net.weight, before)


def test_a_fit_that_diverges_says_so():
    with pytest.raises(EngineError, match="diverged at step 5"):
        fit(line(), lambda net, step: loss(net) * torch.nan, 5, 2e-4, CPU)


def test_a_fit_goes_on_from_its_checkpoint_to_the_same_weights():
    whole, rng, kept = line(), np.random.default_rng(3), Memory()
    fit(whole, noisy(rng), 6, 0.05, CPU, checkpoint=kept, rngs=[rng])
    assert [state["done"] for state in kept.states] == [1, 2, 3, 4, 5, 6]

    def break_off(done, total):
        if done == 3:
            raise KeyboardInterrupt

    broken, rng, kept = line(), np.random.default_rng(3), Memory()
    with pytest.raises(KeyboardInterrupt):
        fit(broken, noisy(rng), 6, 0.05, CPU, break_off, kept, [rng])
    again, rng, steps = line(), np.random.default_rng(99), []
    fit(again, noisy(rng), 6, 0.05, CPU, lambda done, total: steps.append(done), Memory(kept.states[-1]), [rng])
    assert steps == [4, 5, 6]
    assert torch.equal(again.weight, whole.weight)


@pytest.mark.parametrize("other", [{}, {"nets": {"net": {"weight": torch.zeros(2, 2)}}}, {"nets": 3}])
def test_a_checkpoint_of_another_fit_does_not_count(other):
    plain, net = line(), line()
    fit(plain, loss, 3, 0.05, CPU)
    fit(net, loss, 3, 0.05, CPU, checkpoint=Memory(other))
    assert torch.equal(net.weight, plain.weight)


class Counter:
    """As far as the loop needs a trainer."""

    done = 0

    def __init__(self, press=None):
        self.press = press

    def step(self, batch):
        if self.press == batch:
            os.kill(os.getpid(), signal.SIGINT)
        self.done += 1
        return {"a": float(batch)}


def test_actions_have_the_means_since_their_last_turn_and_come_before_progress():
    told = []
    actions = [
        Every(2, lambda step, terms: told.append(("two", step, terms))),
        Every(3, lambda step, terms: told.append(("three", step, terms))),
    ]
    train(Counter(), iter(range(1, 9)), 5, lambda done, total: told.append((done, total)), actions)
    assert told == [
        (1, 5),
        ("two", 2, {"a": 1.5}), (2, 5),
        ("three", 3, {"a": 2.0}), (3, 5),
        ("two", 4, {"a": 3.5}), (4, 5),
        ("two", 5, {"a": 5.0}), ("three", 5, {"a": 4.5}), (5, 5),
    ]  # fmt: skip


@pytest.fixture
def interruptible():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_step_is_completed_and_kept(interruptible):
    trainer, kept = Counter(press=3), []
    with pytest.raises(KeyboardInterrupt):
        train(trainer, iter(range(1, 9)), 8, lambda done, total: None, (), lambda: kept.append(trainer.done))
    assert kept == [3]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_step_that_breaks_is_not_kept():
    class Broken(Counter):
        def step(self, batch):
            raise KeyboardInterrupt

    kept = []
    with pytest.raises(KeyboardInterrupt):
        train(Broken(), iter(range(9)), 8, lambda done, total: None, (), lambda: kept.append(1))
    assert not kept
