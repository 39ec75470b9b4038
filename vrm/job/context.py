"""The state of one video's work: facts, range, scratch, budgets, what the report will say."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.engines.base import Accounting, Engine, Explaining, Progress, Session, Window
from vrm.engines.coverage import coverage_map, frame_coverage
from vrm.engines.shot import ShotView
from vrm.errors import UsageError, VideoError
from vrm.events import Events, stages
from vrm.job.resume import SHOTS, Job, versions
from vrm.job.side_outputs import refuse_existing
from vrm.media.frame.frame import Frame
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.stills import read_mask
from vrm.media.read.times import frame_at, timestamps
from vrm.media.write.plan import OutputPlan
from vrm.media.write.writer import WriteReport
from vrm.motion.propagation import MotionConfig
from vrm.options.remove import EngineOptions, Moment, RemoveOptions
from vrm.report.html import Picture
from vrm.report.model import FrameCoverage, RemoveReport
from vrm.selection.masks.source import Readers
from vrm.shots.cuts import find_shots, small
from vrm.shots.patch_store import Extra
from vrm.system.files import writing
from vrm.system.memory import bounded
from vrm.types import U8, Bool, Pixels, VideoInfo, eight_bits

_DEFAULTS = RemoveOptions()


@dataclass
class Work:
    """One job under way.

    Attributes:
        info, target, options, events: what ``remove`` was given, probed.
        job: its scratch folder, and what an earlier run left in it.
        first, last: the frames that are worked on, last excluded.
        report: filled as the work goes.
        progress: tells ``events`` how far a stage is.
        telling: frames that a page will show.
        exported: frames that ``--export-keyframes`` writes.
        moved: the device has no room for the network, and all is done on the processor.
    """

    info: VideoInfo
    target: Path
    options: RemoveOptions
    events: Events
    job: Job
    first: int
    last: int
    report: RemoveReport
    progress: Progress
    telling: tuple[int, ...] = ()
    exported: Collection[int] = ()
    moved: bool = False
    _pictures: list[Picture] = field(default_factory=list)
    _maps: dict[int, np.ndarray] = field(default_factory=dict)
    _views: dict[int, list[tuple[str, np.ndarray]]] = field(default_factory=dict)

    @classmethod
    def begin(cls, info: VideoInfo, target: Path, options: RemoveOptions, events: Events, job: Job) -> Work:
        """Resolve the range, refuse outputs that are in the way, and start the report."""
        for path in (options.report, options.mask.save_to, options.export_keyframes):
            refuse_existing(path, options.output.overwrite)
        threads = options.engine.cpu_threads
        cv2.setNumThreads(threads)
        cv2.setRNGSeed(options.engine.seed)
        first, last = frame_range(info, options.start, options.end)
        progress = stages(events)
        if options.engine.memory_gb is not None:
            progress = bounded(progress, options.engine.memory_gb * 1e9)
        report = RemoveReport(
            str(info.path),
            str(target),
            engine=options.engine.engine,
            preset=options.engine.preset,
            threads=threads,
            seed=options.engine.seed,
            options=asdict(options),
            versions=versions(),
        )
        work = cls(info, target, options, events, job, first, last, report, progress)
        work.note(*job.notes)
        return work

    def folder(self, name: str) -> Path:
        """A scratch folder of that name, made if need be."""
        path = self.job.folder / name
        with writing(f"Scratch cannot be written in {self.job.folder}"):
            path.mkdir(exist_ok=True)
        return path

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of the block to the report's stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.report.timings[stage] = self.report.timings.get(stage, 0.0) + time.perf_counter() - start

    def note(self, *texts: str) -> None:
        """Tell the user, once each, and put it into the report."""
        for text in texts:
            if text not in self.report.notes:
                self.report.notes.append(text)
                self.events.note(text)

    def say(self, plan: OutputPlan) -> None:
        """What the output will and will not hold."""
        if self.info.interlaced:
            self.note("The video is interlaced; it is worked on as whole frames.")
        self.note(*plan.notes, *(f"Lost: {what}" for what in plan.lost))
        self.report.kept, self.report.lost = list(plan.kept), list(plan.lost)

    def used(self, engine: Engine) -> None:
        """Which device and number format the engine decided on."""
        self.report.device, self.report.dtype = engine.device, engine.dtype

    def wrote(self, written: WriteReport, reader: Reader) -> None:
        """What came of writing."""
        self.report.frames = written.frames
        self.report.frames_lost = reader.lost
        if reader.lost:
            self.note(f"{reader.lost} frames of the source could not be decoded; the output is shorter by them.")
        self.note(*reader.warnings)

    def finish(self) -> None:
        """Close the report."""
        unit = 1 if sys.platform == "darwin" else 1024
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
        self.report.peak_memory_mb = max(self.report.peak_memory_mb, own)

    def beside(self, facts: Mapping[str, Any]) -> None:
        """What another process, which did a part of the work, says of itself."""
        self.report.device, self.report.dtype = facts["device"], facts["dtype"]
        self.report.peak_memory_mb = max(self.report.peak_memory_mb, facts["peak_memory_mb"])

    @property
    def pictures(self) -> list[Picture]:
        """Those the report's page shows."""
        return self._pictures

    @property
    def depth(self) -> int:
        """Bits of the frames that engines see: 8, or 16 for deeper sources."""
        return 8 if self.info.bit_depth == 8 else 16

    @property
    def engine_options(self) -> EngineOptions:
        """The options the engine is made with: where fits are kept, and what a full device leaves, is decided here."""
        found = replace(self.options.engine, fits=self.job.fits) if self.job.kept else self.options.engine
        return replace(found, device="cpu", dtype="auto") if self.moved else found

    @property
    def wants_pictures(self) -> bool:
        """True if there will be a page to show them on."""
        return self.options.report is not None and self.options.report.suffix.lower() == ".html"

    @property
    def motion(self) -> MotionConfig:
        """How motion works under the preset; the paper's way has no fades from keyframes."""
        preset = self.options.engine.preset
        if preset == "paper":
            return replace(MotionConfig.for_preset("fast"), fade=0.0)
        return MotionConfig.for_preset(preset)

    def coverage(self, view: ShotView, session: Session, window: Window) -> dict[int, FrameCoverage]:
        """Coverage of the window's frames by frame; maps are kept for the telling ones.

        Where motion was not asked, the engine made up everything itself.
        """
        if isinstance(session, Accounting):
            maps = ((t, session.origin(t)) for t in range(window.start, window.stop))
            return {t: self._covered(t, one) for t, one in maps if one is not None}
        found = view.found(window)
        if found is None:
            holes = {t: float(view.hole(t).mean()) for t in range(window.start, window.stop)}
            return {t: FrameCoverage(t, area, 0.0, 0.0, 1.0) for t, area in holes.items() if area}
        return {t: self._covered(t, coverage_map(fill, found.size)) for t, fill in found.fills.items()}

    def _covered(self, t: int, coverage: U8) -> FrameCoverage:
        if t in self.telling:
            self._maps[t] = coverage
        return frame_coverage(t, coverage)

    def explained(self, session: Session, window: Window) -> None:
        """Keep what the engine has to show of the window's telling frames."""
        if isinstance(session, Explaining):
            self._views |= {t: session.views(t) for t in self.telling if window.start <= t < window.stop}

    def extra(self, covered: dict[int, FrameCoverage], session: Session, window: Window) -> Extra:
        """What the report will say and show of a window, to be kept with its patches."""
        told = [t for t in self.telling if window.start <= t < window.stop]
        arrays = {f"map {t}": self._maps[t] for t in told if t in self._maps}
        names = {t: [name for name, _ in self._views.get(t, ())] for t in told}
        arrays |= {f"view {t} {k}": view for t in told for k, (_, view) in enumerate(self._views.get(t, ()))}
        facts = {"covered": [asdict(c) for c in covered.values()], "views": names, "notes": list(session.notes)}
        return Extra(facts, arrays)

    def recall(self, extra: Extra, window: Window) -> dict[int, FrameCoverage] | None:
        """Coverage of a window an earlier run finished; None if it kept less than this run's report shows."""
        told = [t for t in self.telling if window.start <= t < window.stop]
        views = {int(t): names for t, names in extra.facts["views"].items()}
        if not set(told) <= set(views):
            return None
        self._maps |= {t: extra.arrays[f"map {t}"] for t in told if f"map {t}" in extra.arrays}
        for t in told:
            self._views[t] = [(name, extra.arrays[f"view {t} {k}"]) for k, name in enumerate(views[t])]
        self.note(*extra.facts["notes"])
        return {c["frame"]: FrameCoverage(**c) for c in extra.facts["covered"]}

    def picture(self, before: Frame, after: Frame, hole: Bool) -> None:
        """Keep one moment for the report's page, turned as it is displayed."""

        def shown(array: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(np.rot90(array, -self.info.rotation // 90))

        coverage = self._maps.get(before.index)
        self._pictures.append(
            Picture(
                before.index,
                shown(eight_bits(before.rgb())),
                shown(eight_bits(after.rgb())),
                shown(hole),
                None if coverage is None else shown(coverage),
                tuple((name, shown(view)) for name, view in self._views.get(before.index, ())),
            )
        )


def open_video(source: Path, options: RemoveOptions) -> VideoInfo:
    """Probe the input and hold it against the limits. Raises VideoError."""
    return _probed(source, options, options.stream)


def _probed(path: Path, options: RemoveOptions, stream: int | None = None) -> VideoInfo:
    """The facts of a video within ``--max-pixels`` and ``--max-frames``. Raises VideoError."""
    info = probe(path, stream, most_frames=options.max_frames, most_pixels=options.max_pixels)
    if info.height * info.width > options.max_pixels:
        raise VideoError(f"{path} has {info.width}x{info.height} pixels, more than --max-pixels {options.max_pixels}.")
    if info.n_frames > options.max_frames:
        raise VideoError(f"{path} has {info.n_frames} frames, more than --max-frames {options.max_frames}.")
    return info


def frame_range(info: VideoInfo, start: Moment | None, end: Moment | None) -> tuple[int, int]:
    """``(first, last)`` frame numbers, last excluded; an end beyond the video is the video's. Raises UsageError."""
    times: list[int] = []

    def number(moment: Moment) -> int:
        if moment.frame is not None:
            return moment.frame
        if not times:
            times.extend(timestamps(info))
        assert moment.seconds is not None
        return frame_at(times, info.time_base, moment.seconds)

    first = number(start) if start is not None else 0
    last = min(number(end), info.n_frames) if end is not None else info.n_frames
    if first >= info.n_frames:
        raise UsageError(f"--start lies behind the video's last frame, {info.n_frames - 1}f.")
    if first >= last:
        raise UsageError(f"The range {first}f to {last}f holds no frame.", "--end must lie behind --start.")
    return first, last


def survey(work: Work, reach: range | None = None) -> list[tuple[int, int]]:
    """Decode once to find the cuts, ``(start, stop)`` of each shot, and what can be decoded at all."""
    reach = range(work.first, work.last) if reach is None else reach
    before = work.job.read_json(SHOTS) if work.job.kept else None
    if isinstance(before, dict) and before.get("reach") == [reach.start, reach.stop]:
        return [(int(start), int(stop)) for start, stop in before["shots"]]
    work.events.stage("look for cuts", len(reach))

    def pictures() -> Iterator[tuple[int, np.ndarray]]:
        with Reader(work.info) as reader:
            for frame in reader.frames(reach.start, reach.stop):
                work.events.advance("look for cuts")
                yield frame.index, small(frame.rgb())

    with work.timed("look for cuts"):
        shots = find_shots(pictures())
    work.job.write_json(SHOTS, {"reach": [reach.start, reach.stop], "shots": shots})
    return shots


def mask_readers(options: RemoveOptions = _DEFAULTS) -> Readers:
    """How the masks room opens pictures and videos, within the limits for input."""

    def still(path: Path) -> tuple[Pixels, bool]:
        return read_mask(path, options.max_pixels)

    def video(path: Path) -> Iterator[Pixels]:
        with Reader(_probed(path, options)) as reader:
            for frame in reader.frames():
                yield frame.rgb()

    return Readers(still=still, video=video)
