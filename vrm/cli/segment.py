"""``vrm segment``: parse, one call."""

from pathlib import Path
from typing import Annotated

import typer

from vrm import api
from vrm.cli import options as w
from vrm.cli.progress import listener
from vrm.errors import UsageError

Source = Annotated[
    Path | None,
    typer.Argument(metavar="INPUT", help="A video file, or a folder of numbered frames.", show_default=False),
]
Folder = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder of the labels.", rich_help_panel=w.OUT)
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="DIR", help="Label maps, in place of a model.", rich_help_panel=w.HOW),
]
Segmenter = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        metavar="NAME|DIR",
        help="Model: a folder of transformers or mmsegmentation, or a name. Default: the first among your weights.",
        rich_help_panel=w.HOW,
    ),
]
Every = Annotated[
    int,
    typer.Option(
        "--every", metavar="N", help="Label every Nth frame; motion carries labels between.", rich_help_panel=w.HOW
    ),
]
Video = Annotated[
    bool, typer.Option("--label-video", help="Maps as lossless video, not as PNGs.", rich_help_panel=w.OUT)
]
Preview = Annotated[
    bool, typer.Option("--preview/--no-preview", help="A video with the labels laid over it.", rich_help_panel=w.OUT)
]
Classes = Annotated[
    bool,
    typer.Option("--classes", help="Print all classes (INPUT: a taxonomy) and exit.", rich_help_panel=w.OUT),
]


def segment(
    input: Source = None,
    output: Folder = None,
    segmenter: Segmenter = None,
    labels: Labels = None,
    every: Every = 1,
    start: w.Start = None,
    end: w.End = None,
    device: w.Device = "auto",
    dtype: w.Dtype = "auto",
    threads: w.Threads = None,
    label_video: Video = False,
    preview: Preview = True,
    classes: Classes = False,
    stream: w.Stream = None,
    json: w.Json = False,
    overwrite: w.Overwrite = False,
    max_pixels: w.MaxPixels = None,
    max_frames: w.MaxFrames = None,
) -> None:
    """Say what is where: a class and a super-category for every pixel.

    Maps as palette PNGs or lossless video, segments as JSON, a preview, a summary.
    """
    if classes:
        typer.echo(api.class_list(None if input is None else str(input)))
        return
    if input is None or output is None:
        raise UsageError("vrm segment needs a video and a folder for its labels.", "vrm segment INPUT -o DIR.")
    with listener(json) as events:
        api.segment_video(
            input,
            output,
            events=events,
            segmenter=segmenter,
            labels=labels,
            every=every,
            video=label_video,
            preview=preview,
            overwrite=overwrite,
            start=start,
            end=end,
            stream=stream,
            device=device,
            dtype=dtype,
            threads=threads,
            max_pixels=max_pixels,
            max_frames=max_frames,
        )
