"""``vrm pick``: parse, one call."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from vrm.cli.options import argument
from vrm.cli.progress import tell
from vrm.options.declare import EVERYDAY, MACHINE

Video = Annotated[Path, argument("INPUT", "A video, a folder of numbered frames, or a session that was saved.")]


def pick(
    input: Video,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only.", rich_help_panel=EVERYDAY)
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1024, max=65535, help="Port; the next that is free is taken. Default: 8437.",
            rich_help_panel=MACHINE, show_default=False,
        ),
    ] = None,
) -> None:  # fmt: skip
    """Say what goes by clicking, in the browser.

    A page on this machine alone: click or draw a box, see the mask, follow it, try, remove, compare. It shows the
    command that does the same.

    \b
    vrm pick walk.mp4           opens the page
    vrm pick walk-pick.json     goes on where it was saved
    """
    import_module("vrm.page.server").pick(input, port, not no_browser, tell)  # a face beside this one, not below it
