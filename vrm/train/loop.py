"""The fitting loop: one network, a budget counted in steps, and the best state by held-back loss.

Shared by everything that is fitted or trained here. The budget is chosen before the first step and the loop never
looks at a clock, so equal inputs, seed and threads give equal weights.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vrm.errors import EngineError, UsageError
from vrm.system.device import Compute


@dataclass(frozen=True)
class Budget:
    """How long and how fast to fit.

    Attributes:
        steps: most optimiser steps.
        rate: Adam's learning rate (2e-4 in the paper).
        anneal: lower the rate along a cosine to a twentieth at the last step; otherwise it stays.
        check_every: steps between looks at the held-back loss.
        patience: stop after this many looks in a row without a better one; 0 = never.
        average: decay of the exponential moving average of the weights that is judged and kept; 0 = none.
    """

    steps: int
    rate: float = 2e-4
    anneal: bool = False
    check_every: int = 20
    patience: int = 0
    average: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.check_every < 1 or self.patience < 0:
            raise UsageError(f"a budget of {self.steps} steps, looked at every {self.check_every}, is not possible.")
        if not 0 <= self.average < 1 or self.rate <= 0:
            raise UsageError(f"rate {self.rate} or average {self.average} is out of range.")


@dataclass
class History:
    """What happened: held-back loss by step (the first at step 0), and which state was kept."""

    held: dict[int, float] = field(default_factory=dict)
    train: dict[int, float] = field(default_factory=dict)
    steps: int = 0
    best_step: int = 0


class Half(Protocol):
    """Where a fit is kept half way (``vrm.job.checkpoints.HalfFit``)."""

    @property
    def due(self) -> bool:
        """It is time to write again."""
        ...

    def read(self) -> dict[str, Any] | None:
        """What was written last, or None."""
        ...

    def write(self, state: dict[str, Any]) -> None:
        """Replace it."""
        ...


def fit(
    net: nn.Module,
    step_loss: Callable[[nn.Module, int], Tensor],
    budget: Budget,
    compute: Compute,
    held_loss: Callable[[nn.Module], float] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    half: Half | None = None,
    chance: Sequence[np.random.Generator] = (),
) -> History:
    """Fit ``net`` in place and leave it, in eval mode, at the state whose held-back loss was lowest.

    Args:
        net: placed by ``compute.place``.
        step_loss: ``(net, step)`` to a scalar loss; draws its own batch.
        budget: how long.
        compute: gives the autocast context of each step.
        held_loss: loss on data that is not fitted; None = no looks, the last state is kept.
        progress: called after each step with (done, total).
        half: where the fit is kept half way, and at its end; one that finds itself there goes on from it, to the same
            weights as if it had never been interrupted. None = nowhere.
        chance: every generator that ``step_loss`` draws from, beside torch's own: their state is kept as well.

    Raises:
        EngineError: the loss is no longer finite.
    """
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, budget.rate)
    scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.dtype == torch.float16)
    average = [p.detach().clone() for p in parameters] if budget.average else None
    history = History()
    kept = [p.detach().clone() for p in parameters]
    stand = _Standing(parameters, average, kept, optimiser, scaler, history, tuple(chance), compute.device)
    found = half.read() if half is not None else None
    if found is None or not stand.restore(found):
        stand.best = _look(net, parameters, average, held_loss, history, 0)
    net.train()
    for step in range(history.steps + 1, budget.steps + 1):
        if budget.patience and stand.stale >= budget.patience:
            break
        if budget.anneal:
            _set_rate(optimiser, budget.rate * (0.05 + 0.475 * (1 + math.cos(math.pi * step / budget.steps))))
        with compute.autocast():
            loss = step_loss(net, step)
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        scaler.step(optimiser)
        scaler.update()
        history.steps = step
        if average is not None:
            # Young averages forget faster, or the start would weigh on a short fit.
            torch._foreach_lerp_(average, [p.detach() for p in parameters], max(1 - budget.average, 1 / (step + 1)))
        if step % budget.check_every == 0 or step == budget.steps:
            history.train[step] = float(loss.detach())
            if not math.isfinite(history.train[step]):
                raise EngineError(f"the fit diverged at step {step}.", "Try --dtype fp32 or another --seed.")
            value = _look(net, parameters, average, held_loss, history, step)
            if value < stand.best or held_loss is None:
                stand.best, stand.stale, history.best_step = value, 0, step
                for k, p in zip(kept, average or parameters, strict=True):
                    k.copy_(p.detach())
            else:
                stand.stale += 1
        progress(step, budget.steps)
        if half is not None and half.due:
            half.write(stand.state())
    if half is not None:
        half.write(stand.state())
    with torch.no_grad():
        for p, k in zip(parameters, kept, strict=True):
            p.copy_(k)
    net.eval()
    return history


@dataclass
class _Standing:
    """Everything a fit consists of between two steps."""

    parameters: list[nn.Parameter]
    average: list[Tensor] | None
    kept: list[Tensor]
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    history: History
    chance: tuple[np.random.Generator, ...]
    device: torch.device
    best: float = math.inf
    stale: int = 0

    def state(self) -> dict[str, Any]:
        """Plain tensors, numbers and text."""
        return {
            "parameters": [p.detach().clone() for p in self.parameters],
            "average": self.average,
            "kept": self.kept,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": asdict(self.history),
            "chance": [json.dumps(g.bit_generator.state) for g in self.chance],
            "torch": torch.get_rng_state(),
            "device": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "best": self.best,
            "stale": self.stale,
        }

    def restore(self, found: dict[str, Any]) -> bool:
        """Stand where a state was taken; False, and nothing changed, if it is of another fit."""
        try:
            pairs: list[tuple[Sequence[Tensor], list[Tensor]]] = [
                (self.parameters, found["parameters"]),
                (self.kept, found["kept"]),
            ]
            if self.average is not None:
                pairs.append((self.average, found["average"]))
            same = all(a.shape == b.shape for old, new in pairs for a, b in zip(old, new, strict=True))
            if not same or len(found["chance"]) != len(self.chance):
                return False
            history = History(**found["history"])
            states = [json.loads(text) for text in found["chance"]]
            best, stale, rng = float(found["best"]), int(found["stale"]), found["torch"]
            self.optimiser.load_state_dict(found["optimiser"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        for old, new in pairs:
            _assign(old, new)
        self.scaler.load_state_dict(found["scaler"])
        vars(self.history).update(vars(history))
        for generator, state in zip(self.chance, states, strict=True):
            generator.bit_generator.state = state
        torch.set_rng_state(rng)
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(found["device"], self.device)
        self.best, self.stale = best, stale
        return True


def _look(
    net: nn.Module,
    parameters: list[nn.Parameter],
    average: list[Tensor] | None,
    held_loss: Callable[[nn.Module], float] | None,
    history: History,
    step: int,
) -> float:
    """The held-back loss of the (averaged) weights; recorded in the history."""
    if held_loss is None:
        return math.inf
    own = None
    if average is not None:
        own = [p.detach().clone() for p in parameters]
        _assign(parameters, average)
    net.eval()
    with torch.no_grad():
        value = float(held_loss(net))
    net.train()
    if own is not None:
        _assign(parameters, own)
    history.held[step] = value
    return value


@torch.no_grad()
def _assign(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for p, v in zip(parameters, values, strict=True):
        p.copy_(v)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
