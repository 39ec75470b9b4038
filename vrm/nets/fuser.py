"""The fuser: which of motion's candidates to trust at each pixel, and what to add where none is right.

A U-Net of gated blocks (see ``gated``) at half of the image's size. It sees the prefilled frame, the mask and what
is known about each candidate; it gives softmax weights over the candidates and a smooth colour residual. Weights and
residual are enlarged bilinearly: neighbouring pixels then come from the same candidate, which keeps its texture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.nets.gated import GatedConv, pad_to

RESIDUAL = 0.5
"""Most that the residual can add or take away, of a range of 1."""


class Head(nn.Module):
    """A 1x1 convolution that starts at zero, so that an untrained fuser hands the prefill on unchanged."""

    keeps_start = True

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        out: Tensor = self.conv(x)
        return out


class Fuser(nn.Module):
    """Softmax weights over candidates and a residual.

    Args:
        inputs: channels of the description (see ``vrm.train.inputs``).
        candidates: how many candidates; the first is the prefill, which an untrained fuser prefers.
        width: channels at half size; doubled at each of two halvings.
        preference: advantage of the prefill before training, in logits.
    """

    preference: Tensor

    def __init__(self, inputs: int, candidates: int, width: int = 32, preference: float = 4.0) -> None:
        super().__init__()
        w = width
        self.candidates, self.width = candidates, width
        self.at_half = nn.Sequential(GatedConv(4 * inputs, 2 * w), GatedConv(w, 2 * w))
        self.at_quarter = nn.Sequential(GatedConv(w, 4 * w, stride=2), GatedConv(2 * w, 4 * w))
        self.at_eighth = nn.Sequential(
            GatedConv(2 * w, 8 * w, stride=2),
            GatedConv(4 * w, 8 * w),
            GatedConv(4 * w, 8 * w, dilation=2),
            GatedConv(4 * w, 8 * w, dilation=4),
        )
        self.up_quarter = nn.Sequential(GatedConv(6 * w, 4 * w), GatedConv(2 * w, 4 * w))
        self.up_half = nn.Sequential(GatedConv(3 * w, 2 * w), GatedConv(w, 2 * w))
        self.head = Head(w, candidates + 3)
        bias = torch.zeros(candidates)
        bias[0] = preference
        self.register_buffer("preference", bias, persistent=False)

    def forward(self, x: Tensor, colours: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            x: ``(B, inputs, H, W)``, the description.
            colours: ``(B, candidates, 3, H, W)`` in [0, 1].
            valid: ``(B, candidates, H, W)`` bool: where a candidate exists; the first must exist everywhere.

        Returns:
            The fused colours ``(B, 3, H, W)`` in [0, 1] (not clipped) and the weights ``(B, candidates, H, W)``.
        """
        x, h, w = pad_to(x, 8, 40)
        half = self.at_half(F.pixel_unshuffle(x, 2))
        quarter = self.at_quarter(half)
        eighth = self.at_eighth(quarter)
        quarter = self.up_quarter(torch.cat([_double(eighth), quarter], 1))
        half = self.up_half(torch.cat([_double(quarter), half], 1))
        out = _double(self.head(half)).float()[..., :h, :w]
        logits = out[:, : self.candidates] + self.preference[:, None, None]
        weights = logits.masked_fill(~valid, -torch.inf).softmax(1)
        residual = RESIDUAL * torch.tanh(out[:, self.candidates :])
        return (weights[:, :, None] * colours).sum(1) + residual, weights


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
