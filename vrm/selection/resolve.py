"""Which pixels go: masks from a file, a class, clicks or boxes, tracked through their shots, grown and feathered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vrm.errors import MaskError, UsageError
from vrm.events import Events
from vrm.job.context import Job
from vrm.job.preflight import refuse_clashes, refuse_existing
from vrm.job.resume import JobFolder
from vrm.job.scratch import scratch_folder
from vrm.job.side_outputs import FolderOutput, overlay_plan, write_masks, write_overlay
from vrm.media.read.open_video import open_video
from vrm.options.remove import RemoveOptions
from vrm.report.model import RemoveReport
from vrm.selection.labels.classes import labels_for_engine, load_classes
from vrm.selection.labels.dropouts import close_dropouts
from vrm.selection.masks.load import LoadedMasks, load
from vrm.selection.masks.morphology import ShapedMasks, shape
from vrm.selection.masks.source import mask_readers
from vrm.selection.prompts.prompted_masks import PromptedMasks, check_prompts
from vrm.selection.tracking.tracker import track_mask
from vrm.shots.frame_cache import FrameCache
from vrm.shots.windows import REACH
from vrm.system.failures import translate_errors
from vrm.types import U8, Masks

Shots = list[tuple[int, int]]


@dataclass(frozen=True)
class GivenMasks:
    """What the user gave, as far as it is known before any frame was looked at: masks, and whether prompts add to them.

    ``reach`` are the frames whose shots have to be known; all that is worked on where masks are to be tracked.
    """

    loaded: LoadedMasks
    prompted: bool
    reach: range

    @property
    def empty(self) -> bool:
        return self.loaded.masks.empty and not self.prompted


@dataclass(frozen=True)
class Selection:
    """Which pixels go; ``labels`` makes what engines that route by content ask for, see ``labels_for_engine``."""

    masks: ShapedMasks
    labels: Callable[[], Callable[[int], U8] | None]


def track(
    source: Path, target: Path, options: RemoveOptions, events: Events, overlay: Path | None = None
) -> RemoveReport:
    """Write the mask of every frame as PNGs, in the displayed orientation, into the folder ``target``.

    Masks are enlarged only if ``options.mask.grow`` says so; ``remove`` grows what it is given by itself. ``overlay``
    is a video to be written with the same masks laid over it.
    """
    with translate_errors(), scratch_folder() as scratch:
        info = open_video(source, options.max_pixels, options.max_frames, options.stream)
        refuse_clashes(source, target, options, whole=False, overlay=overlay)
        plan = None if overlay is None else overlay_plan(info, overlay, options.output.overwrite)
        for path in (options.report, target, options.export_keyframes):
            refuse_existing(path, options.output.overwrite)
        job = Job.begin(info, target, options, events, JobFolder(scratch))
        job.expect(filling=False, writing=plan is not None)
        given = load_masks(job)
        shots, frames = job.find_shots(), job.open_frames()
        masks = resolve(job, given, shots, frames).masks
        frames.close()
        shown = masks.objects if options.mask.grow is None else masks.holes
        with FolderOutput(target, "Masks") as out:
            write_masks(info, shown, out)
        if plan is not None:
            with job.timed("write"):
                write_overlay(info, shown, plan, lambda n: job.progress("write", n, info.n_frames))
    job.report.frames = info.n_frames
    job.report.masked_frames = sum(1 for _ in masks.objects.frames())
    job.finish()
    job.events.done(job.report)
    return job.report


def load_masks(job: Job) -> GivenMasks:
    """The masks as the user gave them, cut to the range that is worked on; prompts are checked, not yet followed.

    Raises UsageError: nothing says what should go; MaskError: a mask or a prompt does not fit the video.
    """
    options = job.options.mask
    if not options.given:
        raise UsageError("Nothing says what should go.", "Give --mask, --point, --box or --class.")
    with job.timed("masks"):
        check_prompts(job)
        if options.classes:
            loaded = load_classes(job)
        elif options.path is None:
            loaded = LoadedMasks(Masks(job.info.size, job.info.n_frames), annotated=frozenset())
        else:
            readers = mask_readers(job.options.max_pixels, job.options.max_frames)
            loaded = load(options, job.info, readers, (job.first, job.last))
    job.note(*loaded.notes)
    for t in list(loaded.masks.frames()):
        if not job.first <= t < job.last:
            if loaded.annotated is not None and t in loaded.annotated:
                raise MaskError(f"The mask belongs to frame {t}, outside the range {job.first}f to {job.last}f.")
            loaded.masks[t] = np.zeros(loaded.masks.size, np.bool_)
    prompted = bool(options.points or options.boxes)
    reach = range(job.first, job.last)
    if loaded.annotated is None and not prompted and not loaded.masks.empty:
        frames = list(loaded.masks.frames())
        reach = range(max(job.first, frames[0] - REACH), min(job.last, frames[-1] + 1 + REACH))
    return GivenMasks(loaded, prompted, reach)


def resolve(job: Job, given: GivenMasks, shots: Shots, frames: FrameCache) -> Selection:
    """The masks of all frames: as given, or found by tracking and prompts; then grown and feathered."""
    loaded = given.loaded
    masks = _of_all_frames(job, loaded, shots, frames)
    options = job.options.mask
    # A mask of every frame that is not to grow is meant exactly so.
    own = options.path is not None and loaded.annotated is None
    with job.timed("masks"):
        shaped = shape(masks, shots, options, exact=own and options.grow == 0)
        if own and shaped.closed:
            job.note(
                f"Masks that lack an object which the frames beside have: {shaped.closed}. It goes there too; with "
                "--grow 0 masks are taken exactly as they are."
            )
    return Selection(shaped, lambda: labels_for_engine(job, shaped.holes))


def _of_all_frames(job: Job, given: LoadedMasks, shots: Shots, frames: FrameCache) -> Masks:
    """Masks that took work to find are kept for a run that goes on after an interruption."""
    before = job.folder.read_masks(given.masks.size, given.masks.n_frames) if job.folder.kept else None
    if before is not None:
        job.note(*before[1])
        return before[0]
    said = len(job.report.notes)
    prompted = PromptedMasks(job, frames, shots)
    if job.options.mask.classes:
        given = close_dropouts(given.masks, frames.frame, shots, job.progress)
        job.note(*given.notes)
    masks = prompted.masks(given)
    if masks is None:
        if given.annotated is None:
            return given.masks
        masks = _tracked(job, given, given.annotated, shots, frames)
    job.folder.write_masks(masks, job.report.notes[said:])
    return masks


def _tracked(job: Job, given: LoadedMasks, annotated: frozenset[int], shots: Shots, frames: FrameCache) -> Masks:
    masks = Masks(given.masks.size, given.masks.n_frames)
    for start, stop in shots:
        known = {t: given.masks[t] for t in sorted(annotated) if start <= t < stop}
        if not known:
            continue
        job.note(f"The mask is followed from frame {min(known)} through its shot, frames {start} to {stop - 1}.")
        with job.timed("follow"):
            tracked = track_mask(frames.frame, known, start, stop, progress=job.progress)
        job.note(*tracked.notes)
        for t, mask in tracked.masks.items():
            masks[t] = mask
    if masks.empty:
        raise MaskError(
            f"Frame {min(annotated)}, which the mask belongs to, cannot be decoded.",
            "Give the mask of another frame with --mask-frame.",
        )
    return masks
