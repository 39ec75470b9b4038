"""One frame with its mask laid over it, at once: what a box, a click or a mask means, before anything is tracked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vrm.errors import UsageError
from vrm.events import Events
from vrm.job.context import Job
from vrm.job.preflight import refuse_clashes, refuse_existing
from vrm.job.resume import JobFolder
from vrm.job.scratch import scratch_folder
from vrm.media.read.open_video import open_video
from vrm.media.write.png import write_png
from vrm.options.remove import RemoveOptions
from vrm.report.frame import FrameReport
from vrm.selection.masks.load import LoadedMasks
from vrm.selection.masks.morphology import shape
from vrm.selection.overlay import overlay_picture
from vrm.selection.prompts.background_motion import prepare_evidence
from vrm.selection.prompts.base import Prompter
from vrm.selection.prompts.graph_cut import PixelGraph, smooth_lab
from vrm.selection.prompts.places import check_prompts, drawn
from vrm.selection.prompts.prompted_masks import HasFrames, PromptedMasks
from vrm.selection.resolve import frames_said, load_masks
from vrm.selection.text.select import select_text
from vrm.selection.tracking.features import GetFrame, shrink
from vrm.selection.tracking.scenes import Scene
from vrm.system.failures import translate_errors
from vrm.types import Bool, Masks, VideoInfo


def preview_mask(source: Path, target: Path, options: RemoveOptions, events: Events) -> FrameReport:
    """Write the first frame that something is said of as a PNG, with its mask and what was said laid over it.

    An outline that is unsure is shown, and named in the report. Raises VrmError as ``vrm.selection.resolve.track``.
    """
    with translate_errors(), scratch_folder() as scratch:
        check_overlay(target)
        info = open_video(source, options.max_pixels, options.max_frames, options.stream, options.fps)
        refuse_clashes(source, None, options, overlay=target)
        refuse_existing(target, options.output.overwrite)
        options = replace(options, mask=replace(options.mask, accept_unsure=True))
        job = Job.begin(info, target, options, events, JobFolder(scratch))
        if options.mask.classes and options.mask.labels is None:
            job.last = job.first + 1  # a model labels no more than is shown
        given = load_masks(job)
        t, others = frames_said(job, given)
        frames = job.open_frames()
        prompted = PromptedMasks(job, frames, [Scene(job.first, job.last)])
        of_text = None
        if given.text is not None:
            of_text, job.report.text_lines = select_text(job, job.find_shots(), frames, given.text, read_all=False)
            t = t if job.options.mask.of_things else next(of_text.frames(), t)
        mask = _grown(job, t, prompted.mask_of(t, given.loaded) | drawn(options.mask.rectangles, info))
        if of_text is not None:
            mask = mask | of_text[t]
        picture = overlay_picture(info, job.options.mask, t, frames.frame(t), mask)
        frames.close()
        write_png(target, picture)
        if options.mask.effects not in (None, "none"):
            job.note("Shadows and reflections are found by many frames: this one frame shows the mask alone.")
        if others:
            more = ", ".join(map(str, others[:5])) + (" ..." if len(others) > 5 else "")
            job.note(f"Only frame {t} is shown; what is said of frame {more} counts where the object is tracked to.")
    report = FrameReport(str(source), str(target), t, None, info.display_size, float(mask.mean()))
    report.unsure, report.notes = prompted.unsure, job.report.notes
    events.done(report)
    return report


@dataclass(frozen=True)
class OutlinedFrame:
    """What options mean on one frame.

    Attributes:
        mask: bool ``(H, W)``, in the stored orientation.
        confidence: of the outline that is least sure, 0 (a guess) to 1; None where nothing had to be outlined.
        unsure: see ``PromptedMasks``.
        notes: a sentence each.
    """

    mask: Bool
    confidence: float | None
    unsure: bool
    notes: tuple[str, ...]


def outline_frame(
    info: VideoInfo,
    options: RemoveOptions,
    t: int,
    frames: HasFrames,
    before: Bool | None = None,
    prompter: Prompter | None = None,
) -> OutlinedFrame:
    """The mask of frame t, as following starts from it; ``before`` is the mask that was followed to it, if any.

    For programs that ask often: ``frames`` and ``prompter`` (a SAM, say) are kept between calls. Raises VrmError.
    """
    with translate_errors(), scratch_folder() as scratch:
        options = replace(options, mask=replace(options.mask, accept_unsure=True))
        job = Job.begin(info, scratch, options, Events(), JobFolder(scratch))
        if options.mask.given:
            loaded = load_masks(job).loaded
        else:  # clicks on what stays alone correct what was followed
            check_prompts(job)
            loaded = LoadedMasks(Masks(info.size, info.n_frames), annotated=frozenset())
        if before is not None and loaded.masks.box(t) is None:
            loaded.masks[t] = before
        prompted = PromptedMasks(job, frames, [Scene(job.first, job.last)], prompter)
        mask = prompted.mask_of(t, loaded) | drawn(options.mask.rectangles, info)
    return OutlinedFrame(mask, prompted.confidence, prompted.unsure, tuple(job.report.notes))


def prepare_outlines(frame: GetFrame, t: int, span: tuple[int, int]) -> None:
    """Make ready what outlines on frame t will ask for: the flows around it, and what a process does but once.

    The first cut of a process imports parts of SciPy, and the first colours have OpenCV make its tables.
    """
    picture = smooth_lab(shrink(frame(t), 16))
    PixelGraph(picture).min_cut(picture[..., 0] - np.float32(picture[..., 0].mean()), 1.0)
    prepare_evidence(frame, t, span)


def check_overlay(path: Path) -> None:
    """Raise UsageError for a picture that is no PNG."""
    if path.suffix.lower() != ".png":
        raise UsageError(
            f"--overlay {path} is a video, which needs the masks of all frames.",
            "Add -o DIR for them, or write one frame at once: --overlay look.png.",
        )


def _grown(job: Job, t: int, mask: Bool) -> Bool:
    """The mask as ``vrm track`` would write it: enlarged only if that is asked for."""
    if job.options.mask.grow is None:
        return mask
    masks = Masks(job.info.size, job.info.n_frames)
    masks[t] = mask
    return np.asarray(shape(masks, [(t, t + 1)], job.options.mask, exact=False).holes[t])
