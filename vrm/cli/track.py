"""``vrm track``: parse, one call."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.options import Input, Json, Quiet, Verbose, next_command, output_option, takes
from vrm.cli.progress import listener
from vrm.errors import UsageError
from vrm.options.build import as_typed, build_options
from vrm.options.declare import OUTPUT
from vrm.options.remove import TRACK, RemoveOptions

Folder = Annotated[Path | None, output_option("DIR", "Folder for the masks.")]
Overlay = Annotated[
    Path | None,
    typer.Option(
        "--overlay",
        metavar="FILE",
        help="Write a video with the masks laid over it; a PNG shows one frame. Without -o the PNG is all there is, "
        "at once.",
        rich_help_panel=OUTPUT,
    ),
]
_OF_TRACKING = ("overwrite", "threads")
"""Options that say nothing of the next command."""


@takes(RemoveOptions, only=TRACK)
def track(
    input: Input,
    output: Folder = None,
    overlay: Overlay = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Write the mask of every frame.

    PNGs in the displayed orientation; enlarged only if --grow is given.

    \b
    vrm track walk.mp4 --box 9,8,310,400 --overlay look.png  one frame, at once
    vrm track walk.mp4 --box 9,8,310,400 -o masks/           masks of all frames
    """
    options = build_options(**words)
    options.mask.require("follow")
    if output is None and overlay is None:
        raise UsageError("Nothing says where the masks go.", "Give -o DIR, or --overlay look.png to see one frame.")
    with listener(json, quiet, verbose) as events:
        if output is not None:
            from vrm.selection.resolve import track as track_one

            track_one(input, output, options, events, overlay)
            drawn = options.mask.of_things or options.mask.rectangles  # strokes have the margin they need
            exact = options.mask.grow is not None or not drawn
            grown = ["--grow", "0"] if exact else []
            following: list[str] = ["remove", str(input), "--mask", str(output), *grown]
        else:
            from vrm.selection.preview_mask import preview_mask

            assert overlay is not None
            report = preview_mask(input, overlay, options, events)
            said = as_typed(RemoveOptions, {k: v for k, v in words.items() if k not in _OF_TRACKING})
            following = ["remove", str(input), *said]
            if report.unsure:
                following = ["frame", str(input), "--at", f"{report.frame}f", "--grid"]
        if not (json or quiet):
            next_command(*following)
