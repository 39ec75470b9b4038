"""``vrm remove``: parse, one call."""

from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.options import Json, Quiet, Verbose, output_option, takes
from vrm.cli.progress import listener
from vrm.options.batch import BatchOptions
from vrm.options.build import build, build_options, words_of
from vrm.options.remove import RemoveOptions
from vrm.options.session import session_video

Inputs = Annotated[
    list[Path],
    typer.Argument(
        default_factory=list,
        metavar="INPUT...",
        help="Videos, folders of videos, folders of numbered frames; - reads names from standard input.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    output_option(
        "OUT", "Where the result goes; for several inputs a folder. Default: INPUT's name with -clean, beside it."
    ),
]


@takes(RemoveOptions, BatchOptions)
def remove(
    input: Inputs,
    output: Output = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Remove what a mask, a click, a box or a class name says, with its shadow and reflection, or text; nothing else.

    Sound, timing, colours and every pixel outside the mask and the reported effects stay as they are.

    \b
    vrm remove walk.mp4 --mask dog.png -o clean.mp4    an object that moves
    vrm remove news.mp4 --mask logo.png --static-mask  a logo that stands still

    Of several videos, one that fails stops no other; a folder given with --mask then holds a mask of each video's name.
    """
    batch = build(BatchOptions, words_of(BatchOptions, words))
    own = {word: value for word, value in words_of(RemoveOptions, words).items() if value is not None}
    from vrm.batch.run import plan, run_batch, stands_for_many

    if own.get("session") and not input and not batch.manifest:
        input = [session_video(own["session"])]
    with listener(json, quiet, verbose, words["dry_run"]) as events:
        if batch.asked or len(input) != 1 or stands_for_many(str(input[0])):
            run_batch(plan([str(path) for path in input], output, own, batch, events), own, batch, events)
            return
        options = build_options(**own)
        options.mask.require()
        from vrm.batch.naming import output_for
        from vrm.pipeline import remove as remove_one

        remove_one(input[0], output_for(input[0], output, options), options, events)
