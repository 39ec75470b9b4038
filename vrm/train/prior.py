"""Training the prior that ships: the fuser, on many clips, so that fitting to one video starts warm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from vrm.errors import UsageError
from vrm.motion.propagate import MotionConfig
from vrm.nets.fuser import Fuser
from vrm.train.device import Compute
from vrm.train.fit import Budget, History, fit
from vrm.train.initialise import unit_variance
from vrm.train.inputs import CANDIDATES, CHANNELS
from vrm.train.lessons import Lesson, draw, fuser_loss, tiles
from vrm.train.snippets import SnippetConfig, lessons_of, load_lessons, make_snippet, save_lessons
from vrm.types import U8, Bool

Clip = tuple[str, Callable[[], Sequence[U8]]]
"""A clip's name, and a function that reads its frames, uint8 RGB ``(H, W, 3)`` of one size."""


@dataclass(frozen=True)
class PriorConfig:
    """How the prior is trained.

    Attributes:
        width: of the fuser.
        batch, side: crops per step and their side in pixels.
        budget: of the training.
        looks: held-out crops that decide which state is kept.
        seed: of everything random.
    """

    width: int = 32
    batch: int = 8
    side: int = 128
    budget: Budget = field(default_factory=lambda: Budget(3000, 1e-3, anneal=True, check_every=100, average=0.998))
    looks: int = 96
    seed: int = 0


def prepare(
    clips: Iterable[Clip], shapes: Sequence[Sequence[Bool]], out: Path, per_clip: int, motion: MotionConfig,
    config: SnippetConfig, seed: int, progress: Callable[[str, int, int], None],
) -> list[Path]:  # fmt: skip
    """Make snippets of clips, run motion on them and write the lessons, one file a snippet; existing files are kept.

    Args:
        clips: what to cut from.
        shapes: mask tracks that serve as holes.
        out: folder; made if need be.
        per_clip: snippets of each clip.
        motion: the settings the prior will be used with.
        config: of the snippets.
        seed: of everything random.
        progress: told ``(clip, done, total)``.

    Returns:
        The files.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for c, (name, read) in enumerate(clips):
        frames: Sequence[U8] | None = None
        for i in range(per_clip):
            progress(name, i, per_clip)
            path = out / f"{name}-{i:02d}.npz"
            if not path.exists():
                frames = read() if frames is None else frames
                snippet = make_snippet(frames, shapes, config, np.random.default_rng((seed, c, i)))
                if snippet is None:
                    continue
                save_lessons(path, lessons_of(snippet, motion))
            files.append(path)
        progress(name, per_clip, per_clip)
    return files


def train(
    files: Sequence[Path], held: Sequence[Path], config: PriorConfig, compute: Compute,
    progress: Callable[[int, int], None], start: Fuser | None = None,
) -> tuple[Fuser, History]:  # fmt: skip
    """Train a fuser on prepared lessons.

    Args:
        files: what it learns from.
        held: lessons of other clips, to judge by which state is kept.
        config: how.
        compute: where.
        progress: told about the steps.
        start: a fuser to go on from, of the same width.

    Returns:
        The fuser, on the CPU, and the history of its losses.

    Raises:
        UsageError: there is nothing to learn from.
    """
    lessons = _load(files)
    if not lessons:
        raise UsageError("There is nothing to train on.", "Prepare lessons from some clips first.")
    with compute.running(config.seed):
        rng = np.random.default_rng(config.seed)
        net = Fuser(CHANNELS, CANDIDATES, config.width) if start is None else start
        compute.place(net)
        if start is None:
            first = draw(lessons, config.batch, config.side, rng, compute)
            unit_variance(net, first.x, first.colours, first.valid)
        looks = tiles(_load(held), config.side, config.looks, compute)

        def held_loss(net: torch.nn.Module) -> float:
            with compute.autocast():
                losses = [(float(fuser_loss(net, b)), float(b.where.sum())) for b in looks]
            return sum(value * n for value, n in losses) / max(1.0, sum(n for _, n in losses))

        history = fit(
            net,
            lambda net, step: fuser_loss(net, draw(lessons, config.batch, config.side, rng, compute, vary=True)),
            config.budget,
            compute,
            held_loss if looks else None,
            progress,
        )
    return net.cpu(), history


def _load(files: Sequence[Path]) -> list[Lesson]:
    return [one for path in files for one in load_lessons(path)]
