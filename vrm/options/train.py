"""Everything the commands of ``vrm train`` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vrm.errors import UsageError
from vrm.options.declare import EVERYDAY, MODEL, READ, TRAINING, Options, group, option
from vrm.options.remove import EngineOptions
from vrm.options.values import names


@dataclass(frozen=True)
class TrainingOptions(Options):
    """What every training has; only the user knows the licence of the data."""

    # fmt: off
    name: str = option("own", EVERYDAY, "NAME", help="What the weights are called.")
    licence: str = option("", EVERYDAY, "SPDX", help="Licence of the weights, from that of the data. Required.")
    resume: bool = option(False, EVERYDAY, help="Go on from what an earlier run of this name left.")
    engine: EngineOptions = group(EngineOptions, only=("device", "dtype", "threads", "seed"))
    # fmt: on

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.licence:
            raise UsageError("The weights need a licence.", "Say under which their data may be used: --licence SPDX.")
        if not self.name or Path(self.name).name != self.name:
            raise UsageError(f"'{self.name}' is not a name for weights.", "Use letters, digits and dashes.")


@dataclass(frozen=True)
class KeyframeTraining(TrainingOptions):
    """``vrm train keyframe``.

    Attributes:
        width, blocks: of the generator; the published ones are 64 and 4 (12: big).
        rate: of the generator's Adam; the discriminator's is a tenth. It rises over ``warm_up`` steps.
        held: share of the pictures, or clips, that are only looked at.
    """

    # fmt: off
    steps: int = option(100_000, TRAINING, "N", help="Steps of the optimiser.")
    batch: int = option(8, TRAINING, "N", help="Pictures per step.")
    side: int = option(256, TRAINING, "PX", help="Side of the square views, a multiple of 8.")
    references: int = option(2, TRAINING, "N", help="Key frames of each target.")
    width: int = option(64, TRAINING, "N", help="Channels of the network's first layers.")
    blocks: int = option(4, TRAINING, "N", help="Residual blocks of the network.")
    rate: float = option(3.2e-4, TRAINING, "X", help="Learning rate.")
    warm_up: int = 1000
    real: float = option(0.0, TRAINING, "SHARE",
        help="Share of examples whose key frames are other frames of a video, not views of one picture.")
    check_every: int = option(500, TRAINING, "N", help="Steps between lines of the table.")
    held: float = 0.1
    perceptual: str | None = option(None, TRAINING, "NAME|FILE", kind=MODEL,
        help="Weights for the paper's perceptual loss (vrm weights import ade20k-resnet50). Default: without it.")
    # fmt: on

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1 or self.batch < 2 or self.references < 1 or self.check_every < 1 or self.rate <= 0:
            raise UsageError("Training takes at least one step, two pictures a step and one key frame.")
        if self.side < 64 or self.side % 8:
            raise UsageError(f"--side {self.side} is not a multiple of 8 from 64 up.")
        if self.width < 4 or self.width % 4 or self.blocks < 2:
            raise UsageError("The network takes a width that is a multiple of 4, and at least two blocks.")
        if not 0 <= self.real <= 1 or not 0 < self.held < 1:
            raise UsageError("Shares lie between 0 and 1.")

    @property
    def network(self) -> dict[str, int]:
        return {"width": self.width, "blocks": self.blocks}


@dataclass(frozen=True)
class SavitJob(TrainingOptions):
    """``vrm train savit``; how the network is built and trained is in ``vrm.train.savit_config.SavitTraining``."""

    # fmt: off
    config: str = option("small", EVERYDAY, "NAME|FILE",
        help="small, savit, savit-e2fgvi, a row of the paper's tables (A to E, ...), a backbone, or a TOML file.")
    steps: int | None = option(None, TRAINING, "N", help="Steps of the optimiser. Default: the configuration's.")
    labels: Path | None = option(None, TRAINING, "DIR", kind=READ, noun="label maps",
        help="Label maps, a folder for each clip. Default: labels in DATA.")
    segmenter: str | None = option(None, TRAINING, "NAME|DIR", kind=MODEL,
        help="Model that first labels the clips which have no maps there.")
    held: tuple[str, ...] = option((), TRAINING, "NAMES", flag="--held-out", parse=names,
        help="Clips that are not trained on, only looked at: a,b. Default: every eighth.")
    start: str | None = option(None, TRAINING, "NAME|FILE", kind=MODEL, help="Weights to start from.")
    # fmt: on
