"""Values of options that are more than a number or a text, and how they are read from what a user writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vrm.errors import UsageError

PathLike = str | Path

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")


@dataclass(frozen=True)
class Moment:
    """A place in a video: a frame number, or seconds as an exact fraction. Exactly one of the two is set."""

    frame: int | None = None
    seconds: Fraction | None = None

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

    Fractions are allowed; pixel 0 reaches from 0 to 1. ``keep``: a negative point, what is under it stays.
    """

    x: float
    y: float
    frame: int = 0
    keep: bool = False

    @classmethod
    def parse(cls, text: str, keep: bool = False) -> Point:
        """Read ``X,Y`` or ``X,Y@FRAME``. Raises UsageError."""
        option = "--not-point" if keep else "--point"
        (x, y), frame = _numbers(text, 2, option, "X,Y or X,Y@FRAME, such as 320,200@12")
        if x < 0 or y < 0:
            raise UsageError(f"{option} {text} lies outside the frame.", "Pixels are counted from 0 at the top left.")
        return cls(x, y, frame, keep)


@dataclass(frozen=True)
class BoxPrompt:
    """A box around an object on one frame, in pixels of the picture as displayed; right and lower edge excluded."""

    x0: float
    y0: float
    x1: float
    y1: float
    frame: int = 0

    @classmethod
    def parse(cls, text: str) -> BoxPrompt:
        """Read ``X0,Y0,X1,Y1`` or ``X0,Y0,X1,Y1@FRAME``. Raises UsageError."""
        form = "X0,Y0,X1,Y1 or X0,Y0,X1,Y1@FRAME: left, top, right, bottom"
        (x0, y0, x1, y1), frame = _numbers(text, 4, "--box", form)
        if x1 <= x0 or y1 <= y0:
            raise UsageError(f"--box {text} is empty.", "Write left, top, right, bottom: X0,Y0,X1,Y1.")
        return cls(x0, y0, x1, y1, frame)


def _numbers(text: str, count: int, option: str, form: str) -> tuple[list[float], int]:
    number = r"\s*-?\d+(?:\.\d+)?\s*"
    if not re.fullmatch(rf"{number}(?:,{number}){{{count - 1}}}(?:@\s*\d+f?\s*)?", text):
        raise UsageError(f"{option} {text} cannot be read.", f"Write {form}.")
    values, _, frame = text.partition("@")
    return [float(value) for value in values.split(",")], int(frame.strip().rstrip("f") or 0)


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


def points(value: str | Iterable[str]) -> tuple[Point, ...]:
    return tuple(Point.parse(text) for text in listed(value))


def negative_points(value: str | Iterable[str]) -> tuple[Point, ...]:
    return tuple(Point.parse(text, keep=True) for text in listed(value))


def boxes(value: str | Iterable[str]) -> tuple[BoxPrompt, ...]:
    return tuple(BoxPrompt.parse(text) for text in listed(value))


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
