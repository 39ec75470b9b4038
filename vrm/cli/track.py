"""``vrm track``: parse, one call."""

from pathlib import Path
from typing import Annotated

import typer

from vrm import api
from vrm.cli import options as w
from vrm.cli.progress import listener

Folder = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Folder the masks go to.", show_default=False, rich_help_panel=w.OUT
    ),
]

Overlay = Annotated[
    Path | None,
    typer.Option("--overlay", metavar="FILE", help="Write a video with the masks laid over it.", rich_help_panel=w.OUT),
]


def track(
    input: w.Input,
    output: Folder,
    overlay: Overlay = None,
    mask: w.Mask = None,
    mask_frame: w.MaskFrame = 0,
    static_mask: w.StaticMask = False,
    object: w.Object = None,
    invert_mask: w.InvertMask = False,
    point: w.Points = None,
    not_point: w.NotPoints = None,
    box: w.Boxes = None,
    class_: w.Classes = None,
    labels: w.Labels = None,
    segmenter: w.Segmenter = None,
    sam: w.Sam = None,
    grow: w.Grow = None,
    start: w.Start = None,
    end: w.End = None,
    device: w.Device = "auto",
    threads: w.Threads = None,
    seed: w.Seed = 0,
    stream: w.Stream = None,
    json: w.Json = False,
    overwrite: w.Overwrite = False,
    max_pixels: w.MaxPixels = None,
    max_frames: w.MaxFrames = None,
) -> None:
    """Write the mask of every frame.

    PNGs in the displayed orientation; enlarged only if --grow is given.
    """
    with listener(json) as events:
        api.track_masks(
            input,
            output,
            overlay=overlay,
            events=events,
            mask=mask,
            mask_frame=mask_frame,
            static_mask=static_mask,
            object=object,
            invert_mask=invert_mask,
            point=point,
            not_point=not_point,
            box=box,
            class_=class_,
            labels=labels,
            segmenter=segmenter,
            sam=sam,
            grow=grow,
            start=start,
            end=end,
            device=device,
            threads=threads,
            seed=seed,
            stream=stream,
            overwrite=overwrite,
            max_pixels=max_pixels,
            max_frames=max_frames,
        )
