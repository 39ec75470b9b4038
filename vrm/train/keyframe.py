"""``vrm train keyframe``: the two-stream generator, from a folder of pictures or videos (Esser et al. 2022, Section 4).

A step draws pictures, makes views of each (``vrm.train.data.views``), updates the generator and then the discriminator.
Everything needed to go on is kept in one file beside the weights, and every look is a line of a table.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vrm.errors import EngineError, OutputError, UsageError, WeightsError
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
from vrm.system.files import DAMAGED, atomic_write
from vrm.train.data.sources import Shelf, Source, find_sources
from vrm.train.data.views import Example, Views, example, picture_side
from vrm.types import U8
from vrm.weights.cards import WeightCard, find, load_into, save

WEIGHTS = {"l1": 10.0, "gan": 10.0, "features": 100.0, "perceptual": 30.0, "r1": 0.001}
"""Of the losses; the perceptual one is left out where its network is not given: its weights may not ship."""

_COLUMNS = (
    "step", "rate", "l1", "gan", "features", "perceptual", "discriminator", "r1", "held_guided", "held_unguided",
)  # fmt: skip


class _Data:
    """Draws batches of examples."""

    def __init__(self, sources: Sequence[Source], options: KeyframeTraining) -> None:
        self.sources, self.options = Shelf(sources), options
        self.views = Views(options.side, options.references + 1)

    def batch(self, count: int, rng: np.random.Generator) -> list[Example]:
        """``count`` examples; torch's own generator is seeded from ``rng``."""
        torch.manual_seed(int(rng.integers(1 << 31)))
        return [self._one(rng) for _ in range(count)]

    def _one(self, rng: np.random.Generator) -> Example:
        frames = self.sources[int(rng.integers(len(self.sources)))]
        if len(frames) > self.options.references and rng.random() < self.options.real:
            return example(self._neighbours(frames, rng), rng)
        return example(self.views.of(frames[int(rng.integers(len(frames)))]), rng)

    def _neighbours(self, frames: Sequence[U8], rng: np.random.Generator) -> list[U8]:
        """A frame of a clip and others up to 40 frames away, at the same random place of the picture."""
        t = int(rng.integers(len(frames)))
        near = [k for k in range(max(0, t - 40), min(len(frames), t + 41)) if k != t]
        chosen = [t, *(int(k) for k in rng.choice(near, self.options.references, replace=False))]
        h, w = frames[t].shape[:2]
        side = min(h, w)
        y, x = int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1))
        return [_square(frames[k][y : y + side, x : x + side], self.options.side) for k in chosen]


def _square(picture: U8, side: int) -> U8:
    import cv2

    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


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


def train_keyframe(
    data: Path, out: Path, options: KeyframeTraining, progress: Callable[[str, int, int], None]
) -> tuple[WeightCard, list[dict[str, float]]]:
    """Train the generator and write weights, card, table and what a later run needs to go on into ``out``.

    Returns:
        The card, and the table's lines.

    Raises:
        UsageError: there is too little to learn from.
        OutputError: weights of that name are there already.
        WeightsError: what an earlier run left does not fit.
        EngineError: the losses are no longer finite.
    """
    compute = choose_for_training(options.engine)
    sources = find_sources(data, picture_side(options.side), out / "decoded")
    count = max(1, round(len(sources) * options.held))
    if len(sources) <= count:
        raise UsageError(f"{data} holds too little to train on.", "Give at least two pictures or clips.")
    if (out / f"{options.name}.json").exists() and not options.resume:
        raise OutputError(
            f"Weights named '{options.name}' are in {out} already.", "Choose another --name or give --resume."
        )
    out.mkdir(parents=True, exist_ok=True)
    held = [source for i, source in enumerate(sources) if i % (len(sources) // count) == 0][:count]
    fitted = [source for source in sources if source not in held]
    with compute.running(options.engine.seed):
        run = _Run(fitted, held, out, options, compute)
        lines = run.go(lambda done, total: progress("train", done, total))
    card = save(
        run.generator, out, name=options.name, licence=options.licence, network="two-stream",
        settings=options.network,
        data=f"{len(fitted)} pictures or clips, {len(held)} held out.",
        training=f"{options.steps} steps of {options.batch}, {compute.names[0]}, {compute.names[1]}, "
        f"{date.today():%B %Y}.",
        notes=f"With the perceptual loss of {options.perceptual}."
        if options.perceptual
        else "Without the ADE20k perceptual loss of the paper.",
    )  # fmt: skip
    return card, lines


class _Run:
    """Both networks, their optimisers, and where they are."""

    def __init__(
        self, fitted: list[Source], held: list[Source], out: Path, options: KeyframeTraining, compute: Compute
    ) -> None:
        self.options, self.compute = options, compute
        self.data = _Data(fitted, options)
        self.generator = TwoStreamGenerator(TwoStreamConfig.from_settings(options.network))
        self.discriminator = PatchDiscriminator(options.width)
        compute.place(self.generator)
        compute.place(self.discriminator)
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), options.rate),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), 0.1 * options.rate),
        }
        self.scene = None if options.perceptual is None else load_features(options.perceptual, compute)
        self.step = 0
        self.kept, self.table = out / f"{options.name}.resume.pt", out / f"{options.name}.csv"
        self.looks = _Data(held, options).batch(8, np.random.default_rng(options.engine.seed + 1))
        if options.resume and self.kept.exists():
            self._restore()
        else:
            with self.table.open("w", newline="") as file:
                csv.writer(file).writerow(_COLUMNS)

    def go(self, progress: Callable[[int, int], None]) -> list[dict[str, float]]:
        """All steps that are left."""
        lines = []
        sums: dict[str, float] = {}
        since = 0
        while self.step < self.options.steps:
            self.step += 1
            # A step's examples depend on its number alone, so a run that goes on sees what it would have seen.
            rng = np.random.default_rng((self.options.engine.seed, self.step))
            losses = self._update(self.data.batch(self.options.batch, rng))
            sums = {name: sums.get(name, 0.0) + value for name, value in losses.items()}
            since += 1
            if not all(math.isfinite(value) for value in losses.values()):
                raise EngineError(f"the training diverged at step {self.step}.", "Try --dtype fp32 or a lower --rate.")
            if self.step % self.options.check_every == 0 or self.step == self.options.steps:
                guided, unguided = self._look()
                line = {"step": float(self.step), "rate": self._rate()} | {k: v / since for k, v in sums.items()}
                line |= {"held_guided": guided, "held_unguided": unguided}
                lines.append(line)
                with self.table.open("a", newline="") as file:
                    csv.writer(file).writerow([f"{line[name]:.6g}" for name in _COLUMNS])
                self._keep()
                sums, since = {}, 0
            progress(self.step, self.options.steps)
        self.generator.eval()
        return lines

    def _rate(self) -> float:
        """Rising, then along a cosine to a ten-thousandth."""
        o = self.options
        rise = min(1.0, self.step / max(1, min(o.warm_up, o.steps // 10)))
        fall = 1e-4 + (1 - 1e-4) * 0.5 * (1 + math.cos(math.pi * self.step / o.steps))
        return o.rate * rise * fall

    def _update(self, examples: list[Example]) -> dict[str, float]:
        generator, discriminator = self.generator.train(), self.discriminator.train()
        for name, factor in (("generator", 1.0), ("discriminator", 0.1)):
            for group in self.optimisers[name].param_groups:
                group["lr"] = factor * self._rate()
        truth, target, keys, flow, error = self._tensors(examples)
        hole = target[:, 3:]
        with self.compute.autocast():
            fake = generator(target, keys, flow, error)
            verdict, fake_features = discriminator(fake)
            with torch.no_grad():
                _, real_features = discriminator(truth)
            l1 = known_l1(fake, truth, hole)
            gan, matching = generator_loss(verdict), feature_matching(real_features, fake_features)
            scene = fake.new_zeros(()) if self.scene is None else perceptual_loss(self.scene, fake, truth)
            total = WEIGHTS["l1"] * l1 + WEIGHTS["gan"] * gan + WEIGHTS["features"] * matching
            total = total + WEIGHTS["perceptual"] * scene
        self._apply("generator", total)
        # The penalty's second derivative is taken in full precision.
        real = truth.detach().requires_grad_()
        real_verdict, _ = discriminator(real)
        fake_verdict, _ = discriminator(fake.detach())
        judged = discriminator_loss(real_verdict, fake_verdict, hole)
        penalty = gradient_penalty(real_verdict, real)
        self._apply("discriminator", WEIGHTS["gan"] * (judged + WEIGHTS["r1"] * penalty))
        return {name: float(value.detach()) for name, value in (
            ("l1", l1), ("gan", gan), ("features", matching), ("perceptual", scene), ("discriminator", judged),
            ("r1", penalty),
        )}  # fmt: skip

    def _apply(self, name: str, loss: Tensor) -> None:
        for optimiser in self.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()

    @torch.no_grad()
    def _look(self) -> tuple[float, float]:
        """Mean absolute error in the holes of what was held out, with key frames and without."""
        self.generator.eval()
        errors = []
        truth, target, keys, flow, error = self._tensors(self.looks)
        for number in (keys.shape[1], 0):
            with self.compute.autocast():
                out = self.generator(target, keys[:, :number], flow[:, :number], error[:, :number])
            hole = target[:, 3:]
            errors.append(float(((out - truth).abs() * hole).sum() / (3 * hole.sum())))
        return errors[0], errors[1]

    def _tensors(self, examples: list[Example]) -> tuple[Tensor, ...]:
        names = ("truth", "target", "keys", "flow", "error")
        stacked = (torch.from_numpy(np.stack([getattr(e, name) for e in examples])).float() for name in names)
        return tuple(x.to(self.compute.device) for x in stacked)

    def _keep(self) -> None:
        state = {
            "step": self.step,
            "network": self.options.network,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }
        data = io.BytesIO()
        torch.save(state, data)
        what = f"The training cannot be kept in {self.kept}"
        atomic_write(self.kept, data.getbuffer(), what, durable=True)

    def _restore(self) -> None:
        try:
            state = torch.load(self.kept, map_location=self.compute.device, weights_only=True)
            if state["network"] != self.options.network:
                raise WeightsError(f"{self.kept} is of another network: {state['network']}.", "Give the same options.")
            self.step = int(state["step"])
            self.generator.load_state_dict(state["generator"])
            self.discriminator.load_state_dict(state["discriminator"])
            for name, optimiser in self.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
        except DAMAGED as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsError(
                f"{self.kept} is damaged: {reason}.", "Train anew: leave out --resume, or give another --name."
            ) from error
