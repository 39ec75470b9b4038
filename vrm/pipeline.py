"""One video from end to end: the story of ``vrm remove`` on one page.

    open, plan, refuse what cannot be -> masks: loaded, tracked, grown -> shots -> windows: motion, engine -> patches
    -> decode again, composite under the mask only, encode, copy everything else

Nothing expensive starts before everything that can be refused has been checked, and the engine's result reaches the
output only through ``composite``: outside the mask the pixels are the decoder's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vrm.engines.runner import EngineInputs, EngineRunner
from vrm.engines.window_tasks import Workers, hand_out
from vrm.events import Events
from vrm.job.context import Job, open_job
from vrm.job.preflight import check_filling, preflight
from vrm.job.side_outputs import SideOutputs
from vrm.media.frame.composite import composite, side_by_side
from vrm.media.frame.frame import Frame
from vrm.media.read.open_video import open_video
from vrm.media.write.plan import OutputPlan, plan_output
from vrm.media.write.writer import write_video
from vrm.options.remove import RemoveOptions
from vrm.report.model import RemoveReport
from vrm.selection.resolve import Selection, load_masks, resolve
from vrm.system.failures import translate_errors


def remove(
    source: Path,
    target: Path,
    options: RemoveOptions,
    events: Events,
    workers: Workers | None = None,
    at_once: int = 1,
) -> RemoveReport:
    """Remove what the masks cover from one video and write the result; a dry run stops once it is planned.

    Args:
        source: a video file or a folder of numbered frames.
        target: the video (or, for a folder, the folder) to write; it appears when it is complete, or not at all.
        options: everything else.
        events: told about stages, progress and everything the user should know.
        workers: processes that fill windows beside each other, or None: this one fills them one after another.
        at_once: processes that work on other videos and share the disk that scratch is on, this one included.

    Returns:
        What was done, or only ``plan`` of it; also written to ``options.report`` where that is given.

    Raises:
        VrmError: see ``vrm.errors``; nothing is left behind.
    """
    with translate_errors():
        info = open_video(source, options.max_pixels, options.max_frames, options.stream, options.fps)
        output = plan_output(info, target, options.output, side_by_side=options.preview)
        notes = preflight(source, target, info, output, options)
        options = options.stripped if options.dry_run else options
        with open_job(info, target, options, events) as job, SideOutputs(job) as outputs:
            job.announce(output.kept, output.lost, (*output.notes, *notes))
            job.expect()
            given, at_once_here = load_masks(job), workers.at_once if workers else 1
            if given.empty:
                job.plan([], given.loaded.masks, range(job.first, job.last))
                if not options.dry_run:
                    write(job, output, outputs, range(job.first, job.last))
            else:
                engine = EngineRunner(job)  # first: it refuses what this machine lacks
                shots = job.find_shots(given.around if engine.looks_beyond else given.inside)
                frames = job.open_frames(at_once)
                selection = resolve(job, given, shots, frames)
                holes = selection.masks.holes
                outputs.choose(selection.masks.objects, selection.effects, holes, shots, engine.keyframes)
                wanted = job.range_to_write(holes)
                job.note(check_filling(info, options, job.folder.path, holes, shots, wanted, at_once_here))
                inputs = EngineInputs(frames, selection.hidden, engine.keyframes, selection.labels)
                engine.plan(inputs, selection.shots, wanted, outputs.highlights)
                job.plan(engine.pieces(at_once_here), holes, wanted)
                if not options.dry_run:
                    fill(job, engine, workers)
                    selection.compare(frames, engine.patches)
                frames.close()
                if not options.dry_run:
                    outputs.explain(engine.coverage.maps, engine.coverage.views)
                    write(job, output, outputs, wanted, selection, engine)
            outputs.finish(job.finish())
    if not options.dry_run:
        job.events.done(job.report)
    return job.report


def fill(job: Job, engine: EngineRunner, workers: Workers | None) -> None:
    """Fill window after window; those that an interrupted run or other processes have finished are taken over."""
    if workers is not None:
        hand_out(job, engine, workers)
    for window in engine.windows():
        if not engine.restore(window):
            engine.fill(window)


def write(
    job: Job,
    output: OutputPlan,
    outputs: SideOutputs,
    wanted: range,
    selection: Selection | None = None,
    engine: EngineRunner | None = None,
) -> None:
    """Decode the video again, composite, encode, and copy everything else; a preview is of the frames ``wanted``."""
    preview = job.options.preview
    first, last = (wanted.start, wanted.stop) if preview else (0, None)
    total = len(wanted) if preview else job.info.n_frames

    def composited() -> Iterator[Frame]:
        for before in reader.frames(first, last):
            t, after = before.index, before
            if selection is not None and engine is not None and t in engine.patches:
                shape = selection.masks.alpha(t)
                if shape is not None:
                    after = composite(before, selection.restored(before, engine.patches[t]), *shape)
                    outputs.observe(before, after, selection.masks.holes[t])
            yield side_by_side(before, after) if preview else after

    with job.timed("write"), job.open_reader() as reader:
        written = write_video(
            output,
            composited(),
            part=preview,
            progress=lambda done: job.progress("write", done, total),
            ready=job.folder.ready,
        )
        job.wrote(written.frames, reader, written.lost)
