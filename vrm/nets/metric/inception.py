"""The Inception-v3 of FID (Heusel et al. 2017): the 2015 TensorFlow graph, in the layout of its PyTorch port.

It differs from torchvision's network in four points: 1008 classes, average pools that leave their padding out, a
maximum pool in the last block, and frames stretched to 299x299 by a bilinear filter without antialiasing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.inception import Inception3, InceptionE  # type: ignore[import-untyped]

FEATURES = 2048

_BEFORE = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2".split()  # noqa: SIM905
_BLOCKS = "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split()  # noqa: SIM905
_AVERAGING = ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b")


class FidInception(Inception3):  # type: ignore[misc]
    """Pooled features of frames; the classifier stays unused."""

    def __init__(self) -> None:
        super().__init__(num_classes=1008, aux_logits=False, transform_input=False, init_weights=False)
        self.Mixed_7c = _LastBlock(2048)
        for name in _AVERAGING:
            getattr(self, f"Mixed_{name}").branch_pool.register_forward_pre_hook(_without_padding)
        self.requires_grad_(False)
        self.eval()

    def forward(self, frames: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to ``(B, 2048)``."""
        x = F.interpolate(frames, (299, 299), mode="bilinear", align_corners=False) * 2 - 1
        for name in (*_BEFORE, *(f"Mixed_{block}" for block in _BLOCKS)):
            x = getattr(self, name)(x)
        return x.mean((2, 3))


class _LastBlock(InceptionE):  # type: ignore[misc]
    """Mixed_7c with a maximum pool."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        one, two = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return [
            self.branch1x1(x),
            torch.cat([self.branch3x3_2a(one), self.branch3x3_2b(one)], 1),
            torch.cat([self.branch3x3dbl_3a(two), self.branch3x3dbl_3b(two)], 1),
            self.branch_pool(F.max_pool2d(x, 3, stride=1, padding=1)),
        ]


def _without_padding(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
    """Averages over 3x3 that counted the zeros around the map, as averages that do not."""
    pooled: Tensor = inputs[0]
    counted = F.avg_pool2d(torch.ones_like(pooled[:1, :1]), 3, stride=1, padding=1)
    return (pooled / counted,)
