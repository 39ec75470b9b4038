"""How two streams exchange features: read (Eq. 1), write (Eq. 2), attention across frames, deformable write.

Esser et al. 2022, Section 3. LIF: local features, ``(B, c, h, w)``; GIF: global features, ``(B, M, c)``, M = m x m.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.nets.sampling import warp


def _mlp(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels))


def divisible(size: tuple[int, int], m: int) -> tuple[int, int]:
    """The height and width nearest to ``size`` that m divides, at least m (Section 3.2)."""
    return m * max(1, round(size[0] / m)), m * max(1, round(size[1] / m))


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``(B, c, h, w)`` at another size, bilinearly, corners on corners."""
    return x if tuple(x.shape[-2:]) == size else F.interpolate(x, size=size, mode="bilinear", align_corners=True)


class Read(nn.Module):
    """Eq. 1: each GIF token takes a weighted sum of its patch of the LIF, with one softmax per head.

    The LIF is cut into m x m patches; each head weighs its own share of the value channels.
    """

    def __init__(self, channels: int, heads: int, m: int) -> None:
        super().__init__()
        self.heads, self.m = heads, m
        self.logits = nn.Conv2d(channels, heads, 1)
        self.values = nn.Conv2d(channels, channels, 1)
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, channels)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = _mlp(channels)

    def forward(self, tokens: Tensor, lif: Tensor) -> Tensor:
        """GIF ``(B, M, c)`` and LIF ``(B, c, h, w)`` to GIF."""
        tokens = tokens + self.project(self.norm(self.mix(lif)))
        out: Tensor = tokens + self.mlp(self.mlp_norm(tokens))
        return out

    def mix(self, lif: Tensor) -> Tensor:
        """``softmax(W_S P^t) P W_V`` of every patch P: ``(B, M, c)``."""
        size = divisible((lif.shape[-2], lif.shape[-1]), self.m)
        weights = patches(resized(self.logits(lif), size), self.m).softmax(-1)  # (B, M, heads, pixels)
        values = patches(resized(self.values(lif), size), self.m)  # (B, M, c, pixels)
        b, count, c, pixels = values.shape
        values = values.view(b, count, self.heads, c // self.heads, pixels)  # (B, M, heads, c / heads, pixels)
        return torch.einsum("bnhp,bnhcp->bnhc", weights, values).reshape(b, count, c)


class Write(nn.Module):
    """Eq. 2: each pixel of a patch takes its token's value, times the gate of each head. Arguments as for ``Read``."""

    def __init__(self, channels: int, heads: int, m: int) -> None:
        super().__init__()
        self.heads, self.m = heads, m
        self.gates = nn.Conv2d(channels, heads, 1)
        self.values = nn.Linear(channels, channels)
        self.norm = nn.BatchNorm2d(channels)
        self.project = nn.Conv2d(channels, channels, 1)
        self.mlp_norm = nn.BatchNorm2d(channels)
        self.mlp = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.GELU(), nn.Conv2d(channels, channels, 1))

    def forward(self, lif: Tensor, tokens: Tensor) -> Tensor:
        """LIF ``(B, c, h, w)`` and GIF ``(B, M, c)`` to LIF."""
        lif = lif + self.project(self.norm(self.spread(lif, tokens)))
        out: Tensor = lif + self.mlp(self.mlp_norm(lif))
        return out

    def spread(self, lif: Tensor, tokens: Tensor) -> Tensor:
        """``sigmoid(P W_S^t) G W_V^t`` of every patch P and its token G: ``(B, c, h, w)``."""
        h, w = lif.shape[-2:]
        tall, broad = divisible((h, w), self.m)
        gates = resized(self.gates(lif), (tall, broad)).sigmoid()
        values = self.values(tokens).transpose(1, 2).reshape(len(lif), -1, self.m, self.m)  # (B, c, m, m)
        values = values.repeat_interleave(tall // self.m, 2).repeat_interleave(broad // self.m, 3)  # (B, c, H, W)
        b, c = values.shape[:2]
        out = gates[:, :, None] * values.view(b, self.heads, c // self.heads, tall, broad)
        return resized(out.reshape(b, c, tall, broad), (h, w))


def patches(x: Tensor, m: int) -> Tensor:
    """``(B, c, h, w)`` cut into m x m patches: ``(B, m * m, c, pixels of a patch)``."""
    b, c, h, w = x.shape
    cut = x.view(b, c, m, h // m, m, w // m).permute(0, 2, 4, 1, 3, 5)  # (B, m, m, c, h / m, w / m)
    return cut.reshape(b, m * m, c, -1)


class KeyframeAttention(nn.Module):
    """A(g_src, nothing) and A(g_tgt, g_src) of Section 3.3: tokens attend to themselves and to those of key frames."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.project = nn.Linear(channels, channels)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = _mlp(channels)

    def forward(
        self, tokens: Tensor, more: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Tokens ``(B, M, c)`` to tokens, and their own keys and values ``(B, heads, M, c / heads)``.

        ``more`` are keys and values of key frames ``(B, heads, N, c / heads)``, appended to the tokens' own.
        """
        normed = self.norm(tokens)  # (B, M, c)
        query, key, value = (self._split(layer(normed)) for layer in (self.query, self.key, self.value))
        own = key, value
        if more is not None:
            key, value = torch.cat([key, more[0]], 2), torch.cat([value, more[1]], 2)
        mixed = F.scaled_dot_product_attention(query, key, value)  # (B, heads, M, c / heads)
        tokens = tokens + self.project(mixed.transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.mlp_norm(tokens)), own

    def _split(self, x: Tensor) -> Tensor:
        b, count, c = x.shape
        return x.view(b, count, self.heads, c // self.heads).transpose(1, 2)  # (B, heads, M, c / heads)


class DeformableWrite(nn.Module):
    """The deformable write of Section 3.3: warped key features, summed with a softmax over the key frames.

    The confidence sees the warped features, the flow's forward-backward error and the target's own features.
    A 1x1 convolution and bilinear sampling are both linear, so the convolutions of key features are done once for each
    key frame (``prepare``) and warped for each target (``write``); ``forward`` is the same as the paper has it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.confidence = nn.Conv2d(2 * channels + 1, channels, 1)
        self.value = nn.Conv2d(channels + 1, channels, 1)

    def forward(self, lif: Tensor, keys: Tensor, flow: Tensor, error: Tensor) -> Tensor:
        """The target's LIF ``(B, c, h, w)``, written to.

        Args:
            keys: LIF of the key frames, ``(B, T, c, h, w)``.
            flow: from the target to each, ``(B, T, 2, h, w)``, in pixels of the LIF.
            error: of the flow, ``(B, T, 1, h, w)``.
        """
        b, t = keys.shape[:2]
        warped = warp(keys.flatten(0, 1), flow.flatten(0, 1))  # (B * T, c, h, w)
        both = torch.cat([warped, error.flatten(0, 1)], 1)
        target = lif.repeat_interleave(t, 0)
        confidence = self.confidence(torch.cat([both, target], 1)).unflatten(0, (b, t))
        value = self.value(both).unflatten(0, (b, t))
        out: Tensor = lif + (confidence.softmax(1) * value).sum(1)
        return out

    def prepare(self, keys: Tensor) -> Tensor:
        """Both convolutions of key features ``(T, c, h, w)``, before the warp: ``(T, 2 c, h, w)``, confidence first."""
        c = self.value.out_channels
        weight = torch.cat([self.confidence.weight[:, :c], self.value.weight[:, :c]])
        return F.conv2d(keys, weight)

    def write(self, lif: Tensor, prepared: Tensor, flow: Tensor, error: Tensor) -> Tensor:
        """As ``forward`` for one target ``(1, c, h, w)``, from prepared features; flow and error ``(T, ..., h, w)``."""
        c = self.value.out_channels
        warped = warp(prepared, flow)
        confidence, value = warped[:, :c], warped[:, c:]
        own = F.conv2d(lif, self.confidence.weight[:, c + 1 :], self.confidence.bias)
        confidence = confidence + error * self.confidence.weight[:, c].view(1, c, 1, 1) + own
        assert self.value.bias is not None
        value = value + error * self.value.weight[:, c].view(1, c, 1, 1) + self.value.bias.view(1, c, 1, 1)
        out: Tensor = lif + (confidence.softmax(0) * value).sum(0, keepdim=True)
        return out
