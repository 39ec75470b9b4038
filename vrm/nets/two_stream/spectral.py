"""Fast Fourier convolution (Chi, Jiang, Mu, NeurIPS 2020) as Suvorov et al. 2021 use it: it sees the whole picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

GLOBAL_SHARE = 0.75
"""Part of the channels that pass through the spectrum."""


class SpectralTransform(nn.Module):
    """Channels halved, filtered in the spectrum with a skip, and brought back: ``(B, c, h, w)`` to the same.

    The filter is a 1x1 convolution over the stacked real and imaginary parts of the orthonormal 2D transform.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Conv2d(channels, half, 1, bias=False)
        self.reduce_norm = nn.BatchNorm2d(half)
        self.filter = nn.Conv2d(2 * half, 2 * half, 1, bias=False)
        self.filter_norm = nn.BatchNorm2d(2 * half)
        self.expand = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce_norm(self.reduce(x)).relu()
        out: Tensor = self.expand(x + self._filtered(x))
        return out

    def _filtered(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        spectrum = torch.fft.rfft2(x.float(), norm="ortho")  # (b, c, h, w // 2 + 1); no half precision there
        parts = torch.view_as_real(spectrum).permute(0, 1, 4, 2, 3).reshape(b, 2 * c, h, -1)  # (b, 2 c, h, w // 2 + 1)
        parts = self.filter_norm(self.filter(parts)).relu()
        parts = parts.float().reshape(b, c, 2, h, -1).permute(0, 1, 3, 4, 2).contiguous()  # (b, c, h, w // 2 + 1, 2)
        out: Tensor = torch.fft.irfft2(torch.view_as_complex(parts), s=(h, w), norm="ortho").to(x.dtype)
        return out


class FourierConv(nn.Module):
    """One fast Fourier convolution with batch norm and ReLU: local channels first, then global ones.

    3x3 convolutions (padded by reflection) between all parts, but the spectral transform from global to global.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = round(channels * GLOBAL_SHARE)
        self.near = channels - self.wide

        def conv(inputs: int, outputs: int) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, padding_mode="reflect")

        self.near_near = conv(self.near, self.near)
        self.near_wide = conv(self.near, self.wide)
        self.wide_near = conv(self.wide, self.near)
        self.wide_wide = SpectralTransform(self.wide)
        self.near_norm = nn.BatchNorm2d(self.near)
        self.wide_norm = nn.BatchNorm2d(self.wide)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to the same, h and w at least 2."""
        near, wide = x[:, : self.near], x[:, self.near :]
        new_near = self.near_norm(self.near_near(near) + self.wide_near(wide)).relu()
        new_wide = self.wide_norm(self.near_wide(near) + self.wide_wide(wide)).relu()
        return torch.cat([new_near, new_wide], 1)


class FourierResidual(nn.Module):
    """Two fast Fourier convolutions and a skip: ``(B, channels, h, w)`` to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = FourierConv(channels), FourierConv(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(self.first(x))
        return out


class ConvResidual(nn.Module):
    """A grouped 3x3 convolution, batch norm, ReLU and a skip: ``FourierResidual`` without the spectrum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=4, padding_mode="reflect")
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.norm(self.conv(x)).relu()
        return out
