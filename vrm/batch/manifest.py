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
from pathlib import Path
from typing import Any

from vrm.errors import UsageError, VrmError
from vrm.options import declare
from vrm.options.build import of_kind, place_paths, unknown
from vrm.options.declare import Option, options_of
from vrm.options.remove import RemoveOptions

_PLACES = ("input", "output")
_OPTIONS = options_of(RemoveOptions)
WRITTEN = ("output", *of_kind(declare.WRITTEN))
"""Columns that say where something is written: relative to the output folder, where there is one."""

_OF_THE_COMMAND = ("overwrite", "threads", "memory", "device", "dry_run")
"""What holds for the whole manifest, and is no column."""

_MOST = 10
MOST_BYTES = 64 << 20
"""Of a manifest, or of a list of names: what is longer is something else, or never ends."""


@dataclass(frozen=True)
class ManifestRow:
    """One line of a manifest.

    Attributes:
        line: its number in the file, from 1.
        output: as written, or None.
        words: options; what is read is relative to the manifest, what is written (``WRITTEN``) as it stands.
    """

    line: int
    input: Path
    output: str | None
    words: dict[str, Any]


def read_manifest(path: Path, text: str | None = None) -> list[ManifestRow]:
    """The rows of a manifest; blank lines, and lines that begin with #, are passed over.

    What it names is relative to its folder. Raises UsageError: it cannot be read, or lines are wrong; the first ten are
    named, with what to write instead.
    """
    if text is None:
        text = _read(path)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip().startswith("["):
        raise UsageError(f"The manifest {path} is one JSON list.", "Write one object a line, without the brackets.")
    lines = _objects(text) if text.lstrip().startswith("{") else _table(text)
    rows: list[ManifestRow] = []
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
            many = f"has {len(cells)} cells, but there are {len(names)} columns: quote what holds commas"
            yield number, UsageError(many)
            continue
        yield number, {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}


def _wrong_head(names: list[str]) -> UsageError | None:
    words = [_word(name) for name in names if name]
    twice = next((name for name in names if name and words.count(_word(name)) > 1), None)
    if twice is not None:
        return UsageError(f"has two columns '{twice}'")
    if "input" not in words:
        return UsageError("the first line has to name the columns, and one of them is 'input'")
    return None


def _word(name: str) -> str:
    word = name.lower().lstrip("-").replace("-", "_").replace(" ", "_")
    return "class_" if word == "class" else word


def _row(number: int, record: dict[str, Any] | VrmError, beside: Path) -> ManifestRow:
    if isinstance(record, VrmError):
        raise record
    given: dict[str, Any] = {}
    for name, value in record.items():
        word = _word(str(name))
        if word in _OF_THE_COMMAND:
            raise UsageError(f"--{word.replace('_', '-')} holds for the whole manifest: give it on the command line")
        if word not in (*_PLACES, *_OPTIONS):
            raise unknown(word, [*_PLACES, *_OPTIONS], "column")
        if value is not None:
            given[word] = _value(word, value)
    if not isinstance(given.get("input"), str) or not given["input"].strip():
        raise UsageError("it names no input")
    if not isinstance(given.get("output", "a"), str) or not given.get("output", "a").strip():
        raise UsageError("its output is not a path")
    words = {word: value for word, value in given.items() if word not in _PLACES}
    words = place_paths(words, lambda path: beside / path, declare.READ, declare.MODEL)
    return ManifestRow(number, beside / given["input"], given.get("output"), words)


def _value(word: str, value: Any) -> Any:
    """A cell as the option takes it; texts of CSV become numbers, truths and lists."""
    if word in _PLACES:
        return value
    declared = _OPTIONS[word]
    _refuse_nested(declared, value)
    if declared.parse is None:
        return declared.read(value) if declared.type in (bool, int, float) else value
    if declared.several and not declared.commas and isinstance(value, str):
        parts = [part.strip() for part in value.split(";") if part.strip()]
        return parts if len(parts) > 1 or not declared.kind else value
    return value


def _refuse_nested(declared: Option, value: Any) -> None:
    """Raise UsageError for JSON that no option takes: objects, and lists where there is one value."""
    lists = declared.several or declared.commas
    one = str | int | float
    items = value if lists and isinstance(value, list) else [value]
    if not all(isinstance(item, one) for item in items):
        kinds = "text, a number, or a list of them" if lists else "text, a number, or true or false"
        raise UsageError(f"{declared.name} is {str(value)[:80]!r}, not {kinds}.")
    if declared.several and isinstance(value, int | float):
        raise UsageError(f"{declared.name} is {value!r}, not text.")
