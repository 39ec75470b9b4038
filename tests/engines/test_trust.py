import numpy as np
import pytest
import torch

from vrm.engines.trust import DOUBT, EVEN, SHARE, SMALL, Trust, judge, take
from vrm.options import EngineOptions
from vrm.train.device import choose
from vrm.train.inputs import CONFIDENCE_ROW
from vrm.train.lessons import Batch

CPU = choose(EngineOptions(device="cpu", dtype="fp32", threads=1))


def batch(sure):
    """A prefill that is off by noise, and 6 rows of which the first half is unseen if ``sure`` is 0 there."""
    torch.manual_seed(0)
    truth = torch.rand(1, 3, 8, 8) / 2 + 0.25
    prefill = truth + 0.2 * torch.rand(1, 3, 8, 8) - 0.1
    where = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    where[..., 1:7, 1:7] = True
    x = torch.zeros(1, CONFIDENCE_ROW + 1, 8, 8)
    x[:, CONFIDENCE_ROW] = sure
    return Batch(x, torch.stack([prefill, truth + 0.3], 1), torch.ones(1, 2, 8, 8, dtype=torch.bool), truth, where)


class Answer(torch.nn.Module):
    """Says what it is told to."""

    def __init__(self, rgb):
        super().__init__()
        self.rgb = rgb

    def forward(self, x, colours, valid):
        return self.rgb, valid.float()


def test_a_network_that_is_right_is_believed_but_for_the_doubt():
    one = batch(sure=0.0)
    trust = judge(Answer(one.truth), [one], CPU)
    assert trust.unseen == pytest.approx(1 / (1 + DOUBT), abs=1e-4)
    errors = dict(trust.errors)
    assert errors["network"] == 0
    assert errors["mixed"] < errors["prefill"] < errors["spatial"]


def test_a_network_that_is_worse_than_the_prefill_is_not_run():
    one = batch(sure=0.5)
    away = one.colours[:, 0] + (one.colours[:, 0] - one.truth)
    trust = judge(Answer(away), [one], CPU)
    assert not trust.network


def test_it_is_judged_apart_where_motion_saw_and_where_it_did_not():
    sure = torch.zeros(8, 8)
    sure[4:] = 1
    one = batch(sure)
    told = torch.where(sure.bool(), one.colours[:, 0] + 0.3, one.truth)
    trust = judge(Answer(told), [one], CPU)
    assert trust.unseen > 0.7
    assert trust.seen < 0.1


def test_shares_are_those_of_a_ridge_regression():
    sure = torch.rand(8, 8)
    one = batch(sure)
    told = one.colours[:, 0] + 0.4 * (one.truth - one.colours[:, 0]) + 0.05 * torch.rand(1, 3, 8, 8)
    trust = judge(Answer(told), [one], CPU)
    inside = one.where.expand(1, 3, 8, 8)
    d, c = (told - one.colours[:, 0])[inside].numpy(), sure.expand(1, 3, 8, 8)[inside].numpy()
    a = np.stack([d * (1 - c), d * c], 1).astype(float)
    ridge = np.diag(np.sqrt(DOUBT * (a**2).sum(0)))
    rows = np.concatenate([a, ridge])
    wanted = np.concatenate([(one.truth - one.colours[:, 0])[inside].numpy(), np.zeros(2)])
    expected = np.linalg.lstsq(rows, wanted, rcond=None)[0].clip(0, 1)
    np.testing.assert_allclose([trust.unseen, trust.seen], expected, atol=1e-4)


def test_without_held_back_holes_the_network_is_taken_as_it_is():
    assert judge(Answer(None), [], CPU) == Trust()


def test_what_is_taken_is_the_formula_pixel_by_pixel():
    rng = np.random.default_rng(0)
    hole = np.zeros((40, 50), bool)
    hole[5:30, 8:40] = True
    hole[10:14, 12:20] = False
    index = np.flatnonzero(hole)
    prefill = rng.random((index.size, 3), np.float32)
    network = prefill + rng.normal(0.01, 0.03, prefill.shape).astype(np.float32)
    got = take(prefill, network, index, hole.shape)
    r = EVEN // 2
    for k in range(0, index.size, 37):
        y, x = divmod(index[k], 50)
        near = [j for j, i in enumerate(index) if abs(i // 50 - y) <= r and abs(i % 50 - x) <= r]
        d = (network - prefill)[near].mean(0)
        np.testing.assert_allclose(
            got[k], prefill[k] + SHARE * d * np.exp(-((np.abs(d).max() / SMALL) ** 2)), atol=1e-5
        )


def test_of_a_large_change_nothing_is_taken():
    index = np.arange(400)
    prefill = np.full((400, 3), 0.5, np.float32)
    np.testing.assert_allclose(take(prefill, prefill + 0.2, index, (20, 20)), prefill, atol=1e-6)
