"""The networks of Ouyang et al. 2021 (Internal Video Inpainting), Appendix A.1: base and coarse-to-fine.

Where the paper and its published code differ (reflection against zero padding, bilinear against nearest upsampling,
a 1x1 against a 3x3 output), this follows the paper. The channel numbers of the paper count a convolution's outputs
*before* the split into features and gates, so ``C(48, ...)`` has 24 channels out. The paper speaks of 18 layers in
the base network and lists 17; these are the 17.

All networks take any image size from 1x1 up: the input is padded inside (edge pixels repeated) and the output cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.nets.sampling import pad_to

MIN_SIDE = 72
"""Reflection padding needs more pixels than it pads: dilation 16 at a quarter of the size asks for 17 times 4."""


class GatedConv(nn.Module):
    """A gated convolution (Yu et al. 2019): ``ELU(features) * sigmoid(gates)``, both halves of one convolution.

    Args:
        outputs: channels of the convolution; half of them come out. The paper's ``C[outputs, kernel, ...]``.
        kernel, stride, dilation: of the convolution; it is padded by reflection to keep the size (over the stride).
        up: enlarge the input twice first, bilinearly: the paper's ``D[...]``.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1, up: bool = False
    ) -> None:
        super().__init__()
        if outputs % 2:
            raise ValueError(f"{outputs} channels cannot be split into features and gates")
        pad = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, pad, dilation, padding_mode="reflect")
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs / 2, H', W')``."""
        if self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        features, gates = self.conv(x).chunk(2, 1)
        return F.elu(features) * torch.sigmoid(gates)

    @torch.no_grad()
    def rescale(self, factor: float) -> None:
        """Multiply the features (not the gates) before their activation; for ``vrm.nets.init.unit_variance``."""
        half = self.conv.out_channels // 2
        self.conv.weight[:half] *= factor
        if self.conv.bias is not None:
            self.conv.bias[:half] *= factor


class OutputConv(nn.Module):
    """The paper's ``O``: a 1x1 convolution and tanh. Three channels cannot be split, so it has no gate."""

    deviation = 0.4
    """Standard deviation that initialisation aims at, that of pictures in [-1, 1]: 1 would saturate the tanh."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, 3, H, W)`` in [-1, 1]."""
        return torch.tanh(self.conv(x))

    @torch.no_grad()
    def rescale(self, factor: float) -> None:
        self.conv.weight *= factor
        if self.conv.bias is not None:
            self.conv.bias *= factor


Layer = tuple[int, int, int, int]
"""``(multiple of the quarter width, kernel, stride, dilation)``; the paper's 48, 96, 192 are 2, 4, 8 of 24."""

ENCODER: tuple[Layer, ...] = (
    (2, 5, 1, 1), (4, 3, 2, 1), (4, 3, 1, 1), (8, 3, 2, 1), (8, 3, 1, 1),
    (8, 3, 1, 1), (8, 3, 1, 2), (8, 3, 1, 4), (8, 3, 1, 8), (8, 3, 1, 16),
)  # fmt: skip
BRANCH: tuple[Layer, ...] = (
    (2, 5, 1, 1), (4, 3, 2, 1), (4, 3, 1, 1), (8, 3, 2, 1), (8, 3, 1, 1),
    (8, 3, 1, 1), (8, 3, 1, 2), (8, 3, 1, 1), (8, 3, 1, 1),
)  # fmt: skip


def _chain(inputs: int, unit: int, layers: Sequence[Layer]) -> nn.Sequential:
    blocks = []
    for multiple, kernel, stride, dilation in layers:
        blocks.append(GatedConv(inputs, multiple * unit, kernel, stride, dilation))
        inputs = multiple * unit // 2
    return nn.Sequential(*blocks)


def _decoder(inputs: int, unit: int) -> nn.Sequential:
    return nn.Sequential(
        GatedConv(inputs, 8 * unit),
        GatedConv(4 * unit, 8 * unit),
        GatedConv(4 * unit, 4 * unit, up=True),
        GatedConv(2 * unit, 4 * unit),
        GatedConv(2 * unit, 2 * unit, up=True),
        GatedConv(unit, unit),
        OutputConv(unit // 2),
    )


class BaseNetwork(nn.Module):
    """The base network: frame and mask in, frame out.

    Args:
        width: channels of the first layer as the paper counts them (48); a multiple of 4.
        inputs: channels in; 4 in the paper (colour in [-1, 1] with the hole at 0, and the mask as 0 or 1).
    """

    def __init__(self, width: int = 48, inputs: int = 4) -> None:
        super().__init__()
        unit = _unit(width)
        self.encoder = _chain(inputs, unit, ENCODER)
        self.decoder = _decoder(4 * unit, unit)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, 3, H, W)`` in [-1, 1]."""
        h, w = x.shape[-2:]
        out: Tensor = self.decoder(self.encoder(pad_to(x, 4, MIN_SIDE)))
        return out[..., :h, :w]


class CoarseToFineNetwork(nn.Module):
    """The default of the paper: a second network with a further branch, joined before its decoder."""

    def __init__(self, width: int = 48, inputs: int = 4) -> None:
        super().__init__()
        unit = _unit(width)
        self.width = width
        self.coarse = BaseNetwork(width, inputs)
        self.encoder = _chain(inputs, unit, ENCODER)
        self.branch = _chain(inputs, unit, BRANCH)
        self.decoder = _decoder(8 * unit, unit)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, inputs, H, W)`` to (final, coarse), each ``(B, 3, H, W)`` in [-1, 1]."""
        coarse = self.coarse(x)
        h, w = x.shape[-2:]
        y = pad_to(_composite(x, coarse), 4, MIN_SIDE)
        fine = self.decoder(torch.cat([self.encoder(y), self.branch(y)], 1))
        return fine[..., :h, :w], coarse


def _composite(x: Tensor, coarse: Tensor) -> Tensor:
    """The network's own input with the hole (fourth channel) replaced by the coarse result."""
    mask = x[:, 3:4]
    return torch.cat([x[:, :3] * (1 - mask) + coarse.to(x.dtype) * mask, x[:, 3:]], 1)


def _unit(width: int) -> int:
    if width < 4 or width % 4:
        raise ValueError(f"width {width} is not a positive multiple of 4")
    return width // 2
