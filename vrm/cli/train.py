"""``vrm train``: parse, one call each."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.help_pages import Command, Group
from vrm.cli.options import Json, takes
from vrm.cli.progress import listener
from vrm.options.declare import EVERYDAY
from vrm.options.train import KeyframeTraining, SavitJob

train = typer.Typer(
    cls=Group, add_completion=False, rich_markup_mode=None, help="Train the networks of engines on your own data."
)


@train.callback()
def several() -> None:
    """Train the networks of engines on your own data."""


def _data(help: str) -> Any:
    return typer.Argument(metavar="DATA", help=help, show_default=False)


def _folder(help: str) -> Any:
    return typer.Option("-o", "--output", metavar="DIR", help=help, show_default=False, rich_help_panel=EVERYDAY)


@train.command(cls=Command)
@takes(SavitJob)
def savit(
    data: Annotated[Path, _data("YouTube-VOS, DAVIS, or a folder of videos or folders of frames.")],
    output: Annotated[Path, _folder("Folder of weights, card, log, samples and checkpoint.")],
    json: Json = False,
    **words: Any,
) -> None:
    """Train the network of the engine savit on many clips.

    Use it with vrm remove --engine savit --weights DIR/NAME.safetensors.
    """
    from vrm.selection.labels.video import label_clips
    from vrm.train import commands

    with listener(json) as events:
        commands.savit(data, output, events, label_clips, **words)


@train.command(cls=Command)
@takes(KeyframeTraining)
def keyframe(
    data: Annotated[Path, _data("A folder of pictures, or of videos.")],
    output: Annotated[Path, _folder("Folder of weights and card.")],
    json: Json = False,
    **words: Any,
) -> None:
    """Train the network of the engine keyframe on pictures or videos.

    Use it with vrm remove --engine keyframe --weights DIR/NAME.safetensors.
    """
    from vrm.train import commands

    with listener(json) as events:
        commands.keyframe(data, output, events, **words)
