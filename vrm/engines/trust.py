"""How far to trust propagation and how far the network: judged for each video on its own held-back holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vrm.train.device import Compute
from vrm.train.inputs import CONFIDENCE_ROW
from vrm.train.lessons import Batch

DOUBT = 0.3
"""Ridge of the regression, relative to its own scale: the holes it is judged on are not the ones to be filled."""

CAUTION = 0.4
"""Share of that verdict which is acted on: known pixels elsewhere in the picture flatter the network, whose changes to
a moving thing in the hole cost what they gained on still ground (figures in docs/engines/internal.md)."""

_LEAST = 0.05
"""A smaller share than this is not worth running the network for."""


@dataclass(frozen=True)
class Trust:
    """The verdict on one video: how much of the network's change to the prefill is taken.

    Attributes:
        unseen: share, 0..1, where motion saw nothing (confidence 0).
        seen: share where it surely saw the background (confidence 1); in between, the share is in between.
        errors: mean squared error on the held-back holes by source: "prefill", "spatial", "network", "mixed".
    """

    unseen: float = 1.0
    seen: float = 1.0
    errors: tuple[tuple[str, float], ...] = ()

    @property
    def network(self) -> bool:
        """False where the prefill alone is as good."""
        return max(self.unseen, self.seen) >= _LEAST

    def share(self, confidence: Tensor) -> Tensor:
        """The share at pixels of this confidence (0..1)."""
        return self.unseen + (self.seen - self.unseen) * confidence


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
    shares = CAUTION * torch.linalg.solve(normal + ridge, target).clamp(0, 1)
    total["mixed"] = total["prefill"] - 2 * float(shares @ target) + float(shares @ normal @ shares)
    unseen, seen = shares.tolist()
    return Trust(unseen, seen, tuple((name, value / max(count, 1)) for name, value in total.items()))
