"""The two-stream generator of Esser et al. 2022 (Towards Unified Keyframe Propagation Models), Section 3.

A target frame with a hole is completed from itself and from key frames, which may have holes as well. Key frames pass
through the first ``cross`` blocks alone, so what they give does not depend on the target: ``key_features`` is computed
once for each and shared by all targets (``complete``). ``forward`` is the structure as published, for training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from vrm.nets.init import normal_weights
from vrm.nets.sampling import pad_to
from vrm.nets.two_stream.spectral import ConvResidual, FourierResidual
from vrm.nets.two_stream.streams import DeformableWrite, KeyframeAttention, Read, Write, resized

BANDS, RESOLUTION = 64, 32
STRIDE = 8


@dataclass(frozen=True)
class TwoStreamConfig:
    """How the generator is built."""

    blocks: int = 4  # of both streams
    cross: int = 2  # the first ``cross`` blocks attend to key frames
    width: int = 64  # channels of the first convolution; both streams have eight times as many
    grid: int = 16  # m; the GIF has m x m tokens
    heads: int = 8  # of reading, writing and attention
    spectral: bool = True  # fast Fourier convolutions in the LIF; otherwise grouped 3x3 ones
    # "both"; "global" is the transformer baseline (one read, attention alone, one write);
    # "local" the single-image baseline, which takes no key frames
    streams: Literal["both", "global", "local"] = "both"

    def __post_init__(self) -> None:
        if self.blocks < 1 or not 0 <= self.cross <= self.blocks or self.grid < 1:
            raise ValueError(f"no generator of {self.blocks} blocks, {self.cross} of them across frames")
        if self.width % 4 or self.channels % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of 4, and eight times it one of {self.heads}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, int]) -> TwoStreamConfig:
        """From the settings of a weight card: the numbers, and ``spectral`` as 0 or 1."""
        numbers = {k: int(v) for k, v in settings.items() if k in ("blocks", "cross", "width", "grid", "heads")}
        return replace(cls(), **numbers, spectral=bool(settings.get("spectral", 1)))  # type: ignore[arg-type]

    @property
    def settings(self) -> dict[str, int]:
        numbers = {"blocks": self.blocks, "cross": self.cross, "width": self.width}
        return numbers | {"grid": self.grid, "heads": self.heads, "spectral": int(self.spectral)}

    @property
    def channels(self) -> int:
        return STRIDE * self.width

    @property
    def takes_keys(self) -> bool:
        """Whether key frames change anything."""
        return self.cross > 0 and self.streams != "local"


CONFIGS = {
    "ours": TwoStreamConfig(),
    "big": TwoStreamConfig(blocks=12),
    "no-ffc": TwoStreamConfig(blocks=6, spectral=False),
    "transformer": TwoStreamConfig(blocks=6, streams="global"),
    "single-image": TwoStreamConfig(cross=0, streams="local"),
}
"""The published configurations by name; the last two are baselines, their sizes our reading of "the same budget"."""


@dataclass(frozen=True)
class KeyFeatures:
    """What T key frames contribute to any target; a tensor for each cross block."""

    keys: tuple[Tensor, ...]  # (T, heads, M, c / heads)
    values: tuple[Tensor, ...]  # likewise
    written: tuple[Tensor, ...]  # (T, 2 c, h, w), see ``DeformableWrite.prepare``; empty without a local stream

    @classmethod
    def join(cls, parts: Sequence[KeyFeatures]) -> KeyFeatures:
        """The features of several frames, joined along T."""

        def joined(name: str) -> tuple[Tensor, ...]:
            return tuple(torch.cat(same) for same in zip(*(getattr(p, name) for p in parts), strict=True))

        return cls(joined("keys"), joined("values"), joined("written"))


class ConvNorm(nn.Module):
    """Convolution (padded by reflection, no bias), batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False, padding_mode="reflect")
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``."""
        out: Tensor = self.norm(self.conv(x)).relu()
        return out


class TwoStreamBlock(nn.Module):
    """Read, attention and again attention in the GIF; two residual blocks in the LIF; write (Fig. 2)."""

    def __init__(self, config: TwoStreamConfig, first: bool, last: bool) -> None:
        super().__init__()
        c, both = config.channels, config.streams == "both"
        has_tokens, has_local = config.streams != "local", config.streams != "global"
        self.read = Read(c, config.heads, config.grid) if both or (has_tokens and first) else None
        self.attend1 = KeyframeAttention(c, config.heads) if has_tokens else None
        self.attend2 = KeyframeAttention(c, config.heads) if has_tokens else None
        residual = FourierResidual if config.spectral else ConvResidual
        self.local1 = residual(c) if has_local else nn.Identity()
        self.local2 = residual(c) if has_local else nn.Identity()
        self.write = Write(c, config.heads, config.grid) if both or (has_tokens and last) else None

    def forward(
        self, lif: Tensor, tokens: Tensor, more: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
        """LIF ``(B, c, h, w)`` and GIF ``(B, M, c)`` to both, and the first attention's own keys and values."""
        own = None
        if self.read is not None:
            tokens = self.read(tokens, lif)
        if self.attend1 is not None and self.attend2 is not None:
            tokens, own = self.attend1(tokens, more)
            tokens, _ = self.attend2(tokens)
        lif = self.local2(self.local1(lif))
        if self.write is not None:
            lif = self.write(lif, tokens)
        return lif, tokens, own


class TwoStreamGenerator(nn.Module):
    """See the module. Pictures are RGB in [0, 1], holes are 0 in them; sides are multiples of 8, at least 32."""

    def __init__(self, config: TwoStreamConfig) -> None:
        super().__init__()
        self.config = config
        w, c = config.width, config.channels
        self.encoder = nn.Sequential(
            ConvNorm(4, w, 7, 1), ConvNorm(w, 2 * w, 3, 2), ConvNorm(2 * w, 4 * w, 3, 2), ConvNorm(4 * w, c, 3, 2)
        )
        self.latents = nn.Parameter(torch.randn(config.grid**2, c) * 0.02)
        self.project = nn.Conv2d(c + 4 * BANDS + 2, c, 1)
        last = config.blocks - 1
        self.blocks = nn.ModuleList(TwoStreamBlock(config, i == 0, i == last) for i in range(config.blocks))
        writes = config.cross if config.streams == "both" else 0
        self.deformable = nn.ModuleList(DeformableWrite(c) for _ in range(writes))
        self.decoder = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(n, n // 2, 3, 2, 1, output_padding=1), nn.BatchNorm2d(n // 2))
            for n in (c, 4 * w, 2 * w)
        )
        self.out = nn.Conv2d(w, 3, 7, padding=3, padding_mode="reflect")
        self.apply(normal_weights)

    def forward(self, target: Tensor, keys: Tensor, flow: Tensor, error: Tensor) -> Tensor:
        """The completed target, ``(B, 3, H, W)``; known pixels are predicted as well.

        Args:
            target: ``(B, 4, H, W)``: RGB without the hole, and the hole as 1.
            keys: ``(B, T, 4, H, W)``, likewise, T may be 0.
            flow: from the target to each key frame, ``(B, T, 2, H, W)``, pixels (x, y).
            error: of the flow, forward and backward, ``(B, T, 1, H, W)``, pixels.
        """
        b, t = keys.shape[:2]
        lif, tokens = self._encode(torch.cat([target[:, None], keys], 1).flatten(0, 1))
        lif, tokens = _frames(lif, b), _frames(tokens, b)
        key_lif, key_tokens = lif[:, 1:].flatten(0, 1), tokens[:, 1:].flatten(0, 1)
        lif, tokens = lif[:, 0], tokens[:, 0]
        small_flow, small_error = _reduced(flow.flatten(0, 1), error.flatten(0, 1), lif)
        small_flow, small_error = _frames(small_flow, b), _frames(small_error, b)
        crossing = self.config.cross if t and self.config.takes_keys else 0
        for i, block in enumerate(self.blocks):
            more = None
            if i < crossing:
                key_lif, key_tokens, own = block(key_lif, key_tokens)
                assert own is not None
                more = _gathered(own[0], b), _gathered(own[1], b)
            lif, tokens, _ = block(lif, tokens, more)
            if i < crossing and len(self.deformable):
                lif = self.deformable[i](lif, _frames(key_lif, b), small_flow, small_error)
        return self._decode(lif)

    def key_features(self, frames: Tensor) -> KeyFeatures:
        """What key frames ``(T, 4, H, W)`` contribute to any target; in eval mode."""
        lif, tokens = self._encode(frames)
        keys, values, written = [], [], []
        for i in range(self.config.cross if self.config.takes_keys else 0):
            lif, tokens, own = self.blocks[i](lif, tokens)
            assert own is not None
            keys.append(own[0])
            values.append(own[1])
            if len(self.deformable):
                write = self.deformable[i]
                assert isinstance(write, DeformableWrite)
                written.append(write.prepare(lif))
        return KeyFeatures(tuple(keys), tuple(values), tuple(written))

    def complete(self, target: Tensor, keys: KeyFeatures | None, flow: Tensor, error: Tensor) -> Tensor:
        """As ``forward`` in eval mode, for one target ``(1, 4, H, W)``, from key features of T frames.

        Flow is ``(T, 2, H, W)``, its error ``(T, 1, H, W)``.
        """
        lif, tokens = self._encode(target)
        crossing = self.config.cross if keys is not None and keys.keys else 0
        small_flow, small_error = _reduced(flow, error, lif) if crossing else (flow, error)
        for i, block in enumerate(self.blocks):
            more = None
            if keys is not None and i < crossing:
                more = _gathered(keys.keys[i], 1), _gathered(keys.values[i], 1)
            lif, tokens, _ = block(lif, tokens, more)
            if keys is not None and i < crossing and keys.written:
                write = self.deformable[i]
                assert isinstance(write, DeformableWrite)
                lif = write.write(lif, keys.written[i], small_flow, small_error)
        return self._decode(lif)

    def _encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        lif: Tensor = self.encoder(frames)
        n, _, h, w = lif.shape
        position = fourier_position(h, w).to(lif)
        lif = self.project(torch.cat([lif, position.expand(n, -1, -1, -1)], 1))
        return lif, self.latents.expand(n, -1, -1)

    def _decode(self, lif: Tensor) -> Tensor:
        for stage in self.decoder:
            lif = stage(lif).relu()
        return torch.sigmoid(self.out(lif).float())


def fourier_position(h: int, w: int) -> Tensor:
    """Position of every cell (Jaegle et al. 2021): y, x in [-1, 1], then sines, then cosines of both in 64 bands.

    The result is ``(1, 258, h, w)``.
    """
    ys, xs = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    position = torch.stack([ys, xs])  # (2, h, w)
    bands = torch.linspace(1, RESOLUTION / 2, BANDS)
    waves = (math.pi * position[:, None] * bands[:, None, None]).flatten(0, 1)  # (2 * 64, h, w)
    return torch.cat([position, waves.sin(), waves.cos()])[None]


def _reduced(flow: Tensor, error: Tensor, lif: Tensor) -> tuple[Tensor, Tensor]:
    """Flow and error at the size of the LIF, the flow in its pixels."""
    h, w = int(lif.shape[-2]), int(lif.shape[-1])
    scale = flow.new_tensor([w / flow.shape[-1], h / flow.shape[-2]]).view(1, 2, 1, 1)
    if not len(flow):
        return flow[..., :h, :w], error[..., :h, :w]
    return resized(flow, (h, w)) * scale, resized(error, (h, w))


def _gathered(x: Tensor, b: int) -> Tensor:
    """``(B * T, heads, M, d)`` to ``(B, heads, T * M, d)``."""
    out: Tensor = _frames(x, b).transpose(1, 2).flatten(2, 3)
    return out


def _frames(x: Tensor, b: int) -> Tensor:
    """``(B * T, ...)`` to ``(B, T, ...)``."""
    return x.reshape(b, len(x) // b, *x.shape[1:])


def padded(x: Tensor) -> Tensor:
    """``(B, c, H, W)`` at a size that the network takes: sides that are multiples of 8, at least 32."""
    return pad_to(x, STRIDE, 32)
