"""The context of one job: what is worked on, where scratch lies, what the user is told, what the report will say."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from vrm.errors import VideoError
from vrm.events import Events, Progress, counted, stages
from vrm.job.budget import frame_memory, frames_on_disk
from vrm.job.estimate import mask_pieces, planned, usual_filling, write_piece
from vrm.job.resume import SHOTS, JobFolder, open_folder, versions
from vrm.media.read.open_video import beyond_the_end, frame_range, place_in_time
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.options.remove import RemoveOptions
from vrm.report.facts import video_facts
from vrm.report.model import RemoveReport
from vrm.shots.cuts import find_shots, small
from vrm.shots.frame_cache import FrameCache
from vrm.shots.highlights import highlight_range
from vrm.system.files import writing
from vrm.system.forecast import Forecast, Piece
from vrm.system.memory import bounded, peak_mb
from vrm.types import Masks, VideoInfo

PREVIEW_SECONDS = 3


@dataclass
class Job:
    """One video under way.

    Attributes:
        folder: its scratch folder, and what an interrupted run left in it.
        first, last: the frames that are worked on, last excluded.
        events: the listener, told beside each stage how far the whole job is.
        report: filled as the work goes on.
        progress: tells ``events`` how far a stage is, and stops the work where ``--memory`` is exceeded.
        sureness: how sure following was of each frame, 0 (a guess) to 1 (as annotated), as far as it was followed.
    """

    info: VideoInfo
    target: Path
    options: RemoveOptions
    events: Forecast
    folder: JobFolder
    first: int
    last: int
    report: RemoveReport
    progress: Progress
    sureness: dict[int, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, info: VideoInfo, target: Path, options: RemoveOptions, events: Events, folder: JobFolder) -> Job:
        """Make frames of all times, set the threads and seed of OpenCV, and start the report.

        Raises UsageError: the range holds no frame, or something is beyond the end.
        """
        engine = options.engine
        cv2.setNumThreads(engine.cpu_threads)
        cv2.setRNGSeed(engine.seed)
        first, last = frame_range(info, options.start, options.end)
        options = replace(options, mask=place_in_time(options.mask, info))
        told = Forecast(events)
        progress = stages(told)
        if engine.memory_gb is not None:
            progress = bounded(progress, engine.memory_gb * 1e9)
        report = RemoveReport(
            str(info.path), str(target), datetime.now().astimezone().isoformat(timespec="seconds"),
            video_facts(info), engine=engine.engine, preset=engine.preset, threads=engine.cpu_threads,
            seed=engine.seed, options=asdict(options), versions=versions(),
        )  # fmt: skip
        job = cls(info, target, options, told, folder, first, last, report, progress)
        job.note(*folder.notes, beyond_the_end(info, options.end))
        return job

    @property
    def depth(self) -> int:
        """Bits of the frames that engines see: 8, or 16 for deeper sources."""
        return 8 if self.info.bit_depth == 8 else 16

    def scratch(self, name: str) -> Path:
        """A folder of that name in the scratch folder, made if need be. Raises OutputError."""
        path = self.folder.path / name
        with writing(f"Scratch cannot be written in {self.folder.path}"):
            path.mkdir(exist_ok=True)
        return path

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of the block to the report's stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.report.timings[stage] = self.report.timings.get(stage, 0.0) + time.perf_counter() - start

    def note(self, *texts: str | None) -> None:
        """Tell the user, once each, and put it into the report; None is passed over."""
        for text in texts:
            if text is not None and text not in self.report.notes:
                self.report.notes.append(text)
                self.events.note(text)

    def announce(self, kept: Iterable[str], lost: Iterable[str], notes: Iterable[str]) -> None:
        """What the output will and will not hold."""
        self.report.kept, self.report.lost = list(kept), list(lost)
        if self.info.interlaced:
            self.note("The video is interlaced; it is worked on as whole frames.")
        self.note(*notes, *(f"Lost: {what}" for what in self.report.lost))

    def expect(self, *, filling: bool = True, writing: bool = True) -> None:
        """Tell how far the whole job is from now on, as far as it is known before the masks are."""
        info, options, frames = self.info, self.options, self.last - self.first
        pieces = mask_pieces(info, options, frames)
        if filling and not options.dry_run:
            pieces.append(usual_filling(info, options.engine, frames))
        if writing and not options.dry_run:
            pieces.append(write_piece(info, info.n_frames))
        self.events.expect(pieces)

    def plan(self, filling: Iterable[Piece], holes: Masks, wanted: range) -> None:
        """The masks are known: tell what is about to be done, ``filling`` of the frames ``wanted`` and writing."""
        written = len(wanted) if self.options.preview else self.info.n_frames
        pieces = [*filling, write_piece(self.info, written)]
        plan = planned(holes, wanted, written, self.events.seconds(pieces))
        self.report.plan = asdict(plan)
        self.events.plan(plan)
        if not self.options.dry_run:
            self.events.expect(pieces)

    def find_shots(self, reach: range | None = None) -> list[tuple[int, int]]:
        """``(start, stop)`` of each shot within ``reach`` (by default all that is worked on); decodes that once."""
        reach = range(self.first, self.last) if reach is None else reach
        before = self.folder.read_json(SHOTS)
        if isinstance(before, dict) and before.get("reach") == [reach.start, reach.stop]:
            return [(int(start), int(stop)) for start, stop in before["shots"]]
        self.events.stage("look for cuts", len(reach))

        def pictures() -> Iterator[tuple[int, np.ndarray]]:
            with self.open_reader() as reader:
                for frame in reader.frames(reach.start, reach.stop):
                    self.events.advance("look for cuts")
                    yield frame.index, small(frame.rgb())

        with self.timed("look for cuts"):
            shots = find_shots(pictures())
        self.folder.write_json(SHOTS, {"reach": [reach.start, reach.stop], "shots": shots})
        return shots

    def open_frames(self, at_once: int = 1) -> FrameCache:
        """Random access to the frames, in the memory and on the disk that one of ``at_once`` processes may use."""
        folder = self.scratch("frames")
        memory, disk = frame_memory(self.options.engine), frames_on_disk(self.info, folder, at_once)
        return FrameCache(self.open_reader().frames, self.info.n_frames, folder, memory_bytes=memory, disk_bytes=disk)

    def range_to_write(self, holes: Masks) -> range:
        """The frames to be filled: all that is worked on; of a preview, the seconds in which most is removed."""
        if not self.options.preview:
            return range(self.first, self.last)
        return range(*highlight_range(holes, round(PREVIEW_SECONDS * self.info.frame_rate)))

    def open_reader(self) -> Reader:
        """The frames in order, as they are decoded."""
        return Reader(self.info)

    def wrote(self, frames: int, reader: Reader, lost: Sequence[str]) -> None:
        """How many frames were written, how many could not be decoded, what the decoder said, and all that is lost."""
        self.note(*(f"Lost: {what}" for what in lost if what not in self.report.lost))
        self.report.lost = list(lost)
        self.report.frames, self.report.frames_lost = frames, reader.lost
        with contextlib.suppress(VideoError):  # a kind of file that is written here, but not read
            self.report.result = video_facts(probe(self.target))
        if reader.lost:
            self.note(
                f"{counted(reader.lost, 'frame')} of the source could not be decoded; the output is shorter by that."
            )
        self.note(*reader.warnings)

    def finish(self) -> RemoveReport:
        self.report.peak_memory_mb = max(self.report.peak_memory_mb, peak_mb())
        return self.report


@contextlib.contextmanager
def open_job(info: VideoInfo, target: Path, options: RemoveOptions, events: Events) -> Iterator[Job]:
    """A job with a scratch folder; see ``resume.open_folder``, also for the errors."""
    with open_folder(info, target, options) as folder:
        yield Job.begin(info, target, options, events, folder)
