"""Discriminator and adversarial losses against their formulas."""

import math

import pytest
import torch

from vrm.nets.two_stream.discriminator import (
    PatchDiscriminator,
    discriminator_loss,
    feature_matching,
    generator_loss,
    gradient_penalty,
    known_l1,
)


def test_the_published_size():
    with torch.device("meta"):
        assert sum(p.numel() for p in PatchDiscriminator().parameters()) == 6_962_369


def test_known_pixels_of_a_fake_count_as_real():
    real, fake = torch.full((1, 1, 2, 2), 0.3), torch.tensor([[[[1.0, -1.0], [1.0, -1.0]]]])
    hole = torch.zeros(1, 1, 4, 4)
    hole[..., :2] = 1  # the left half

    def soft(x):
        return math.log1p(math.exp(x))

    wanted = soft(-0.3) + (2 * soft(1.0) + 2 * soft(1.0)) / 4  # left: fake at 1; right: real at -1
    assert float(discriminator_loss(real, fake, hole)) == pytest.approx(wanted, rel=1e-5)
    assert float(generator_loss(fake)) == pytest.approx((soft(-1.0) + soft(1.0)) / 2, rel=1e-5)


def test_the_penalty_is_the_squared_gradient():
    x = torch.tensor([[[[1.0, 2.0]]], [[[3.0, -1.0]]]], requires_grad=True)
    verdict = x.square().sum((1, 2, 3))
    assert float(gradient_penalty(verdict, x)) == pytest.approx(((4 + 16) + (36 + 4)) / 2)


def test_l1_sees_known_pixels_and_features_are_compared():
    hole = torch.tensor([[[[1.0, 0.0]]]])
    assert float(known_l1(torch.tensor([[[[9.0, 2.0]]]]), torch.zeros(1, 1, 1, 2), hole)) == pytest.approx(1.0)
    one, other = [torch.zeros(2), torch.zeros(3)], [torch.ones(2), 2 * torch.ones(3)]
    assert float(feature_matching(one, other)) == pytest.approx((1 + 4) / 2)
