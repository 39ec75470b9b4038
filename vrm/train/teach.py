"""``vrm train internal``: from a folder of clips to weights with their card."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from vrm.errors import OutputError, UsageError
from vrm.motion.propagate import MotionConfig
from vrm.options import EngineOptions
from vrm.train.clips import find_clips
from vrm.train.device import choose
from vrm.train.fit import Budget, History
from vrm.train.prior import PriorConfig, prepare, train
from vrm.train.snippets import SnippetConfig
from vrm.weights import WeightCard, save


@dataclass(frozen=True)
class TeachOptions:
    """What ``vrm train internal`` can be told.

    Attributes:
        name: of the weights; ``--prior NAME`` asks for them.
        licence: SPDX identifier of the weights; it has no default because only the user knows the data.
        steps: of Adam.
        snippets: cut from each clip.
        frames: of each snippet.
        width: of the network, a multiple of 4.
        held: clips that are only looked at, to choose the state that is kept; none = every eighth.
        lessons: folder prepared lessons are kept in and taken from; None = a temporary one.
        engine: device, threads and seed.
    """

    name: str
    licence: str
    steps: int = 3000
    snippets: int = 4
    frames: int = 32
    width: int = 24
    held: tuple[str, ...] = ()
    lessons: Path | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        if not self.licence:
            raise UsageError("The weights need a licence.", "Say under which their data may be used: --licence SPDX.")
        if not self.name or Path(self.name).name != self.name:
            raise UsageError(f"'{self.name}' is not a name for weights.", "Use letters, digits and dashes.")
        if self.steps < 1 or self.snippets < 1 or self.frames < 3:
            raise UsageError("Training takes at least one step, one snippet per clip, and three frames each.")
        if self.width < 4 or self.width % 4:
            raise UsageError(f"--width {self.width} is not a multiple of 4.")


def teach(
    data: Path, out: Path, options: TeachOptions, progress: Callable[[str, int, int], None]
) -> tuple[WeightCard, History]:
    """Train the fuser on a folder of clips and write its weights and card into ``out``.

    Raises:
        UsageError: there are no clips, or no clip of a name that is to be held out.
        OutputError: weights of that name are there already.
    """
    clips = find_clips(data)
    held = _held([name for name, _ in clips], options.held)
    if (out / f"{options.name}.json").exists():
        raise OutputError(f"Weights named '{options.name}' are in {out} already.", "Choose another --name.")
    compute = choose(options.engine)
    folder = options.lessons or Path(tempfile.mkdtemp(prefix="vrm-lessons-"))
    try:
        files = prepare(
            clips, [], folder, options.snippets, MotionConfig.for_preset("balanced"),
            SnippetConfig(frames=options.frames), options.engine.seed,
            lambda name, done, total: progress(f"lessons from {name}", done, total),
        )  # fmt: skip
        judged = [f for f in files if f.stem.rpartition("-")[0] in held]
        config = PriorConfig(
            width=options.width,
            budget=Budget(options.steps, 1e-3, anneal=True, check_every=max(1, min(100, options.steps)), average=0.998),
            seed=options.engine.seed,
        )
        net, history = train(
            [f for f in files if f not in judged], judged, config, compute,
            lambda done, total: progress("train", done, total),
        )  # fmt: skip
    finally:
        if options.lessons is None:
            shutil.rmtree(folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    names = ", ".join(name for name, _ in clips if name not in held)
    card = save(
        net, out, name=options.name, licence=options.licence, network="fuser", settings={"width": options.width},
        data=f"{options.snippets} snippets of {options.frames} frames from each of: {names}.",
        training=f"{history.steps} steps of Adam, {compute.names[0]}, {compute.names[1]}, {date.today():%B %Y}; "
        f"held out to choose the state (step {history.best_step}): {', '.join(sorted(held)) or 'nothing'}.",
    )  # fmt: skip
    return card, history


def _held(names: list[str], wanted: tuple[str, ...]) -> set[str]:
    """The clips held out. Raises UsageError for a name that is not there, or if nothing else would be left."""
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise UsageError(f"There is no clip '{unknown[0]}' to hold out.", f"There are: {', '.join(names)}.")
    held = set(wanted) if wanted else set(names[7::8] or names[-1:])
    if not wanted and len(names) == 1:
        return set()
    if len(held) == len(names):
        raise UsageError("All clips are held out: nothing is left to train on.", "Leave some out of --held-out.")
    return held
