"""The discriminator and the adversarial losses that the two-stream generator is trained with (Suvorov et al. 2021)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches (Wang et al. 2018, pix2pixHD): four 4x4 convolutions down, one more, the verdict."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        channels = [3, width, 2 * width, 4 * width, 8 * width, 8 * width]
        stages = []
        for i, (inputs, outputs) in enumerate(pairwise(channels)):
            layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 4, 2 if i < 4 else 1, 2)]
            if i:
                layers.append(nn.BatchNorm2d(outputs))
            stages.append(nn.Sequential(*layers, nn.LeakyReLU(0.2)))
        self.stages = nn.ModuleList(stages)
        self.verdict = nn.Conv2d(channels[-1], 1, 4, 1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Pictures ``(B, 3, H, W)`` in [0, 1] to a verdict ``(B, 1, h, w)`` (above 0 = real) and all features."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.verdict(x), features


def known_l1(output: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
    """Absolute error on the known pixels, as a mean over all; ``hole`` is ``(B, 1, H, W)`` 0 or 1."""
    return ((output - truth).abs() * (1 - hole)).mean()


def generator_loss(verdict: Tensor) -> Tensor:
    """Non-saturating: ``log(1 + exp(-D(fake)))``, as a mean."""
    return F.softplus(-verdict).mean()


def discriminator_loss(real: Tensor, fake: Tensor, hole: Tensor) -> Tensor:
    """Real patches are real; patches of a fake are fake as far as they are hole, and real where they are known.

    Verdicts are ``(B, 1, h, w)``, the hole ``(B, 1, H, W)`` 0 or 1.
    """
    share = F.interpolate(hole, size=fake.shape[-2:], mode="bilinear", align_corners=False)
    return F.softplus(-real).mean() + (share * F.softplus(fake) + (1 - share) * F.softplus(-fake)).mean()


def gradient_penalty(verdict: Tensor, pictures: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018): the squared gradient of the verdict on real pictures, as a mean over pictures."""
    (gradient,) = torch.autograd.grad(verdict.sum(), pictures, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean()


def feature_matching(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Mean squared difference of the discriminator's features, averaged over its layers."""
    return torch.stack([F.mse_loss(f, r.detach()) for r, f in zip(real, fake, strict=True)]).mean()
