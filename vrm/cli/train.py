"""``vrm train``: parse, one call each."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.help_pages import Command
from vrm.cli.options import Json, Quiet, Verbose, argument, output_option, takes
from vrm.cli.progress import listener
from vrm.options.train import KeyframeTraining, SavitJob

train = typer.Typer(add_completion=False, rich_markup_mode=None, help="Train the networks of engines on your own data.")


@train.command(cls=Command)
@takes(SavitJob)
def savit(
    data: Annotated[Path, argument("DATA", "YouTube-VOS, DAVIS, or a folder of videos or folders of frames.")],
    output: Annotated[Path, output_option("DIR", "Folder of weights, card, log, samples and checkpoint.")],
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Train the network of the engine savit on many clips.

    Use it with vrm remove --engine savit --weights DIR/NAME.safetensors.
    """
    from vrm.selection.labels.video import label_clips
    from vrm.train import commands

    with listener(json, quiet, verbose) as events:
        commands.savit(data, output, events, label_clips, **words)


@train.command(cls=Command)
@takes(KeyframeTraining)
def keyframe(
    data: Annotated[Path, argument("DATA", "A folder of pictures, or of videos.")],
    output: Annotated[Path, output_option("DIR", "Folder of weights and card.")],
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Train the network of the engine keyframe on pictures or videos.

    Use it with vrm remove --engine keyframe --weights DIR/NAME.safetensors.
    """
    from vrm.train import commands

    with listener(json, quiet, verbose) as events:
        commands.keyframe(data, output, events, **words)
