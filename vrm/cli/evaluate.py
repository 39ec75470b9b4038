"""``vrm evaluate``: parse, one call each."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vrm.cli.help_pages import Command
from vrm.cli.options import Json, Quiet, Verbose, argument, output_option, takes
from vrm.cli.progress import listener
from vrm.options.declare import OUTPUT
from vrm.options.evaluate import CasesCommand, LabelsCommand, MasksCommand, RunCommand, ScoreCommand

evaluate = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="Measure: make cases, score results, run engines."
)


Results = Annotated[list[Path], argument("RESULTS...", "Folders of NAME/00000.png, or of NAME.mp4.")]
JsonRows = Annotated[
    bool, typer.Option("--json", help="Print one JSON object for each folder.", rich_help_panel=OUTPUT)
]


@evaluate.command(cls=Command)
@takes(CasesCommand)
def cases(
    folder: Annotated[Path, argument("CLIPS", "A folder of clips, in any of the usual layouts.")],
    out: Annotated[Path, argument("OUT", "Where the cases go.")],
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Write test cases with known truth.

    OUT/NAME/{frames,masks,truth}/00000.png: fill frames where masks are white, with vrm or with any other tool.
    """
    from vrm.evaluate import commands

    with listener(json, quiet, verbose) as events:
        commands.cases(folder, out, events, **words)


@evaluate.command(cls=Command)
def protocols() -> None:
    """List the protocols."""
    from vrm.evaluate import commands

    typer.echo(commands.protocol_list())


@evaluate.command(cls=Command)
@takes(ScoreCommand)
def score(
    folder: Annotated[Path, argument("CASES", "A folder made by vrm evaluate cases.")],
    results: Results,
    json: JsonRows = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Score results against cases.

    Prints, per RESULTS folder and clip and as means over clips: PSNR and SSIM over whole composed frames and in the
    hole, errors over time, sharpness, and the largest change outside the hole.
    """
    from vrm.evaluate import commands

    with listener(False, quiet, verbose) as events:
        done = commands.score(folder, results, events, **words)
    typer.echo(done.lines() if json else done.table(), nl=False)
    done.complete()


@evaluate.command(cls=Command)
@takes(MasksCommand)
def masks(
    truth: Annotated[Path, argument("TRUTH", "Clips with masks, or a folder of NAME/00000.png.")],
    results: Results,
    json: JsonRows = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Compare masks with true ones: J and F of DAVIS.

    J is intersection over union, F the accuracy of contours. Palette masks are compared id by id.
    """
    from vrm.evaluate import commands

    with listener(False, quiet, verbose) as events:
        done = commands.masks(truth, results, events, **words)
    typer.echo(done.lines() if json else done.table(), nl=False)
    done.complete()


@evaluate.command(cls=Command)
@takes(LabelsCommand)
def labels(
    video: Annotated[Path, argument("VIDEO", "A video, or a folder of frames.")],
    labels: Annotated[list[Path], argument("LABELS...", "Folders made by vrm segment, or of one label PNG per frame.")],
    json: JsonRows = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Measure how steady label maps are: the share of labels that change along the motion."""
    from vrm.evaluate import commands

    with listener(False, quiet, verbose) as events:
        done = commands.labels(video, labels, events, **words)
    typer.echo(done.lines() if json else done.table(), nl=False)


@evaluate.command(cls=Command)
@takes(RunCommand)
def run(
    folders: Annotated[list[Path], argument("CASES...", "Folders made by vrm evaluate cases.")],
    out: Annotated[Path, output_option("DIR", "Results, tables and the page; an earlier run goes on.")],
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **words: Any,
) -> None:
    """Run engines and presets over cases, beside the baselines.

    Writes DIR/table.md, table.csv, results.json and index.html. Telea, Navier-Stokes, the temporal median and
    propagation alone are always in the same run. What an earlier run of the same settings did is not done again.
    """
    from vrm.evaluate import commands

    with listener(json, quiet, verbose) as events:
        done = commands.run(folders, out, events, shlex.join(["vrm", *sys.argv[1:]]), **words)
        if json:
            events.done(done)
    if not json:
        typer.echo(done.text, nl=False)
    done.complete()
