"""One video labelled from end to end: ``vrm segment``, and the labels behind ``--class``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vrm.errors import OutputError
from vrm.events import Events, counted
from vrm.job.context import Job
from vrm.job.estimate import label_pieces
from vrm.job.resume import JobFolder
from vrm.job.scratch import scratch_folder, sweep
from vrm.media.frame.frame import Frame
from vrm.media.read.open_video import open_video
from vrm.media.read.reader import Reader
from vrm.media.write.png import write_png
from vrm.options.remove import EngineOptions, RemoveOptions
from vrm.options.segment import SegmentOptions
from vrm.selection.labels.base import Segmenter
from vrm.selection.labels.maps import ABOUT, LabelMaps, PrecomputedLabels
from vrm.selection.labels.registry import create_segmenter
from vrm.selection.labels.temporal_vote import LabelledFrame, TemporalVote
from vrm.selection.labels.writer import LabelWriter
from vrm.system.files import atomic_folder, atomic_write
from vrm.types import Pixels

_NOTHING = np.zeros((1, 1), np.uint8)


@dataclass
class SegmentReport:
    """The result of one ``vrm segment``.

    Attributes:
        frames: labelled; the model saw every Nth (``every``).
        flicker_before, flicker_after: share of pixels whose label changes along the flow, without and with the vote.
        seen: a row for each class, largest first (``LabelWriter.rows``).
        seconds, network_seconds: in all, and in the network.
    """

    input: str
    output: str
    frames: int = 0
    segmenter: str = ""
    taxonomy: str = ""
    device: str = ""
    dtype: str = ""
    every: int = 1
    flicker_before: float = 0.0
    flicker_after: float = 0.0
    seen: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    network_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def text(self) -> str:
        lines = [
            f"{'class':24s} {'category':10s} {'frames':>6s} {'first':>6s} {'last':>6s} {'things':>6s} {'area':>6s}"
        ]
        lines += [
            f"{row['class']:24s} {row['category']:10s} {row['frames']:6d} {row['first']:6d} {row['last']:6d} "
            f"{row['things'] or '':>6} {row['area']:6.1%}"
            for row in self.seen
        ]
        lines.append(
            f"{self.output}: {counted(self.frames, 'frame')}; labels that change along the motion: "
            f"{self.flicker_before:.2%} before the vote, {self.flicker_after:.2%} after; {self.seconds:.1f} s"
        )
        return "\n".join(lines)


def segment(source: Path, target: Path, options: SegmentOptions, events: Events) -> SegmentReport:
    """Label a video, or a folder of numbered frames; write maps, segments and a preview into the folder ``target``.

    The folder appears when it is complete, or not at all. Raises VrmError (see ``vrm.errors``).
    """
    begin = time.perf_counter()
    target = target.resolve()
    _check_target(target, [path for path in (source, options.labels) if path is not None], options.overwrite)
    whole = RemoveOptions(
        engine=options.engine, start=options.start, end=options.end, stream=options.stream, fps=options.fps,
        max_pixels=options.max_pixels, max_frames=options.max_frames,
    )  # fmt: skip
    info = open_video(source, options.max_pixels, options.max_frames, options.stream, options.fps)
    report = SegmentReport(str(source), str(target), every=options.every)
    sweep()
    with scratch_folder() as scratch, atomic_folder(target, "Labels") as folder:
        folder.mkdir()
        job = Job.begin(info, target, whole, events, JobFolder(scratch))
        if options.labels is not None:
            model: Segmenter = PrecomputedLabels(LabelMaps(options.labels, info, (job.first, job.last)))
        else:
            model = create_segmenter(options.segmenter, options.engine, job.note)
        job.events.expect(label_pieces(info, job.last - job.first))
        shots = job.find_shots()
        vote = TemporalVote(model, options.every)
        with LabelWriter(folder, info, vote.segment_ids, video=options.video, preview=options.preview) as writer:
            missing = set(range(job.first, job.last))
            for labelled, frame in _labelled(job, vote, shots):
                writer.add(labelled, frame)
                missing.discard(labelled.t)
                report.frames += 1
        if missing:
            job.note(f"No labels for {counted(len(missing), 'frame')}, undecodable; the first is {min(missing)}.")
        report.segmenter, report.taxonomy = model.name, model.taxonomy.name
        report.device, report.dtype = model.device, model.dtype
        report.flicker_before, report.flicker_after = vote.flicker.before, vote.flicker.after
        report.seen = list(writer.rows())
        report.notes, report.network_seconds = job.report.notes, vote.network_seconds
        about = {
            "video": source.name, "size": info.display_size, "first_frame": job.first, "frames": report.frames,
            "missing": sorted(missing), "every": options.every, "segmenter": model.name, "shots": shots,
            "flicker": {"before": report.flicker_before, "after": report.flicker_after},
        }  # fmt: skip
        writer.finish(about)
    report.seconds = time.perf_counter() - begin
    job.events.done(report)
    return report


def label_clips(
    clips: Sequence[tuple[Path, Path]], segmenter: str, engine: EngineOptions, note: Callable[[str], None]
) -> None:
    """Label those of several clips that have no label maps yet; each is kept when it is done. Raises as ``segment``.

    Each clip is a video, or a folder of frames, and the folder of its labels.
    """
    missing = [(source, target) for source, target in clips if not (target.is_dir() and any(target.iterdir()))]
    for n, (source, target) in enumerate(missing):
        note(f"Labelling {source}, {n + 1} of {len(missing)}.")
        segment(source, target, SegmentOptions(segmenter=segmenter, preview=False, engine=engine), Events())


def label_video(job: Job) -> Path:
    """Label the worked range with the segmenter that the mask options name, once for each job.

    The voted class of every pixel lies in the folder returned, in the job's scratch, for ``LabelMaps``.

    Raises VrmError: no segmenter is named, its weights are missing, or it has no class that the mask options name.
    """
    folder = job.scratch("labels")
    if (folder / ABOUT).exists():
        return folder
    model = create_segmenter(job.options.mask.segmenter, job.options.engine, job.note)
    if job.options.mask.classes:
        model.taxonomy.find(job.options.mask.classes)  # a misspelt name is told before hours of labelling
    vote = TemporalVote(model)
    missing = set(range(job.first, job.last))
    for labelled, _ in _labelled(job, vote, job.find_shots()):
        plane = np.rot90(vote.segment_ids.classes(labelled.voted), -job.info.rotation // 90)
        write_png(folder / f"{labelled.t:05d}.png", np.ascontiguousarray(plane))
        missing.discard(labelled.t)
    about = {
        "taxonomy": model.taxonomy.name, "classes": model.taxonomy.classes,
        "first_frame": job.first, "missing": sorted(missing),
    }  # fmt: skip
    atomic_write(folder / ABOUT, json.dumps(about))
    return folder


def _labelled(job: Job, vote: TemporalVote, shots: list[tuple[int, int]]) -> Iterator[tuple[LabelledFrame, Frame]]:
    """Labelled frames of the worked range, each with the times of the frame it was decoded from."""
    waiting: dict[int, Frame] = {}
    job.events.stage("label", shots[-1][1] - shots[0][0] if shots else 0)

    def pictures() -> Iterator[tuple[int, Pixels]]:
        with Reader(job.info) as reader:
            for frame in reader.frames(job.first, job.last):
                waiting[frame.index] = Frame.from_planes(
                    (_NOTHING,), frame.layout, frame.index, frame.pts, frame.duration, frame.time_base
                )
                yield frame.index, frame.rgb()

    with job.timed("label"):
        for labelled in vote(pictures(), {start for start, _ in shots}):
            job.events.advance("label")
            yield labelled, waiting.pop(labelled.t)


def _check_target(target: Path, sources: list[Path], overwrite: bool) -> None:
    """Refuse what would be lost: only an earlier result of ours is ever replaced."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not overwrite:
        raise OutputError(f"{target} exists.", "Choose another name or give --overwrite.")
    if not (target / ABOUT).is_file():
        raise OutputError(f"{target} was not made by vrm segment, and is not overwritten.", "Choose another name.")
    for path in sources:
        if path.resolve() == target or target in path.resolve().parents:
            raise OutputError(f"{target} holds the input {path}, and is not overwritten.", "Choose another name.")
