"""The state of one video's work: facts, range, scratch, budgets, what the report will say."""

from __future__ import annotations

import contextlib
import hashlib
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from platformdirs import user_cache_path

from vrm.engines.base import Accounting, Engine, Explaining, Progress, Session, Window
from vrm.engines.coverage import coverage_map, frame_coverage
from vrm.engines.kept import video_key
from vrm.errors import OutputError, UsageError, VideoError
from vrm.events import Events, stages
from vrm.masks.source import Readers
from vrm.media.frame import Frame
from vrm.media.plan import OutputPlan
from vrm.media.probe import probe
from vrm.media.read import Reader
from vrm.media.stills import read_mask, write_png
from vrm.media.times import frame_at, timestamps
from vrm.media.write import WriteReport
from vrm.memory import bounded
from vrm.motion.propagate import MotionConfig
from vrm.options import EngineOptions, Moment, RemoveOptions
from vrm.report.html import Picture, render
from vrm.report.model import FrameCoverage, RemoveReport
from vrm.shots.cuts import find_shots, small
from vrm.shots.view import ShotView
from vrm.types import U8, Bool, Masks, Pixels, VideoInfo

_LIBRARIES = ("vrm", "torch", "numpy", "av", "opencv-python-headless")
_DEFAULT_GB = 3.0


@dataclass
class Work:
    """One job under way.

    Attributes:
        info, target, options, events: what ``remove`` was given, probed.
        scratch: private folder, gone when the work ends.
        first, last: the frames that are worked on, last excluded.
        report: filled as the work goes.
        progress: tells ``events`` how far a stage is.
        telling: frames that a page will show.
        exported: frames that ``--export-keyframes`` writes.
    """

    info: VideoInfo
    target: Path
    options: RemoveOptions
    events: Events
    scratch: Path
    first: int
    last: int
    report: RemoveReport
    progress: Progress
    telling: tuple[int, ...] = ()
    exported: Collection[int] = ()
    _pictures: list[Picture] = field(default_factory=list)
    _maps: dict[int, np.ndarray] = field(default_factory=dict)
    _views: dict[int, list[tuple[str, np.ndarray]]] = field(default_factory=dict)

    @classmethod
    def begin(cls, info: VideoInfo, target: Path, options: RemoveOptions, events: Events, scratch: Path) -> Work:
        """Resolve the range, refuse outputs that are in the way, and start the report."""
        for path in (options.report, options.mask.save_to, options.export_keyframes):
            _refuse_existing(path, options.output.overwrite)
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
        return cls(info, target, options, events, scratch, first, last, report, progress)

    def folder(self, name: str) -> Path:
        """A scratch folder of that name, made if need be."""
        path = self.scratch / name
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
        self.report.peak_memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

    @property
    def depth(self) -> int:
        """Bits of the frames that engines see: 8, or 16 for deeper sources."""
        return 8 if self.info.bit_depth == 8 else 16

    @property
    def engine_options(self) -> EngineOptions:
        """The options the engine is made with: where fits are kept is decided here."""
        if not self.options.resume:
            return self.options.engine
        # A network that learned the video with another object hidden has learned to paint this one.
        mask = self.options.mask
        goes = f"{mask.objects}{mask.invert}{mask.frame}{mask.static}" + (video_key(mask.path) if mask.path else "")
        if mask.points or mask.boxes or mask.classes:
            goes += f"{mask.points}{mask.boxes}{mask.classes}{mask.labels}{mask.segmenter}{mask.sam}"
        name = f"{video_key(self.info.path)}-{hashlib.sha256(goes.encode()).hexdigest()[:12]}"
        folder = user_cache_path("vrm") / "fits" / name
        return replace(self.options.engine, fits=folder)

    @property
    def _bound(self) -> float:
        return (self.options.engine.memory_gb or _DEFAULT_GB) * 1e9

    @property
    def frame_memory(self) -> int:
        """Bytes of decoded frames that may be kept in memory."""
        return int(self._bound * 0.1)

    @property
    def window_memory(self) -> int:
        """Bytes that motion may keep for one window."""
        # Things that move by themselves need trajectories of their own.
        return int(self._bound * (0.1 if self.options.engine.engine == "keyframe" else 0.2))

    @property
    def frame_disk(self) -> int:
        """Bytes of decoded frames that may be kept in scratch."""
        return 4 << 30

    @property
    def wants_pictures(self) -> bool:
        """True if there will be a page to show them on."""
        return self.options.report is not None and self.options.report.suffix.lower() == ".html"

    @property
    def motion(self) -> MotionConfig:
        """How motion works under the preset; the paper's never asks it."""
        preset = self.options.engine.preset
        return MotionConfig.for_preset("fast" if preset == "paper" else preset)

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

    def picture(self, before: Frame, after: Frame, hole: Bool) -> None:
        """Keep one moment for the report's page, turned as it is displayed."""

        def shown(array: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(np.rot90(array, -self.info.rotation // 90))

        coverage = self._maps.get(before.index)
        self._pictures.append(
            Picture(
                before.index,
                shown(_eight_bits(before.rgb())),
                shown(_eight_bits(after.rgb())),
                shown(hole),
                None if coverage is None else shown(coverage),
                tuple((name, shown(view)) for name, view in self._views.get(before.index, ())),
            )
        )


def open_video(source: Path, options: RemoveOptions) -> VideoInfo:
    """Probe the input and hold it against the limits. Raises VideoError."""
    info = probe(source, options.stream)
    if info.height * info.width > options.max_pixels:
        raise VideoError(
            f"{source} has {info.width}x{info.height} pixels, more than --max-pixels {options.max_pixels}."
        )
    if info.n_frames > options.max_frames:
        raise VideoError(f"{source} has {info.n_frames} frames, more than --max-frames {options.max_frames}.")
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


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A private folder for intermediate files, removed at the end whatever happens."""
    base = user_cache_path("vrm") / "scratch"
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=base))
    except OSError as error:
        raise OutputError(
            f"No scratch folder can be made in {base}: {error.strerror}.", "Set XDG_CACHE_HOME to a writable place."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def survey(work: Work, reach: range | None = None) -> list[tuple[int, int]]:
    """Decode once to find the cuts, ``(start, stop)`` of each shot, and what can be decoded at all."""
    reach = range(work.first, work.last) if reach is None else reach
    work.events.stage("look for cuts", len(reach))

    def pictures() -> Iterator[tuple[int, np.ndarray]]:
        with Reader(work.info) as reader:
            for frame in reader.frames(reach.start, reach.stop):
                work.events.advance("look for cuts")
                yield frame.index, small(frame.rgb())

    with work.timed("look for cuts"):
        return find_shots(pictures())


def mask_readers() -> Readers:
    """How the masks room opens pictures and videos."""

    def video(path: Path) -> Iterator[Pixels]:
        with Reader(probe(path)) as reader:
            for frame in reader.frames():
                yield frame.rgb()

    return Readers(still=read_mask, video=video)


def write_masks(work: Work, masks: Masks, folder: Path) -> None:
    """Masks of all frames as 0/255 PNGs named by frame number, in the displayed orientation."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for t in range(work.info.n_frames):
            turned = np.rot90(masks[t], -work.info.rotation // 90)
            write_png(folder / f"{t:05d}.png", turned.astype(np.uint8) * 255)
    except OSError as error:
        raise OutputError(f"Masks cannot be written to {folder}: {error.strerror}.") from error


def write_keyframe(work: Work, frame: Frame) -> None:
    """A cleaned frame as a PNG named by its number, in the displayed orientation, to be retouched and given back."""
    folder = work.options.export_keyframes
    assert folder is not None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Keyframes cannot be written to {folder}: {error.strerror}.") from error
    turned = np.ascontiguousarray(np.rot90(frame.rgb(), -work.info.rotation // 90))
    write_png(folder / f"{frame.index:05d}.png", cast(Pixels, turned))


def write_report(work: Work) -> None:
    """The report as a page or as JSON, where one was asked for."""
    path = work.options.report
    if path is None:
        return
    text = work.report.to_json() if path.suffix.lower() == ".json" else render(work.report, work._pictures)
    try:
        partial = path.with_name(path.name + ".part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"The report cannot be written to {path}: {error.strerror}.") from error


def versions() -> dict[str, str]:
    """Versions of vrm and of the libraries that shape the result."""
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _refuse_existing(path: Path | None, overwrite: bool) -> None:
    if path is None or overwrite:
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise OutputError(f"{path} exists.", "Choose another name or give --overwrite.")
    if path.suffix and not path.parent.is_dir():
        raise OutputError(f"{path.parent} is not a folder.", "Make it first.")


def _eight_bits(rgb: Pixels) -> np.ndarray:
    return rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8)
