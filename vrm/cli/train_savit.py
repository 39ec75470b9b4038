"""``vrm train savit``: parse, one call."""

from pathlib import Path
from typing import Annotated

import typer

from vrm import api
from vrm.cli import options as w
from vrm.cli.progress import listener


def savit(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="YouTube-VOS, DAVIS, or a folder of videos or folders of frames.", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder of weights, card, log, samples and checkpoint.",
            show_default=False,
            rich_help_panel=w.OUT,
        ),
    ],
    licence: Annotated[
        str,
        typer.Option(
            "--licence",
            metavar="SPDX",
            help="Licence of the weights, from that of the clips.",
            show_default=False,
            rich_help_panel=w.OUT,
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the weights are called.", rich_help_panel=w.OUT)
    ] = "own",
    config: Annotated[
        str,
        typer.Option(
            "--config",
            metavar="NAME|FILE",
            help="small, savit, savit-e2fgvi, a row of the paper's tables (A to E, ...), a backbone, or a TOML file.",
            rich_help_panel=w.HOW,
        ),
    ] = "small",
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", metavar="N", help="Of the optimiser. Default: the configuration's.", rich_help_panel=w.HOW
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="DIR",
            help="Label maps, a folder for each clip. Default: labels in DATA.",
            rich_help_panel=w.HOW,
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter",
            metavar="NAME|DIR",
            help="Model that first labels the clips which have no maps there.",
            rich_help_panel=w.HOW,
        ),
    ] = None,
    held_out: Annotated[
        str | None,
        typer.Option(
            "--held-out",
            metavar="NAMES",
            help="Clips that are only looked at: a,b. Default: every eighth.",
            rich_help_panel=w.HOW,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="NAME|FILE", help="Weights to start from.", rich_help_panel=w.HOW),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in DIR.", rich_help_panel=w.HOW)
    ] = False,
    device: w.Device = "auto",
    dtype: w.Dtype = "auto",
    threads: w.Threads = None,
    seed: w.Seed = 0,
    json: w.Json = False,
) -> None:
    """Train the engine savit's network on many clips.

    Use it with vrm remove --engine savit --weights DIR/NAME.safetensors.
    """
    with listener(json) as events:
        api.train_savit(
            data,
            output,
            name=name,
            licence=licence,
            events=events,
            config=config,
            steps=steps,
            labels=labels,
            segmenter=segmenter,
            held=tuple(part.strip() for part in held_out.split(",")) if held_out else None,
            start=start,
            resume=resume,
            device=device,
            dtype=dtype,
            threads=threads,
            seed=seed,
        )
