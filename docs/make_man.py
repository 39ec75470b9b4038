"""Write docs/vrm.1, the manual page, from the commands: ``python docs/make_man.py``. A test compares the two."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from vrm.cli.help_pages import sections
from vrm.cli.main import app
from vrm.version import __version__

INTRODUCTION = """Say what is to go with a mask, a click, a box or a class name, and get the video back without it: same
sound, same timing, same colours and bit depth, and the same pixels everywhere else."""

STATUS = (
    ("0", "done"),
    ("1", "a bug in vrm; only then a traceback is shown"),
    ("2", "wrong usage"),
    ("3", "the video cannot be read"),
    ("4", "the mask does not fit the video"),
    ("5", "weights missing or wrong"),
    ("6", "out of memory, or the engine failed"),
    ("7", "some of many inputs failed; all others are done"),
    ("8", "the output cannot be written"),
    ("130", "interrupted; nothing half-written is left"),
)

ENVIRONMENT = (
    ("NO_COLOR", "If set, messages have no colour."),
    ("XDG_CACHE_HOME", "Where the folder vrm of scratch files, fits and fetched weights lies; otherwise ~/.cache."),
    ("RAY_ADDRESS", "The cluster that --ray auto means."),
)

EXAMPLES = (
    ("One mask, on the first frame, followed from there:", "vrm remove walk.mp4 --mask dog.png -o clean.mp4"),
    ("A folder of videos, two at a time, masks by name:", "vrm remove clips/ --mask masks/ -o out/ --jobs 2"),
    ("What find finds:", "find . -name '*.mov' -print0 | vrm remove - --class person --labels labels/ -o out/"),
    ("A list of jobs, going on where it was interrupted:", "vrm remove --manifest jobs.csv -o out/ --skip-existing"),
)


def page() -> str:
    """The whole page in the language of man(7)."""
    top = typer.main.get_command(app)
    lines = [
        '.\\" Written by docs/make_man.py; do not edit.',
        f'.TH VRM 1 "" "vrm {__version__}" "User Commands"',
        ".SH NAME",
        "vrm \\- remove objects from videos; nothing but the object changes",
        ".SH SYNOPSIS",
    ]
    commands = list(_leaves(top, "vrm"))
    for name, command in commands:
        lines += [".br", f".B {_text(name)}", _text(" ".join(command.collect_usage_pieces(_context(command, name))))]
    lines += [".SH DESCRIPTION", _text(" ".join(INTRODUCTION.split())), ".SH OPTIONS"]
    lines += _options(top, "vrm", ".SS Of every command")
    for name, command in commands:
        lines += [f".SH {_text(name.upper())}", *_prose(command.help or "")]
        lines += _options(command, name, ".SS {}")
    lines += [".SH EXIT STATUS", *_terms(STATUS), ".SH ENVIRONMENT", *_terms(ENVIRONMENT), ".SH EXAMPLES"]
    for what, line in EXAMPLES:
        lines += [".PP", _text(what), ".PP", ".RS 4", ".EX", _text(line), ".EE", ".RE"]
    lines += [".SH SEE ALSO", "The folder docs of the source."]
    return "\n".join(lines) + "\n"


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from _leaves(inner, f"{name} {word}")


def _context(command: Any, name: str) -> Any:
    return command.context_class(command, info_name=name, **command.context_settings)


def _options(command: Any, name: str, heading: str) -> Iterator[str]:
    for title, records in sections(command, _context(command, name)):
        yield heading.format(_text(title))
        yield from _terms(records)


def _terms(pairs: Any) -> Iterator[str]:
    for term, words in pairs:
        yield from (".TP", f".B {_text(term)}", _text(words or "See above."))


def _prose(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield from (".PP", _text(" ".join(paragraph.split())))


def _text(words: str) -> str:
    """Words that mean themselves: no minus becomes a hyphen, no dot at the start a request."""
    plain = words.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("~", "\\(ti")
    return "\\&" + plain if plain.startswith((".", "'")) else plain


if __name__ == "__main__":
    (Path(__file__).parent / "vrm.1").write_text(page(), encoding="utf-8")
