"""The methods of a run: engines with presets, and the baselines that always accompany them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2

from vrm.errors import UsageError
from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.sequence import ImageSequence, load_masks
from vrm.evaluate.runs.baselines import BASELINES
from vrm.events import Events
from vrm.job.scratch import scratch_folder
from vrm.media.read.frame_folder import PICTURE_ENDINGS
from vrm.media.write.png import write_png
from vrm.options.remove import EngineOptions, MaskOptions, OutputOptions, RemoveOptions
from vrm.system.memory import peak_mb
from vrm.types import Masks

KEPT = ("seconds", "timings", "device", "dtype", "threads", "seed", "coverage", "changed_outside", "versions", "notes")
"""What is recorded of an engine's report."""


@dataclass(frozen=True)
class Method:
    """One row of the table; ``name`` is unique, and also a folder's name.

    Attributes:
        baseline: a name of ``BASELINES``; empty for an engine.
        engine: the engine's options; of a baseline's only threads and seed matter.
        given_every: the truth of frames 0, N, 2N, ... is given as keyframes (and not scored); 0 = none.
    """

    name: str
    baseline: str = ""
    engine: EngineOptions = field(default_factory=EngineOptions)
    given_every: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that shapes the result, ready for JSON."""
        if self.baseline:
            return {"baseline": self.baseline, "threads": self.engine.cpu_threads}
        given = {"given_every": self.given_every} if self.given_every else {}
        own = {k: v for k, v in asdict(self.engine).items() if v is not None}
        return own | {"threads": self.engine.cpu_threads} | given


@dataclass(frozen=True)
class FillTask:
    """One method on one clip, for a process of its own."""

    method: Method
    clip: Clip
    out: Path
    frames: int | None = None
    invert: bool = False


def choose_methods(
    engines: tuple[str, ...], presets: tuple[str, ...], common: dict[str, Any], given_every: int = 20
) -> list[Method]:
    """The baselines, then every engine with every preset, with the options ``common`` to all.

    ``given_every`` is for the engine keyframe. Raises UsageError: no such engine or preset, or one is named twice.
    """
    base = EngineOptions(**common)
    methods = [Method(name, name, base) for name in BASELINES]
    pairs = list(itertools.product(engines, presets))
    # Engine motion has no preset "paper"; named beside other engines, it is meant for those.
    for engine, preset in [pair for pair in pairs if len(engines) == 1 or pair != ("motion", "paper")]:
        options = EngineOptions(engine=engine, preset=preset, **common)
        every = given_every if engine == "keyframe" else 0
        methods.append(Method(f"{engine}-{preset}" + (f"-every{every}" if every else ""), "", options, every))
    if len({method.name for method in methods}) < len(methods):
        raise UsageError("An engine or preset is named twice.")
    return methods


def fill(task: FillTask) -> dict[str, Any]:
    """Fill one clip into ``task.out`` as numbered PNGs. Raises what the engine raises.

    Returns ``seconds`` of work, ``peak_mb`` of this process, ``frames`` filled, and an engine's ``report``.
    """
    cv2.setNumThreads(task.method.engine.cpu_threads)
    count = task.clip.count(task.frames)
    assert task.clip.masks is not None
    masks = load_masks(task.clip.masks, task.clip.frames, task.clip.name, task.invert)
    task.out.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder() as scratch:
        given = ImageSequence(_staged(task.clip.frames, count, scratch / task.clip.name))
        begin = time.perf_counter()
        report: dict[str, Any] = {}
        if task.method.baseline:
            task.out.mkdir(parents=True, exist_ok=True)
            for t, frame in enumerate(BASELINES[task.method.baseline](given, masks, count)):
                write_png(task.out / f"{t:05d}.png", frame)
            seconds = time.perf_counter() - begin
        else:
            report = _engine(task, given.path, masks, count, scratch)
            seconds = report["seconds"]
    return {"seconds": seconds, "peak_mb": peak_mb(), "frames": count, "report": report}


def _staged(pictures: ImageSequence, count: int, folder: Path) -> Path:
    """Frames ``0..count-1`` as a folder of 00000.png and so on, as displayed: links to pictures, or decoded."""
    folder.mkdir(parents=True)
    link = shutil.copyfile if sys.platform == "win32" else os.symlink
    if pictures.listed and all(path.suffix.lower() in PICTURE_ENDINGS for path in pictures.listed[:count]):
        for t, path in enumerate(pictures.listed[:count]):
            link(path.resolve(), folder / f"{t:05d}{path.suffix.lower()}")
        return folder
    for t, frame in enumerate(pictures.stream(count)):
        write_png(folder / f"{t:05d}.png", frame)
    return folder


def _engine(task: FillTask, frames: Path, masks: Masks, count: int, scratch: Path) -> dict[str, Any]:
    """``vrm remove`` with exactly these masks."""
    from vrm.pipeline import remove

    (scratch / "masks").mkdir()
    for t in range(count):
        write_png(scratch / "masks" / f"{t:05d}.png", masks[t].astype("uint8") * 255)
    options = RemoveOptions(
        mask=MaskOptions(path=scratch / "masks", grow=0, feather=0),
        engine=replace(task.method.engine, keyframes=_keyframes(task, masks, count, scratch / "keyframes")),
        output=OutputOptions(overwrite=True),
    )
    report = remove(frames, task.out, options, Events())
    return {k: v for k, v in json.loads(report.to_json()).items() if k in KEPT}


def _keyframes(task: FillTask, masks: Masks, count: int, folder: Path) -> tuple[tuple[int, Path], ...]:
    """The truth of frames 0, N, 2N, ... that have a hole; none of a clip without truth."""
    if not task.method.given_every or task.clip.truth is None:
        return ()
    folder.mkdir()
    keys = []
    for t, frame in enumerate(task.clip.truth.stream(count)):
        if t % task.method.given_every == 0 and masks.box(t) is not None:
            keys.append((t, folder / f"{t:05d}.png"))
            write_png(keys[-1][1], frame)
    return tuple(keys)
