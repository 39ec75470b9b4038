"""SAVIT (Lee et al., ICCV 2023): semantic-aware dynamic blocks on FuseFormer or E2FGVI; without labels these alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.errors import UsageError, WeightsError
from vrm.nets.e2fgvi.flow_guided import FlowGuide, reduced
from vrm.nets.e2fgvi.focal import FocalAttention
from vrm.nets.fuseformer.blocks import (
    FusionFeedForward,
    PatchAttention,
    PatchDecoder,
    PatchEncoder,
    SoftComposition,
    SoftSplit,
)
from vrm.nets.fuseformer.fusion import Fusion, ordered
from vrm.nets.fuseformer.tokens import CELLS, Grid
from vrm.nets.init import normal_weights
from vrm.nets.savit.semantic import GROUPS, ROUTES, SemanticFeedForward, histograms, one_hot

BACKBONES = ("fuseformer", "e2fgvi")

_AT_ONCE = 1500
"""Tokens that F3N works on at once on a CPU: activations between its layers stay small enough for the allocator to
reuse the same memory."""


@dataclass(frozen=True)
class SavitConfig:
    """How the network is built. The defaults are SAVIT as published; ``ABLATIONS`` holds the paper's rows."""

    width: int = 512  # of the tokens (512; 256 in the ablations)
    inner: int = 1960  # width inside F3N, a multiple of 49
    heads: int = 4  # of the attention
    blocks: int = 8  # of the transformer
    base: int = 64  # width of the encoder's first layer, a multiple of 4
    field: tuple[int, int] = (60, 108)  # cells of the feature map that is trained on: a quarter of height and width
    experts: int = 8  # C: how many classes label maps tell apart; 0 = no labels at all
    semantic_blocks: tuple[int, ...] = (3,)  # which blocks, counted from 0, mix experts (the fourth in the paper)
    route: str = "hardmax"  # how labels enter the routing, see ``vrm.nets.savit.semantic.ROUTES``
    router: int = 0  # width of the router's middle layer; 0 = that of the tokens
    classify: bool = True  # whether tokens of semantic-aware blocks are classified (L_cls)
    # "fuseformer", or "e2fgvi" (Li et al., CVPR 2022): features are propagated along flow before the transformer,
    # which attends within windows, has no positional embedding, and GELU in the place of ReLU
    backbone: str = "fuseformer"

    def __post_init__(self) -> None:
        if self.width % self.heads or self.inner % CELLS or self.base % 4 or min(self.width, self.base, self.inner) < 1:
            raise UsageError(
                f"A network of width {self.width}, {self.heads} heads, inner {self.inner} and base {self.base} cannot "
                "be built.",
                f"The width must be a multiple of the heads, inner one of {CELLS}, base one of 4.",
            )
        if self.experts not in (0, *GROUPS):
            raise UsageError(f"{self.experts} experts are not possible.", f"Choose from: 0, {sorted(GROUPS)}.")
        wrong = [k for k in self.semantic_blocks if not 0 <= k < self.blocks]
        if wrong:
            raise UsageError(
                f"There is no block {wrong[0]} to be semantic-aware.", f"They run from 0 to {self.blocks - 1}."
            )
        if self.semantic_blocks and not self.experts:
            raise UsageError("Semantic-aware blocks need labels.", "Give experts, or no semantic_blocks.")
        if self.backbone not in BACKBONES:
            raise UsageError(f"The backbone '{self.backbone}' is unknown.", f"Choose from: {', '.join(BACKBONES)}.")
        if self.route not in ROUTES:
            raise UsageError(f"The route '{self.route}' is unknown.", f"Choose from: {', '.join(ROUTES)}.")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> SavitConfig:
        """The configuration on a card. Raises WeightsError."""
        try:
            listed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
            return cls(**listed)
        except (TypeError, UsageError) as error:
            raise WeightsError(f"The card's settings do not describe a SAVIT network: {error}") from error

    def settings(self) -> dict[str, Any]:
        """As plain JSON values, for a card."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


ABLATIONS: dict[str, SavitConfig] = {
    "savit": SavitConfig(),
    "fuseformer": SavitConfig(experts=0, semantic_blocks=(), classify=False),
    "A": SavitConfig(width=256, experts=0, semantic_blocks=(), classify=False),
    "B": SavitConfig(width=256, semantic_blocks=(), classify=False),
    "C": SavitConfig(width=256, classify=False),
    "D": SavitConfig(width=256),
    "E": SavitConfig(width=256),
    "softmax": SavitConfig(width=256, route="softmax"),
    "random": SavitConfig(width=256, route="random"),
    "experts-1": SavitConfig(width=256, experts=1, classify=False),
    "experts-2": SavitConfig(width=256, experts=2),
    "experts-4": SavitConfig(width=256, experts=4),
    "blocks-2": SavitConfig(width=256, semantic_blocks=(3, 4)),
    "e2fgvi": SavitConfig(experts=0, semantic_blocks=(), classify=False, backbone="e2fgvi"),
    "savit-e2fgvi": SavitConfig(backbone="e2fgvi"),
}
"""SAVIT and its backbone, the rows of Table 2 (E adds the semantic-aware discriminator to D, see ``vrm.train.savit``),
3, 4 and 5, and E2FGVI without and with the semantic-aware parts. Which second block Table 5 took is not said: here the
fifth."""


@dataclass(frozen=True)
class Output:
    """The result of the network."""

    frames: Tensor  # (B, T, 3, H, W) in [-1, 1]
    # mixture weights (B, T, tokens, C) of each semantic-aware block
    routing: list[Tensor] = field(default_factory=list)
    # class scores (B, T, tokens, C) of each, where tokens are classified
    scores: list[Tensor] = field(default_factory=list)
    histogram: Tensor | None = None  # (B, T, tokens, C); None without labels


class SavitBlock(nn.Module):
    """One transformer block: attention, then F3N or its semantic-aware form; normalised before each."""

    def __init__(self, config: SavitConfig, semantic: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        guided = config.backbone == "e2fgvi"
        self.attention = (FocalAttention if guided else PatchAttention)(config.width, config.heads)
        self.activation = F.gelu if guided else F.relu
        self.semantic = semantic
        self.feed_forward: FusionFeedForward | SemanticFeedForward = (
            SemanticFeedForward(config.width, config.inner, config.experts, config.router or config.width, config.route)
            if semantic
            else FusionFeedForward(config.width, config.inner)
        )

    def forward(self, tokens: Tensor, grid: Grid, histogram: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Tokens ``(B, T * tokens, width)`` to the same, and the routing where there is one."""
        fusion = Fusion(grid, self.activation)
        frames, changes = (
            x.reshape(-1, grid.tokens, x.shape[-1]) for x in (tokens, self.attention(self.normed(tokens), grid))
        )
        shares = None if histogram is None else histogram.reshape(len(frames), grid.tokens, -1)
        count = max(1, _AT_ONCE // grid.tokens) if tokens.device.type == "cpu" else len(frames)
        made, routing = [], []
        for k in range(0, len(frames), count):
            part = slice(k, k + count)
            x, mixed = self.fed(frames[part] + changes[part], fusion, None if shares is None else shares[part])
            made.append(x)
            routing += [] if mixed is None else [mixed]
        whole = torch.cat(routing).reshape(*tokens.shape[:2], -1) if routing else None
        return torch.cat(made).reshape(tokens.shape), whole

    def normed(self, tokens: Tensor) -> Tensor:
        """Tokens normalised for the attention, converted once to the number format of its layers."""
        out: Tensor = self.norm1(tokens).to(self.attention.query.weight.dtype)
        return out

    def fed(self, tokens: Tensor, fusion: Fusion, histogram: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The feed-forward half: tokens ``(N, given, width)`` of N frames to ``(N, wanted, width)``, and routing.

        Tokens come after the attention, its change added; ``fusion`` takes them from those given to those wanted; the
        histogram ``(N, given, C)`` is there if the block is semantic-aware.
        """
        inner, kept = self.norm2(tokens), fusion.within(tokens)
        if isinstance(self.feed_forward, SemanticFeedForward):
            assert histogram is not None
            change, routing = self.feed_forward(inner, histogram, fusion, ordered, fusion.within)
            return kept + change, routing
        return kept + self.feed_forward(inner, fusion), None


class Savit(nn.Module):
    """The whole network."""

    def __init__(self, config: SavitConfig) -> None:
        super().__init__()
        self.config = config
        channels = 2 * config.base
        grid = Grid(*config.field)
        self.encoder = PatchEncoder(3 + config.experts, config.base)
        self.split = SoftSplit(channels, config.width)
        guided = config.backbone == "e2fgvi"
        self.position = None if guided else nn.Parameter(torch.zeros(grid.rows, grid.cols, config.width))
        self.blocks = nn.ModuleList(SavitBlock(config, k in config.semantic_blocks) for k in range(config.blocks))
        self.composition = SoftComposition(channels, config.width, config.field)
        self.decoder = PatchDecoder(config.base)
        self.classifiers = nn.ModuleList(
            nn.Linear(config.width, config.experts) for _ in config.semantic_blocks if config.classify
        )
        self.apply(normal_weights)
        if self.position is not None:
            nn.init.normal_(self.position, std=0.02)
        self.guide = FlowGuide(channels) if guided else None  # has an initialisation of its own

    def forward(self, frames: Tensor, labels: Tensor | None = None, local: int | None = None) -> Output:
        """Fill frames.

        Args:
            frames: ``(B, T, 3, H, W)`` in [-1, 1], 0 in the hole; H and W multiples of 4.
            labels: super-categories ``(B, T, H, W)``, integers 0..7; needed unless the network has no experts.
            local: how many of the frames, the first ones, follow one another; None = all. E2FGVI propagates
                features between these; FuseFormer makes no difference.
        """
        b, t = frames.shape[:2]
        classes = None if not self.config.experts else self.classes(labels, frames)
        features = self.encode(frames.flatten(0, 1), classes)
        grid = Grid(*features.shape[2:])
        if self.guide is not None:
            apart, small = (x.reshape(b, t, *x.shape[1:]) for x in (features, reduced(frames.flatten(0, 1))))
            propagated = self.guide(apart[:, :local], small[:, :local])
            features = torch.cat([propagated, apart[:, propagated.shape[1] :]], 1).flatten(0, 1)  # (B * T, C, h, w)
        histogram = None if classes is None else histograms(classes).reshape(b, t * grid.tokens, -1)
        tokens, routing, scores = self.transform(
            self.tokens(features, grid).reshape(b, t * grid.tokens, -1), grid, histogram
        )
        features = features + self.composition(tokens.reshape(b * t, grid.tokens, -1), grid)
        made = torch.tanh(self.decoder(features)).reshape(frames.shape)

        def by_frame(x: Tensor) -> Tensor:
            return x.reshape(b, t, grid.tokens, -1)

        return Output(
            made,
            [by_frame(r) for r in routing],
            [by_frame(s) for s in scores],
            None if histogram is None else by_frame(histogram),
        )

    def classes(self, labels: Tensor | None, frames: Tensor) -> Tensor:
        """One-hot maps ``(B * T, C, H, W)`` of labels ``(B, T, H, W)``. Raises UsageError where they do not fit."""
        if labels is None or labels.shape != (*frames.shape[:2], *frames.shape[3:]):
            given = "none" if labels is None else f"labels {tuple(labels.shape)}"
            raise UsageError(f"This network needs labels for frames {tuple(frames.shape)}, and got {given}.")
        return one_hot(labels.flatten(0, 1), self.config.experts)

    def encode(self, frames: Tensor, classes: Tensor | None = None) -> Tensor:
        """Frames ``(N, 3, H, W)`` and one-hot maps ``(N, C, H, W)`` to features ``(N, 2 base, H / 4, W / 4)``."""
        x = frames if classes is None else torch.cat([frames, classes.to(frames.dtype)], 1)
        out: Tensor = self.encoder(x.contiguous(memory_format=torch.channels_last))
        return out

    def tokens(self, features: Tensor, grid: Grid) -> Tensor:
        """Features ``(N, 2 base, h, w)`` to tokens ``(N, tokens, width)``, with their positions."""
        out: Tensor = self.split(features)
        return out if self.position is None else out + self.positions(grid)

    def positions(self, grid: Grid) -> Tensor:
        """The positional embedding ``(tokens, width)``, interpolated where the grid is not that of training."""
        assert self.position is not None
        if self.position.shape[:2] == (grid.rows, grid.cols):
            return self.position.flatten(0, 1)
        maps = self.position.permute(2, 0, 1)[None]
        size = (grid.rows, grid.cols)
        return F.interpolate(maps, size, mode="bicubic", align_corners=False)[0].flatten(1).transpose(0, 1)

    def transform(
        self, tokens: Tensor, grid: Grid, histogram: Tensor | None, blocks: int | None = None
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Tokens ``(B, T * tokens, width)`` through the blocks, or the first ones: tokens, routings, class scores."""
        routings: list[Tensor] = []
        scores: list[Tensor] = []
        for block in self.blocks[:blocks]:
            tokens, routing = block(tokens, grid, histogram)
            if routing is not None:
                if self.config.classify:
                    scores.append(self.classifiers[len(routings)](tokens))
                routings.append(routing)
        return tokens, routings, scores
