"""How far to trust propagation and how far the network: judged for each video on its own held-back holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from vrm.train.device import Compute
from vrm.train.lessons import Batch

HARDNESS = (1.0, 1.5, 2.0, 3.0)
"""Exponents of the fuser's weights that are tried; larger ones mix less and keep more texture."""

TOLERANCE = 1.02
"""The hardest mix is taken whose squared error is within this factor of the best."""


@dataclass(frozen=True)
class Trust:
    """The verdict on one video.

    Attributes:
        network: False where the prefill alone did better on the held-back holes.
        hardness: see ``HARDNESS``.
        errors: mean squared error on the held-back holes by source: "prefill", "spatial", "network".
    """

    network: bool = True
    hardness: float = 1.0
    errors: tuple[tuple[str, float], ...] = ()


@torch.no_grad()
def judge(net: nn.Module, held: Sequence[Batch], compute: Compute) -> Trust:
    """Compare the prefill, the spatial fill and the fused result where the truth is known.

    Args:
        net: a fuser in eval mode.
        held: batches that were not fitted; with none, the network is trusted as it is.
        compute: where the batches are.
    """
    if not held:
        return Trust()
    total = dict.fromkeys(("prefill", "spatial", *HARDNESS), 0.0)
    count = 0.0
    for batch in held:
        count += float(batch.where.sum()) * 3

        def squared(rgb: torch.Tensor, batch: Batch = batch) -> float:
            return float(((rgb.clamp(0, 1) - batch.truth).square() * batch.where).sum())

        total["prefill"] += squared(batch.colours[:, 0])
        total["spatial"] += squared(batch.colours[:, -1])
        for hardness in HARDNESS:
            with compute.autocast():
                fused, _ = net(batch.x, batch.colours, batch.valid, hardness)
            total[hardness] += squared(fused)
    best = min(total[h] for h in HARDNESS)
    hardness = max(h for h in HARDNESS if total[h] <= TOLERANCE * best)
    errors = (("prefill", total["prefill"]), ("spatial", total["spatial"]), ("network", total[hardness]))
    return Trust(best < total["prefill"], hardness, tuple((name, value / max(count, 1)) for name, value in errors))
