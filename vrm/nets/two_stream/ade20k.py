"""Features of scenes: the perceptual loss of the two-stream generator (Suvorov et al. 2021, Section 2.2).

A ResNet-50 that was trained to segment ADE20k (Zhou et al. 2017): three small convolutions as its stem, and dilation in
place of the last two halvings, so that its features have an eighth of the picture's size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck, ResNet  # type: ignore[import-untyped]

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STEM = ((3, 64, 2), (64, 64, 1), (64, 128, 1))


class Ade20kFeatures(nn.Module):
    """The encoder, fixed; its tensors have the names of the published one (``conv1`` to ``layer4``)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        for i, (before, after, stride) in enumerate(_STEM, 1):
            self.add_module(f"conv{i}", nn.Conv2d(before, after, 3, stride, 1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(after))
        body = ResNet(Bottleneck, [3, 4, 6, 3], replace_stride_with_dilation=[False, True, True])
        body.inplanes, body.dilation = _STEM[-1][1], 1
        self.layer1 = body._make_layer(Bottleneck, 64, 3)
        self.layer2, self.layer3, self.layer4 = body.layer2, body.layer3, body.layer4
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Ade20kFeatures:
        """Statistics never change: it stays in evaluation mode."""
        return super().train(False)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` in [0, 1] to features of 256, 512, 1024, 2048 channels; at a quarter, then an eighth."""
        x = (picture - self.mean) / self.deviation
        for i in range(1, len(_STEM) + 1):
            x = F.relu(self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x)))
        x = F.max_pool2d(x, 3, 2, 1)
        found = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            found.append(x)
        return found


def perceptual_loss(features: Ade20kFeatures, output: Tensor, truth: Tensor) -> Tensor:
    """Mean squared difference of the features of two pictures, summed over the four layers."""
    with torch.no_grad():
        wanted = features(truth)
    return torch.stack([F.mse_loss(a, b) for a, b in zip(features(output), wanted, strict=True)]).sum()
