"""Values of options that are more than a number or a text, and how they are read from what a user writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any

from vrm.errors import UsageError

PathLike = str | Path
Places = str | Iterable[str] | Iterable[float] | Iterable[Iterable[float]]
"""Points or boxes: texts, or numbers, of one or of several."""

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")


@dataclass(frozen=True)
class Moment:
    """A place in a video: a frame number, or seconds as an exact fraction. Exactly one of the two is set."""

    frame: int | None = None
    seconds: Fraction | None = None

    def __str__(self) -> str:
        return f"frame {self.frame}" if self.seconds is None else f"{float(self.seconds):g} s"

    @classmethod
    def behind_at(cls, text: str) -> Moment:
        """Read what stands behind an @: a frame number, with or without f, or a time as ``1.5`` or ``0:04``."""
        return cls(frame=int(text)) if re.fullmatch(r"\d+", text) else cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Read ``120f``, ``4.5`` or ``hh:mm:ss[.fff]`` (also ``mm:ss``). Raises UsageError."""
        if re.fullmatch(r"\d+f", text):
            return cls(frame=int(text[:-1]))
        if re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text):
            seconds = Fraction(0)
            for part in text.split(":"):
                seconds = seconds * 60 + Fraction(part)
            return cls(seconds=seconds)
        raise UsageError(f"'{text}' is not a time.", "Write seconds (4.5), hh:mm:ss, or a frame number with f (120f).")


@dataclass(frozen=True)
class Point:
    """A click on one frame: pixels from the top left corner of the picture as displayed.

    Fractions are allowed; pixel 0 reaches from 0 to 1. ``keep``: a negative point, what is under it stays. ``seconds``:
    the time, where that was given; ``vrm.media.read.open_video.place_in_time`` makes the frame from it.
    """

    x: float
    y: float
    frame: int = 0
    keep: bool = False
    seconds: Fraction | None = None

    @classmethod
    def parse(cls, text: str, keep: bool = False) -> Point:
        """Read ``X,Y`` or ``X,Y@FRAME``. Raises UsageError."""
        option = "--not-point" if keep else "--point"
        (x, y), at = _numbers(text, 2, option, "X,Y or X,Y@FRAME, such as 320,200@12")
        if x < 0 or y < 0:
            raise UsageError(f"{option} {text} lies outside the frame.", "Pixels are counted from 0 at the top left.")
        return cls(x, y, at.frame or 0, keep, at.seconds)


@dataclass(frozen=True)
class BoxPrompt:
    """A box around an object on one frame, in pixels of the picture as displayed; right and lower edge excluded.

    ``seconds`` as for a ``Point``.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    frame: int = 0
    seconds: Fraction | None = None

    @classmethod
    def parse(cls, text: str) -> BoxPrompt:
        """Read ``X0,Y0,X1,Y1`` or ``X0,Y0,X1,Y1@FRAME``. Raises UsageError."""
        form = "X0,Y0,X1,Y1 or X0,Y0,X1,Y1@FRAME: left, top, right, bottom"
        (x0, y0, x1, y1), at = _numbers(text, 4, "--box", form)
        if x1 <= x0 or y1 <= y0:
            raise UsageError(f"--box {text} is empty.", "Write left, top, right, bottom: X0,Y0,X1,Y1.")
        return cls(x0, y0, x1, y1, at.frame or 0, at.seconds)


def _numbers(text: str, count: int, option: str, form: str) -> tuple[list[float], Moment]:
    place, at, when = text.partition("@")
    values = re.split(r"\s*,\s*|\s+", place.strip())
    if len(values) != count or not all(re.fullmatch(r"-?(?:\d+\.?|\d*\.\d+)", value) for value in values):
        raise UsageError(f"{option} {text} cannot be read.", f"Write {form}; pixels, without spaces.")
    try:
        return [float(value) for value in values], Moment.behind_at(when.strip()) if at else Moment(frame=0)
    except UsageError:
        raise UsageError(f"{option} {text} cannot be read.", f"Write {form}; a time is written @0:04.") from None


KeyMask = tuple[Moment | None, Path]
"""A mask of one frame, and which: None where it is not said."""
KeyMasks = tuple[KeyMask, ...]


_NTSC = {"23.976": 24, "23.98": 24, "29.97": 30, "47.952": 48, "59.94": 60, "119.88": 120}
"""Rates as they are written, of a thousandth less than a whole number."""
_FASTEST = 1000


# How a user's words become values. The annotations are those of the Python calls' keywords.


def moment(value: str | float) -> Moment:
    return Moment.parse(str(value))  # a number is seconds


def frame_rate(value: str | float) -> Fraction:
    """Frames per second from ``24``, ``12.5``, ``29.97`` (exactly 30000/1001) or ``30000/1001``. Raises UsageError."""
    text = str(value).strip()
    if text in _NTSC:
        return Fraction(_NTSC[text] * 1000, 1001)
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= _FASTEST:
        raise UsageError(f"--fps {text} is no frame rate.", f"Write 24, 29.97 or 30000/1001; at most {_FASTEST}.")
    return rate


def points(value: Places) -> tuple[Point, ...]:
    return tuple(Point.parse(text) for text in _places(value))


def negative_points(value: Places) -> tuple[Point, ...]:
    return tuple(Point.parse(text, keep=True) for text in _places(value))


def boxes(value: Places) -> tuple[BoxPrompt, ...]:
    return tuple(BoxPrompt.parse(text) for text in _places(value))


def rectangles(value: Places) -> tuple[BoxPrompt, ...]:
    found = boxes(value)
    if any(box.frame or box.seconds is not None for box in found):
        raise UsageError("--static-box is on every frame, and cannot name one.", "Write X0,Y0,X1,Y1; or use --box.")
    return found


def _places(value: Places) -> list[str]:
    """Texts, one for each place; ``(215, 240)`` is one place."""
    items: list[Any] = [value] if isinstance(value, str) else list(value)
    if items and all(isinstance(item, Real) for item in items):
        items = [items]
    return [item if isinstance(item, str) else ",".join(str(float(number)) for number in item) for item in items]


def masks(value: PathLike | Mapping[int | str, PathLike] | Iterable[PathLike]) -> Path | KeyMasks | None:
    """One mask as a path; key masks, ``["a.png@0", "b.png@30"]`` or ``{0: "a.png", 30: "b.png"}``, with their moments.

    Raises UsageError: what stands behind the @ is no moment.
    """
    if isinstance(value, Mapping):
        found: KeyMasks = tuple((Moment.behind_at(str(at)), Path(path)) for at, path in value.items())
    else:
        found = tuple(_key_mask(text) for text in listed(value))
    return found[0][1] if len(found) == 1 and found[0][0] is None else found or None


def _key_mask(text: str) -> KeyMask:
    path, at, when = text.rpartition("@")
    if not at or not re.fullmatch(r"[\d:.]+f?", when):  # no moment: the @ is part of a name
        return None, Path(text)
    return Moment.behind_at(when), Path(path)


def names(value: str | Iterable[str]) -> tuple[str, ...]:
    """``"a,b"`` or ``["a", "b"]`` as a tuple."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())


def class_names(value: str | Iterable[str]) -> tuple[str, ...]:
    """Names from ``"person,car"`` or a list of such texts. Raises UsageError."""
    names = tuple(name.strip() for text in listed(value) for name in text.split(","))
    if not all(names):
        raise UsageError("--class has an empty name.", "Write names with commas: person,car.")
    return names


def object_ids(value: int | str | Iterable[int]) -> tuple[int, ...]:
    """Palette ids from ``3``, ``"1,2"`` or ``[1, 2]``. Raises UsageError."""
    parts = str(value).split(",") if isinstance(value, int | str) else value
    try:
        ids = tuple(int(part) for part in parts)
    except ValueError:
        raise UsageError(f"--object {value} is not a list of ids.", "Write numbers with commas: 1,2.") from None
    if not ids or not all(0 < i < 256 for i in ids):
        raise UsageError(f"--object {value} is not a list of ids.", "Palette ids of objects run from 1 to 255.")
    return ids


def keyframes(value: Mapping[int, PathLike] | str | Iterable[str]) -> tuple[tuple[int, Path], ...]:
    """Frame numbers and pictures from ``{40: path}``, ``["40=path"]``, or folders of pictures named by number."""
    if isinstance(value, Mapping):
        return tuple((int(t), Path(path)) for t, path in value.items())
    found: list[tuple[int, Path]] = []
    for text in listed(value):
        number, _, name = text.partition("=")
        if name and number.strip().removesuffix("f").isdecimal():
            found.append((int(number.strip().removesuffix("f")), Path(name)))
        elif Path(text).is_dir():
            inside = [path for path in sorted(Path(text).iterdir()) if path.suffix.lower() in _PICTURES]
            numbered = [(int(path.stem), path) for path in inside if path.stem.isdecimal()]
            if not numbered:
                raise UsageError(f"--keyframe {text} holds no numbered pictures.", "Name them by frame: 00040.png.")
            found += numbered
        else:
            fix = "Write --keyframe 40=clean40.png, or give a folder of them."
            raise UsageError(f"--keyframe {text} is not FRAME=IMAGE.", fix)
    return tuple(found)


def listed(value: str | Path | Iterable[Any]) -> list[str]:
    return [str(value)] if isinstance(value, str | Path) else [str(each) for each in value]
