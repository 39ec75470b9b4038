"""The public Python calls: the options of the command line as keywords, one call for each command.

Every option of a command is a keyword of its call, by its name with underscores (``--mask-frame`` is ``mask_frame``,
``--class`` is ``class_``); ``help(vrm.remove)`` shows them all, and ``vrm remove --help`` says what they mean. None is
the default of every one. Times are frame numbers with f (``"120f"``), seconds, or ``"hh:mm:ss"``; ``keyframe`` is
``{40: "clean40.png"}``, ``["40=clean40.png"]``, or a folder of numbered pictures; ``mask`` is one path or NumPy array,
or masks of several frames, ``{0: "a.png", 30: "b.png"}`` or ``["a.png@0", "b.png@30"]``; ``box`` is
``(120, 80, 310, 400)``, or ``"120,80,310,400@30"`` on another frame, ``point`` likewise, and both may be lists. Nothing
is imported before it is needed. What ``remove`` says of ``mask``, ``events`` and errors holds for all.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrm.events import Events
from vrm.options.batch import BatchOptions
from vrm.options.build import build, build_options, keywords
from vrm.options.evaluate import CasesCommand, LabelsCommand, MasksCommand, RunCommand, ScoreCommand
from vrm.options.frame import FrameOptions
from vrm.options.remove import TRACK, RemoveOptions
from vrm.options.segment import SegmentOptions
from vrm.options.train import KeyframeTraining, SavitJob

if TYPE_CHECKING:
    from vrm.batch.summary import Summary
    from vrm.evaluate.runs.run import EvaluationRun
    from vrm.evaluate.scoring.labels import FlickerTable
    from vrm.evaluate.scoring.masks import MaskTable
    from vrm.evaluate.scoring.tables import ScoreTable
    from vrm.report.frame import FrameReport
    from vrm.report.model import RemoveReport
    from vrm.selection.labels.video import SegmentReport
    from vrm.types import MaskInput, VideoInfo
    from vrm.weights.cards import WeightCard


@keywords(RemoveOptions)
def remove(
    input: str | Path,
    output: str | Path | None = None,
    *,
    mask: MaskInput | None = None,
    events: Events | None = None,
    **words: Any,
) -> RemoveReport:
    """Remove an object from a video; everything else stays as it is.

    Args:
        input: a video file, or a folder of numbered frames.
        output: the file to write, or a folder (one that exists, or a name that ends in a slash); None = beside the
            input, its name with ``-clean``.
        events: told of the progress; None = silence.
        mask: what to remove, as displayed: a path, paths of several frames (see above), or a NumPy array of bool, uint8
            or uint16, where what is True or not black is removed. ``(H, W)`` is a picture of ``mask_frame``, or with
            ``static_mask=True`` of every frame; ``(T, H, W)`` has one for each frame.
        words: the options of ``vrm remove``; ``mask``, ``point``, ``box`` or ``class_`` says what to remove.

    Returns:
        What was done: coverage, timings, what was kept and lost, pixels changed outside the mask (always 0); of a dry
        run only ``plan``, what would be done.

    Raises:
        VrmError: every error a user can cause or meet; see ``vrm.errors``.
    """
    from vrm.selection.masks.arrays import mask_files

    with mask_files(mask, words) as words:
        options = build_options(**words)
        options.mask.require()
        from vrm.batch.naming import output_for
        from vrm.pipeline import remove as remove_one

        return remove_one(Path(input), output_for(Path(input), output, options), options, events or Events())


@keywords(RemoveOptions)
def remove_batch(
    inputs: Iterable[str | Path] = (),
    output: str | Path | None = None,
    *,
    mask: MaskInput | None = None,
    batch: BatchOptions | None = None,
    events: Events | None = None,
    **words: Any,
) -> Summary:
    """Remove objects from many videos; one that fails stops no other.

    Args:
        inputs: video files, folders of videos, folders of numbered frames; ``"-"`` reads names from standard input.
        output: the folder for the results; None = beside the inputs, see ``remove``.
        batch: a manifest in place of inputs, how many at a time, what to skip; see ``BatchOptions``.

        words: the options of ``vrm remove``, for all of them. A ``mask`` folder holds one of each video's name.

    Returns:
        What became of each, in order.

    Raises:
        BatchError: some failed; its ``summary`` says which. All others are done.
        VrmError: something is wrong that can be seen before the work, and nothing was done; or the one video that was
            named failed.
    """
    from vrm.batch.run import plan, run_batch
    from vrm.selection.masks.arrays import mask_files

    batch, events = batch or BatchOptions(), events or Events()
    with mask_files(mask, words, many=True) as words:
        given = {word: value for word, value in words.items() if value is not None}
        return run_batch(plan([str(path) for path in inputs], output, given, batch, events), given, batch, events)


@keywords(FrameOptions)
def save_frame(
    input: str | Path, output: str | Path | None = None, *, events: Events | None = None, **words: Any
) -> FrameReport:
    """Write one frame as a PNG, as displayed, with a ruled grid if wanted; the options of ``vrm frame``.

    ``output`` None = beside the input, its name with the frame's number. Errors as in ``remove``.
    """
    from vrm.selection.frame_picture import write_frame

    target = None if output is None else Path(output)
    return write_frame(Path(input), target, build(FrameOptions, words), events or Events())


@keywords(RemoveOptions, only=TRACK)
def preview_mask(
    input: str | Path,
    output: str | Path,
    *,
    mask: MaskInput | None = None,
    events: Events | None = None,
    **words: Any,
) -> FrameReport:
    """Write one frame with its mask, boxes and clicks laid over it as a PNG, at once: ``vrm track --overlay look.png``.

    It is the first frame that the mask, a box or a click is on. Errors as in ``remove``; an unsure outline is shown
    and named in the report.
    """
    from vrm.selection.masks.arrays import mask_files
    from vrm.selection.preview_mask import preview_mask as preview

    with mask_files(mask, words) as words:
        options = build(RemoveOptions, words, only=TRACK)
        options.mask.require("follow")
        return preview(Path(input), Path(output), options, events or Events())


@keywords(RemoveOptions, only=TRACK)
def track_masks(
    input: str | Path,
    output: str | Path,
    *,
    mask: MaskInput | None = None,
    overlay: str | Path | None = None,
    events: Events | None = None,
    **words: Any,
) -> RemoveReport:
    """Write the mask of every frame as PNGs into the folder ``output``; they are enlarged only if ``grow`` is given.

    Arguments and errors as in ``remove``; ``overlay`` is a video to be written with the masks laid over it, or a PNG of
    one frame.
    """
    from vrm.selection.masks.arrays import mask_files
    from vrm.selection.resolve import track

    over = None if overlay is None else Path(overlay)
    with mask_files(mask, words) as words:
        options = build(RemoveOptions, words, only=TRACK)
        options.mask.require("follow")
        return track(Path(input), Path(output), options, events or Events(), over)


@keywords(SegmentOptions)
def segment_video(
    input: str | Path, output: str | Path, *, events: Events | None = None, **words: Any
) -> SegmentReport:
    """Label every pixel of a video: maps, segments, a preview and a summary go into the folder ``output``."""
    options = build(SegmentOptions, words)
    from vrm.selection.labels.video import segment

    return segment(Path(input), Path(output), options, events or Events())


@keywords(KeyframeTraining)
def train_keyframe(data: str | Path, output: str | Path, *, events: Events | None = None, **words: Any) -> WeightCard:
    """Train the network of the engine keyframe on a folder of pictures or videos.

    Args:
        data: a folder of pictures, or of videos and of folders of frames.
        output: folder of weights, card and table; weights of the same name in it are not overwritten.
            ``remove(..., engine="keyframe", weights=f"{output}/{name}.safetensors")`` uses them.

        words: the options of ``vrm train keyframe``; ``licence`` is needed.
    """
    from vrm.train import commands

    return commands.keyframe(Path(data), Path(output), events or Events(), **words)


@keywords(SavitJob)
def train_savit(
    data: str | Path, output: str | Path, *, events: Events | None = None, **words: Any
) -> WeightCard | None:
    """Train the network of the engine savit on a folder of clips.

    Args:
        data: YouTube-VOS, DAVIS, or a folder of videos and of folders of frames.
        output: folder of weights, card, log, samples and checkpoint; weights of the same name are not overwritten.
            ``remove(..., engine="savit", weights=f"{output}/{name}.safetensors")`` uses them.

        words: the options of ``vrm train savit``; ``licence`` is needed.

    Returns:
        The card; None in the further processes that ``torchrun`` started.
    """
    from vrm.selection.labels.video import label_clips
    from vrm.train import commands

    return commands.savit(Path(data), Path(output), events or Events(), label_clips, **words)


def info(input: str | Path, stream: int | None = None) -> VideoInfo:
    """The facts of a video file or a folder of numbered frames. Raises VideoError: missing, or no video."""
    from vrm.media.read.probe import probe

    return probe(Path(input), stream)


@keywords(CasesCommand)
def evaluate_cases(folder: str | Path, output: str | Path, *, events: Events | None = None, **words: Any) -> list[str]:
    """Write test cases with known truth, and say their names; the options of ``vrm evaluate cases``."""
    from vrm.evaluate.commands import cases

    return cases(Path(folder), Path(output), events or Events(), **words)


@keywords(ScoreCommand)
def evaluate_score(
    folder: str | Path, results: Iterable[str | Path], *, events: Events | None = None, **words: Any
) -> ScoreTable:
    """Score folders of results against cases; the options of ``vrm evaluate score``."""
    from vrm.evaluate.commands import score

    return score(Path(folder), [Path(path) for path in results], events or Events(), **words)


@keywords(MasksCommand)
def evaluate_masks(
    truth: str | Path, results: Iterable[str | Path], *, events: Events | None = None, **words: Any
) -> MaskTable:
    """J and F of folders of masks; the options of ``vrm evaluate masks``."""
    from vrm.evaluate.commands import masks

    return masks(Path(truth), [Path(path) for path in results], events or Events(), **words)


@keywords(LabelsCommand)
def evaluate_labels(
    video: str | Path, labels: Iterable[str | Path], *, events: Events | None = None, **words: Any
) -> FlickerTable:
    """Flicker of label maps; the options of ``vrm evaluate labels``."""
    from vrm.evaluate.commands import labels as flicker

    return flicker(Path(video), [Path(path) for path in labels], events or Events(), **words)


@keywords(RunCommand)
def evaluate_run(
    cases: Iterable[str | Path], output: str | Path, *, events: Events | None = None, **words: Any
) -> EvaluationRun:
    """Run engines and baselines over cases; the options of ``vrm evaluate run``."""
    from vrm.evaluate.commands import run

    return run([Path(path) for path in cases], Path(output), events or Events(), **words)
