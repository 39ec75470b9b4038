"""One network fitted to one loss: the loop of a per-video fit, which can be resumed to the same weights."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vrm.system.device import Compute
from vrm.train.loop import Every, Terms, train
from vrm.train.networks import TrainedNetworks

_CHECK = 100
"""Steps between checks of the loss: each has to wait for the device."""


class FitCheckpoint(Protocol):
    """Where an unfinished fit is kept (``vrm.job.checkpoints.HalfFit``)."""

    @property
    def due(self) -> bool:
        """It is time to write again."""
        ...

    def read(self) -> dict[str, Any] | None:
        """The state that was written last, or None."""
        ...

    def write(self, state: dict[str, Any]) -> None:
        """Replace it."""
        ...


def fit(
    net: nn.Module, loss: Callable[[nn.Module, int], Tensor], steps: int, rate: float, compute: Compute,
    progress: Callable[[int, int], None] = lambda done, total: None, checkpoint: FitCheckpoint | None = None,
    rngs: Sequence[np.random.Generator] = (),
) -> None:  # fmt: skip
    """Fit ``net``, placed by ``compute.place``, in place with Adam and leave it in eval mode.

    Args:
        loss: ``(net, step)`` to a scalar; draws its own batch. Steps count from 1.
        progress: called after each step with (done, total).
        checkpoint: the state is kept there whenever it is due and at the end; a fit that finds a state there goes on
            from it, to the weights of a fit that was never interrupted.
        rngs: every generator that ``loss`` draws from, beside torch's own: their states are kept as well.

    Raises EngineError: the loss is no longer finite.
    """
    trainer = _Fit(net, loss, steps, rate, compute, rngs)
    found = None if checkpoint is None else checkpoint.read()
    if found is not None:
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):  # of another fit: start over
            trainer.load_state_dict(found)
    net.train()

    def keep(step: int, terms: Terms) -> None:
        if checkpoint is not None and (checkpoint.due or step == steps):
            checkpoint.write(trainer.state_dict())

    train(trainer, itertools.repeat(None), steps, progress, [Every(1, keep)])
    net.eval()


class _Fit(TrainedNetworks):
    """A network, its optimiser and every random generator."""

    def __init__(
        self, net: nn.Module, loss: Callable[[nn.Module, int], Tensor], steps: int, rate: float, compute: Compute,
        rngs: Sequence[np.random.Generator],
    ) -> None:  # fmt: skip
        super().__init__({"net": net}, compute, rate, clip=1.0)
        self.net, self.loss, self.steps, self.rngs = net, loss, steps, tuple(rngs)

    def step(self, batch: None) -> Terms:
        with self.compute.autocast():
            loss = self.loss(self.net, self.done + 1)
        self.learn("net", loss)
        self.done += 1
        checked = self.done % _CHECK == 0 or self.done == self.steps
        return {"loss": float(loss.detach())} if checked else {}

    def state_dict(self) -> dict[str, Any]:
        device = self.compute.device
        return super().state_dict() | {
            "rngs": [json.dumps(rng.bit_generator.state) for rng in self.rngs],
            "torch": torch.get_rng_state(),
            "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError, ValueError or AttributeError, before anything is changed, for another fit."""
        own, found = self.net.state_dict(), state["nets"]["net"]
        if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in found.items()}:
            raise ValueError("the network has another shape")
        rngs, torch_state = [json.loads(text) for text in state["rngs"]], state["torch"]
        if len(rngs) != len(self.rngs):
            raise ValueError("the fit draws from another number of generators")
        super().load_state_dict(state)
        for rng, its in zip(self.rngs, rngs, strict=True):
            rng.bit_generator.state = its
        torch.set_rng_state(torch_state)
        if self.compute.device.type == "cuda":
            torch.cuda.set_rng_state(state["device"], self.compute.device)
