"""The public Python calls: the words of the command line as keywords, one call each. The command line uses these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast

from vrm.errors import UsageError
from vrm.events import Events, stages
from vrm.options import (
    BoxPrompt,
    EngineOptions,
    MaskOptions,
    Moment,
    OutputOptions,
    Point,
    RemoveOptions,
    SegmentOptions,
)

if TYPE_CHECKING:
    from vrm.evaluate.run import Run
    from vrm.evaluate.tables import ScoreTable
    from vrm.labelling import SegmentReport
    from vrm.report.model import RemoveReport
    from vrm.types import VideoInfo
    from vrm.weights import WeightCard

PathLike = str | Path


class Words(TypedDict, total=False):
    """The options of ``vrm remove`` as Python keywords (``--mask-frame`` is ``mask_frame``).

    A word that is left out, or None, has the command line's default. Times are frame numbers with f (``"120f"``),
    seconds, or ``"hh:mm:ss"``; ``object`` is one id, several, or ``"1,2"``; ``keyframe`` is ``{40: "clean40.png"}``, or
    ``["40=clean40.png"]``, or ``["folder"]`` of numbered pictures; ``class_`` is ``--class``: a name, several,
    or ``"person,car"``; ``point`` is ``"x,y@frame"``, ``box`` ``"x0,y0,x1,y1@frame"``, or several of them.
    """

    mask: PathLike | None
    mask_frame: int | None
    static_mask: bool | None
    object: int | str | Iterable[int] | None
    invert_mask: bool | None
    grow: int | None
    feather: int | None
    save_masks: PathLike | None
    point: str | Iterable[str] | None
    not_point: str | Iterable[str] | None
    box: str | Iterable[str] | None
    class_: str | Iterable[str] | None
    labels: PathLike | None
    segmenter: PathLike | None
    sam: PathLike | None
    engine: str | None
    preset: str | None
    prior: str | None
    weights: PathLike | None
    prefill: bool | None
    keyframe: Mapping[int, PathLike] | Iterable[str] | None
    export_keyframes: PathLike | None
    start: str | float | None
    end: str | float | None
    preview: bool | None
    device: str | None
    dtype: str | None
    threads: int | None
    seed: int | None
    memory: float | None
    no_fallback: bool | None
    codec: str | None
    crf: int | None
    lossless: bool | None
    pix_fmt: str | None
    stream: int | None
    report: PathLike | None
    overwrite: bool | None
    resume: bool | None
    max_pixels: int | None
    max_frames: int | None


_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_MASK = {
    "mask": "path",
    "mask_frame": "frame",
    "static_mask": "static",
    "object": "objects",
    "invert_mask": "invert",
    "grow": "grow",
    "feather": "feather",
    "save_masks": "save_to",
    "point": "points",
    "box": "boxes",
    "class_": "classes",
    "labels": "labels",
    "segmenter": "segmenter",
    "sam": "sam",
}
_ENGINE = {
    "engine": "engine",
    "preset": "preset",
    "prior": "prior",
    "weights": "weights",
    "prefill": "prefill",
    "keyframe": "keyframes",
    "device": "device",
    "dtype": "dtype",
    "threads": "threads",
    "seed": "seed",
    "memory": "memory_gb",
    "fallback": "fallback",
}
_OUTPUT = {name: name for name in ("codec", "crf", "lossless", "pix_fmt", "overwrite")}
_WHOLE = {name: name for name in ("start", "end", "stream", "preview", "report", "resume")} | {
    name: name for name in ("export_keyframes", "max_pixels", "max_frames")
}


def remove(
    input: PathLike, output: PathLike | None = None, *, events: Events | None = None, **words: Unpack[Words]
) -> RemoveReport:
    """Remove what the mask covers from a video; everything else stays as it is.

    Args:
        input: a video file, or a folder of numbered frames.
        output: where the result goes; None = beside the input, see ``default_output``.
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
    target = Path(output) if output is not None else default_output(Path(input), options)
    from vrm.pipeline import remove as remove_one

    return remove_one(Path(input), target, options, events or Events())


def track_masks(input: PathLike, output: PathLike, *, events: Events | None = None, **words: Unpack[Words]) -> None:
    """Write the mask of every frame as PNGs into the folder ``output``; they are enlarged only if ``grow`` is given.

    Arguments and errors as in ``remove``. (``vrm.track`` is the room that follows masks, hence the longer name.)
    """
    options = build_options(**words)
    if not options.mask.given:
        raise UsageError("Nothing says what to follow.", "Give --mask, --point, --box or --class (mask= in Python).")
    from vrm.pipeline import track as track_one

    track_one(Path(input), Path(output), options, events or Events())


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
    from vrm.labelling import segment

    return segment(Path(input), Path(output), options, events or Events())


def class_list(name: str | None = None) -> str:
    """The classes of a taxonomy (``coco-panoptic``, ``coco-stuff``, ``ade20k``; None = all) by super-category, as text.

    Raises:
        UsageError: there is no such taxonomy.
    """
    from vrm.segment.taxonomy import TAXONOMIES, listing

    return "\n\n".join(map(listing, TAXONOMIES if name is None else (name,)))


def train_internal(
    data: PathLike, output: PathLike, *, name: str, licence: str, events: Events | None = None, **words: object
) -> WeightCard:
    """Train the internal engine's prior on a folder of clips; weights and card go into the folder ``output``.

    Args:
        data: a folder of videos and of folders of frames.
        output: made if need be; weights of the same name in it are not overwritten.
        name: of the weights; ``remove(..., prior=f"{output}/{name}.safetensors")`` uses them.
        licence: SPDX identifier.
        events: hears of progress.
        words: ``steps``, ``snippets``, ``frames``, ``width``, ``held`` (names), ``lessons`` (a folder), and the
            engine's ``device``, ``dtype``, ``threads``, ``seed``.

    Raises:
        VrmError: see ``vrm.errors``.
    """
    given = {word: value for word, value in words.items() if value is not None}
    engine = {word: given.pop(word) for word in ("device", "dtype", "threads", "seed") if word in given}
    from vrm.train.teach import TeachOptions, teach

    options = TeachOptions(name, licence, engine=EngineOptions(**engine), **given)  # type: ignore[arg-type]
    events = events or Events()
    card, history = teach(Path(data), Path(output), options, stages(events))
    if history.held:
        first, best = history.held[0], history.held[history.best_step]
        events.note(f"Loss on the clips held out: {first:.4f} before, {best:.4f} at step {history.best_step}, kept.")
    events.note(f"Written: {Path(output) / card.file} and its card.")
    return card


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
        words: ``config`` (a name or a TOML file), ``steps``, ``labels`` (a folder), ``held`` (names), ``start``
            (weights), ``resume``, and the engine's ``device``, ``dtype``, ``threads``, ``seed``.

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
    options = SavitJob(name, licence, config, engine=EngineOptions(**engine), **given)  # type: ignore[arg-type]
    events = events or Events()
    card = teach_savit(Path(data), Path(output), options, stages(events), events.note)
    if card is not None:
        events.note(f"Written: {Path(output) / card.file} and its card.")
    return card


def evaluate_cases(folder: PathLike, output: PathLike, *, events: Events | None = None, **words: Any) -> list[str]:
    """Write test cases with known truth; the words of ``vrm evaluate cases``. See ``vrm.evaluate.cases``."""
    from vrm.evaluate.commands import cases

    return cases(Path(folder), Path(output), events or Events(), **words)


def evaluate_protocols() -> str:
    """The protocols of ``evaluate_cases``, a line each."""
    from vrm.evaluate.commands import protocol_list

    return protocol_list()


def evaluate_score(
    folder: PathLike, results: Iterable[PathLike], *, events: Events | None = None, **words: Any
) -> ScoreTable:
    """Score folders of results; the words of ``vrm evaluate score``. See ``vrm.evaluate.score``."""
    from vrm.evaluate.commands import score

    return score(Path(folder), [Path(path) for path in results], events or Events(), **words)


def evaluate_run(cases: Iterable[PathLike], output: PathLike, *, events: Events | None = None, **words: Any) -> Run:
    """Run engines and baselines over cases; the words of ``vrm evaluate run``. See ``vrm.evaluate.run``."""
    from vrm.evaluate.commands import run

    return run([Path(path) for path in cases], Path(output), events or Events(), **words)


def info(input: PathLike, stream: int | None = None) -> VideoInfo:
    """The facts of a video file or a folder of numbered frames.

    Raises:
        VideoError: it is missing, or holds no video.
    """
    from vrm.media.probe import probe

    return probe(Path(input), stream)


def default_output(input: Path, options: RemoveOptions) -> Path:
    """``clip.mp4`` becomes ``clip-clean.mp4`` beside it, a folder ``shots`` ``shots-clean``.

    An ending that is not written here becomes ``.mkv``; so does one that cannot hold FFV1, which lossless output
    without a codec is.
    """
    if input.is_dir():
        return input.with_name(f"{input.resolve().name}-clean")
    from vrm.media.container import ENDINGS

    written = (".mkv", ".avi") if options.output.lossless and options.output.codec is None else ENDINGS
    return input.with_name(f"{input.stem}-clean{input.suffix if input.suffix.lower() in written else '.mkv'}")


def build_options(**words: Unpack[Words]) -> RemoveOptions:
    """Turn words of the command line into checked options. Raises UsageError."""
    given = {name: value for name, value in cast(dict[str, object], words).items() if value is not None}
    for name in given:
        if name not in Words.__annotations__:
            near = get_close_matches(name, Words.__annotations__, 1)
            raise UsageError(f"There is no option '{name}'.", f"Did you mean '{near[0]}'?" if near else "")
    for name in ("mask", "save_masks", "report", "export_keyframes", "labels"):
        if name in given:
            given[name] = Path(cast(PathLike, given[name]))
    if "weights" in given:
        given["weights"] = str(given["weights"])
    for name in ("start", "end"):
        if name in given:
            given[name] = Moment.parse(str(given[name]))
    if "keyframe" in given:
        given["keyframe"] = _keyframes(cast("Mapping[int, PathLike] | Iterable[str]", given["keyframe"]))
    given |= _pointing(given)
    given["fallback"] = not given.pop("no_fallback", False)
    if "object" in given:
        given["object"] = _ids(cast("int | str | Iterable[int]", given["object"]))

    def pick(table: dict[str, str]) -> dict[str, object]:
        return {field: given[word] for word, field in table.items() if word in given}

    return RemoveOptions(
        mask=MaskOptions(**pick(_MASK)),  # type: ignore[arg-type]
        engine=EngineOptions(**pick(_ENGINE)),  # type: ignore[arg-type]
        output=OutputOptions(**pick(_OUTPUT)),  # type: ignore[arg-type]
        **pick(_WHOLE),  # type: ignore[arg-type]
    )


def _keyframes(value: Mapping[int, PathLike] | Iterable[str]) -> tuple[tuple[int, Path], ...]:
    """Frame numbers and pictures from ``{40: path}``, ``["40=path"]``, or folders of pictures named by number."""
    if isinstance(value, Mapping):
        return tuple((int(t), Path(path)) for t, path in value.items())
    found: list[tuple[int, Path]] = []
    for text in [value] if isinstance(value, str) else value:
        number, _, name = text.partition("=")
        if name and number.strip().removesuffix("f").isdecimal():
            found.append((int(number.strip().removesuffix("f")), Path(name)))
        elif Path(text).is_dir():
            inside = [(path.stem, path) for path in sorted(Path(text).iterdir()) if path.suffix.lower() in _PICTURES]
            numbered = [(int(stem), path) for stem, path in inside if stem.isdecimal()]
            if not numbered:
                raise UsageError(f"--keyframe {text} holds no numbered pictures.", "Name them by frame: 00040.png.")
            found += numbered
        else:
            raise UsageError(
                f"--keyframe {text} is not FRAME=IMAGE.", "Write --keyframe 40=clean40.png, or give a folder of them."
            )
    return tuple(found)


def _pointing(given: dict[str, object]) -> dict[str, object]:
    """The words that point at things, as ``MaskOptions`` holds them."""
    found: dict[str, object] = {name: str(given[name]) for name in ("segmenter", "sam") if name in given}

    def several(name: str) -> list[str]:
        value = cast("str | Iterable[str]", given.get(name, ()))
        return [value] if isinstance(value, str) else [str(item) for item in value]

    points = [Point.parse(text) for text in several("point")]
    points += [Point.parse(text, keep=True) for text in several("not_point")]
    if points:
        found["point"] = tuple(points)
    if several("box"):
        found["box"] = tuple(BoxPrompt.parse(text) for text in several("box"))
    names = [name.strip() for text in several("class_") for name in text.split(",")]
    if names:
        if not all(names):
            raise UsageError("--class has an empty name.", "Write names with commas: person,car.")
        found["class_"] = tuple(names)
    return found


def _ids(value: int | str | Iterable[int]) -> tuple[int, ...]:
    """Palette ids from ``3``, ``"1,2"`` or ``[1, 2]``."""
    if isinstance(value, int):
        parts: Iterable[int | str] = [value]
    else:
        parts = value.split(",") if isinstance(value, str) else value
    try:
        ids = tuple(int(part) for part in parts)
    except ValueError:
        raise UsageError(f"--object {value} is not a list of ids.", "Write numbers with commas: 1,2.") from None
    if not ids or not all(0 < i < 256 for i in ids):
        raise UsageError(f"--object {value} is not a list of ids.", "Palette ids of objects run from 1 to 255.")
    return ids
