"""Options of the command line: made from their declarations in ``vrm.options``, and the few that are no others'."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.complete import Complete, values_of
from vrm.cli.progress import tell
from vrm.errors import UsageError
from vrm.options.build import Function, with_parameters
from vrm.options.declare import EVERYDAY, OUTPUT, Option, Options, options_of
from vrm.options.text import TEXT


def argument(metavar: str, help: str, complete: Complete | None = None) -> Any:
    return typer.Argument(metavar=metavar, help=help, show_default=False, autocompletion=complete)


def output_option(metavar: str, help: str, panel: str = EVERYDAY) -> Any:
    return typer.Option("-o", "--output", metavar=metavar, help=help, show_default=False, rich_help_panel=panel)


_NUMBERS = {"--box": 4, "--point": 2, "--not-point": 2, "--text-area": 4}
"""Options whose value is a place, and of how many numbers."""
_ALONE = {"--text": TEXT}
"""Options that may stand without a value, which is the first of these then."""

VIDEO = argument("INPUT", "A video file, or a folder of numbered frames.")
Input = Annotated[Path, VIDEO]
Json = Annotated[bool, typer.Option("--json", help="Print events as lines of JSON.", rich_help_panel=OUTPUT)]

Quiet = Annotated[
    bool,
    typer.Option(
        "-q", "--quiet", help="Print the result and errors only: no progress, no notes.", rich_help_panel=OUTPUT
    ),
]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Print how long each stage took, too.", rich_help_panel=OUTPUT)
]


def takes(*kinds: type[Options], only: tuple[str, ...] | None = None) -> Callable[[Function], Function]:
    """Give a command that takes ``**words`` the options of these classes, or ``only`` those of these words."""

    def decorate(command: Function) -> Function:
        declared = {word: each for kind in kinds for word, each in options_of(kind).items()}
        named = [_parameter(each) for word, each in declared.items() if only is None or word in only]
        return with_parameters(command, inspect.signature(command, eval_str=True), named)

    return decorate


def next_command(*words: str | Path) -> None:
    """Print what to type next."""
    tell(f"next: {shlex.join(['vrm', *map(str, words)])}")


def with_values(args: Sequence[str]) -> list[str]:
    """The words of a command line, ``--text`` with its value where it has none."""
    out: list[str] = []
    for at, word in enumerate(args):
        out.append(word)
        if word == "--":
            return out + list(args[at + 1 :])
        if word in _ALONE and (at + 1 == len(args) or args[at + 1] not in _ALONE[word]):
            out.append(_ALONE[word][0])
    return out


def refuse_spaces(args: Sequence[str]) -> None:
    """Raise UsageError for a place that the shell has cut at its spaces: ``--box 1, 2, 3, 4``."""
    for at, flag in enumerate(args):
        if (count := _NUMBERS.get(flag)) is None:
            continue
        place = re.compile(rf"-?[\d.]+(,-?[\d.]+){{{count - 1}}}(@\S+)?")
        joined = [",".join(args[at + 1 : at + 1 + n]) for n in range(1, count + 2)]
        found = [
            text for text in (re.sub(",+", ",", each).replace(",@", "@") for each in joined) if place.fullmatch(text)
        ]
        if found and not place.fullmatch(joined[0]):
            raise UsageError(f"{flag} has spaces in its value.", f"Write it as one word: {flag} {found[-1]}")


def _parameter(declared: Option) -> inspect.Parameter:
    """An option as typer reads it from a function's signature."""
    kind: Any = str if declared.parse is not None else declared.type
    default = None if declared.parse is not None else declared.default
    flag, truth = declared.flag or f"--{declared.name}", kind is bool
    if declared.several:
        kind = list[str]
    if declared.inverted:
        default = not default
    if truth and default is not False:
        flag += f"/--no-{declared.name}"
    if default is None:
        kind |= None
    info = typer.Option(
        flag,
        metavar=declared.metavar or "|".join(declared.choices) or None,
        help=declared.help,
        rich_help_panel=declared.panel,
        show_default=not truth,
        autocompletion=values_of(declared),
    )
    return inspect.Parameter(
        declared.word, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )
