"""Flow-guided propagation of features between frames (E2FGVI, Li et al., CVPR 2022, Sec. 3.2 and 3.3).

Flow is found between the frames with their holes, at a quarter of the size: the network learns to complete it. Features
then travel through the frames backward and forward, brought along by deformable convolutions whose offsets start from
the flow (second order: from the two frames before; Chan et al., BasicVSR++, CVPR 2022).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import deform_conv2d  # type: ignore[import-untyped]

from vrm.nets.e2fgvi.spynet import SpyNet
from vrm.nets.sampling import warp

GROUPS = 16
"""Groups of channels with offsets of their own."""

_REACH = 10  # largest difference between an offset and the flow, in cells
_SLOPE = 0.1
DIRECTIONS = ("backwards", "forwards")


class FlowGuidedAlignment(nn.Module):
    """A modulated deformable 3x3 convolution of two maps of ``channels`` (a multiple of 8), where two flows point."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (3 * channels + 4, channels, channels, channels, 27 * GROUPS)
        self.offsets = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in pairwise(widths))
        self.weight = nn.Parameter(torch.empty(channels, 2 * channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        for p in self.offsets[-1].parameters():  # exactly where the flow points, at first
            nn.init.zeros_(p)

    def forward(self, features: Tensor, seen: Tensor, flows: tuple[Tensor, Tensor]) -> Tensor:
        """Align features to ``(B, channels, h, w)``.

        Args:
            features: ``(B, 2 channels, h, w)``: of the previous frame and of the one before it.
            seen: ``(B, 3 channels, h, w)``, from which the offsets are computed.
            flows: to either frame, ``(B, 2, h, w)``.
        """
        x = torch.cat([seen, *flows], 1)
        for conv in self.offsets[:-1]:
            x = F.leaky_relu(conv(x), _SLOPE)
        *offsets, mask = self.offsets[-1](x).chunk(3, 1)
        # Offsets are y, x; flow is x, y. The first half of the groups belongs to the first map.
        moved = [
            _REACH * o.tanh() + flow.flip(1).repeat(1, o.shape[1] // 2, 1, 1)
            for o, flow in zip(offsets, flows, strict=True)
        ]
        out: Tensor = deform_conv2d(
            features, torch.cat(moved, 1), self.weight, self.bias, padding=1, mask=mask.sigmoid()
        )
        return out


class FlowGuide(nn.Module):
    """Features of consecutive frames, propagated to each other; ``channels`` is a multiple of 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.flow = SpyNet()
        self.align = nn.ModuleDict({name: FlowGuidedAlignment(channels) for name in DIRECTIONS})
        self.mix = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv2d((2 + k) * channels, channels, 3, 1, 1),
                    nn.LeakyReLU(_SLOPE),
                    nn.Conv2d(channels, channels, 3, 1, 1),
                )
                for k, name in enumerate(DIRECTIONS)
            }
        )
        self.fusion = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Propagate features, always in single precision at least: flow needs it.

        Features ``(B, T, channels, h, w)`` of consecutive frames to the same; images ``(B, T, 3, h, w)``, see
        ``reduced``.
        """
        with torch.autocast(features.device.type, enabled=False):
            features = features.float() if features.dtype in (torch.bfloat16, torch.float16) else features
            images = images.to(features.dtype)
            b, t = features.shape[:2]
            one, other = (x.flatten(0, 1) for x in (images[:, :-1], images[:, 1:]))
            spatial = list(features.unbind(1))
            there, back = (
                list(self.flow(x, y).unflatten(0, (b, t - 1)).unbind(1)) if t > 1 else []
                for x, y in ((one, other), (other, one))
            )
            backward = self._propagated("backwards", spatial[::-1], there, [])[::-1]
            forward = self._propagated("forwards", spatial, back, backward)
            fused = [self.fusion(torch.cat(pair, 1)) for pair in zip(backward, forward, strict=True)]
            return torch.stack(fused, 1) + features

    def _propagated(self, name: str, spatial: list[Tensor], flows: list[Tensor], known: list[Tensor]) -> list[Tensor]:
        """Features propagated through the frames in the order given.

        As published, the n-th step takes the n-th flow of the clip also in the backward direction, where that is the
        flow of another pair of frames; published weights are trained with it.
        """
        propagated: list[Tensor] = []
        state = torch.zeros_like(spatial[0])
        for n, current in enumerate(spatial):
            if n:
                flow = flows[n - 1]
                before, flow_before = torch.zeros_like(state), torch.zeros_like(flow)
                looked_up = torch.zeros_like(state)
                if n > 1:
                    before = propagated[-2]
                    flow_before = flow + warp(flows[n - 2], flow)
                    looked_up = warp(before, flow_before)
                seen = torch.cat([warp(state, flow), current, looked_up], 1)
                state = self.align[name](torch.cat([state, before], 1), seen, (flow, flow_before))
            state = state + self.mix[name](torch.cat([current, *known[n : n + 1], state], 1))
            propagated.append(state)
        return propagated


def reduced(frames: Tensor) -> Tensor:
    """Frames ``(N, 3, H, W)`` in [-1, 1] as the flow network takes them: ``(N, 3, H / 4, W / 4)`` in [0, 1]."""
    size = frames.shape[2] // 4, frames.shape[3] // 4
    return F.interpolate((frames + 1) / 2, size, mode="bilinear", align_corners=True)
