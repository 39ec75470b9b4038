"""``vrm train``: parse, one call."""

from pathlib import Path
from typing import Annotated

import typer

from vrm import api
from vrm.cli import words as w
from vrm.cli.layout import Command, Group
from vrm.cli.progress import listener
from vrm.cli.train_keyframe import keyframe
from vrm.cli.train_savit import savit

train = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None, help="Train what vrm can start from.")

Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="A folder of videos, or of folders of frames.", show_default=False)
]
Folder = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Folder of weights and card.", show_default=False, rich_help_panel=w.OUT
    ),
]
Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="What the weights are called.", rich_help_panel=w.OUT)
]
Licence = Annotated[
    str,
    typer.Option(
        "--licence",
        metavar="SPDX",
        help="Licence of the weights, from that of the clips.",
        show_default=False,
        rich_help_panel=w.OUT,
    ),
]
Steps = Annotated[int, typer.Option("--steps", metavar="N", help="Steps of the optimiser.", rich_help_panel=w.HOW)]
Snippets = Annotated[int, typer.Option("--snippets", metavar="N", help="Cut from each clip.", rich_help_panel=w.HOW)]
Frames = Annotated[int, typer.Option("--frames", metavar="N", help="Of each snippet.", rich_help_panel=w.HOW)]
Width = Annotated[int, typer.Option("--width", metavar="N", help="Of the network.", rich_help_panel=w.HOW)]
Held = Annotated[
    str | None,
    typer.Option(
        "--held-out",
        metavar="NAMES",
        help="Clips that are only looked at: a,b. Default: every eighth.",
        rich_help_panel=w.HOW,
    ),
]
Lessons = Annotated[
    Path | None,
    typer.Option(
        "--lessons", metavar="DIR", help="Keep prepared lessons here, and take those there.", rich_help_panel=w.HOW
    ),
]


@train.callback()
def several() -> None:
    """Train what vrm can start from."""


train.command(cls=Command)(savit)


@train.command(cls=Command)
def internal(
    data: Data,
    output: Folder,
    licence: Licence,
    name: Name = "own",
    steps: Steps = 3000,
    snippets: Snippets = 4,
    frames: Frames = 32,
    width: Width = 24,
    held_out: Held = None,
    lessons: Lessons = None,
    device: w.Device = "auto",
    dtype: w.Dtype = "auto",
    threads: w.Threads = None,
    seed: w.Seed = 0,
    json: w.Json = False,
) -> None:
    """Train the internal engine's prior on many clips.

    Use it with vrm remove --prior DIR/NAME.safetensors.
    """
    with listener(json) as events:
        api.train_internal(
            data,
            output,
            name=name,
            licence=licence,
            events=events,
            steps=steps,
            snippets=snippets,
            frames=frames,
            width=width,
            held=tuple(part.strip() for part in held_out.split(",")) if held_out else None,
            lessons=lessons,
            device=device,
            dtype=dtype,
            threads=threads,
            seed=seed,
        )


train.command(cls=Command)(keyframe)
