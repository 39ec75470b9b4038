"""One video from end to end: read, find what goes, fill it, paste it back, write.

    probe, plan the output -> masks (loaded, followed, shaped) -> shots -> windows: motion, engine -> patches
    -> decode again, paste under the mask only, encode, copy everything else

Nothing expensive starts before everything that can be refused has been checked, and the engine's result reaches the
output only through ``vrm.media.frame.composite``: outside the mask the samples are the decoder's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vrm.batch.windows import Workers, fill_beside
from vrm.engines.base import KEYFRAME_GRID, Engine
from vrm.engines.keyframe.user_keyframes import check_shots, export_times, judge_keyframe, load_keyframes
from vrm.engines.registry import create_engine
from vrm.engines.runner import Filling, frame_store
from vrm.errors import MaskError, OutOfMemory, UsageError
from vrm.events import Events
from vrm.job.budget import check_disk, check_memory, check_output_disk, hole_warning, in_words
from vrm.job.context import Work, mask_readers, open_video, survey
from vrm.job.preflight import refuse_clashes
from vrm.job.resume import MOVED, WINDOWS, Job, open_job
from vrm.job.scratch import scratch_folder, sweep
from vrm.job.side_outputs import FolderOutput, overlay_plan, write_keyframe, write_masks, write_overlay, write_report
from vrm.media.frame.composite import changed_outside, paste
from vrm.media.frame.frame import Frame
from vrm.media.read.reader import Reader
from vrm.media.write.plan import OutputPlan, plan_output
from vrm.media.write.writer import write_video
from vrm.motion.fill_cache import FrameFolder
from vrm.options.remove import RemoveOptions
from vrm.report.model import RemoveReport
from vrm.selection.masks.load import LoadedMasks, load
from vrm.selection.masks.morphology import ShapedMasks, shape
from vrm.selection.prompts.prompted_masks import Pointing, check_pointing, load_classes
from vrm.selection.tracking.tracker import follow
from vrm.shots.frame_cache import FrameStore
from vrm.shots.highlights import telling_frames, telling_stretch
from vrm.shots.patch_store import PatchStore, cut
from vrm.shots.windows import REACH
from vrm.system.memory import is_shortage
from vrm.types import Masks, Pixels

_PREVIEW_SECONDS = 3


def remove(
    source: Path,
    target: Path,
    options: RemoveOptions,
    events: Events,
    workers: Workers | None = None,
    at_once: int = 1,
) -> RemoveReport:
    """Remove what the masks cover from one video and write the result.

    Args:
        source: a video file or a folder of numbered frames.
        target: the video (or, for a folder, the folder) to write; it appears when it is complete, or not at all.
        options: everything else.
        events: told about stages, progress and everything the user should know.
        workers: processes that fill windows beside each other, or None: this one fills them one after another.
        at_once: processes that work on other videos and share the disk that scratch is on, this one included.

    Returns:
        What was done; also written to ``options.report`` where that is given.

    Raises:
        VrmError: see ``vrm.errors``; nothing is left behind.
    """
    with in_words():
        sweep()
        info = open_video(source, options)
        shown = replace(info, width=2 * info.width) if options.preview else info
        plan = plan_output(shown, target, options.output, copy_streams=not options.preview)
        refuse_clashes(source, target, options)
        check_memory(info, options)
        with open_job(info, target, options) as job:
            work = Work.begin(info, target, options, events, job)
            work.say(plan)
            check_output_disk(info, plan, options, work.note)
            loaded = _load(work)
            with FolderOutput(options.mask.save_to or target, "Masks") as saved:
                if loaded.masks.empty and not (options.mask.points or options.mask.boxes):
                    made = _Made(_unshaped(loaded.masks), PatchStore(work.folder(WINDOWS)), work.first, work.last)
                else:
                    made = _make(work, loaded, workers, saved, at_once)
                _write(work, plan, made)
                saved.finish()
            work.finish()
            if options.report is not None:
                write_report(work.report, work.pictures, options.report)
    events.done(work.report)
    return work.report


def track(
    source: Path, target: Path, options: RemoveOptions, events: Events, overlay: Path | None = None
) -> RemoveReport:
    """Write the mask of every frame as PNGs, in the displayed orientation, into the folder ``target``.

    Masks are enlarged only if ``options.mask.grow`` says so; ``remove`` grows what it is given by itself. ``overlay``
    is a video to be written with the same masks laid over it.
    """
    with in_words(), scratch_folder() as scratch:
        info = open_video(source, options)
        refuse_clashes(source, target, options, whole=False, overlay=overlay)
        plan = None if overlay is None else overlay_plan(info, overlay, options.output.overwrite)
        saved = replace(options, mask=replace(options.mask, save_to=target))
        work = Work.begin(info, target, saved, events, Job(scratch))
        loaded = _load(work)
        shots = survey(work)
        store = frame_store(work)
        shaped = _shape(work, loaded, _follow(work, loaded, shots, store), shots)
        store.close()
        shown = shaped.objects if options.mask.grow is None else shaped.holes
        with FolderOutput(target, "Masks") as out:
            write_masks(info, shown, out)
            out.finish()
        if plan is not None:
            with work.timed("write"):
                write_overlay(info, shown, plan, lambda n: work.progress("write", n, info.n_frames))
    work.report.frames = info.n_frames
    work.report.masked_frames = sum(1 for _ in shaped.objects.frames())
    work.finish()
    events.done(work.report)
    return work.report


@dataclass
class _Made:
    """What goes into the output: masks, patches, and the frames that were worked on."""

    masks: ShapedMasks
    patches: PatchStore
    first: int
    last: int


def _load(work: Work) -> LoadedMasks:
    """The masks as the user gave them, cut to the range that is worked on."""
    options = work.options.mask
    if not options.given:
        raise UsageError("Nothing says what should go.", "Give --mask, --point, --box or --class.")
    with work.timed("masks"):
        check_pointing(work)
        if options.classes:
            loaded = load_classes(work)
        elif options.path is None:
            loaded = LoadedMasks(Masks(work.info.size, work.info.n_frames), annotated=frozenset())
        else:
            loaded = load(options, work.info, mask_readers(work.options), (work.first, work.last))
    work.note(*loaded.notes)
    for t in list(loaded.masks.frames()):
        if not work.first <= t < work.last:
            if loaded.annotated is not None and t in loaded.annotated:
                raise MaskError(f"The mask belongs to frame {t}, outside the range {work.first}f to {work.last}f.")
            loaded.masks[t] = np.zeros(loaded.masks.size, np.bool_)
    return loaded


def _make(work: Work, loaded: LoadedMasks, workers: Workers | None, saved: FolderOutput, at_once: int) -> _Made:
    """Everything between reading and writing: shots, following, shaping, filling."""
    options = work.options.mask
    engine = _engine(work)  # first: it refuses what this machine lacks
    work.used(engine)
    kept = FrameFolder(work.folder("keyframes"))
    keyframes = load_keyframes(work.options.engine.keyframes, work.info, work.depth, work.options.max_pixels, kept)
    work.note(*keyframes.notes)
    reach = range(work.first, work.last)
    if loaded.annotated is None and not options.points and not options.boxes:
        frames = list(loaded.masks.frames())
        reach = range(max(work.first, frames[0] - REACH), min(work.last, frames[-1] + 1 + REACH))
    shots = survey(work, reach)
    store = frame_store(work, at_once)
    masks = _shape(work, loaded, _follow(work, loaded, shots, store), shots)
    if options.save_to is not None:
        write_masks(work.info, masks.objects, saved)
    work.note(*filter(None, [hole_warning(work.info, work.options.engine, masks.holes)]))
    if engine.name == "keyframe":
        check_shots(shots, masks.holes, keyframes.images, engine.generates)
        for t in keyframes.images:
            if work.first <= t < work.last:
                work.note(*filter(None, [judge_keyframe(t, keyframes.images[t], store.frame(t), masks.holes[t])]))
    if work.options.export_keyframes is not None:
        work.exported = export_times(shots, masks.holes, keyframes.images, KEYFRAME_GRID)
    first, last = work.first, work.last
    if work.options.preview:
        first, last = telling_stretch(masks.holes, round(_PREVIEW_SECONDS * work.info.frame_rate))
    if work.wants_pictures:
        work.telling = tuple(telling_frames(masks.holes, shots))
    inside = [shot for shot in shots if shot[0] < last and shot[1] > first]
    check_disk(work.info, work.job.folder, masks.holes, inside, workers.at_once if workers else 1)
    filling = Filling(work, engine, masks, store, keyframes.images)
    stretches = filling.stretches(inside, range(first, last))
    if workers is not None and not work.moved:  # they have the same device
        fill_beside(work, engine, masks.holes, filling, stretches, workers)
    patches = filling.run(stretches)
    store.close()
    return _Made(masks, patches, first, last)


def _engine(work: Work) -> Engine:
    """The job's engine; on the processor, with a note, where the device has no room even for the network.

    Raises:
        OutOfMemory: there is no room for it, and ``--no-fallback`` was given, or it is the processor's memory.
    """
    asked = work.options.engine
    work.moved = work.job.kept and work.job.read_json(MOVED) is True
    if not work.moved:
        try:
            return create_engine(work.engine_options)
        except Exception as error:
            if not (isinstance(error, OutOfMemory) or is_shortage(error)) or asked.device == "cpu":
                raise
            if not asked.fallback:
                raise OutOfMemory(
                    "The device has no room for the network, and --no-fallback forbids to go on with less.",
                    "Free its memory, or give --device cpu.",
                ) from error
        work.moved = True
        work.job.write_json(MOVED, True)
    work.note("The device has no room for the network: the work is done with the processor.")
    return create_engine(work.engine_options)


def _follow(work: Work, loaded: LoadedMasks, shots: list[tuple[int, int]], store: FrameStore) -> Masks:
    """The masks of all frames: as they are, or found by following and outlining; those are kept for a later run."""
    before = work.job.read_masks(loaded.masks.size, loaded.masks.n_frames) if work.job.kept else None
    if before is not None:
        work.note(*before[1])
        return before[0]
    said = len(work.report.notes)
    masks = _found(work, loaded, shots, store)
    if masks is not loaded.masks:
        work.job.write_masks(masks, work.report.notes[said:])
    return masks


def _found(work: Work, loaded: LoadedMasks, shots: list[tuple[int, int]], store: FrameStore) -> Masks:
    """The masks, or, where only single frames are annotated, those masks followed through their shots."""
    pointed = Pointing(work, store, shots).masks(loaded)
    if pointed is not None:
        return pointed
    if loaded.annotated is None:
        return loaded.masks
    masks = Masks(loaded.masks.size, loaded.masks.n_frames)
    for start, stop in shots:
        annotated = {t: loaded.masks[t] for t in sorted(loaded.annotated) if start <= t < stop}
        if not annotated:
            continue
        work.note(f"The mask is followed from frame {min(annotated)} through its shot, frames {start} to {stop - 1}.")
        with work.timed("follow"):
            tracked = follow(store.frame, annotated, start, stop, progress=work.progress)
        work.note(*tracked.notes)
        for t, mask in tracked.masks.items():
            masks[t] = mask
    if masks.empty:
        raise MaskError(
            f"Frame {min(loaded.annotated)}, which the mask belongs to, cannot be decoded.",
            "Give the mask of another frame with --mask-frame.",
        )
    return masks


def _shape(work: Work, loaded: LoadedMasks, masks: Masks, shots: list[tuple[int, int]]) -> ShapedMasks:
    # Who gives a mask of every frame and says that none is to grow means exactly those.
    own = work.options.mask.path is not None and loaded.annotated is None
    with work.timed("masks"):
        shaped = shape(masks, shots, work.options.mask, exact=own and work.options.mask.grow == 0)
        if own and shaped.closed:
            work.note(
                f"Masks that lack an object which the frames beside have: {shaped.closed}. It goes there too; with "
                "--grow 0 masks are taken exactly as they are."
            )
    return shaped


def _unshaped(masks: Masks) -> ShapedMasks:
    return ShapedMasks(holes=masks, objects=masks, grow=0, feather=0)


def _write(work: Work, plan: OutputPlan, made: _Made) -> None:
    """Decode the video again, paste, encode, and copy everything else."""
    whole = not work.options.preview
    first, last = (0, None) if whole else (made.first, made.last)
    total = work.info.n_frames if whole else made.last - made.first
    with FolderOutput(work.options.export_keyframes or work.target, "Keyframes") as exported:
        with work.timed("write"), Reader(work.info) as reader:
            frames = (_pasted(work, made, frame, exported) for frame in reader.frames(first, last))
            pairs = ((after if whole else _side_by_side(before, after)) for before, after in frames)
            written = write_video(
                plan, pairs, part=not whole, progress=lambda n: work.progress("write", n, total), ready=work.job.ready
            )
            work.wrote(written, reader)
        exported.finish()


def _pasted(work: Work, made: _Made, frame: Frame, exported: FolderOutput) -> tuple[Frame, Frame]:
    """A frame as decoded and as written; checked: nothing outside the mask differs."""
    t = frame.index
    shaped = made.masks.alpha(t) if t in made.patches else None
    if shaped is None:
        return frame, frame
    box, alpha = shaped
    after = paste(frame, cut(made.patches[t], box), alpha, box)
    changed = changed_outside(frame, after, alpha, box)
    if changed:
        raise RuntimeError(f"frame {t}: {changed} samples outside the mask would have changed")
    work.report.masked_frames += 1
    if t in work.exported:
        write_keyframe(work.info, after, exported)
    if t in work.telling:
        work.picture(frame, after, made.masks.holes[t])
    return frame, after


def _side_by_side(before: Frame, after: Frame) -> Frame:
    """Both pictures in one of double width."""
    planes: list[Pixels] = []
    for one, other in zip(before.planes, after.planes, strict=True):
        double: Pixels = np.empty((one.shape[0], 2 * one.shape[1]), one.dtype.type)
        double[:, : one.shape[1]], double[:, one.shape[1] :] = one, other
        planes.append(double)
    return replace(after, native=None, template=None, replaced=tuple(planes))
