"""``vrm train``: parse, one call."""

import typer

from vrm.cli.help_pages import Command, Group
from vrm.cli.train_keyframe import keyframe
from vrm.cli.train_savit import savit

train = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None, help="Train what vrm can start from.")


@train.callback()
def several() -> None:
    """Train what vrm can start from."""


train.command(cls=Command)(savit)


train.command(cls=Command)(keyframe)
