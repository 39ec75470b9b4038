"""Feature maps looked up along flow, and padded to the sizes that networks take."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def warp(images: Tensor, flow: Tensor, outside: str = "zeros") -> Tensor:
    """Images ``(N, C, h, w)`` looked up bilinearly at ``p + flow(p)``, in the flow's precision.

    Args:
        flow: ``(N, 2, h, w)``, x and y in pixels.
        outside: what lies outside the image: "zeros", or "border" for its nearest pixel.
    """
    h, w = flow.shape[2:]
    ys, xs = (torch.arange(n, device=flow.device, dtype=flow.dtype) for n in (h, w))
    x = 2 * (flow[:, 0] + xs) / max(w - 1, 1) - 1
    y = 2 * (flow[:, 1] + ys[:, None]) / max(h - 1, 1) - 1
    places = torch.stack([x, y], -1)  # (N, h, w, 2) in [-1, 1]
    return F.grid_sample(images.to(flow.dtype), places, padding_mode=outside, align_corners=True).to(images.dtype)


def pad_to(x: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """``(B, C, H, W)`` with its last rows and columns repeated to multiples, and to at least ``minimum``."""
    bottom, right = (-(-max(side, minimum) // multiple) * multiple - side for side in x.shape[-2:])
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x
