"""What fills cases in a run: engines with presets, and the baselines that are always beside them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.engines.base import as_float
from vrm.errors import UsageError
from vrm.evaluate.clips import Clip
from vrm.evaluate.machine import peak_memory_mb
from vrm.evaluate.pictures import Pictures, load_masks
from vrm.events import Events
from vrm.media.stills import write_png
from vrm.metrics.error import peak_of
from vrm.options import EngineOptions, MaskOptions, Moment, OutputOptions, RemoveOptions
from vrm.types import Bool, Masks, Pixels

RADIUS = 5
"""Of OpenCV's inpainting, pixels."""
WINDOW, CONTEXT = 80, 40
"""Frames that propagation fills at a time, and looks at on either side."""


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        name: unique, also a folder's name.
        baseline: a name of ``BASELINES``, or empty for an engine.
        engine: the engine's options; of a baseline only threads and seed matter.
    """

    name: str
    baseline: str = ""
    engine: EngineOptions = field(default_factory=EngineOptions)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that shapes its result, ready for JSON."""
        if self.baseline:
            return {"baseline": self.baseline, "threads": self.engine.cpu_threads}
        return {k: v for k, v in asdict(self.engine).items() if v is not None} | {"threads": self.engine.cpu_threads}


@dataclass(frozen=True)
class Job:
    """One method on one clip, to be done in a process of its own."""

    method: Method
    clip: Clip
    out: Path
    frames: int | None = None
    invert: bool = False


def choose_methods(engines: tuple[str, ...], presets: tuple[str, ...], common: dict[str, Any]) -> list[Method]:
    """The baselines, then every engine with every preset. Raises UsageError for unknown ones."""
    base = EngineOptions(**common)
    methods = [Method(name, name, base) for name in BASELINES]
    for engine, preset in itertools.product(engines, presets):
        methods.append(Method(f"{engine}-{preset}", engine=EngineOptions(engine=engine, preset=preset, **common)))
    names = [m.name for m in methods]
    if len(set(names)) < len(names):
        raise UsageError("An engine or preset is named twice.")
    return methods


def fill(job: Job) -> dict[str, Any]:
    """Fill one clip into ``job.out`` as numbered PNGs; how long it took and how much memory.

    Returns:
        ``seconds`` of work, ``peak_mb`` of this process, ``frames``, and ``report`` of an engine.

    Raises:
        VrmError: whatever the engine says.
    """
    cv2.setNumThreads(job.method.engine.cpu_threads)
    count = min(len(job.clip.frames), job.frames or len(job.clip.frames))
    begin = time.perf_counter()
    report: dict[str, Any] = {}
    if job.method.baseline:
        assert job.clip.masks is not None
        masks = load_masks(job.clip.masks, job.clip.frames, job.clip.name, job.invert)
        job.out.mkdir(parents=True, exist_ok=True)
        for t, frame in enumerate(BASELINES[job.method.baseline](job.clip.frames, masks, count)):
            write_png(job.out / f"{t:05d}.png", frame)
        seconds = time.perf_counter() - begin
    else:
        report = _engine(job)
        seconds = report["seconds"]
    return {"seconds": seconds, "peak_mb": peak_memory_mb(), "frames": count, "report": report}


def _engine(job: Job) -> dict[str, Any]:
    """``vrm remove`` with the masks exactly as they are."""
    from vrm.pipeline import remove

    assert job.clip.masks is not None
    single = bool(job.clip.masks.listed) and len(job.clip.masks) == 1 and len(job.clip.frames) != 1
    options = RemoveOptions(
        mask=MaskOptions(path=job.clip.masks.path, invert=job.invert, static=single, grow=0, feather=0),
        engine=job.method.engine,
        output=OutputOptions(overwrite=True),
        end=None if job.frames is None else Moment(frame=job.frames),
    )
    report = remove(job.clip.frames.path, job.out, options, Events())
    kept = {
        "seconds",
        "timings",
        "device",
        "dtype",
        "threads",
        "seed",
        "coverage",
        "changed_outside",
        "versions",
        "notes",
    }
    return {k: v for k, v in json.loads(report.to_json()).items() if k in kept}


def _inpaint(how: int) -> Callable[[Pictures, Masks, int], Iterator[Pixels]]:
    def run(frames: Pictures, masks: Masks, count: int) -> Iterator[Pixels]:
        for t, frame in enumerate(frames.stream(count)):
            yield inpainted(frame, masks[t], how)

    return run


def inpainted(frame: Pixels, mask: Bool, how: int = cv2.INPAINT_TELEA) -> Pixels:
    """One frame filled by OpenCV's inpainting, radius 5; frames of 16 bits are filled with 8."""
    if not mask.any():
        return frame
    eight = frame if frame.dtype == np.uint8 else (frame >> 8).astype(np.uint8)
    filled = cv2.inpaint(np.ascontiguousarray(eight), mask.astype(np.uint8), RADIUS, how)
    if frame.dtype == np.uint8:
        return np.asarray(filled, np.uint8)
    out = frame.copy()
    out[mask] = filled[mask].astype(np.uint16) * 257
    return out


def temporal_median(frames: Pictures, masks: Masks, count: int) -> Iterator[Pixels]:
    """Each missing pixel becomes the median of where it is known in the clip; what never is, is Telea's."""
    whole = np.zeros(masks.size, np.bool_)
    for t in range(count):
        whole |= masks[t]
    known = np.stack([~masks[t][whole] for t in range(count)])
    values: Any = np.stack([frame[whole] for frame in frames.stream(count)])
    top = peak_of(values)
    held = np.where(known[..., None], values.astype(np.int32), top + 1)
    held.sort(axis=0)
    n = known.sum(0)
    low, high = ((np.maximum(n, 1) - 1) // 2, n // 2)
    spots = np.arange(n.size)
    median = (held[low, spots] + held[np.minimum(high, count - 1), spots] + 1) // 2
    for t, frame in enumerate(frames.stream(count)):
        lacking = masks[t].copy()
        lacking[whole] &= n == 0
        out = frame.copy()
        use = masks[t][whole] & (n > 0)
        patch = out[whole]
        patch[use] = median[use].astype(out.dtype)
        out[whole] = patch
        yield inpainted(out, lacking, cv2.INPAINT_TELEA)


def propagation(frames: Pictures, masks: Masks, count: int) -> Iterator[Pixels]:
    """What motion alone finds, settings of ``fast``."""
    from vrm.motion.propagate import MotionConfig, propagate

    shot = _Shot(frames, masks, count)
    for start in range(0, count, WINDOW):
        stop = min(count, start + WINDOW)
        around = max(0, start - CONTEXT), min(count, stop + CONTEXT)
        found = propagate(shot, start, stop, *around, MotionConfig.for_preset("fast"))
        for t in range(start, stop):
            frame: Any = shot.frame(t)
            filled = found.prefill(t, as_float(frame)) * peak_of(frame)
            yield np.clip(filled + 0.5, 0, peak_of(frame)).astype(frame.dtype)


class _Shot:
    """A clip in memory, as motion takes it."""

    def __init__(self, frames: Pictures, masks: Masks, count: int) -> None:
        self.start, self.stop, self.size = 0, count, masks.size
        self._frames = list(frames.stream(count))
        self._masks = masks

    def frame(self, t: int) -> Pixels:
        return self._frames[t]

    def hole(self, t: int) -> Bool:
        return self._masks[t]


BASELINES: dict[str, Callable[[Pictures, Masks, int], Iterator[Pixels]]] = {
    "telea": _inpaint(cv2.INPAINT_TELEA),
    "navier-stokes": _inpaint(cv2.INPAINT_NS),
    "temporal-median": temporal_median,
    "propagation": propagation,
}
"""Always in a run: OpenCV's two, the median over time, and motion without an engine."""
