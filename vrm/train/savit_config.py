"""How SAVIT is trained: Sec. 4.1 of the paper as a configuration, which a TOML file may change."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from vrm.errors import UsageError, WeightsError
from vrm.nets.savit.model import ABLATIONS, SavitConfig
from vrm.nets.savit.semantic import CELL
from vrm.train.config_types import check_types

REFERENCES = 3
"""Frames of a sample that E2FGVI takes from anywhere in the clip, after those that follow one another."""


@dataclass(frozen=True)
class SavitTraining:
    """The network and its training. The defaults are the paper's."""

    network: SavitConfig = field(default_factory=SavitConfig)  # its ``field`` follows from ``size``
    size: tuple[int, int] = (240, 432)  # height and width of the frames, multiples of 4
    frames: int = 5  # of a sample; 8 for E2FGVI, of which 5 follow one another
    batch: int = 8  # samples of a step, over all devices
    steps: int = 500_000  # of the generator; the discriminators take as many
    rate: float = 1e-4  # Adam's, with beta 0 and 0.99
    drop_at: int = 400_000  # after so many steps the rate is multiplied by ``drop_to``
    drop_to: float = 0.1
    adversarial: float = 0.01  # lambda_adv of Eq. 5; at 0 a term, and the discriminator behind it, is left out
    classification: float = 0.01  # lambda_cls, likewise
    semantic: float = 0.001  # lambda_sad, likewise
    patch_base: int = 32  # width of the temporal patch discriminator
    # decay of an exponential moving average of the weights, kept instead of the last ones; 0 = none
    average: float = 0.0
    workers: int = 4  # processes that read clips
    log_every: int = 100  # steps between lines of the log
    look_every: int = 5000  # between validations
    save_every: int = 5000  # between checkpoints
    looks: int = 16  # samples of a validation

    def __post_init__(self) -> None:
        if any(n % CELL or n < 4 * CELL for n in self.size):
            raise UsageError(f"Frames of {self.size[1]}x{self.size[0]} cannot be trained on.", "Give multiples of 4.")
        every = self.log_every, self.look_every, self.save_every
        counts = self.frames, self.batch, self.steps, self.patch_base, *every
        if self.frames < self.local:
            raise UsageError(f"E2FGVI cannot be trained on samples of {self.frames} frames.", "Give at least 2.")
        if min(counts) < 1 or self.rate <= 0 or self.workers < 0 or self.looks < 0 or not 0 <= self.average < 1:
            raise UsageError("Counts and rates of a training are positive, and an average's decay is below 1.")
        if self.network.field != (self.size[0] // CELL, self.size[1] // CELL):
            raise UsageError("The network's field is not a quarter of the size.", "Leave it out: it follows from size.")
        semantic = self.classification > 0 or self.semantic > 0
        if semantic and not self.network.semantic_blocks:
            raise UsageError(
                "Without semantic-aware blocks there is nothing to classify and no routing for SAD.",
                "Set classification and semantic to 0.",
            )
        if (self.classification > 0) != self.network.classify:
            raise UsageError(
                "classification is above 0 exactly where the network classifies.", "Change one of the two."
            )

    @property
    def local(self) -> int:
        """How many frames of a sample, the first ones, always follow one another; 0 = either all do or none."""
        return max(2, self.frames - REFERENCES) if self.network.backbone == "e2fgvi" else 0

    @property
    def identity(self) -> dict[str, object]:
        """What must be the same for a training to be resumed."""
        critics = [name for name, weight in (("patch", self.adversarial), ("sad", self.semantic)) if weight]
        return {**self.network.settings(), "discriminators": critics}

    @classmethod
    def named(cls, name: str) -> SavitTraining:
        """A row of the paper's tables, trained as the paper does, or "small": at most 8 M parameters, label-free.

        Raises UsageError: there is no configuration of that name.
        """
        if name == "small":
            network = SavitConfig(256, 588, 4, 8, 32, (40, 72), 0, (), classify=False)
            return cls(network, (160, 288), batch=8, steps=30_000, rate=2e-4, drop_at=24_000, average=0.999,
                       classification=0, semantic=0)  # fmt: skip
        if name not in ABLATIONS:
            raise UsageError(f"There is no configuration '{name}'.", f"There are: small, {', '.join(ABLATIONS)}.")
        network = ABLATIONS[name]
        return cls(
            network,
            frames=8 if network.backbone == "e2fgvi" else 5,
            classification=0.01 if network.classify else 0.0,
            semantic=0.0 if name in ("A", "B", "C", "D", "fuseformer", "e2fgvi") else 0.001,
        )

    @classmethod
    def read(cls, given: str) -> SavitTraining:
        """A configuration by name, or from a TOML file: ``base`` names one, ``[network]`` and ``[training]`` change it.

        Raises UsageError: it cannot be read, or holds what is unknown.
        """
        path = Path(given)
        if path.suffix != ".toml":
            return cls.named(given)
        try:
            held = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path} cannot be read as a configuration: {error}.") from error
        unknown = set(held) - {"base", "network", "training"}
        if unknown:
            raise UsageError(f"{path} holds '{min(unknown)}'.", "It may hold base, [network] and [training].")
        if not isinstance(held.get("base", ""), str):
            raise UsageError(f"{path}: base is {held['base']!r}.", "It must be text: the name of a configuration.")
        for table in ("network", "training"):
            if not isinstance(held.get(table, {}), dict):
                raise UsageError(f"{path}: {table} is {held[table]!r}.", f"It must be a table: [{table}].")
        return cls.named(held.get("base", "savit")).changed(held.get("network", {}), held.get("training", {}))

    def changed(self, network: Mapping[str, Any], training: Mapping[str, Any]) -> SavitTraining:
        """The same with some values changed. Raises UsageError for unknown names and values of the wrong type."""
        known = {f.name for f in fields(self)} - {"network"}
        if set(training) - known:
            raise UsageError(
                f"[training] knows no '{min(set(training) - known)}'.", f"It knows: {', '.join(sorted(known))}."
            )
        check_types(SavitTraining, training, "[training]")
        check_types(SavitConfig, network, "[network]")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in training.items()}
        size = values.get("size", self.size)
        settings = {**self.network.settings(), "field": [size[0] // CELL, size[1] // CELL], **network}
        try:
            built = SavitConfig.from_settings(settings)
        except WeightsError as error:
            raise UsageError(f"[network] cannot be built: {error}") from error
        return replace(self, network=built, **values)
