"""``vrm train keyframe``: parse, one call."""

from pathlib import Path
from typing import Annotated

import typer

from vrm import api
from vrm.cli import options as w
from vrm.cli.progress import listener

Data = Annotated[Path, typer.Argument(metavar="DATA", help="A folder of pictures, or of videos.", show_default=False)]
Folder = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Folder of weights and card.", show_default=False, rich_help_panel=w.OUT
    ),
]
Licence = Annotated[
    str,
    typer.Option(
        "--licence",
        metavar="SPDX",
        help="Licence of the weights, from that of the data.",
        show_default=False,
        rich_help_panel=w.OUT,
    ),
]
Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="What the weights are called.", rich_help_panel=w.OUT)
]
Steps = Annotated[int, typer.Option("--steps", metavar="N", help="Steps of the optimiser.", rich_help_panel=w.HOW)]
Batch = Annotated[int, typer.Option("--batch", metavar="N", help="Pictures per step.", rich_help_panel=w.HOW)]
Side = Annotated[int, typer.Option("--side", metavar="PX", help="Side of the square views.", rich_help_panel=w.HOW)]
References = Annotated[
    int, typer.Option("--references", metavar="N", help="Key frames of each target.", rich_help_panel=w.HOW)
]
Width = Annotated[int, typer.Option("--width", metavar="N", help="Of the network.", rich_help_panel=w.HOW)]
Blocks = Annotated[int, typer.Option("--blocks", metavar="N", help="Of the network.", rich_help_panel=w.HOW)]
Rate = Annotated[float, typer.Option("--rate", metavar="X", help="Learning rate.", rich_help_panel=w.HOW)]
Real = Annotated[
    float,
    typer.Option(
        "--real", metavar="SHARE", help="Share of examples with frames of a video as key frames.", rich_help_panel=w.HOW
    ),
]
Perceptual = Annotated[
    str | None,
    typer.Option(
        "--perceptual",
        metavar="NAME|FILE",
        help="Weights for the paper's perceptual loss (vrm weights import ade20k-resnet50). Default: without it.",
        show_default=False,
        rich_help_panel=w.HOW,
    ),
]
Every = Annotated[
    int, typer.Option("--check-every", metavar="N", help="Steps between lines of the table.", rich_help_panel=w.HOW)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from what an earlier run of this name left.", rich_help_panel=w.HOW)
]


def keyframe(
    data: Data,
    output: Folder,
    licence: Licence,
    name: Name = "own",
    steps: Steps = 100_000,
    batch: Batch = 8,
    side: Side = 256,
    references: References = 2,
    width: Width = 64,
    blocks: Blocks = 4,
    rate: Rate = 3.2e-4,
    real: Real = 0.0,
    perceptual: Perceptual = None,
    check_every: Every = 500,
    resume: Resume = False,
    device: w.Device = "auto",
    dtype: w.Dtype = "auto",
    threads: w.Threads = None,
    seed: w.Seed = 0,
    json: w.Json = False,
) -> None:
    """Train the keyframe engine's network on pictures or videos.

    Use it with vrm remove --engine keyframe --weights DIR/NAME.safetensors.
    """
    with listener(json) as events:
        api.train_keyframe(
            data,
            output,
            name=name,
            licence=licence,
            events=events,
            steps=steps,
            batch=batch,
            side=side,
            references=references,
            width=width,
            blocks=blocks,
            rate=rate,
            real=real,
            perceptual=perceptual,
            check_every=check_every,
            resume=resume,
            device=device,
            dtype=dtype,
            threads=threads,
            seed=seed,
        )
