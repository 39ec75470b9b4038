"""I3D (Carreira and Zisserman, CVPR 2017), RGB stream, as the widely used PyTorch port lays out its weights.

Only up to Mixed_5c, which VFID and PVCS need; the classifier's weights may be in a file and are left unread.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYERS = ("Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c")
"""What PVCS (DEVIL) compares."""

_MIXED = {
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
"""Channels in, and of the branches: 1x1; 1x1, 3x3; 1x1, 3x3; pool, 1x1."""


class I3d(nn.Module):
    """Inflated Inception-v1."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(3, 64, 7, (2, 2, 2))
        self.Conv3d_2b_1x1 = _Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = _Unit(64, 192, 3)
        for name, (channels, branches) in _MIXED.items():
            self.add_module(name, _Mixed(channels, branches))
        self.requires_grad_(False)
        self.use_batch_statistics(False)

    def use_batch_statistics(self, wanted: bool) -> None:
        """Choose whether batch normalisation uses the clip's own statistics or the learned ones, which never change.

        The published VFID code uses the clip's: it forgets to leave training mode.
        """
        self.eval()
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.training = wanted
                module.momentum = 0.0

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """``(B, 3, T, H, W)`` in [0, 1] to the activations of ``LAYERS``, each ``(B, C, t, h, w)``."""
        found = {}
        x = self.Conv3d_2b_1x1(_pool(self.Conv3d_1a_7x7(clip), (1, 3, 3), (1, 2, 2)))
        x = found["Conv3d_2c_3x3"] = self.Conv3d_2c_3x3(x)
        x = _pool(x, (1, 3, 3), (1, 2, 2))
        for name in _MIXED:
            if name == "Mixed_4b":
                x = _pool(x, (3, 3, 3), (2, 2, 2))
            if name == "Mixed_5b":
                x = _pool(x, (2, 2, 2), (2, 2, 2))
            x = getattr(self, name)(x)
            if name in LAYERS:
                found[name] = x
        return found


class _Unit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU; padded as TensorFlow's "same"."""

    def __init__(self, before: int, after: int, kernel: int, stride: tuple[int, int, int] = (1, 1, 1)) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(before, after, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(after, eps=0.001)
        self._kernel, self._stride = (kernel, kernel, kernel), stride

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.relu(self.bn(self.conv3d(_same(x, self._kernel, self._stride))))
        return out


class _Mixed(nn.Module):
    """An Inception module."""

    def __init__(self, before: int, branches: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        a, b, c, d, e, f = branches
        self.b0 = _Unit(before, a, 1)
        self.b1a, self.b1b = _Unit(before, b, 1), _Unit(b, c, 3)
        self.b2a, self.b2b = _Unit(before, d, 1), _Unit(d, e, 3)
        self.b3b = _Unit(before, f, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = _pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], 1)


def _same(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Zeros around, so that every output stands over ``ceil(size / stride)`` inputs; the odd one comes last."""
    pads: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        total = max((math.ceil(size / s) - 1) * s + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def _pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    return F.max_pool3d(_same(x, kernel, stride), kernel, stride)
