"""``vrm segment``: parse, one call."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.options import VIDEO, Json, Quiet, Verbose, output_option, takes
from vrm.cli.progress import listener
from vrm.errors import UsageError
from vrm.options.build import build
from vrm.options.declare import OUTPUT
from vrm.options.segment import SegmentOptions

Source = Annotated[Path | None, VIDEO]
Folder = Annotated[Path | None, output_option("DIR", "Folder of the labels.")]
Classes = Annotated[
    bool, typer.Option("--classes", help="Print all classes (INPUT: a taxonomy) and exit.", rich_help_panel=OUTPUT)
]


@takes(SegmentOptions)
def segment(
    input: Source = None,
    output: Folder = None,
    classes: Classes = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Give every pixel a label: a class and a super-category.

    Writes maps as palette PNGs or lossless video, segments as JSON, a preview and a summary.
    """
    if classes:
        from vrm.selection.labels.taxonomy import TAXONOMIES, listing

        typer.echo("\n\n".join(map(listing, TAXONOMIES if input is None else (str(input),))))
        return
    if input is None or output is None:
        raise UsageError("vrm segment needs a video and a folder for its labels.", "vrm segment INPUT -o DIR.")
    options = build(SegmentOptions, words)
    from vrm.selection.labels.video import segment as segment_one

    with listener(json, quiet, verbose) as events:
        segment_one(input, output, options, events)
