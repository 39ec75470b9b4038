"""The semantic-aware parts of a video transformer (Lee et al., SAVIT, ICCV 2023, Sec. 3.2), whatever its backbone.

A router gives each token mixture weights over C experts, one per super-category; linear layers mix the experts'
matrices with them. Mixed matrices are never built: by linearity the experts' outputs are mixed instead.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.nets.fuseformer.tokens import AROUND, KERNEL, STRIDE

ROUTES = ("hardmax", "softmax", "random")
"""How the histogram enters Eq. 1; "random" is the ablation of Table 3 that ignores router and labels."""

CATEGORIES = ("person", "animal", "vehicle", "sports", "plants", "plain", "patterned", "etc")
"""The super-categories (Sec. 3.1), in the order of their values in label maps."""

CELL = 4
"""Pixels along an edge of a cell of the feature map."""

GROUPS: dict[int, tuple[int, ...]] = {
    8: (0, 1, 2, 3, 4, 5, 6, 7),
    4: (0, 0, 1, 1, 2, 2, 3, 1),
    2: (0, 0, 0, 0, 1, 1, 1, 1),
    1: (0,) * 8,
}
"""For fewer experts (Table 4, whose grouping was not published): the expert of each super-category."""

Order = Callable[[Tensor, int], Tensor]
"""Puts the channels along an axis of a tensor in another order."""

_CHUNK = 4096  # tokens mixed at once: bounds the scratch of an expanding layer to C times its input


def one_hot(labels: Tensor, experts: int) -> Tensor:
    """Super-category maps ``(N, H, W)``, integers 0..7, to ``(N, experts, H, W)`` float32."""
    table = torch.tensor(GROUPS[experts], device=labels.device)
    return F.one_hot(table[labels.long()], experts).permute(0, 3, 1, 2).float()


def histograms(classes: Tensor) -> Tensor:
    """s_i of Eq. 1: the share of each class in the area that a token covers, ``(N, tokens, C)``, each summing to 1.

    ``classes`` are one-hot maps ``(N, C, H, W)``, H and W multiples of 4; pixels outside the frame do not count.
    """
    cells = F.avg_pool2d(classes, CELL)
    return F.avg_pool2d(cells, KERNEL, STRIDE, AROUND, count_include_pad=False).flatten(2).transpose(1, 2)


class Router(nn.Module):
    """Eq. 1: ``r_i = MLP(f_i) + hardmax(s_i)``; two layers, LeakyReLU between, sigmoid at the end.

    ``experts`` is C, ``hidden`` the width of the middle layer, ``route`` one of ``ROUTES``.
    """

    def __init__(self, width: int, experts: int, hidden: int, route: str = "hardmax") -> None:
        super().__init__()
        self.route, self.experts = route, experts
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, experts)

    def forward(self, tokens: Tensor, histogram: Tensor) -> Tensor:
        """Mixture weights ``(..., C)`` for tokens ``(..., width)`` and their histograms ``(..., C)``."""
        if self.route == "random":
            source = torch.Generator().manual_seed(0)
            return torch.rand(histogram.shape, generator=source).to(histogram)
        learned: Tensor = self.second(F.leaky_relu(self.first(tokens), 0.2)).sigmoid()
        if self.route == "softmax":
            return learned + histogram.softmax(-1).to(learned.dtype)
        dominant = F.one_hot(histogram.argmax(-1), self.experts)  # ties: the lowest index
        return learned + dominant.to(learned.dtype)


class SemanticLinear(nn.Module):
    """SAL, Eq. 2 and 3: ``f_i W_i`` with ``W_i = sum_c r_i(c) w^c``, and biases mixed alike; ``experts`` is C."""

    def __init__(self, inputs: int, outputs: int, experts: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(experts, outputs))
        nn.init.normal_(self.weight, std=0.02)

    def forward(
        self, tokens: Tensor, routing: Tensor, given: Order | None = None, wanted: Order | None = None
    ) -> Tensor:
        """Tokens ``(..., inputs)`` and mixture weights ``(..., C)`` to ``(..., outputs)``.

        ``given`` and ``wanted`` put inputs and outputs in order; None = the layer's own.
        """
        weight: Tensor = self.weight if given is None else given(self.weight, 2)
        bias: Tensor = self.bias
        if wanted is not None:
            weight, bias = wanted(weight, 1), wanted(bias, 1)
        flat, mix = tokens.flatten(0, -2), routing.flatten(0, -2).to(tokens.dtype)
        starts = range(0, len(flat), _CHUNK)
        mixed = [_mixed(flat[i : i + _CHUNK], mix[i : i + _CHUNK], weight, bias) for i in starts]
        return torch.cat(mixed).reshape(*tokens.shape[:-1], -1)


def _mixed(tokens: Tensor, routing: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``(n, inputs)`` and ``(n, C)``; the narrower of inputs and outputs is repeated C times."""
    experts, outputs, inputs = weight.shape
    biases = routing @ bias.to(routing.dtype)
    if inputs <= outputs:
        scaled = (routing[:, :, None] * tokens[:, None]).flatten(1)
        return scaled @ weight.permute(0, 2, 1).reshape(experts * inputs, outputs).to(scaled.dtype) + biases
    each = F.linear(tokens, weight.flatten(0, 1)).reshape(-1, experts, outputs)
    return torch.bmm(routing[:, None].to(each.dtype), each)[:, 0] + biases


class SemanticFeedForward(nn.Module):
    """SAFFN, Eq. 4: two semantic-aware layers that share one routing.

    The function between them (the backbone's fusion of overlapping tokens, if it has one, and its activation) is an
    argument of the call, so that this module does not depend on the backbone. ``hidden`` is of the router.
    """

    def __init__(self, width: int, inner: int, experts: int, hidden: int, route: str = "hardmax") -> None:
        super().__init__()
        self.router = Router(width, experts, hidden, route)
        self.expand = SemanticLinear(width, inner, experts)
        self.contract = SemanticLinear(inner, width, experts)

    def forward(
        self, tokens: Tensor, histogram: Tensor, between: Callable[[Tensor], Tensor], order: Order | None = None,
        within: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Tokens ``(..., width)`` and histograms ``(..., C)`` to tokens alike and their routing ``(..., C)``.

        Args:
            between: the function between the layers.
            order: puts channels in the order in which it takes and gives them; None = the layers' own.
            within: picks those tokens that it gives among those that it takes; None = all.
        """
        routing = self.router(tokens, histogram)
        inner = between(self.expand(tokens, routing, wanted=order))
        left = routing if within is None else within(routing)
        return self.contract(inner, left, given=order), left


def token_classification(scores: Tensor, histogram: Tensor) -> Tensor:
    """L_cls, Eq. 9, as a mean over tokens: cross-entropy of a token's scores against its histogram.

    Scores ``(..., C)`` are of one linear layer on the tokens of a semantic-aware block, histograms ``(..., C)``.
    """
    return -(histogram * scores.float().log_softmax(-1)).sum(-1).mean()
