"""SPyNet (Ranjan and Black, CVPR 2017): optical flow over a pyramid, with which E2FGVI (CVPR 2022) completes flow."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.nets.sampling import warp

_LEVELS = 6
_WIDTHS = (8, 32, 64, 32, 16, 2)
_MULTIPLE = 2 ** (_LEVELS - 1)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SpyNet(nn.Module):
    """Flow between images; from coarse to fine, each level adds to the flow of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(a, b, 7, 1, 3) for a, b in pairwise(_WIDTHS)) for _ in range(_LEVELS)
        )

    def forward(self, here: Tensor, there: Tensor) -> Tensor:
        """Images ``(N, 3, h, w)`` in [0, 1] to the flow from one to the other, ``(N, 2, h, w)``: x and y in pixels."""
        h, w = here.shape[2:]
        size = -(-h // _MULTIPLE) * _MULTIPLE, -(-w // _MULTIPLE) * _MULTIPLE
        pyramids = [self._pyramid(F.interpolate(x, size, mode="bilinear", align_corners=False)) for x in (here, there)]
        flow = here.new_zeros(len(here), 2, size[0] // _MULTIPLE, size[1] // _MULTIPLE)
        for level, (convs, a, b) in enumerate(zip(self.levels, *pyramids, strict=True)):
            if level:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            flow = flow + self._change(convs, torch.cat([a, warp(b, flow, "border"), flow], 1))
        flow = F.interpolate(flow, (h, w), mode="bilinear", align_corners=False)
        return flow * flow.new_tensor([w / size[1], h / size[0]])[:, None, None]

    @staticmethod
    def _pyramid(images: Tensor) -> list[Tensor]:
        """Normalised images, the smallest first."""
        mean, std = (images.new_tensor(x)[:, None, None] for x in (_MEAN, _STD))
        sizes = [(images - mean) / std]
        for _ in range(_LEVELS - 1):
            sizes.append(F.avg_pool2d(sizes[-1], 2))
        return sizes[::-1]

    @staticmethod
    def _change(convs: nn.Module, x: Tensor) -> Tensor:
        assert isinstance(convs, nn.ModuleList)
        for conv in convs[:-1]:
            x = F.relu(conv(x))
        out: Tensor = convs[-1](x)
        return out
