"""Lists of jobs: ``jobs.csv`` with a line of column names, or ``jobs.jsonl`` with one JSON object a line.

A column is ``input``, ``output``, or any option of ``vrm remove`` by its name (``mask-frame`` or ``mask_frame``). Paths
are relative to the manifest. Everything is checked before anything is worked on.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

from vrm.errors import UsageError, VrmError
from vrm.keywords import Words

WRITTEN = ("output", "save_masks", "report", "export_keyframes")
"""Columns that say where something is written: relative to the output folder, where there is one."""

_READ = ("mask", "labels", "keyframe")
_NAME_OR_PATH = ("weights", "prior", "sam", "segmenter")
_KINDS = {
    word: kind for word, hint in get_type_hints(Words).items() for kind in (bool, int, float) if hint == (kind | None)
}
_COLUMNS = ("input", "output", *Words.__annotations__)
_SEVERAL = ("point", "not_point", "box", "keyframe")
_OF_THE_COMMAND = ("overwrite", "threads", "memory", "device")
_YES, _NO = ("yes", "true", "1", "on"), ("no", "false", "0", "off")
_MOST = 10


@dataclass(frozen=True)
class Row:
    """One line of a manifest.

    Attributes:
        line: its number in the file, from 1.
        input: path.
        output: as written, or None.
        words: options; what is read is relative to the manifest, what is written (``WRITTEN``) as it stands.
    """

    line: int
    input: Path
    output: str | None
    words: dict[str, Any]


def read_manifest(path: Path, text: str | None = None) -> list[Row]:
    """The rows of a manifest; blank lines, and lines that begin with #, are passed over.

    Args:
        path: the file; what it names is relative to its folder.
        text: its content, where it has been read already.

    Raises:
        UsageError: it cannot be read, or lines are wrong; the first ten are named, with what to write instead.
    """
    if text is None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError(f"The manifest {path} cannot be read: {reason}.") from error
    text = text.removeprefix("\ufeff")
    lines = _objects(text) if text.lstrip().startswith("{") else _table(text)
    rows: list[Row] = []
    wrong: list[str] = []
    for number, record in lines:
        try:
            rows.append(_row(number, record, path.parent))
        except VrmError as error:
            wrong.append(f"line {number}: {error}")
    refuse(path, wrong)
    if not rows:
        raise UsageError(
            f"The manifest {path} lists nothing.", "Write a line of column names, and a line for each job."
        )
    return rows


def refuse(path: Path, wrong: list[str]) -> None:
    """Raise UsageError with the first few of what is wrong, if anything is."""
    if wrong:
        more = f"; and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        raise UsageError(f"The manifest {path} is wrong: {'; '.join(wrong[:_MOST])}{more}.".replace("..", "."))


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any] | VrmError]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            yield number, UsageError(f"is not JSON ({error})")
            continue
        yield number, record if isinstance(record, dict) else UsageError("is not a JSON object")


def _table(text: str) -> Iterator[tuple[int, dict[str, Any] | VrmError]]:
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
    numbers = [n for n, line in enumerate(text.splitlines(), 1) if not line.startswith("#")]
    head = next((line for line in kept if line.strip()), "")
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO("".join(kept)), delimiter=delimiter, skipinitialspace=True)
    names: list[str] | None = None
    for cells in reader:
        number = numbers[min(reader.line_num, len(numbers)) - 1]
        if not any(cell.strip() for cell in cells):
            continue
        if names is None:
            names = [cell.strip() for cell in cells]
            continue
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            yield (
                number,
                UsageError(f"has {len(cells)} cells, but there are {len(names)} columns: quote what holds commas"),
            )
            continue
        yield number, {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}


def _row(number: int, record: dict[str, Any] | VrmError, beside: Path) -> Row:
    if isinstance(record, VrmError):
        raise record
    given: dict[str, Any] = {}
    for name, value in record.items():
        word = str(name).lower().lstrip("-").replace("-", "_").replace(" ", "_")
        word = "class_" if word == "class" else word
        if word in _OF_THE_COMMAND:
            raise UsageError(f"--{word} holds for the whole manifest: give it on the command line")
        if word not in _COLUMNS:
            near = get_close_matches(word, _COLUMNS, 1)
            hint = f": did you mean '{near[0].rstrip('_').replace('_', '-')}'?" if near else ""
            raise UsageError(f"there is no column '{name}'{hint}")
        if value is not None:
            given[word] = _value(word, value)
    if not isinstance(given.get("input"), str):
        raise UsageError("it names no input")
    if not isinstance(given.get("output", ""), str):
        raise UsageError("its output is not a path")
    for word in given.keys() & {*_READ, *_NAME_OR_PATH}:
        given[word] = _placed(word, given[word], beside)
    words = {word: value for word, value in given.items() if word not in ("input", "output")}
    return Row(number, beside / given["input"], given.get("output"), words)


def _value(word: str, value: Any) -> Any:
    """A cell as the option takes it; texts of CSV become numbers, truths and lists."""
    kind = _KINDS.get(word, str)
    if word in _SEVERAL and isinstance(value, str):
        return [part.strip() for part in value.split(";") if part.strip()]
    try:
        if kind is bool and not isinstance(value, bool):
            if str(value).lower() not in _YES + _NO:
                raise ValueError
            return str(value).lower() in _YES
        if kind in (int, float):
            if isinstance(value, bool):
                raise ValueError
            return kind(value)
    except (TypeError, ValueError):
        words = {bool: "yes or no", int: "a whole number", float: "a number"}
        raise UsageError(f"{word.rstrip('_').replace('_', '-')} is {value!r}, not {words[kind]}") from None
    return value


def _placed(word: str, value: Any, beside: Path) -> Any:
    """A path, relative to the manifest; names that are not paths stay."""
    if word == "keyframe":
        return [_keyframe(text, beside) for text in value] if isinstance(value, list) else value
    if word in _NAME_OR_PATH:
        there = beside / str(value)
        return there if there.exists() else value
    return beside / str(value)


def _keyframe(text: Any, beside: Path) -> str:
    number, equals, name = str(text).partition("=")
    return f"{number}={beside / name}" if equals else str(beside / number)
