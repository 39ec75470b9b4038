"""``vrm clean``: parse, one call, print."""

import json as json_text
from typing import Annotated

import typer

from vrm.cli.options import Json


def clean(
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Remove files that interrupted or killed jobs left.")
    ] = False,
    fits: Annotated[bool, typer.Option("--fits", help="Remove what engines learned of videos (--resume).")] = False,
    weights: Annotated[bool, typer.Option("--weights", help="Remove weights that were fetched or imported.")] = False,
    all: Annotated[bool, typer.Option("--all", help="All three.")] = False,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help="Only what has not changed for this long: 7d, 12h, 30m.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show how much disk vrm takes, and remove what you name.

    Without an option nothing is removed. What a running job uses is never removed.
    """
    from vrm.job.clean import age, clear, listing, text

    kinds = {"scratch": scratch or all, "fits": fits or all, "weights": weights or all}
    seconds = age(older_than) if older_than is not None else 0.0
    items = listing()
    if any(kinds.values()):
        items = clear(items, [name for name, wanted in kinds.items() if wanted], seconds)
    typer.echo(json_text.dumps([item.to_dict() for item in items], indent=2) if json else text(items))
