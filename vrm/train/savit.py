"""One step of training SAVIT (Lee et al. 2023, Eq. 5 to 9), and the state that is kept between steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vrm.errors import EngineError
from vrm.nets.savit.discriminators import SemanticDiscriminator, TemporalPatchDiscriminator
from vrm.nets.savit.losses import fooling, pixels, telling
from vrm.nets.savit.model import Output, Savit
from vrm.nets.savit.semantic import token_classification
from vrm.system.device import Compute
from vrm.train.data.reels import Sample
from vrm.train.distributed import Processes
from vrm.train.savit_config import SavitTraining

BETAS = (0.0, 0.99)


@dataclass(frozen=True)
class SavitBatch:
    """Samples on the device.

    Attributes:
        truth: ``(B, T, 3, H, W)`` in [-1, 1].
        hole: ``(B, T, 1, H, W)``, 0 or 1.
        labels: ``(B, T, H, W)`` integers, or None.
    """

    truth: Tensor
    hole: Tensor
    labels: Tensor | None

    @property
    def masked(self) -> Tensor:
        """The truth, 0 in the hole."""
        return self.truth * (1 - self.hole)

    @classmethod
    def of(cls, samples: list[Sample], device: torch.device) -> SavitBatch:
        """Stack samples."""
        frames = torch.from_numpy(np.stack([s.frames for s in samples])).to(device)
        hole = torch.from_numpy(np.stack([s.holes for s in samples])).to(device)
        labels = [s.labels for s in samples if s.labels is not None]
        return cls(
            frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1,
            hole[:, :, None].float(),
            torch.from_numpy(np.stack(labels)).to(device) if labels else None,
        )


@dataclass
class Losses:
    """The terms of one step, as numbers."""

    terms: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, value: Tensor) -> Tensor:
        """Keep a term's value and hand the term on."""
        self.terms[name] = float(value.detach())
        return value


class Trainer:
    """Generator, discriminators and their optimisers.

    Args:
        config: what is trained and how.
        compute: where; the nets are placed there.
        processes: among which gradients are averaged.
    """

    def __init__(self, config: SavitTraining, compute: Compute, processes: Processes) -> None:
        self.config, self.compute, self.processes = config, compute, processes
        network = config.network
        self.net = Savit(network)
        self.critics: dict[str, nn.Module] = {}
        if config.adversarial:
            self.critics["patch"] = TemporalPatchDiscriminator(config.patch_base)
        if config.semantic:
            self.critics["sad"] = SemanticDiscriminator(network.experts, network.base, network.width)
        self.nets: dict[str, nn.Module] = {"net": self.net, **self.critics}
        self.optimisers = {}
        for name, one in self.nets.items():
            one.to(compute.device) if name == "patch" else compute.place(one)  # its maps have a time axis
            processes.share(one)
            self.optimisers[name] = torch.optim.Adam(one.parameters(), config.rate, BETAS)
        self.average = [p.detach().clone() for p in self.net.parameters()] if config.average else None
        self.done = 0

    def step(self, batch: SavitBatch) -> Losses:
        """One step of every discriminator, then one of the generator.

        Raises:
            EngineError: a loss is no longer finite.
        """
        losses = Losses()
        self._set_rate()
        with self.compute.autocast():
            out = self.net(batch.masked, batch.labels, self.config.local or None)
        made = out.frames.float()
        composed = made * batch.hole + batch.truth * (1 - batch.hole)
        for name in self.critics:
            with self.compute.autocast():
                real = self._judge(name, batch.truth, batch, out)
                fake = self._judge(name, composed.detach(), batch, out)
            self._learn(name, losses.note(f"{name} tells", telling(real.float(), fake.float())))
        self._learn("net", self._generator_loss(batch, out, made, composed, losses))
        self.done += 1
        if self.average is not None:
            own = [p.detach() for p in self.net.parameters()]
            torch._foreach_lerp_(self.average, own, max(1 - self.config.average, 1 / (self.done + 1)))
        wrong = [name for name, value in losses.terms.items() if not np.isfinite(value)]
        if wrong:
            raise EngineError(f"Training diverged at step {self.done}: '{wrong[0]}'.", "Resume with a lower rate.")
        return losses

    def _generator_loss(self, batch: SavitBatch, out: Output, made: Tensor, composed: Tensor, losses: Losses) -> Tensor:
        """L_total, Eq. 5."""
        config = self.config
        total = losses.note("pixels", pixels(made, batch.truth, batch.hole))
        if config.classification and out.histogram is not None:
            parts = [token_classification(scores, out.histogram) for scores in out.scores]
            total = total + config.classification * losses.note("classes", torch.stack(parts).mean())
        for name, weight in (("patch", config.adversarial), ("sad", config.semantic)):
            if name in self.critics:
                with self.compute.autocast(), _frozen(self.critics[name]):
                    scores = self._judge(name, composed, batch, out)
                total = total + weight * losses.note(f"{name} fooled", fooling(scores.float()))
        return losses.note("total", total)

    def _judge(self, name: str, frames: Tensor, batch: SavitBatch, out: Output) -> Tensor:
        """What a discriminator says of frames; SAD sees the labels too, and the first block's routing."""
        if name == "patch":
            scores: Tensor = self.critics[name](frames)
            return scores
        seen = torch.cat([frames.flatten(0, 1), self.net.classes(batch.labels, frames)], 1)
        judged: Tensor = self.critics[name](seen, out.routing[0].flatten(0, 1))
        return judged

    def _learn(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.average(self.nets[name])
        optimiser.step()

    def _set_rate(self) -> None:
        rate = self.config.rate * (self.config.drop_to if self.done >= self.config.drop_at else 1)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate

    def best(self) -> dict[str, Tensor]:
        """The generator's tensors to be kept: averaged, where there is an average."""
        state = self.net.state_dict()
        if self.average is not None:
            state |= {name: a for (name, _), a in zip(self.net.named_parameters(), self.average, strict=True)}
        return state

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that resuming needs: tensors by name, and the optimisers' states."""
        tensors = {f"{k}.{n}": v for k, one in self.nets.items() for n, v in one.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{n}": a for n, a in enumerate(self.average)}
        return tensors, {"done": self.done, **{k: o.state_dict() for k, o in self.optimisers.items()}}

    def restore(self, tensors: Mapping[str, Tensor], held: Mapping[str, Any]) -> None:
        """Go on from a state. Raises RuntimeError or KeyError if it is of another configuration."""
        for k, one in self.nets.items():
            own = {n.removeprefix(f"{k}."): v for n, v in tensors.items() if n.startswith(f"{k}.")}
            one.load_state_dict(own)
            self.optimisers[k].load_state_dict(held[k])
        if self.average is not None:
            for n, a in enumerate(self.average):
                a.copy_(tensors[f"average.{n}"])
        self.done = int(held["done"])


class _frozen:
    """A discriminator through which gradients flow, but which they do not reach."""

    def __init__(self, net: nn.Module) -> None:
        self.parameters = [p for p in net.parameters() if p.requires_grad]

    def __enter__(self) -> None:
        for p in self.parameters:
            p.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        for p in self.parameters:
            p.requires_grad_(True)


def batches(samples: Iterator[Sample], size: int, device: torch.device) -> Iterator[SavitBatch]:
    """Batches of so many samples, without end as long as there are samples."""
    while True:
        yield SavitBatch.of([next(samples) for _ in range(size)], device)
