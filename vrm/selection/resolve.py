"""Which pixels go: masks from a file, a class, clicks or boxes, tracked through their shots, grown and feathered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from vrm.errors import MaskError, UsageError
from vrm.events import Events, counted
from vrm.job.context import Job
from vrm.job.preflight import refuse_clashes, refuse_existing
from vrm.job.resume import EFFECTS, MASKS, MIRRORS, SHADOWS, TEXT, TEXT_LINES, JobFolder
from vrm.job.scratch import scratch_folder
from vrm.job.side_outputs import FolderOutput, write_masks, write_subtitles
from vrm.media.frame.frame import Frame
from vrm.media.read.open_video import open_video
from vrm.media.write.png import write_png
from vrm.options.remove import RemoveOptions
from vrm.options.values import BoxPrompt
from vrm.report.model import RemoveReport, TextLine
from vrm.selection.effects.find import FoundEffects, find_effects
from vrm.selection.effects.mirror import FoundMirror, Mirror
from vrm.selection.effects.relight import Relighting
from vrm.selection.effects.unmix import Fills, Unmixing
from vrm.selection.labels.classes import check_labels, labels_for_engine, load_classes
from vrm.selection.labels.dropouts import close_dropouts
from vrm.selection.masks.load import LoadedMasks, check_coverage, load
from vrm.selection.masks.morphology import ShapedMasks, shape
from vrm.selection.masks.source import mask_readers
from vrm.selection.overlay import overlay_picture, overlay_plan, write_overlay
from vrm.selection.prompts.places import add_rectangles, check_prompts, drawn
from vrm.selection.prompts.prompted_masks import PromptedMasks, followed_from
from vrm.selection.text.reader import TextReader
from vrm.selection.text.select import check_area, select_text
from vrm.selection.tracking.scenes import Scene, find_scenes, in_words, runs
from vrm.selection.tracking.tracker import loss_notes, track_mask
from vrm.shots.frame_cache import FrameCache
from vrm.shots.windows import REACH, context_reach
from vrm.system.failures import translate_errors
from vrm.types import U8, Masks, Patch

Shots = list[tuple[int, int]]

FOLLOWED = 24
"""Frames beyond the range that a mask is followed to, so that they can show what it hides on those of the range."""
_SAID = 3
"""Places that a note lists before it counts."""


@dataclass(frozen=True)
class GivenMasks:
    """What the user gave, as far as it is known before any frame was looked at: masks, and whether prompts add to them.

    ``inside`` are the frames of the range whose shots have to be known, none if nothing goes; ``around`` are these and
    the frames beyond the range that may show what the object hides. ``text`` finds the text that goes, where it does.
    """

    loaded: LoadedMasks
    prompted: bool
    inside: range
    around: range
    text: TextReader | None = None

    @property
    def empty(self) -> bool:
        return not self.inside

    @property
    def followed(self) -> bool:
        """Masks of single frames, or prompts, are followed to the others."""
        return self.loaded.annotated is not None or self.prompted


@dataclass(frozen=True)
class Selection:
    """Which pixels go.

    Attributes:
        masks: of the frames that are worked on, with the effects of what is removed.
        effects: those alone, as far as they are not in the masks that were given or found.
        hidden: the holes of these, and what must not be taken for background on frames around them.
        shots: as far as ``hidden`` is known.
        labels: makes what engines that route by content ask for, see ``labels_for_engine``.
        relit, unmixed: give fills, frame after frame, what is seen of the ground under shadows and under reflections.
    """

    masks: ShapedMasks
    effects: Masks
    hidden: Masks
    shots: Shots
    labels: Callable[[], Callable[[int], U8] | None]
    relit: Relighting
    unmixed: Unmixing

    def compare(self, frames: FrameCache, fills: Fills) -> None:
        """Measure effects by what was filled; before ``restored``."""
        self.unmixed.measure(frames.frame, fills)

    def restored(self, frame: Frame, patch: Patch) -> Patch:
        """A frame's fill with what is seen of the ground under effects; frames come in order."""
        return self.unmixed(frame, self.relit(frame, patch))


Observer = Callable[[Job, Selection], None]


def track(
    source: Path,
    target: Path,
    options: RemoveOptions,
    events: Events,
    overlay: Path | None = None,
    observe: Observer | None = None,
) -> RemoveReport:
    """Write the mask of every frame as PNGs, in the displayed orientation, into the folder ``target``.

    Masks are enlarged only if ``options.mask.grow`` says so; ``remove`` grows what it is given by itself. ``overlay``
    is a video to be written with the same masks laid over it, or a PNG of the first frame that something is said of.
    ``observe`` is told what was found before it is written.
    """
    with translate_errors(), scratch_folder() as scratch:
        info = open_video(source, options.max_pixels, options.max_frames, options.stream, options.fps)
        refuse_clashes(source, target, options, whole=False, overlay=overlay)
        picture = overlay if overlay is not None and overlay.suffix.lower() == ".png" else None
        video = (
            overlay_plan(info, overlay, options.output.overwrite) if overlay is not None and picture is None else None
        )
        for path in (options.report, target, options.export_keyframes, options.mask.text.srt, picture):
            refuse_existing(path, options.output.overwrite)
        options = replace(options, mask=replace(options.mask, effects=options.mask.effects or "none"))
        job = Job.begin(info, target, options, events, JobFolder(scratch))
        job.expect(filling=False, writing=video is not None)
        given = load_masks(job)
        shots, frames = job.find_shots(), job.open_frames()
        selection = resolve(job, given, shots, frames, read_text=True)
        masks, effects = selection.masks, selection.effects
        shown = masks.objects if options.mask.grow is None else masks.holes
        if observe is not None:
            observe(job, selection)
        if picture is not None:
            t = frames_said(job, given)[0] if job.options.mask.of_things else next(shown.frames(), job.first)
            write_png(picture, overlay_picture(info, job.options.mask, t, frames.frame(t), shown[t], effects[t]))
        frames.close()
        with FolderOutput(target, "Masks") as out:
            write_masks(info, shown, out)
            if given.text is not None:
                lines = [asdict(line) for line in job.report.text_lines]
                out.add_text("text.json", json.dumps(lines, ensure_ascii=False, indent=1))
        write_subtitles(job.report, job.options)
        if video is not None:
            with job.timed("write"):
                write_overlay(
                    info, shown, effects, job.options.mask, video, lambda n: job.progress("write", n, info.n_frames)
                )
    job.report.frames = info.n_frames
    job.report.masked_frames = sum(1 for _ in masks.objects.frames())
    job.report.overlay = "" if overlay is None else str(overlay)
    job.finish()
    job.events.done(job.report)
    return job.report


def load_masks(job: Job) -> GivenMasks:
    """The masks as the user gave them; prompts are checked, not yet followed.

    What is masked outside the range stays as it is, but tells what must not be taken for background there.

    Raises UsageError: nothing says what should go; MaskError: a mask or a prompt does not fit the video.
    """
    options = job.options.mask
    if not options.given:
        raise UsageError("Nothing says what should go.", "Give --mask, --point, --box, --class or --text.")
    with job.timed("masks"):
        check_area(options.text.area, job.info)
        reader = TextReader(job.options.engine.cpu_threads) if options.text.kind is not None else None
        check_prompts(job)
        if not options.classes:
            check_labels(job)
        if options.classes:
            loaded = load_classes(job)
        elif options.path is None:
            empty = Masks(job.info.size, job.info.n_frames)
            loaded = LoadedMasks(empty, annotated=frozenset() if options.of_things else None)
        else:
            readers = mask_readers(job.options.max_pixels, job.options.max_frames)
            loaded = load(options, job.info, readers, (job.first, job.last))
        if options.static and options.boxes:
            add_rectangles(options.boxes, job.info, loaded.masks)
            odd = check_coverage(loaded.masks, job.info.n_frames, "Give a smaller --box.")
            loaded = replace(loaded, annotated=None, notes=(*loaded.notes, *odd))
        if options.rectangles and drawn(options.rectangles, job.info).all():
            raise MaskError("--static-box covers the whole picture, so there is nothing to fill it from.", "Give less.")
    job.note(*loaded.notes)
    outside = [t for t in sorted(loaded.annotated or ()) if not job.first <= t < job.last]
    if outside:
        raise MaskError(f"The mask belongs to frame {outside[0]}, outside the range {job.first}f to {job.last}f.")
    prompted = bool(options.prompts)
    followed = prompted or loaded.annotated is not None
    inside = beyond = range(job.first, job.last)
    if not loaded.range_only and not options.classes:  # else nothing says what the object hides beyond
        by = FOLLOWED if followed else context_reach(job.info.frame_rate)
        beyond = range(max(0, job.first - by), min(job.info.n_frames, job.last + by))
    everywhere = bool(options.rectangles) or reader is not None
    if not prompted and not everywhere and (loaded.annotated is None or loaded.masks.empty):
        masked = list(loaded.masks.within(inside).frames())
        if not masked and not loaded.masks.empty:
            job.note("The mask is empty on every frame of the range: the video passes through.")
        near = range(masked[0] - REACH, masked[-1] + 1 + REACH) if masked else range(0)
        inside, beyond = _common(inside, near), _common(beyond, near)
        if options.static and inside and len(beyond) > len(inside):
            job.note(
                "What the mask covers counts as hidden outside the range too. If the thing is in view in the range "
                "only, masks of all frames, black outside the range, let more be found."
            )
    return GivenMasks(loaded, prompted, inside, beyond, reader)


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def frames_said(job: Job, given: GivenMasks) -> tuple[int, list[int]]:
    """The first frame that the user said something of, and all others."""
    options = job.options.mask
    masked = set(given.loaded.annotated or ()) or set(list(given.loaded.masks.frames())[:1])
    adding = {p.frame for p in options.prompts if isinstance(p, BoxPrompt) or not p.keep} | masked
    first = min(adding, default=job.first)
    return first, sorted((adding | {p.frame for p in options.prompts}) - {first})


def resolve(job: Job, given: GivenMasks, shots: Shots, frames: FrameCache, read_text: bool = False) -> Selection:
    """The masks of all frames: as given, or found by tracking and prompts; then grown and feathered.

    Text is masked by its strokes; ``read_text``: what it says is asked for, whatever the options.
    """
    loaded, options = given.loaded, job.options.mask
    span = range(job.first, job.last)
    text = _text(job, given.text, shots, frames, read_text) if given.text is not None else None
    masks = _of_all_frames(job, given, shots, frames)
    if given.followed:
        shots = _as_far_as_followed(masks, shots, span)
    found = _effects(job, given, masks, shots, frames)
    effects, things = found.masks, masks
    if options.rectangles:
        masks = masks.within(range(masks.n_frames))
        add_rectangles(options.rectangles, job.info, masks)
    # A mask of every frame that is not to grow is meant exactly so.
    own = (options.path is not None or options.static) and not options.classes and loaded.annotated is None
    with job.timed("masks"):
        shaped = shape(masks.united(effects), shots, options, exact=own and options.grow == 0)
        if own and shaped.closed:
            job.note(
                f"Masks that lack an object which the frames beside have: {shaped.closed}. It goes there too; with "
                "--grow 0 masks are taken exactly as they are."
            )
    if text is not None:  # its strokes have the margin they need
        shaped = shaped.joined(text, options.grow or 0)
    holes = shaped.holes.within(span)
    worked_on = replace(shaped, objects=shaped.objects.within(span), holes=holes)
    shown = effects.within(span)
    relit = Relighting(worked_on, found.shadows.within(span), shots)
    unmixed = Unmixing(things, shown, found.mirrors, job.info.rotation // 90)
    return Selection(worked_on, shown, shaped.holes, shots, lambda: labels_for_engine(job, holes), relit, unmixed)


def _as_far_as_followed(masks: Masks, shots: Shots, span: range) -> Shots:
    """The shots cut where the object was lost beyond the range ``span``: who knows what it hides from there on."""
    first, last = span.start, span.stop
    while first > 0 and masks.box(first - 1) is not None:
        first -= 1
    while last < masks.n_frames and masks.box(last) is not None:
        last += 1
    cut = [(max(start, first), min(stop, last)) for start, stop in shots]
    return [(start, stop) for start, stop in cut if start < stop]


def _effects(job: Job, given: GivenMasks, masks: Masks, shots: Shots, frames: FrameCache) -> FoundEffects:
    """What the objects leave on their surroundings, where that goes too; kept as masks that were found are."""
    size, n_frames = masks.size, masks.n_frames
    asked = job.options.effects(given.followed or bool(job.options.mask.classes))
    if asked == "none":
        return FoundEffects(Masks(size, n_frames), Masks(size, n_frames), [], [])
    before, shaded = (
        job.folder.read_masks(name, size, n_frames) if job.folder.kept else None for name in (EFFECTS, SHADOWS)
    )
    mirrors = job.folder.read_json(MIRRORS) if before is not None else None
    if before is not None and shaded is not None and mirrors is not None:
        job.note(*before[1])
        kept = [FoundMirror(first, stop, Mirror(**mirror)) for first, stop, mirror in mirrors]
        return FoundEffects(before[0], shaded[0], kept, before[1])
    turns = job.info.rotation // 90
    with job.timed("effects"):
        found = find_effects(
            lambda t: np.rot90(frames.frame(t), -turns), masks.turned(-turns), shots, range(job.first, job.last), asked,
            job.progress,
        )  # fmt: skip
    found = replace(found, masks=found.masks.turned(turns), shadows=found.shadows.turned(turns))
    job.folder.write_masks(SHADOWS, found.shadows, [])
    job.folder.write_json(MIRRORS, [(one.first, one.stop, asdict(one.mirror)) for one in found.mirrors])
    job.folder.write_masks(EFFECTS, found.masks, found.notes)
    job.note(*found.notes)
    return found


def _text(job: Job, reader: TextReader, shots: Shots, frames: FrameCache, read_all: bool) -> Masks:
    """The strokes of the text that goes; kept, with what was found, as masks that were found are."""
    size, n_frames = job.info.size, job.info.n_frames
    before = job.folder.read_masks(TEXT, size, n_frames) if job.folder.kept else None
    kept = job.folder.read_json(TEXT_LINES) if before is not None else None
    if before is not None and kept is not None:
        job.note(*before[1])
        job.report.text_lines = [TextLine(**{**line, "box": tuple(line["box"])}) for line in kept]
        return before[0]
    said = len(job.report.notes)
    with job.timed("text"):
        masks, job.report.text_lines = select_text(job, shots, frames, reader, read_all)
    job.folder.write_json(TEXT_LINES, [asdict(line) for line in job.report.text_lines])
    job.folder.write_masks(TEXT, masks, job.report.notes[said:])
    return masks


def _of_all_frames(job: Job, given: GivenMasks, shots: Shots, frames: FrameCache) -> Masks:
    """Masks that took work to find are kept for a run that goes on after an interruption."""
    loaded = given.loaded
    before = job.folder.read_masks(MASKS, loaded.masks.size, loaded.masks.n_frames) if job.folder.kept else None
    if before is not None:
        job.note(*before[1])
        return before[0]
    said = len(job.report.notes)
    scenes = find_scenes(shots, frames.frame) if given.followed else []
    prompted = PromptedMasks(job, frames, scenes)
    if job.options.mask.classes:
        loaded = close_dropouts(loaded.masks, frames.frame, shots, job.progress)
        job.note(*loaded.notes)
    masks = prompted.masks(loaded)
    if masks is None:
        if loaded.annotated is None:
            return loaded.masks
        masks = _tracked(job, loaded, loaded.annotated, scenes, frames)
    if given.loaded.annotated is not None or given.loaded.masks.empty:
        job.note(_left_alone(masks, scenes, range(job.first, job.last)))
    job.folder.write_masks(MASKS, masks, job.report.notes[said:])
    return masks


def _tracked(job: Job, given: LoadedMasks, annotated: frozenset[int], scenes: list[Scene], frames: FrameCache) -> Masks:
    masks = Masks(given.masks.size, given.masks.n_frames)
    for scene in scenes:
        known = {t: given.masks[t] for t in sorted(annotated) if t in scene}
        if not known:
            continue
        shown = scene.within(range(job.first, job.last))
        job.note(followed_from(known, shown))
        with job.timed("follow"):
            tracked = track_mask(
                frames.frame, known, scene.start, scene.stop, without=scene.without, progress=job.progress
            )
        job.note(*loss_notes(tracked, list(shown)))
        job.sureness.update(tracked.confidence)
        for t, mask in tracked.masks.items():
            masks[t] = mask
    if masks.empty:
        raise MaskError(
            f"Frame {min(annotated)}, which the mask belongs to, cannot be decoded.",
            "Give the mask of another frame with --mask-frame.",
        )
    return masks


def _left_alone(masks: Masks, scenes: list[Scene], span: range) -> str | None:
    """What to tell the user of scenes that nothing was followed through; None where there is none."""
    followed = [scene for scene in scenes if any(masks.box(t) is not None for t in scene)]
    # Black frames amid what was followed have nothing to be removed.
    bare = [t for t in span if not any(t in scene or t in scene.without for scene in followed)]
    if not bare or not followed:
        return None
    stretches = [(first, last + 1) for first, last in runs(bare)]
    where = []
    if stretches[0][0] == span.start:
        where.append(f"before frame {stretches.pop(0)[1]}")
    until_end = stretches and stretches[-1][1] == span.stop
    last = f"from frame {stretches.pop()[0]} on" if until_end else ""
    if stretches:
        more = stretches[_SAID:]
        where.append(
            f"on {in_words(stretches[:_SAID])}" + (f" and in {counted(len(more), 'more place')}" if more else "")
        )
    if last:
        where.append(last)
    return (
        f"Nothing is removed {' and '.join(where)}: following ends with the shot, at a cut. "
        "Where the thing is in view there too, say so on a frame of each shot."
    )
