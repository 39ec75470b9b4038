"""The boxes of FuseFormer (Liu et al., ICCV 2021): encoder, soft split, attention, fusion feed-forward, decoder."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.nets.fuseformer.fusion import Fusion, ordered
from vrm.nets.fuseformer.tokens import CELLS, Grid, crop_tokens, fold, unfold
from vrm.types import Box

_SLOPE = 0.2
_QUERIES = 256  # queries at once: their scores stay in the processor's cache
_TAP = 4  # the output of the first four layers is an input of all later ones
_LAYERS = ((1, 2, 1), (1, 1, 1), (2, 2, 1), (4, 1, 1), (6, 1, 1), (8, 1, 2), (6, 1, 4), (4, 1, 8), (2, 1, 1))
"""Output channels as multiples of the base width, stride and groups of each convolution."""


class PatchEncoder(nn.Module):
    """Nine convolutions to a quarter of the size; the last four see, group by group, the fourth's output again.

    Args:
        inputs: channels of the image: 3, and one per class where label maps are given.
        base: width of the first layer, a multiple of 4 (64 in the paper); the output has twice that.
    """

    def __init__(self, inputs: int = 3, base: int = 64) -> None:
        super().__init__()
        convs, before = [], inputs
        for k, (multiple, stride, groups) in enumerate(_LAYERS):
            given_again = 4 * base if k > _TAP else 0
            convs.append(nn.Conv2d(before + given_again, multiple * base, 3, stride, 1, groups=groups))
            before = multiple * base
        self.convs = nn.ModuleList(convs)
        self.groups = [groups for _, _, groups in _LAYERS]

    def forward(self, images: Tensor) -> Tensor:
        """``(N, inputs, H, W)``, H and W multiples of 4, to ``(N, 2 base, H / 4, W / 4)``."""
        x, again = images, images
        for k, conv in enumerate(self.convs):
            if k == _TAP:
                again = x
            if k > _TAP:
                groups = self.groups[k]
                parts = [a.reshape(len(a), groups, -1, *a.shape[2:]) for a in (again, x)]
                x = torch.cat(parts, 2).flatten(1, 2)
            x = F.leaky_relu(conv(x), _SLOPE)
        return x


class PatchAttention(nn.Module):
    """Multi-head self-attention over all tokens of all frames, no mask."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """``(B, n, width)`` to the same; positions play no part."""
        return self._attend(tokens, tokens)

    def at(self, tokens: Tensor, grid: Grid, places: list[tuple[int, Box]]) -> list[Tensor]:
        """As ``forward`` for some tokens only: ``(1, n, width)`` for each place.

        Args:
            tokens: ``(1, T * tokens, width)``.
            places: frames and boxes of token rows and columns.
        """
        frames = tokens.reshape(-1, grid.tokens, tokens.shape[-1])
        queries = [crop_tokens(frames[t : t + 1], grid, box) for t, box in places]
        found = self._attend(torch.cat(queries, 1), tokens)
        starts = [0, *accumulate(q.shape[1] for q in queries)]
        return [found[:, a:b] for a, b in pairwise(starts)]

    def _attend(self, queries: Tensor, tokens: Tensor) -> Tensor:
        q, k, v = (
            layer(x).reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, heads, n, width / heads)
            for layer, x in ((self.query, queries), (self.key, tokens), (self.value, tokens))
        )
        out: Tensor = self.output(attend(q, k, v).transpose(1, 2).flatten(2))
        return out


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention of ``(B, heads, n, d)``.

    In bf16 on a CPU torch's fused kernel leaves the matrix units idle: plain products over runs of queries take about
    half its time. They keep no gradients.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v)
    out = torch.empty_like(q)
    scaled = q * q.shape[-1] ** -0.5
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            # A head's rows are not contiguous: gathered once instead of in each product.
            keys, values = k[b, h].contiguous().t(), v[b, h].contiguous()
            for i in range(0, q.shape[2], _QUERIES):
                out[b, h, i : i + _QUERIES] = (scaled[b, h, i : i + _QUERIES] @ keys).softmax(-1) @ values
    return out


class FusionFeedForward(nn.Module):
    """F3N: overlapping tokens are averaged between its two layers; ``inner`` is a multiple of 49."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, inner)
        self.contract = nn.Linear(inner, width)

    def forward(self, tokens: Tensor, fusion: Fusion) -> Tensor:
        """Tokens ``(N, given, width)`` of N frames to ``(N, wanted, width)``, see ``Fusion``."""
        expand, contract = self.expand, self.contract
        between = fusion(F.linear(tokens, ordered(expand.weight, 0), ordered(expand.bias, 0)))
        return F.linear(between, ordered(contract.weight, 1), contract.bias)


class SoftSplit(nn.Module):
    """Overlapping 7x7 patches of the feature map, each through one linear layer."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels * CELLS, width)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, channels, h, w)`` to ``(N, tokens, width)``."""
        out: Tensor = self.linear(unfold(features))
        return out


class SoftComposition(nn.Module):
    """Tokens back to a feature map: overlaps are summed, and a learned map is added.

    ``field`` is the height and width of the map that was trained on; at other sizes the learned map is interpolated.
    """

    def __init__(self, channels: int, width: int, field: tuple[int, int]) -> None:
        super().__init__()
        self.linear = nn.Linear(width, channels * CELLS)
        self.bias = nn.Parameter(torch.zeros(channels, *field))

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """``(N, tokens, width)`` to ``(N, channels, h, w)``."""
        return fold(self.linear(tokens), grid) + self.bias_for(grid)

    def bias_for(self, grid: Grid) -> Tensor:
        """The learned map ``(channels, h, w)`` at the size of a grid."""
        size = grid.height, grid.width
        if self.bias.shape[1:] == size:
            return self.bias
        return F.interpolate(self.bias[None], size, mode="bilinear", align_corners=False)[0]


class PatchDecoder(nn.Module):
    """Four convolutions and two doublings to an image, before tanh."""

    def __init__(self, base: int = 64) -> None:
        super().__init__()
        widths = (2 * base, 2 * base, base, base, 3)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in pairwise(widths))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, 2 base, h, w)`` to ``(N, 3, 4 h, 4 w)``."""
        return self.run(features, (_double, _double))

    def run(self, features: Tensor, doublings: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]) -> Tensor:
        """As ``forward``, with ways to double the size that are given (for parts of a map)."""
        x = F.leaky_relu(self.convs[0](doublings[0](features)), _SLOPE)
        x = F.leaky_relu(self.convs[1](x), _SLOPE)
        x = F.leaky_relu(self.convs[2](doublings[1](x)), _SLOPE)
        out: Tensor = self.convs[3](x)
        return out


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
