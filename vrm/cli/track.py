"""``vrm track``: parse, one call."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.options import Input, Json, Quiet, Verbose, output_option, takes
from vrm.cli.progress import listener
from vrm.options.build import build_options
from vrm.options.declare import OUTPUT
from vrm.options.remove import TRACK, RemoveOptions

Folder = Annotated[Path, output_option("DIR", "Folder for the masks.")]
Overlay = Annotated[
    Path | None,
    typer.Option(
        "--overlay", metavar="FILE", help="Write a video with the masks laid over it.", rich_help_panel=OUTPUT
    ),
]


@takes(RemoveOptions, only=TRACK)
def track(
    input: Input,
    output: Folder,
    overlay: Overlay = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Write the mask of every frame.

    PNGs in the displayed orientation; enlarged only if --grow is given.
    """
    options = build_options(**words)
    options.mask.require("follow")
    from vrm.selection.resolve import track as track_one

    with listener(json, quiet, verbose) as events:
        track_one(input, output, options, events, overlay)
