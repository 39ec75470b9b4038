"""The public Python calls: the words of the command line as keywords, one call each. The command line uses these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from vrm.batch.naming import default_output, is_folder, output_in
from vrm.errors import UsageError
from vrm.events import Events, stages
from vrm.options.build import PathLike, Words, build_options
from vrm.options.remove import BatchOptions, EngineOptions, Moment, SegmentOptions

if TYPE_CHECKING:
    from vrm.batch.summary import Summary
    from vrm.evaluate.runs.run import Run
    from vrm.evaluate.scoring.labels import FlickerTable
    from vrm.evaluate.scoring.masks import MaskTable
    from vrm.evaluate.scoring.tables import ScoreTable
    from vrm.report.model import RemoveReport
    from vrm.selection.labels.video import SegmentReport
    from vrm.types import VideoInfo
    from vrm.weights.cards import WeightCard


def remove(
    input: PathLike, output: PathLike | None = None, *, events: Events | None = None, **words: Unpack[Words]
) -> RemoveReport:
    """Remove what the mask covers from a video; everything else stays as it is.

    Args:
        input: a video file, or a folder of numbered frames.
        output: where the result goes, a folder that is there or ends in a slash included; None = beside the input, see
            ``default_output``.
        events: hears of progress; None = silence.
        words: the options of ``vrm remove``, see ``Words``; ``mask`` is what most calls need.

    Returns:
        What was done: coverage, timings, what was kept and lost, samples changed outside the mask (always 0).

    Raises:
        VrmError: every error a user can cause or meet; see ``vrm.errors``.
    """
    options = build_options(**words)
    if not options.mask.given:
        raise UsageError("Nothing says what to remove.", "Give --mask, --point, --box or --class (mask= in Python).")
    source = Path(input)
    if output is None:
        target = default_output(source, options)
    elif is_folder(output) and not source.is_dir():
        Path(output).mkdir(parents=True, exist_ok=True)
        target = output_in(Path(output), source, options)
    else:
        target = Path(output)
    from vrm.pipeline import remove as remove_one

    return remove_one(Path(input), target, options, events or Events())


def is_batch(inputs: Sequence[PathLike], batch: BatchOptions) -> bool:
    """Whether inputs are for ``remove_batch``: several, a folder of videos, ``-``, or an option that is only its own.

    Raises:
        UsageError: a folder holds videos and frames.
    """
    from vrm.batch.run import stands_for_many

    return batch.asked or len(inputs) != 1 or stands_for_many(str(inputs[0]))


def remove_batch(
    inputs: Iterable[PathLike] = (),
    output: PathLike | None = None,
    *,
    batch: BatchOptions | None = None,
    events: Events | None = None,
    **words: Unpack[Words],
) -> Summary:
    """Remove what masks cover from many videos; one that fails stops no other.

    Args:
        inputs: video files, folders of videos, folders of numbered frames; ``"-"`` reads names from standard input.
        output: the folder for the results; None = beside the inputs, see ``default_output``.
        batch: a manifest in place of inputs, how many at a time, what to skip; see ``BatchOptions``.
        events: hears of every job; None = silence.
        words: the options of ``vrm remove``, for all of them. A ``mask`` folder holds one of each video's name.

    Returns:
        What became of each, in order.

    Raises:
        BatchError: some failed; its ``summary`` says which. All others are done.
        VrmError: something is wrong that can be seen before the work, and nothing was done; or the one video that was
            named failed.
    """
    from vrm.batch.run import plan, run_batch

    batch = batch or BatchOptions()
    events = events or Events()
    given = {word: value for word, value in cast("dict[str, Any]", words).items() if value is not None}
    return run_batch(plan([str(path) for path in inputs], output, given, batch, events), given, batch, events)


def track_masks(
    input: PathLike,
    output: PathLike,
    *,
    overlay: PathLike | None = None,
    events: Events | None = None,
    **words: Unpack[Words],
) -> None:
    """Write the mask of every frame as PNGs into the folder ``output``; they are enlarged only if ``grow`` is given.

    Arguments and errors as in ``remove``; ``overlay`` is a video to be written with the masks laid over it.
    (``vrm.track`` is the room that follows masks, hence the longer name.)
    """
    options = build_options(**words)
    if not options.mask.given:
        raise UsageError("Nothing says what to follow.", "Give --mask, --point, --box or --class (mask= in Python).")
    from vrm.selection.resolve import track as track_one

    over = None if overlay is None else Path(overlay)
    track_one(Path(input), Path(output), options, events or Events(), over)


def segment_video(input: PathLike, output: PathLike, *, events: Events | None = None, **words: object) -> SegmentReport:
    """Label every pixel of a video: maps, segments, a preview and a summary go into the folder ``output``.

    Args:
        input: a video file, or a folder of numbered frames.
        output: made if need be.
        events: hears of progress.
        words: ``segmenter``, ``labels``, ``every``, ``video``, ``preview``, ``overwrite``, ``start``, ``end``,
            ``stream``, ``max_pixels``, ``max_frames``, and the engine's ``device``, ``dtype``, ``threads``.

    Raises:
        VrmError: see ``vrm.errors``.
    """
    given = {word: value for word, value in words.items() if value is not None}
    engine = {word: given.pop(word) for word in ("device", "dtype", "threads") if word in given}
    for name in ("start", "end"):
        if name in given:
            given[name] = Moment.parse(str(given[name]))
    if "labels" in given:
        given["labels"] = Path(cast(PathLike, given["labels"]))
    if "segmenter" in given:
        given["segmenter"] = str(given["segmenter"])
    options = SegmentOptions(engine=EngineOptions(**engine), **given)  # type: ignore[arg-type]
    from vrm.selection.labels.video import segment

    return segment(Path(input), Path(output), options, events or Events())


def class_list(name: str | None = None) -> str:
    """The classes of a taxonomy (``coco-panoptic``, ``coco-stuff``, ``ade20k``; None = all) by super-category, as text.

    Raises:
        UsageError: there is no such taxonomy.
    """
    from vrm.selection.labels.taxonomy import TAXONOMIES, listing

    return "\n\n".join(map(listing, TAXONOMIES if name is None else (name,)))


def train_keyframe(
    data: PathLike, output: PathLike, *, name: str, licence: str, events: Events | None = None, **words: object
) -> WeightCard:
    """Train the keyframe engine's network on a folder of pictures or videos; weights and card go into ``output``.

    Args:
        data: a folder of pictures, or of videos and of folders of frames.
        output: made if need be; weights of the same name in it are not overwritten.
        name: of the weights; ``remove(..., engine="keyframe", weights=f"{output}/{name}.safetensors")`` uses them.
        licence: SPDX identifier.
        events: hears of progress.
        words: the fields of ``vrm.train.keyframe.KeyframeTraining``, and the engine's ``device``, ``dtype``,
            ``threads``, ``seed``.

    Raises:
        VrmError: see ``vrm.errors``.
    """
    given = {word: value for word, value in words.items() if value is not None}
    engine = {word: given.pop(word) for word in ("device", "dtype", "threads", "seed") if word in given}
    from vrm.train.keyframe import KeyframeTraining
    from vrm.train.keyframe import train_keyframe as train

    options = KeyframeTraining(name, licence, engine=EngineOptions(**engine), **given)  # type: ignore[arg-type]
    events = events or Events()
    card, lines = train(Path(data), Path(output), options, stages(events))
    if lines:
        last = lines[-1]
        events.note(
            f"Error in the holes of what was held out: {last['held_guided']:.4f} with key frames, "
            f"{last['held_unguided']:.4f} without."
        )
    events.note(f"Written: {Path(output) / card.file}, its card, and {name}.csv.")
    return card


def train_savit(
    data: PathLike, output: PathLike, *, name: str, licence: str, events: Events | None = None, **words: object
) -> WeightCard | None:
    """Train the engine savit's network on a folder of clips; everything goes into the folder ``output``.

    Args:
        data: YouTube-VOS, DAVIS, or a folder of videos and of folders of frames.
        output: made if need be; weights of the same name in it are not overwritten.
        name: of the weights; ``remove(..., engine="savit", weights=f"{output}/{name}.safetensors")`` uses them.
        licence: SPDX identifier.
        events: hears of progress.
        words: ``config`` (a name or a TOML file), ``steps``, ``labels`` (a folder), ``segmenter`` (which labels clips
            that have no maps there), ``held`` (names), ``start`` (weights), ``resume``, and the engine's ``device``,
            ``dtype``, ``threads``, ``seed``.

    Returns:
        The card; None in the further processes that ``torchrun`` started.

    Raises:
        VrmError: see ``vrm.errors``.
    """
    given = {word: value for word, value in words.items() if value is not None}
    engine = {word: given.pop(word) for word in ("device", "dtype", "threads", "seed") if word in given}
    from dataclasses import replace

    from vrm.train.savit_config import SavitTraining
    from vrm.train.savit_run import SavitJob, teach_savit

    config = SavitTraining.read(str(given.pop("config", "small")))
    if "steps" in given:
        config = replace(config, steps=cast(int, given.pop("steps")))
    segmenter = given.pop("segmenter", None)
    if "labels" in given:
        given["labels"] = Path(cast(PathLike, given["labels"]))
    options = SavitJob(name, licence, config, engine=EngineOptions(**engine), **given)  # type: ignore[arg-type]
    events = events or Events()
    if segmenter is not None:
        from vrm.selection.labels.video import label_clips
        from vrm.train.savit_run import clips_to_label

        label_clips(clips_to_label(Path(data), options), str(segmenter), options.engine, events.note)
    card = teach_savit(Path(data), Path(output), options, stages(events), events.note)
    if card is not None:
        events.note(f"Written: {Path(output) / card.file} and its card.")
    return card


def info(input: PathLike, stream: int | None = None) -> VideoInfo:
    """The facts of a video file or a folder of numbered frames.

    Raises:
        VideoError: it is missing, or holds no video.
    """
    from vrm.media.read.probe import probe

    return probe(Path(input), stream)


def evaluate_cases(folder: PathLike, output: PathLike, *, events: Events | None = None, **words: Any) -> list[str]:
    """Write test cases with known truth; the words of ``vrm evaluate cases``. See ``vrm.evaluate.cases.make``."""
    from vrm.evaluate.commands import cases

    return cases(Path(folder), Path(output), events or Events(), **words)


def evaluate_protocols() -> str:
    """The protocols of ``evaluate_cases``, a line each."""
    from vrm.evaluate.commands import protocol_list

    return protocol_list()


def evaluate_score(
    folder: PathLike, results: Iterable[PathLike], *, events: Events | None = None, **words: Any
) -> ScoreTable:
    """Score folders of results; the words of ``vrm evaluate score``. See ``vrm.evaluate.scoring.score``."""
    from vrm.evaluate.commands import score

    return score(Path(folder), [Path(path) for path in results], events or Events(), **words)


def evaluate_masks(
    truth: PathLike, results: Iterable[PathLike], *, events: Events | None = None, **words: Any
) -> MaskTable:
    """J and F of folders of masks; the words of ``vrm evaluate masks``. See ``vrm.evaluate.scoring.masks``."""
    from vrm.evaluate.commands import masks

    return masks(Path(truth), [Path(path) for path in results], events or Events(), **words)


def evaluate_labels(
    video: PathLike, labels: Iterable[PathLike], *, events: Events | None = None, **words: Any
) -> FlickerTable:
    """Flicker of label maps; the words of ``vrm evaluate labels``. See ``vrm.evaluate.scoring.labels``."""
    from vrm.evaluate.commands import labels as flicker

    return flicker(Path(video), [Path(path) for path in labels], events or Events(), **words)


def evaluate_run(cases: Iterable[PathLike], output: PathLike, *, events: Events | None = None, **words: Any) -> Run:
    """Run engines and baselines over cases; the words of ``vrm evaluate run``. See ``vrm.evaluate.runs.run``."""
    from vrm.evaluate.commands import run

    return run([Path(path) for path in cases], Path(output), events or Events(), **words)
