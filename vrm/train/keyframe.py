"""``vrm train keyframe``: the two-stream generator, from a folder of pictures or videos (Esser et al. 2022, Section 4).

A step draws pictures, makes views of each (``vrm.train.data.views``), updates the generator and then the discriminator.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vrm.errors import OutputError, WeightsError
from vrm.events import Progress, counted
from vrm.nets.two_stream.ade20k import Ade20kFeatures, perceptual_loss
from vrm.nets.two_stream.discriminator import (
    PatchDiscriminator,
    discriminator_loss,
    feature_matching,
    generator_loss,
    gradient_penalty,
    known_l1,
)
from vrm.nets.two_stream.model import TwoStreamConfig, TwoStreamGenerator
from vrm.options.train import KeyframeTraining
from vrm.system.device import Compute, choose_for_training
from vrm.train.checkpoint import Checkpoint
from vrm.train.data.clips import PictureDataset
from vrm.train.data.views import Example, Views, example, picture_side
from vrm.train.log import Log
from vrm.train.loop import Every, Terms, train
from vrm.train.networks import TrainedNetworks
from vrm.types import U8
from vrm.weights.cards import WeightCard, find, load_into, save

WEIGHTS = {"l1": 10.0, "gan": 10.0, "features": 100.0, "perceptual": 30.0, "r1": 0.001}
"""Of the losses. The perceptual one is left out unless its network is given, whose weights may not ship."""

_COLUMNS = (
    "step", "rate", "l1", "gan", "features", "perceptual", "discriminator", "r1", "held_guided", "held_unguided",
)  # fmt: skip

_NEAR = 40
"""Frames that key frames from a clip are away from their target at most."""

_VALIDATED = 8
"""Examples that are validated on."""


def train_keyframe(
    data: Path, out: Path, options: KeyframeTraining, progress: Progress
) -> tuple[WeightCard, list[Terms]]:
    """Train the generator and write weights, card, table and checkpoint into ``out``; the card and the lines.

    Raises:
        UsageError: there is too little to train on.
        OutputError: weights of that name are there already.
        WeightsError: the checkpoint does not fit.
        EngineError: the losses are no longer finite.
    """
    compute = choose_for_training(options.engine)
    training, validation = PictureDataset(data, picture_side(options.side), out / "decoded").split(options.held)
    if (out / f"{options.name}.json").exists() and not options.resume:
        raise OutputError(
            f"Weights named '{options.name}' are in {out} already.", "Choose another --name or give --resume."
        )
    checkpoint = Checkpoint(out / f"{options.name}.resume.pt", options.network)
    lines: list[Terms] = []
    with compute.running(options.engine.seed):
        trainer = KeyframeTrainer(options, compute)
        resumed = options.resume and checkpoint.exists()
        if resumed:
            checkpoint.restore(trainer.load_state_dict, compute.device)
        log = Log(out / f"{options.name}.csv", _COLUMNS, append=resumed)
        examples = _Examples(validation, options).draw(_VALIDATED, np.random.default_rng(options.engine.seed + 1))

        def check(step: int, terms: Terms) -> None:
            guided, unguided = trainer.validate(examples)
            line = {"step": step, "rate": trainer.rate, **terms, "held_guided": guided, "held_unguided": unguided}
            lines.append(line)
            log.add([line[name] for name in _COLUMNS])
            checkpoint.write(trainer.state_dict())

        train(
            trainer, _Examples(training, options).batches(trainer.done + 1), options.steps,
            lambda done, total: progress("train", done, total), [Every(options.check_every, check)],
            lambda: checkpoint.write(trainer.state_dict()),
        )  # fmt: skip
    card = save(
        trainer.generator.eval(), out, name=options.name, licence=options.licence, network="two-stream",
        settings=options.network,
        data=f"{counted(len(training), 'picture or clip', 'pictures or clips')}, {len(validation)} held out.",
        training=f"{counted(options.steps, 'step')} of {options.batch}, {compute.names[0]}, {compute.names[1]}, "
        f"{date.today():%B %Y}.",
        notes=f"With the perceptual loss of {options.perceptual}."
        if options.perceptual
        else "Without the ADE20k perceptual loss of the paper.",
    )  # fmt: skip
    return card, lines


class KeyframeTrainer(TrainedNetworks):
    """The generator, the discriminator and their losses."""

    def __init__(self, options: KeyframeTraining, compute: Compute) -> None:
        self.options = options
        self.generator = TwoStreamGenerator(TwoStreamConfig.from_settings(options.network))
        self.discriminator = PatchDiscriminator(options.width)
        compute.place(self.generator)
        compute.place(self.discriminator)
        super().__init__({"generator": self.generator, "discriminator": self.discriminator}, compute, options.rate)
        self.features = None if options.perceptual is None else load_features(options.perceptual, compute)

    @property
    def rate(self) -> float:
        """Of step ``done``: it rises to the full rate, then falls along a cosine to a ten-thousandth."""
        o = self.options
        rise = min(1.0, self.done / max(1, min(o.warm_up, o.steps // 10)))
        fall = 1e-4 + (1 - 1e-4) * 0.5 * (1 + math.cos(math.pi * self.done / o.steps))
        return o.rate * rise * fall

    def step(self, batch: list[Example]) -> Terms:
        self.done += 1
        generator, discriminator = self.generator.train(), self.discriminator.train()
        self.set_rates({"generator": self.rate, "discriminator": 0.1 * self.rate})
        truth, target, keys, flow, error = self._tensors(batch)
        hole = target[:, 3:]
        with self.compute.autocast():
            fake = generator(target, keys, flow, error)
            verdict, fake_features = discriminator(fake)
            with torch.no_grad():
                _, real_features = discriminator(truth)
            l1 = known_l1(fake, truth, hole)
            gan, matching = generator_loss(verdict), feature_matching(real_features, fake_features)
            perceptual = fake.new_zeros(()) if self.features is None else perceptual_loss(self.features, fake, truth)
            total = WEIGHTS["l1"] * l1 + WEIGHTS["gan"] * gan + WEIGHTS["features"] * matching
            total = total + WEIGHTS["perceptual"] * perceptual
        self.learn("generator", total)
        # The penalty's second derivative is taken in full precision.
        real = truth.detach().requires_grad_()
        real_verdict, _ = discriminator(real)
        fake_verdict, _ = discriminator(fake.detach())
        judged = discriminator_loss(real_verdict, fake_verdict, hole)
        penalty = gradient_penalty(real_verdict, real)
        self.learn("discriminator", WEIGHTS["gan"] * (judged + WEIGHTS["r1"] * penalty))
        terms = {"l1": l1, "gan": gan, "features": matching, "perceptual": perceptual, "discriminator": judged}
        return {name: float(value.detach()) for name, value in (terms | {"r1": penalty}).items()}

    @torch.no_grad()
    def validate(self, examples: list[Example]) -> tuple[float, float]:
        """Mean absolute error in the holes, with key frames and without."""
        self.generator.eval()
        truth, target, keys, flow, error = self._tensors(examples)
        hole = target[:, 3:]
        errors = []
        for number in (keys.shape[1], 0):
            with self.compute.autocast():
                out = self.generator(target, keys[:, :number], flow[:, :number], error[:, :number])
            errors.append(float(((out - truth).abs() * hole).sum() / (3 * hole.sum())))
        return errors[0], errors[1]

    def _tensors(self, examples: list[Example]) -> tuple[Tensor, ...]:
        """Truth ``(B, 3, H, W)``, target ``(B, 4, H, W)``, keys, flow and error ``(B, T, ., H, W)``."""
        names = ("truth", "target", "keys", "flow", "error")
        stacked = (torch.from_numpy(np.stack([getattr(e, name) for e in examples])).float() for name in names)
        return tuple(x.to(self.compute.device) for x in stacked)


def load_features(name: str, compute: Compute) -> Ade20kFeatures:
    """The network of the perceptual loss. Raises WeightsError."""
    if name == "auto":
        raise WeightsError("--perceptual takes a name or a file, not 'auto'.", "See vrm weights list.")
    found = find(name, "ade20k-resnet50")
    assert found is not None
    net = Ade20kFeatures()
    load_into(net, *found)
    compute.place(net)
    return net


class _Examples:
    """Draws examples from pictures and clips."""

    def __init__(self, pictures: PictureDataset, options: KeyframeTraining) -> None:
        self.pictures, self.options = pictures, options
        self.views = Views(options.side, options.references + 1)

    def batches(self, step: int) -> Iterator[list[Example]]:
        """The batches of the steps from ``step`` on: each depends on its step's number alone."""
        while True:
            yield self.draw(self.options.batch, np.random.default_rng((self.options.engine.seed, step)))
            step += 1

    def draw(self, count: int, rng: np.random.Generator) -> list[Example]:
        """``count`` examples; torch's own generator is seeded from ``rng``."""
        torch.manual_seed(int(rng.integers(1 << 31)))
        return [self._one(rng) for _ in range(count)]

    def _one(self, rng: np.random.Generator) -> Example:
        frames = self.pictures[int(rng.integers(len(self.pictures)))]
        if len(frames) > self.options.references and rng.random() < self.options.real:
            return example(self._neighbours(frames, rng), rng)
        return example(self.views.of(frames[int(rng.integers(len(frames)))]), rng)

    def _neighbours(self, frames: Sequence[U8], rng: np.random.Generator) -> list[U8]:
        """A frame of a clip and others near it, at the same random place of the picture."""
        t = int(rng.integers(len(frames)))
        near = [k for k in range(max(0, t - _NEAR), min(len(frames), t + _NEAR + 1)) if k != t]
        chosen = [t, *(int(k) for k in rng.choice(near, self.options.references, replace=False))]
        h, w = frames[t].shape[:2]
        side = min(h, w)
        y, x = int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1))
        size = (self.options.side, self.options.side)
        squares = (frames[k][y : y + side, x : x + side] for k in chosen)
        return [cv2.resize(s, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False) for s in squares]
