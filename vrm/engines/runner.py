"""The engine at work: windows in order, each filled, kept, and taken over by a later run.

Where memory runs out on the way, work goes on with less: shorter windows and smaller caches, then half precision on
the device, then the processor. Where that happened is kept with the windows, so that a run that goes on after an
interruption takes the same steps at the same places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from vrm.engines.base import Engine, HasSplitPoints, LooksBeyond, Session
from vrm.engines.coverage import CoverageLog
from vrm.engines.keyframe.user_keyframes import check_shots, judge_keyframe, load_keyframes
from vrm.engines.registry import create_engine
from vrm.engines.shot import ShotView
from vrm.errors import OutOfMemory
from vrm.job.budget import DEFAULT_GB, LEAST_GB, window_memory
from vrm.job.context import Job
from vrm.job.estimate import shot_pieces
from vrm.job.preflight import touches
from vrm.job.resume import MOVED, STEPS, WINDOWS
from vrm.motion.config import MotionConfig
from vrm.options.remove import EngineOptions
from vrm.report.coverage import FrameCoverage
from vrm.report.model import ShotReport
from vrm.report.verdict import moving_warning
from vrm.shots.frame_cache import FrameCache
from vrm.shots.patch_store import PatchStore
from vrm.shots.windows import Window, plan_windows
from vrm.system.array_folder import ArrayFolder
from vrm.system.forecast import Piece
from vrm.system.memory import free_caches, give_back, is_shortage
from vrm.types import U8, Masks, Pixels

_FIX = "Give --memory GB, a smaller mask or a smaller range, or --device cpu where the GPU's was too small."

Labels = Callable[[int], U8]
"""``labels(t)``: super-categories of frame t, 0 to 7, completed in the hole, uint8 ``(H, W)``."""


@dataclass(frozen=True)
class EngineInputs:
    """What an engine is given of a video."""

    frames: FrameCache
    holes: Masks  # grown masks: what is to be filled, and what is hidden on frames that are only looked at
    keyframes: Mapping[int, Pixels]  # frames that the user has cleaned, by number
    # gives the labels when an engine first asks; None where the user gave neither labels nor a segmenter
    labels: Callable[[], Labels | None]


@dataclass(frozen=True)
class Stretch:
    """What is to be filled of one shot."""

    start: int  # the shot ``start..stop-1``, as far as the engine looks
    stop: int
    wanted: range  # the frames of it that are to be filled, where they have a hole
    windows: tuple[Window, ...]  # in order


@dataclass
class OpenShot:
    """A shot whose session stands ready."""

    job: Job
    view: ShotView
    session: Session

    @classmethod
    def prepare(
        cls, job: Job, engine: Engine, inputs: EngineInputs, labels: Labels | None, start: int, stop: int,
        windows: list[Window],
    ) -> OpenShot:  # fmt: skip
        """Let the engine prepare for the shot ``start..stop-1``; ``windows`` are all that will be asked of it."""
        view = ShotView(
            inputs.frames, inputs.holes, start, stop, windows, job.depth, motion_config(job.options.engine),
            job.scratch("fills"), job.progress, inputs.keyframes, labels,
        )  # fmt: skip
        with job.timed("fit"):
            session = engine.prepare(view, job.progress)
        job.note(*session.notes)
        return cls(job, view, session)

    def fill(self, window: Window, patches: PatchStore, coverage: CoverageLog) -> dict[int, FrameCoverage]:
        """Fill a window and keep it; its coverage by frame."""
        with self.job.timed("fill"):
            made = self.session.fill(window)
        covered, extra = coverage.add(self.view, self.session, window)
        patches.add(window, made, extra)
        give_back()
        return covered


class EngineRunner:
    """An engine, and the windows of one job that it fills.

    ``plan`` first; then, for each of ``windows()``, ``restore`` or ``fill``.

    Attributes:
        moved: the device has no room for the network, and all is done on the processor.
        take_over: windows that others have finished are used: an interrupted run, or processes beside this one.

    Raises:
        OutOfMemory: the device has no room for the network, and ``--no-fallback`` was given, or it is the processor's.
        VrmError: what the engine needs is not here.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.moved = job.folder.read_json(MOVED) is True
        self.engine = self._created()
        self.used()
        kept = ArrayFolder[Pixels](job.scratch("keyframes"))
        found = load_keyframes(job.options.engine.keyframes, job.info, job.depth, job.options.max_pixels, kept)
        job.note(*found.notes)
        self.keyframes: Mapping[int, Pixels] = found.images
        self.patches = PatchStore(job.scratch(WINDOWS), durable=job.folder.kept)
        self.stretches: list[Stretch] = []
        self.take_over = job.folder.kept
        self._options = self.options
        self._steps: list[list[int]] = job.folder.read_json(STEPS) or []
        self._taken = 0
        self._shot: OpenShot | None = None
        self._labels: Labels | None = None
        self._covered: dict[int, FrameCoverage] = {}

    @property
    def options(self) -> EngineOptions:
        """The engine's options: where fits are kept, and what a full device leaves, is decided here."""
        return engine_options(self._job, self.moved)

    @property
    def looks_beyond(self) -> bool:
        """The engine may find the background on frames that are not to be filled."""
        return isinstance(self.engine, LooksBeyond) and self.engine.looks_beyond

    @property
    def lowered(self) -> bool:
        """An interrupted run has gone on with less memory somewhere."""
        return bool(self._steps)

    def used(self) -> None:
        """Tell the report which device and number format the engine decided on."""
        self._job.report.device, self._job.report.dtype = self.engine.device, self.engine.dtype

    def plan(
        self, inputs: EngineInputs, shots: list[tuple[int, int]], wanted: range, highlights: tuple[int, ...] = ()
    ) -> None:
        """Plan windows for the frames ``wanted`` of all shots, ``(start, stop)`` each, also beyond the range.

        Raises UsageError or WeightsError: a shot needs a keyframe and has none.
        """
        self.inputs, self.coverage = inputs, CoverageLog(highlights)
        job, holes = self._job, inputs.holes
        worked_on = range(job.first, job.last)
        inside = [
            (max(start, job.first), min(stop, job.last)) for start, stop in shots if touches((start, stop), worked_on)
        ]
        check_shots(inside, holes, inputs.keyframes, self.engine.generates)
        for t, image in inputs.keyframes.items():
            if t in worked_on:
                job.note(judge_keyframe(t, image, inputs.frames.frame(t), holes[t]))
        for start, stop in shots if self.looks_beyond else inside:
            own = range(max(start, wanted.start, job.first), min(stop, wanted.stop, job.last))
            if own:
                if not self.looks_beyond and not isinstance(
                    self.engine, HasSplitPoints
                ):  # keyframes may lie outside a preview
                    start, stop = own.start, own.stop
                self.stretches.append(Stretch(start, stop, own, tuple(self._planned(start, stop, own))))

    def pieces(self, at_once: int = 1) -> list[Piece]:
        """What there is to fill by ``at_once`` processes, with about how long it takes; not what is taken over."""
        pieces, on_cpu = [], self.engine.device == "cpu"
        for shot, stretch in enumerate((each for each in self.stretches if each.windows), 1):
            todo = [w for w in stretch.windows if not (self.take_over and self.patches.holds(w))]
            begins = stretch.start if self.engine.keeps else None
            pieces += shot_pieces(self._job.info, self.options, on_cpu, self.inputs.holes, todo, shot, begins, at_once)
        return pieces

    def windows(self) -> Iterator[Window]:
        """The windows to be filled, in order. A window that memory ran out in comes again, shorter."""
        for stretch in self.stretches:
            self._stretch, self._shot, self._covered = stretch, None, {}
            windows = list(stretch.windows)
            if self._taken:  # with less memory since
                windows = self._planned(stretch.start, stretch.stop, stretch.wanted)
            at = 0
            while at < len(windows):
                window, taken = windows[at], self._taken
                self._windows = windows
                if taken < len(self._steps) and self._steps[taken] == [stretch.start, window.start]:
                    self._step_down(None, window)
                else:
                    yield window
                if self._taken > taken:
                    windows[at:] = self._planned(stretch.start, stretch.stop, range(window.start, stretch.wanted.stop))
                else:
                    at += 1
            start, stop = max(stretch.start, self._job.first), min(stretch.stop, self._job.last)
            self._job.report.shots.append(ShotReport(start, stop, tuple(self._covered.values())))
        self._job.note(moving_warning(self._job.report))

    def restore(self, window: Window) -> bool:
        """Take over a window that an earlier run, or another process, has finished; False where there is none."""
        extra = self.patches.finished(window) if self.take_over else None
        covered = None if extra is None else self.coverage.recall(extra, window)
        if extra is None or covered is None:
            return False
        self._job.note(*extra.facts["notes"])
        self._covered |= covered
        return True

    def fill(self, window: Window) -> None:
        """Fill a window and keep it; where memory runs out, go a step down instead: ``windows`` plans it again.

        Raises OutOfMemory: there is no smaller way to work, or ``--no-fallback`` was given.
        """
        failed: Exception | None = None
        try:
            if self._shot is None:
                self._job.events.begin(self._stretch.start)
                self._shot = self._open(self._windows)
            self._job.events.begin(window)
            self._covered |= self._shot.fill(window, self.patches, self.coverage)
        except Exception as error:
            if not is_memory(error):
                raise
            failed = error
        if failed is not None:
            self._step_down(failed, window)

    def _created(self) -> Engine:
        """The job's engine; on the processor, with a note, where the device has no room even for the network."""
        if not self.moved:
            try:
                return create_engine(self.options)
            except Exception as error:
                if not is_memory(error) or self._job.options.engine.device == "cpu":
                    raise
                if not self._job.options.engine.fallback:
                    raise OutOfMemory(
                        "The device has no room for the network, and --no-fallback forbids to go on with less.",
                        "Free its memory, or give --device cpu.",
                    ) from error
            self.moved = True
            self._job.folder.write_json(MOVED, True)
        self._job.note("The device has no room for the network: the work is done with the processor.")
        return create_engine(self.options)

    def _planned(self, start: int, stop: int, wanted: range) -> list[Window]:
        job, inputs = self._job, self.inputs
        points: list[int] = []
        if isinstance(self.engine, HasSplitPoints):
            points = self.engine.split_points(start, stop, inputs.holes, inputs.keyframes)
        memory, longest = window_memory(self._options), motion_config(job.options.engine).longest
        return plan_windows(
            inputs.holes, start, stop, job.info.frame_rate, memory, longest, within=wanted, split_points=points
        )

    def _open(self, windows: list[Window]) -> OpenShot:
        if self.engine.labelled and self._labels is None:
            self._labels = self.inputs.labels()
        stretch = self._stretch
        return OpenShot.prepare(
            self._job, self.engine, self.inputs, self._labels, stretch.start, stretch.stop, list(windows)
        )

    def _step_down(self, error: Exception | None, window: Window) -> None:
        """Go on with less. Called outside of any except clause: what failed is free by now. Raises OutOfMemory."""
        self._shot = None
        while True:
            step = self._lower(error)
            if self._taken == len(self._steps):
                self._steps.append([self._stretch.start, window.start])
                self._job.folder.write_json(STEPS, self._steps)
            self._taken += 1
            self._options = step.options
            free_caches()
            self._job.note(f"Memory ran out at frame {window.start}: from there on the work is done with {step.words}.")
            error = None
            try:
                self.engine = create_engine(step.options)
            except Exception as failed:
                if not is_memory(failed):
                    raise
                error = failed  # not even the network finds room
            if error is None:
                return self.used()

    def _lower(self, error: Exception | None) -> Step:
        """The next step down. Raises OutOfMemory."""
        asked, engine = self.options, self.engine
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


@dataclass(frozen=True)
class Step:
    """One step down."""

    options: EngineOptions  # what the engine is made with from here on
    words: str  # what changes, as the end of a sentence


def lower(options: EngineOptions, asked: EngineOptions, device: str, dtype: str) -> Step | None:
    """The next smaller way to work, or None.

    The engine was made with ``options`` and decided on device and dtype; ``asked`` are the user's own options.
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


def is_memory(error: Exception) -> bool:
    return isinstance(error, OutOfMemory) or is_shortage(error)


def engine_options(job: Job, moved: bool = False) -> EngineOptions:
    found = job.options.engine
    if job.folder.kept:
        found = replace(found, fits=job.folder.fits)
    return replace(found, device="cpu", dtype="auto") if moved else found


def motion_config(options: EngineOptions) -> MotionConfig:
    """How motion works under the preset; the papers' way does not blend with keyframes."""
    if options.preset == "paper":
        return replace(MotionConfig.for_preset("fast"), keyframe_blend=0.0)
    return MotionConfig.for_preset(options.preset)
