"""``vrm track``: parse, one call."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.options import Input, Json, takes
from vrm.cli.progress import listener
from vrm.options.build import build_options
from vrm.options.declare import EVERYDAY, OUTPUT
from vrm.options.remove import TRACK, RemoveOptions

Folder = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Folder for the masks.", show_default=False, rich_help_panel=EVERYDAY
    ),
]
Overlay = Annotated[
    Path | None,
    typer.Option(
        "--overlay", metavar="FILE", help="Write a video with the masks laid over it.", rich_help_panel=OUTPUT
    ),
]


@takes(RemoveOptions, only=TRACK)
def track(input: Input, output: Folder, overlay: Overlay = None, json: Json = False, **words: Any) -> None:
    """Write the mask of every frame.

    PNGs in the displayed orientation; enlarged only if --grow is given.
    """
    options = build_options(**words)
    options.mask.require("follow")
    from vrm.selection.resolve import track as track_one

    with listener(json) as events:
        track_one(input, output, options, events, overlay)
