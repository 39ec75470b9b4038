"""Options of the command line: made from their declarations in ``vrm.options``, and the few that are no others'."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.options.build import Function, with_parameters
from vrm.options.declare import EVERYDAY, MODEL, OUTPUT, Option, Options, options_of


def argument(metavar: str, help: str) -> Any:
    return typer.Argument(metavar=metavar, help=help, show_default=False)


def output_option(metavar: str, help: str, panel: str = EVERYDAY) -> Any:
    return typer.Option("-o", "--output", metavar=metavar, help=help, show_default=False, rich_help_panel=panel)


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
        autocompletion=_completion(declared),
    )
    return inspect.Parameter(
        declared.word, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def _completion(declared: Option) -> Callable[[str], list[str]] | None:
    """What a shell completes the beginning of a value to; the shell itself completes paths."""
    if not declared.choices and declared.kind != MODEL:
        return None

    def complete(incomplete: str) -> list[str]:
        return [word for word in declared.choices or _installed() if word.startswith(incomplete)]

    return complete


def _installed() -> list[str]:
    from vrm.weights.cards import known, models

    return [card.name for card, _ in known()] + [model.name for model, _ in models()]
