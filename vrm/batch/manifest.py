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
from vrm.options.build import Words

WRITTEN = ("output", "save_masks", "report", "export_keyframes")
"""Columns that say where something is written: relative to the output folder, where there is one."""

_READ = ("mask", "labels", "keyframe")
_NAME_OR_PATH = ("weights", "sam", "segmenter")
_KINDS = {
    word: kind for word, hint in get_type_hints(Words).items() for kind in (bool, int, float) if hint == (kind | None)
}
_COLUMNS = ("input", "output", *Words.__annotations__)
_SEVERAL = ("point", "not_point", "box", "keyframe")
_OF_THE_COMMAND = ("overwrite", "threads", "memory", "device")
_YES, _NO = ("yes", "true", "1", "on"), ("no", "false", "0", "off")
_MOST = 10
MOST_BYTES = 64 << 20
"""Of a manifest, or of a list of names: what is longer is something else, or never ends."""


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
        text = _read(path)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip().startswith("["):
        raise UsageError(f"The manifest {path} is one JSON list.", "Write one object a line, without the brackets.")
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


def _read(path: Path) -> str:
    fix = ""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            reason, fix = "it is a pipe or a device", "Write it to a file: what it names is relative to its folder."
        elif path.is_file() and path.stat().st_size > MOST_BYTES:
            reason = f"it has more than {MOST_BYTES >> 20} MB"
        else:
            return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = str(error.strerror)
    except UnicodeDecodeError:
        reason, fix = "it is not UTF-8 text", "Save it as UTF-8 (in a spreadsheet: CSV UTF-8)."
    raise UsageError(f"The manifest {path} cannot be read: {reason}.", fix)


def refuse(path: Path, wrong: list[str]) -> None:
    """Raise UsageError with the first few of what is wrong, if anything is."""
    if wrong:
        more = f"; and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        said = "; ".join(words.removesuffix(".") for words in wrong[:_MOST])
        raise UsageError(f"The manifest {path} is wrong: {said}{more}.")


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any] | VrmError]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, UsageError(f"is not JSON ({error})")
            continue
        yield number, record if isinstance(record, dict) else UsageError("is not a JSON object")


def _table(text: str) -> Iterator[tuple[int, dict[str, Any] | VrmError]]:
    lines = text.split("\n")
    kept = [line for line in lines if not line.startswith("#")]
    numbers = [n for n, line in enumerate(lines, 1) if not line.startswith("#")]
    head = next((line for line in kept if line.strip()), "")
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO("\n".join(kept)), delimiter=delimiter, skipinitialspace=True)
    names: list[str] | None = None
    while True:
        begin = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield numbers[min(begin, len(numbers) - 1)], UsageError(f"cannot be read ({error}): is a quote missing?")
            return
        number = numbers[min(reader.line_num, len(numbers)) - 1]
        if not any(cell.strip() for cell in cells):
            continue
        if names is None:
            names = [cell.strip() for cell in cells]
            wrong = _wrong_head(names)
            if wrong is not None:
                yield number, wrong
                return
            continue
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            yield (
                number,
                UsageError(f"has {len(cells)} cells, but there are {len(names)} columns: quote what holds commas"),
            )
            continue
        yield number, {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}


def _wrong_head(names: list[str]) -> UsageError | None:
    """What is wrong with the line of column names."""
    words = [_word(name) for name in names if name]
    twice = next((name for name in names if name and words.count(_word(name)) > 1), None)
    if twice is not None:
        return UsageError(f"has two columns '{twice}'")
    if "input" not in words:
        return UsageError("the first line has to name the columns, and one of them is 'input'")
    return None


def _word(name: str) -> str:
    """A column's name as the option's keyword."""
    word = name.lower().lstrip("-").replace("-", "_").replace(" ", "_")
    return "class_" if word == "class" else word


def _row(number: int, record: dict[str, Any] | VrmError, beside: Path) -> Row:
    if isinstance(record, VrmError):
        raise record
    given: dict[str, Any] = {}
    for name, value in record.items():
        word = _word(str(name))
        if word in _OF_THE_COMMAND:
            raise UsageError(f"--{word} holds for the whole manifest: give it on the command line")
        if word not in _COLUMNS:
            near = get_close_matches(word, _COLUMNS, 1)
            hint = f": did you mean '{near[0].rstrip('_').replace('_', '-')}'?" if near else ""
            raise UsageError(f"there is no column {str(name)[:80]!r}{hint}")
        if value is not None:
            given[word] = _value(word, value)
    if not isinstance(given.get("input"), str) or not given["input"].strip():
        raise UsageError("it names no input")
    if not isinstance(given.get("output", "a"), str) or not given.get("output", "a").strip():
        raise UsageError("its output is not a path")
    for word in given.keys() & {*_READ, *_NAME_OR_PATH}:
        given[word] = _placed(word, given[word], beside)
    words = {word: value for word, value in given.items() if word not in ("input", "output")}
    return Row(number, beside / given["input"], given.get("output"), words)


def _value(word: str, value: Any) -> Any:
    """A cell as the option takes it; texts of CSV become numbers, truths and lists."""
    kind = _KINDS.get(word, str)
    _simple(word, value)
    if word in _SEVERAL and isinstance(value, str):
        return [part.strip() for part in value.split(";") if part.strip()]
    try:
        if kind is bool and not isinstance(value, bool):
            if str(value).lower() not in _YES + _NO:
                raise ValueError
            return str(value).lower() in _YES
        if kind in (int, float):
            if isinstance(value, bool) or (kind is int and value != int(value) and not isinstance(value, str)):
                raise ValueError
            return kind(value)
    except (TypeError, ValueError, OverflowError):
        words = {bool: "yes or no", int: "a whole number", float: "a number"}
        raise UsageError(f"{word.rstrip('_').replace('_', '-')} is {value!r}, not {words[kind]}") from None
    return value


def _simple(word: str, value: Any) -> None:
    """Raise UsageError for JSON that no option takes: objects, and lists where there is one value."""
    lists = (*_SEVERAL, "class_", "object")
    one = str | int | float
    if not isinstance(value, one) and not (
        word in lists and isinstance(value, list) and all(isinstance(item, one) for item in value)
    ):
        kinds = "text, a number, or a list of them" if word in lists else "text, a number, or true or false"
        raise UsageError(f"{word.rstrip('_').replace('_', '-')} is {str(value)[:80]!r}, not {kinds}")
    if word in (*_SEVERAL, "class_") and isinstance(value, int | float):
        raise UsageError(f"{word.rstrip('_').replace('_', '-')} is {value!r}, not text")


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
