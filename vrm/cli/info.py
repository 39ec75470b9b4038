"""``vrm info``: parse, one call, print."""

import json as json_text
from typing import Annotated

import typer

from vrm.cli.options import Input
from vrm.cli.progress import tell


def info(
    input: Input,
    stream: Annotated[int | None, typer.Option("--stream", metavar="N", help="Video stream to describe.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, fractions as 30000/1001.")] = False,
) -> None:
    """Show what is in a video.

    Size, timing, colour, streams, and anything unusual.
    """
    from vrm.media.read.probe import probe
    from vrm.report.facts import describe, video_facts

    facts = probe(input, stream)

    if json:
        typer.echo(json_text.dumps(video_facts(facts), indent=2, ensure_ascii=False))
    else:
        tell(describe(facts).removesuffix("\n"))
