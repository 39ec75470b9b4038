"""Every window of every shot filled by the engine; what an earlier run finished is taken over.

Where memory runs out on the way, work goes on with less: shorter windows and smaller caches, then half precision on
the device, then the processor. Where that happened is kept with the windows, so that a run that goes on after an
interruption takes the same steps at the same places.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from vrm.engines.base import Engine, HasSplitPoints, Session, Window
from vrm.engines.registry import create_engine
from vrm.engines.shot import ShotView
from vrm.errors import OutOfMemory
from vrm.job.budget import DEFAULT_GB, LEAST_GB, frame_memory, frames_on_disk, window_memory
from vrm.job.context import Work
from vrm.job.resume import STEPS, WINDOWS
from vrm.media.read.reader import Reader
from vrm.options.remove import EngineOptions
from vrm.report.model import FrameCoverage, ShotReport
from vrm.selection.masks.morphology import ShapedMasks
from vrm.selection.prompts.prompted_masks import labels_for_engine
from vrm.shots.frame_cache import FrameStore
from vrm.shots.patch_store import PatchStore
from vrm.shots.windows import plan_windows
from vrm.system.memory import give_back, is_shortage
from vrm.types import U8, Masks, Pixels

_FIX = "Give --memory GB, a smaller mask or a smaller range, or --device cpu where the GPU's was too small."


@dataclass(frozen=True)
class Step:
    """One step down.

    Attributes:
        options: what the engine is made with from here on.
        words: what changes, as the end of a sentence.
    """

    options: EngineOptions
    words: str


def lower(options: EngineOptions, asked: EngineOptions, device: str, dtype: str) -> Step | None:
    """The next smaller way to work, or None where there is none.

    Args:
        options: what the engine was made with.
        asked: the user's own options.
        device, dtype: what the engine decided on.
    """
    memory, whole = (o.memory_gb or DEFAULT_GB for o in (options, asked))
    on_cpu = device == "cpu"
    if memory > LEAST_GB and (on_cpu or memory == whole):
        less = max(LEAST_GB, memory / 2)
        return Step(replace(options, memory_gb=less), f"windows and caches of {less:g} GB")
    if on_cpu:
        return None
    if dtype == "fp32":
        return Step(replace(options, dtype=_half(device)), "half precision")
    return Step(replace(options, device="cpu", dtype="auto", memory_gb=asked.memory_gb), "the processor")


def _half(device: str) -> str:
    import torch

    return "bf16" if device.startswith("cuda") and torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"


@dataclass(frozen=True)
class Stretch:
    """What is to be filled of one shot.

    Attributes:
        start, stop: the shot, as far as the engine looks.
        wanted: the frames of it that are to be filled, where they have a hole.
        windows: in order.
    """

    start: int
    stop: int
    wanted: range
    windows: tuple[Window, ...]


def frame_store(work: Work, at_once: int = 1) -> FrameStore:
    """The video's frames, in the memory and on the disk that one of ``at_once`` processes may use."""
    reader, folder = Reader(work.info), work.folder("frames")
    memory, disk = frame_memory(work.options.engine), frames_on_disk(work.info, folder, at_once)
    return FrameStore(reader.frames, work.last, folder, memory_bytes=memory, disk_bytes=disk)


class Filling:
    """The filling of one video.

    Args:
        work: the job.
        engine: made with ``work.engine_options``.
        masks: what goes.
        store: the frames.
        keyframes: frames the user has cleaned, by number.
    """

    def __init__(
        self, work: Work, engine: Engine, masks: ShapedMasks, store: FrameStore, keyframes: Mapping[int, Pixels]
    ) -> None:
        self._work, self._engine, self._holes = work, engine, masks.holes
        self._store, self._keyframes = store, keyframes
        self._options = work.engine_options
        self.patches = PatchStore(work.folder(WINDOWS), durable=work.job.kept)
        self._steps: list[list[int]] = work.job.read_json(STEPS) or [] if work.job.kept else []
        self._taken = 0
        self._labels: Callable[[int], U8] | None = None
        self.take_over = work.job.kept
        """Whether windows that others have finished are used: an interrupted run, or processes beside this one."""

    @property
    def lowered(self) -> bool:
        """An earlier run has gone on with less memory somewhere."""
        return bool(self._steps)

    def stretches(self, shots: list[tuple[int, int]], within: range) -> list[Stretch]:
        """What is to be filled of all shots, ``(start, stop)`` each, that lie within the frames that are wanted."""
        found = []
        for start, stop in shots:
            wanted = range(max(start, within.start), min(stop, within.stop))
            if not isinstance(self._engine, HasSplitPoints):  # whose keyframes may lie outside a preview
                start, stop = wanted.start, wanted.stop
            found.append(Stretch(start, stop, wanted, tuple(self._planned(start, stop, wanted))))
        return found

    def run(self, stretches: Sequence[Stretch]) -> PatchStore:
        """Fill stretches in order.

        Raises:
            OutOfMemory: there is no smaller way to work, or ``--no-fallback`` was given.
            VrmError: whatever the engine meets.
        """
        for stretch in stretches:
            windows = list(stretch.windows)
            if self._taken:  # with less memory since
                windows = self._planned(stretch.start, stretch.stop, stretch.wanted)
            covered = self._shot(stretch.start, stretch.stop, stretch.wanted, windows)
            self._work.report.shots.append(ShotReport(stretch.start, stretch.stop, tuple(covered.values())))
        return self.patches

    def _shot(self, start: int, stop: int, wanted: range, windows: list[Window]) -> dict[int, FrameCoverage]:
        covered: dict[int, FrameCoverage] = {}
        session: OpenShot | None = None
        at = 0
        while at < len(windows):
            window = windows[at]
            if self._taken < len(self._steps) and self._steps[self._taken] == [start, window.start]:
                session, step = None, self._lower(None)
            else:
                known = self._finished(window)
                if known is not None:
                    covered |= known
                    at += 1
                    continue
                step = None
                try:
                    session = session or self._open(start, stop, windows)
                    covered |= session.fill(window, self.patches)
                except Exception as error:
                    if not (isinstance(error, OutOfMemory) or is_shortage(error)):
                        raise
                    step = self._lower(error)
            if step is None:
                at += 1
                continue
            session = None
            self._descend(step, [start, window.start])
            windows[at:] = self._planned(start, stop, range(window.start, wanted.stop))
        return covered

    def _planned(self, start: int, stop: int, wanted: range) -> list[Window]:
        memory, longest = window_memory(self._options), self._work.motion.longest
        points: list[int] = []
        if isinstance(self._engine, HasSplitPoints):
            points = self._engine.split_points(start, stop, self._holes, self._keyframes)
        return plan_windows(
            self._holes, start, stop, self._work.info.frame_rate, memory, longest, within=wanted, joints=points
        )

    def _finished(self, window: Window) -> dict[int, FrameCoverage] | None:
        """Coverage of a window that an earlier run finished."""
        if not self.take_over:
            return None
        extra = self.patches.finished(window)
        return None if extra is None else self._work.recall(extra, window)

    def _open(self, start: int, stop: int, windows: list[Window]) -> OpenShot:
        if self._engine.labelled and self._labels is None:
            self._labels = labels_for_engine(self._work, self._holes)
        return OpenShot.begin(
            self._work, self._engine, self._store, self._holes, self._keyframes, self._labels, start, stop, windows
        )

    def _lower(self, error: Exception | None) -> Step:
        """The next step down. Raises OutOfMemory."""
        asked, engine = self._work.engine_options, self._engine
        # What is asked for now counts, where it could not even be made.
        device = "cpu" if self._options.device == "cpu" else engine.device
        dtype = engine.dtype if self._options.dtype == "auto" else self._options.dtype
        step = lower(self._options, asked, device, dtype) if asked.fallback else None
        if step is not None:
            return step
        if isinstance(error, OutOfMemory):
            raise error
        where = "The machine" if engine.device == "cpu" else f"The device {engine.device}"
        less = "" if asked.fallback else " and --no-fallback forbids to go on with less"
        raise OutOfMemory(f"{where} ran out of memory{less}.", _FIX) from error

    def _descend(self, step: Step, where: list[int]) -> None:
        """Go on with less. Called outside of any except clause: what failed is free by now."""
        work = self._work
        if self._taken == len(self._steps):
            self._steps.append(where)
            work.job.write_json(STEPS, self._steps)
        self._taken += 1
        self._options = step.options
        give_back()
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
        work.note(f"Memory ran out at frame {where[1]}: from there on the work is done with {step.words}.")
        failed: Exception | None = None
        try:
            self._engine = create_engine(step.options)
        except Exception as error:
            if not (isinstance(error, OutOfMemory) or is_shortage(error)):
                raise
            failed = error
        if failed is not None:  # not even the network finds room
            self._descend(self._lower(failed), where)
            return
        work.used(self._engine)


@dataclass
class OpenShot:
    """A shot whose session stands ready."""

    work: Work
    view: ShotView
    session: Session

    @classmethod
    def begin(
        cls, work: Work, engine: Engine, store: FrameStore, holes: Masks, keyframes: Mapping[int, Pixels],
        labels: Callable[[int], U8] | None, start: int, stop: int, windows: list[Window],
    ) -> OpenShot:  # fmt: skip
        """Let the engine prepare for the shot ``start..stop-1``; ``windows`` are all that will be asked of it."""
        fills = work.folder("fills")
        view = ShotView(
            store, holes, start, stop, windows, work.depth, work.motion, fills, work.progress, keyframes, labels
        )
        with work.timed("fit"):
            session = engine.prepare(view, work.progress)
        work.note(*session.notes)
        return cls(work, view, session)

    def fill(self, window: Window, patches: PatchStore) -> dict[int, FrameCoverage]:
        """Fill one window and keep it; its coverage."""
        work = self.work
        with work.timed("fill"):
            made = self.session.fill(window)
        covered = work.coverage(self.view, self.session, window)
        work.explained(self.session, window)
        patches.add(window, made, work.extra(covered, self.session, window))
        give_back()
        return covered
