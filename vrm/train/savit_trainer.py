"""The networks of a SAVIT training and their losses (Lee et al. 2023, Eq. 5 to 9)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vrm.nets.savit.discriminators import SemanticDiscriminator, TemporalPatchDiscriminator
from vrm.nets.savit.losses import adversarial, hinge, pixels
from vrm.nets.savit.model import Output, Savit
from vrm.nets.savit.semantic import token_classification
from vrm.system.device import Compute
from vrm.train.data.clips import Sample
from vrm.train.distributed import Processes
from vrm.train.log import comparison
from vrm.train.loop import Terms
from vrm.train.networks import TrainedNetworks
from vrm.train.savit_config import SavitTraining
from vrm.types import U8

BETAS = (0.0, 0.99)


@dataclass(frozen=True)
class SavitBatch:
    """Samples on the device."""

    truth: Tensor  # (B, T, 3, H, W) in [-1, 1]
    hole: Tensor  # (B, T, 1, H, W), 0 or 1
    labels: Tensor | None  # (B, T, H, W) integers

    @property
    def masked(self) -> Tensor:
        return self.truth * (1 - self.hole)

    def composite(self, made: Tensor) -> Tensor:
        """The truth, with ``made`` in the hole."""
        return made * self.hole + self.truth * (1 - self.hole)

    @classmethod
    def of(cls, samples: list[Sample], device: torch.device) -> SavitBatch:
        frames = torch.from_numpy(np.stack([s.frames for s in samples])).to(device)
        hole = torch.from_numpy(np.stack([s.holes for s in samples])).to(device)
        labels = [s.labels for s in samples if s.labels is not None]
        return cls(
            frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1,
            hole[:, :, None].float(),
            torch.from_numpy(np.stack(labels)).to(device) if labels else None,
        )


def batches(samples: Iterator[Sample], size: int, device: torch.device) -> Iterator[SavitBatch]:
    """Batches of ``size`` samples, as long as there are samples."""
    while True:
        yield SavitBatch.of([next(samples) for _ in range(size)], device)


class SavitTrainer(TrainedNetworks):
    """Generator, discriminators and their losses."""

    def __init__(self, config: SavitTraining, compute: Compute, processes: Processes | None = None) -> None:
        self.config = config
        network = config.network
        self.net = Savit(network)
        self.critics: dict[str, nn.Module] = {}
        if config.adversarial:
            self.critics["patch"] = TemporalPatchDiscriminator(config.patch_base)
        if config.semantic:
            self.critics["sad"] = SemanticDiscriminator(network.experts, network.base, network.width)
        nets: dict[str, nn.Module] = {"net": self.net, **self.critics}
        for name, one in nets.items():
            one.to(compute.device) if name == "patch" else compute.place(one)  # its maps have a time axis
        super().__init__(nets, compute, config.rate, BETAS, processes=processes)
        self.average = [p.detach().clone() for p in self.net.parameters()] if config.average else None

    def step(self, batch: SavitBatch) -> Terms:
        """One step of every discriminator, then one of the generator."""
        config = self.config
        rate = config.rate * (config.drop_to if self.done >= config.drop_at else 1)
        self.set_rates(dict.fromkeys(self.nets, rate))
        terms: Terms = {}
        with self.compute.autocast():
            out = self.net(batch.masked, batch.labels, config.local or None)
        made = out.frames.float()
        composed = batch.composite(made)
        for name in self.critics:
            with self.compute.autocast():
                real = self._judge(name, batch.truth, batch, out)
                fake = self._judge(name, composed.detach(), batch, out)
            loss = hinge(real.float(), fake.float())
            terms[f"{name} tells"] = float(loss.detach())
            self.learn(name, loss)
        self.learn("net", self._generator_loss(batch, out, made, composed, terms))
        self.done += 1
        if self.average is not None:
            own = [p.detach() for p in self.net.parameters()]
            # A young average forgets faster, or the first weights would count for too much in a short training.
            torch._foreach_lerp_(self.average, own, max(1 - config.average, 1 / (self.done + 1)))
        return terms

    def _generator_loss(self, batch: SavitBatch, out: Output, made: Tensor, composed: Tensor, terms: Terms) -> Tensor:
        """L_total, Eq. 5; its terms are noted in ``terms``."""
        config = self.config
        total = pixels(made, batch.truth, batch.hole)
        terms["pixels"] = float(total.detach())
        if config.classification and out.histogram is not None:
            classes = torch.stack([token_classification(scores, out.histogram) for scores in out.scores]).mean()
            terms["classes"] = float(classes.detach())
            total = total + config.classification * classes
        for name, weight in (("patch", config.adversarial), ("sad", config.semantic)):
            if name in self.critics:
                with self.compute.autocast(), _frozen(self.critics[name]):
                    scores = self._judge(name, composed, batch, out)
                fooled = adversarial(scores.float())
                terms[f"{name} fooled"] = float(fooled.detach())
                total = total + weight * fooled
        terms["total"] = float(total.detach())
        return total

    def _judge(self, name: str, frames: Tensor, batch: SavitBatch, out: Output) -> Tensor:
        """A discriminator's scores of frames; SAD sees the labels too, and the first block's routing."""
        if name == "patch":
            scores: Tensor = self.critics[name](frames)
            return scores
        seen = torch.cat([frames.flatten(0, 1), self.net.classes(batch.labels, frames)], 1)  # (B T, 3 + C, H, W)
        judged: Tensor = self.critics[name](seen, out.routing[0].flatten(0, 1))
        return judged

    def averaged(self) -> Savit:
        """The generator to be kept, in eval mode: with averaged weights, if there is an average."""
        state = self.net.state_dict()
        if self.average is not None:
            state |= {name: a for (name, _), a in zip(self.net.named_parameters(), self.average, strict=True)}
        net = Savit(self.config.network)
        net.load_state_dict(state)
        return net.to(self.compute.device).eval()

    def validate(self, samples: list[Sample]) -> tuple[Terms, U8]:
        """PSNR of whole frames and in the holes, means over the samples; and a picture of the first sample."""
        net = self.averaged()
        errors, shares, pictures = [], [], []
        for sample in samples:
            made = filled(net, sample, self.compute)
            error = ((made.astype(np.float64) - sample.frames) / 255) ** 2
            errors.append(error[sample.holes].mean())
            shares.append(sample.holes.mean())
            pictures.append(made)
        hole = float(np.mean([-10 * np.log10(e) for e in errors]))
        frame = float(np.mean([-10 * np.log10(e * s) for e, s in zip(errors, shares, strict=True)]))
        picture = comparison(samples[0].frames, samples[0].holes, pictures[0])
        return {"held-out frame PSNR": frame, "held-out hole PSNR": hole}, picture

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"average": self.average}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        if self.average is not None:
            for own, a in zip(self.average, state["average"], strict=True):
                own.copy_(a)


@contextlib.contextmanager
def _frozen(net: nn.Module) -> Iterator[None]:
    """Gradients flow through the network inside, but do not reach its parameters."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    yield
    for p in parameters:
        p.requires_grad_(True)


def filled(net: Savit, sample: Sample, compute: Compute) -> U8:
    """A sample's frames with their holes filled, uint8 ``(T, H, W, 3)``."""
    batch = SavitBatch.of([sample], compute.device)
    with torch.inference_mode(), compute.autocast():
        made = net(batch.masked, batch.labels).frames.float()
    made = batch.composite(made)[0].permute(0, 2, 3, 1)  # (T, H, W, 3)
    eight: U8 = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return eight
