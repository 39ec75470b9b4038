"""The commands that a session stands for: as they are run, as they are typed in a shell, and as Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vrm.batch.naming import default_output
from vrm.errors import UsageError
from vrm.options.build import as_typed, build_options
from vrm.options.remove import TRACK, RemoveOptions
from vrm.options.session import PickSession
from vrm.system.worker import command

_RECTANGLES = "static_box"
_SEVERAL = ("mask", "box", _RECTANGLES, "point", "not_point", "class_")


def remove_line(session: PickSession, output: Path, **more: Any) -> list[str]:
    """The words behind ``vrm`` that remove what a session says. Raises UsageError: it says nothing, or cannot go."""
    if not session.active:
        raise UsageError("Nothing goes yet.", "Draw a box around a thing, or click on it: the command is here then.")
    missed = {thing.id for thing in session.active} - {thing.id for thing in session.within_range.active}
    if missed:
        names = " and ".join(session.thing(number).name for number in sorted(missed))
        raise UsageError(
            f"Nothing is said of {names} on the frames of the range.",
            "Draw a box around it on one of them, take the whole video, or untick it.",
        )
    words = session.words() | more
    build_options(**words).mask.require()
    return ["remove", session.video, *as_typed(RemoveOptions, words), "-o", str(output)]


def shell_line(line: list[str]) -> str:
    return shlex.join(["vrm", *line])


def python_lines(session: PickSession, output: Path, **more: Any) -> str:
    """The same as a call of Python."""
    words = ", ".join(f"{word}={_value(word, value)}" for word, value in (session.words() | more).items())
    return f"import vrm\n\nvrm.remove({session.video!r}, {str(output)!r}, {words})"


def _value(word: str, value: Any) -> str:
    if word in _SEVERAL and isinstance(value, list) and len(value) == 1:
        value = value[0]
    return repr(str(value) if isinstance(value, Path) else value)


def program(line: list[str]) -> list[str]:
    """What to start for a command line of vrm, that writes its events as lines of JSON."""
    return [*command("vrm.cli.supervisor"), *line, "--json"]


def track_words(words: Mapping[str, Any]) -> dict[str, Any]:
    """The words of ``vrm track`` that follow what ``vrm remove`` would remove, with what belongs to it.

    Rectangles of every frame are not followed.
    """
    effects = build_options(**words).effects(pointed_at=True)
    return {word: value for word, value in words.items() if word in TRACK and word != _RECTANGLES} | {
        "effects": effects
    }


def free_output(session: PickSession) -> Path:
    """Where a result goes: beside the video, by a name that nothing has yet."""
    words = {word: value for word, value in session.settings.items() if word != "sam"}
    first = default_output(Path(session.video), build_options(**words))
    names = [first, *(first.with_name(f"{first.stem}-{n}{first.suffix}") for n in range(2, 1000))]
    return next(path for path in names if not path.exists())
