"""The words of ``vrm remove`` as Python keywords, and how they become checked options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypedDict, Unpack, cast

from vrm.errors import UsageError
from vrm.options.remove import BoxPrompt, EngineOptions, MaskOptions, Moment, OutputOptions, Point, RemoveOptions

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
    oracle_labels: bool | None
    segmenter: PathLike | None
    sam: PathLike | None
    engine: str | None
    preset: str | None
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
    "oracle_labels": "oracle_labels",
    "segmenter": "segmenter",
    "sam": "sam",
}
_ENGINE = {
    "engine": "engine",
    "preset": "preset",
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
