"""How far to trust propagation and how far the network: judged for each video on its own held-back holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from vrm.motion.detail import local_mean
from vrm.motion.fuse import length_scale, odd
from vrm.motion.membrane import Array
from vrm.motion.tracks import box_around
from vrm.train.device import Compute
from vrm.train.inputs import CONFIDENCE_ROW
from vrm.train.lessons import Batch

DOUBT = 0.3
"""Ridge of the regression, relative to its own scale: the holes it is judged on are not the ones to be filled."""

_LEAST = 0.125
"""A smaller share than this is not worth running the network for."""

SHARE = 0.6
"""How much of a small change of the network is taken."""

SMALL = 0.02
"""Changes of this size (of colours in [0, 1]) count as small. Larger ones are guesses at what motion could not see:
right on still ground, wrong on moving things, and the held-back holes do not tell which it is."""

EVEN = 11
"""Changes are averaged over so many pixels, on frames 432 wide: the network's tone is better than motion's, its detail
flickers."""


@dataclass(frozen=True)
class Trust:
    """The verdict on one video: how much of the network's change to the prefill is worth taking.

    Attributes:
        unseen: share, 0..1, where motion saw nothing (confidence 0).
        seen: share where it surely saw the background (confidence 1).
        errors: mean squared error on the held-back holes by source: "prefill", "spatial", "network", "mixed".
    """

    unseen: float = 1.0
    seen: float = 1.0
    errors: tuple[tuple[str, float], ...] = ()

    @property
    def network(self) -> bool:
        """False where the prefill alone is as good."""
        return max(self.unseen, self.seen) >= _LEAST


def take(prefill: Array, network: Array, index: np.ndarray, size: tuple[int, int]) -> Array:
    """What is taken of the network's colours: ``SHARE`` of its change, evened out, and less the larger it is.

    ``prefill + SHARE * d * exp(-(|d| / SMALL)^2)``: d the mean change over ``EVEN`` by ``EVEN`` pixels of the hole, |d|
    the largest of its three colours.

    Args:
        prefill, network: float32 ``(N, 3)`` in [0, 1]: motion's own fusion, and the network's.
        index: int64 ``(N,)``: flat indices of the hole's pixels.
        size: (height, width) of the frame.

    Returns:
        Float32 ``(N, 3)``.
    """
    hole = np.zeros(size, np.bool_)
    hole.reshape(-1)[index] = True
    y0, x0, y1, x1 = box_around(hole, 0)
    inside = hole[y0:y1, x0:x1]
    change = np.zeros((*inside.shape, 3), np.float32)
    change[inside] = network - prefill
    even = local_mean(change, inside, odd(EVEN * length_scale(size)))[inside]
    largest = np.abs(even).max(1, keepdims=True)
    taken: Array = prefill + np.float32(SHARE) * even * np.exp(-np.square(largest / SMALL))
    return taken


@torch.no_grad()
def judge(net: nn.Module, held: Sequence[Batch], compute: Compute) -> Trust:
    """Compare the prefill, the spatial fill and the fused result where the truth is known, and mix the best of them.

    The mix is stacking (Wolpert 1992): least squares, on holes the network was not fitted to, for the two shares of
    ``prefill + share(confidence) * (network - prefill)``, drawn to zero by ``DOUBT``.

    Args:
        net: a fuser in eval mode.
        held: batches that were not fitted; with none, the network is trusted as it is.
        compute: where the batches are.
    """
    if not held:
        return Trust()
    total = dict.fromkeys(("prefill", "spatial", "network"), 0.0)
    normal, target = torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    count = 0.0
    for batch in held:
        count += float(batch.where.sum()) * 3
        with compute.autocast():
            fused, _ = net(batch.x, batch.colours, batch.valid)
        prefill = batch.colours[:, 0]
        for name, rgb in (("prefill", prefill), ("spatial", batch.colours[:, -1]), ("network", fused)):
            total[name] += float(((rgb.float().clamp(0, 1) - batch.truth).square() * batch.where).sum())
        sure = batch.x[:, CONFIDENCE_ROW, None].float()
        change = (fused.float() - prefill) * batch.where
        regressors = torch.stack([change * (1 - sure), change * sure]).double().flatten(1).cpu()
        normal += regressors @ regressors.T
        target += regressors @ (batch.truth - prefill).double().flatten().cpu()
    ridge = DOUBT * torch.diag(normal.diagonal()) + 1e-9 * torch.eye(2, dtype=torch.float64)
    shares = torch.linalg.solve(normal + ridge, target).clamp(0, 1)
    total["mixed"] = total["prefill"] - 2 * float(shares @ target) + float(shares @ normal @ shares)
    unseen, seen = shares.tolist()
    return Trust(unseen, seen, tuple((name, value / max(count, 1)) for name, value in total.items()))
