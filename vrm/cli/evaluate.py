"""``vrm evaluate``: parse, one call each."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vrm import api
from vrm.cli import options as w
from vrm.cli.help_pages import Command, Group
from vrm.cli.progress import listener
from vrm.options.remove import ENGINES, PRESETS

evaluate = typer.Typer(
    cls=Group, add_completion=False, rich_markup_mode=None, help="Measure: make cases, score results, run engines."
)


def _how(name: str, metavar: str | None, text: str, panel: str = w.HOW) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=panel)


def _given(metavar: str, text: str) -> Any:
    return typer.Argument(metavar=metavar, help=text, show_default=False)


Clips = Annotated[str | None, _how("--clips", "NAMES", "Only these: a,b or patterns such as 'davis-*'.")]
Frames = Annotated[int | None, _how("--frames", "N", "Only the first so many of each clip.")]
InvertMask = Annotated[bool, _how("--invert-mask", None, "Masks have black where pixels are missing.")]
Measures = Annotated[str, _how("--measures", "standard|all|NAMES", "What is measured: psnr,ssim.")]
Raft = Annotated[str | None, _how("--flow", "NAME|FILE", "Weights of RAFT (large) for E_warp. Default: DIS.")]
Lpips = Annotated[
    str | None, _how("--lpips", "NAME|FILE", "Weights of AlexNet or VGG-16, for LPIPS; both with a comma.")
]
Fid = Annotated[str | None, _how("--fid", "NAME|FILE", "Weights of FID's Inception, for FID.")]
I3d = Annotated[str | None, _how("--i3d", "NAME|FILE", "Weights of I3D, for VFID and PVCS.")]


@evaluate.callback()
def several() -> None:
    """Measure: make cases with known truth, score results against them, run engines over them."""


@evaluate.command(cls=Command)
def cases(
    folder: Annotated[Path, _given("CLIPS", "A folder of clips, in any of the usual layouts.")],
    out: Annotated[Path, _given("OUT", "Where the cases go.")],
    protocol: Annotated[
        str, _how("--protocol", "NAME", "How holes are made; vrm evaluate protocols lists them.")
    ] = "object",
    clips: Clips = None,
    frames: Frames = None,
    size: Annotated[str | None, _how("--size", "WxH", "Size of the cases. Default: the protocol's.")] = None,
    keyframes: Annotated[int, _how("--keyframes", "N", "Views beside each image, for the protocol guided.")] = 4,
    seed: w.Seed = 0,
    masks: Annotated[
        Path | None, _how("--masks", "DIR", "Published holes, DIR/NAME/*.png, instead of drawn ones.")
    ] = None,
    invert_mask: InvertMask = False,
    json: w.Json = False,
    overwrite: w.Overwrite = False,
) -> None:
    """Write test cases with known truth.

    OUT/NAME/{frames,masks,truth}/00000.png: fill frames where masks are white, with vrm or with any other tool.
    """
    with listener(json) as events:
        api.evaluate_cases(
            folder,
            out,
            protocol=protocol,
            clips=clips,
            frames=frames,
            size=size,
            keyframes=keyframes,
            seed=seed,
            masks=masks,
            invert_mask=invert_mask,
            overwrite=overwrite,
            events=events,
        )


@evaluate.command(cls=Command)
def protocols() -> None:
    """List the protocols."""
    typer.echo(api.evaluate_protocols())


@evaluate.command(cls=Command)
def score(
    folder: Annotated[Path, _given("CASES", "A folder made by vrm evaluate cases.")],
    results: Annotated[list[Path], _given("RESULTS", "Folders of NAME/00000.png, or of NAME.mp4.")],
    clips: Clips = None,
    measures: Measures = "standard",
    skip_every: Annotated[int, _how("--skip-every", "N", "Leave out frames 0, N, 2N, ...: they were given.")] = 0,
    frames: Frames = None,
    invert_mask: InvertMask = False,
    flow: Raft = None,
    lpips: Lpips = None,
    fid: Fid = None,
    i3d: I3d = None,
    device: w.Device = "auto",
    table: Annotated[Path | None, _how("--table", "FILE", "Write the table: .md, .csv or .json.", w.OUT)] = None,
    json: Annotated[bool, _how("--json", None, "One JSON object per RESULTS folder.", w.OUT)] = False,
    overwrite: w.Overwrite = False,
) -> None:
    """Score results against cases.

    Prints, per RESULTS folder and clip and as means over clips: PSNR and SSIM over whole composed frames and in the
    hole, errors over time, sharpness, and the largest change outside the hole.
    """
    with listener(False) as events:
        done = api.evaluate_score(
            folder,
            results,
            clips=clips,
            measures=measures,
            skip_every=skip_every,
            frames=frames,
            invert_mask=invert_mask,
            flow=flow,
            lpips=lpips,
            fid=fid,
            i3d=i3d,
            device=device,
            table=table,
            overwrite=overwrite,
            events=events,
        )
    typer.echo(done.lines() if json else done.table(), nl=False)
    done.complete()


@evaluate.command(cls=Command)
def masks(
    truth: Annotated[Path, _given("TRUTH", "Clips with masks, or a folder of NAME/00000.png.")],
    results: Annotated[list[Path], _given("RESULTS", "Folders of NAME/00000.png, or of NAME.mp4.")],
    clips: Clips = None,
    skip: Annotated[str | None, _how("--skip", "FRAMES", "Frames that do not count, such as given ones: 0,-1.")] = None,
    invert_mask: Annotated[bool, _how("--invert-mask", None, "Black is the object.")] = False,
    json: Annotated[bool, _how("--json", None, "One JSON object per RESULTS folder.", w.OUT)] = False,
) -> None:
    """Compare masks with true ones: J and F of DAVIS.

    J is intersection over union, F the accuracy of contours. Palette masks are compared id by id.
    """
    with listener(False) as events:
        done = api.evaluate_masks(truth, results, clips=clips, skip=skip, invert_mask=invert_mask, events=events)
    typer.echo(done.lines() if json else done.table(), nl=False)
    done.complete()


@evaluate.command(cls=Command)
def labels(
    video: Annotated[Path, _given("VIDEO", "A video, or a folder of frames.")],
    labels: Annotated[list[Path], _given("LABELS", "Folders made by vrm segment, or of one label PNG per frame.")],
    flow: Raft = None,
    device: w.Device = "auto",
    json: Annotated[bool, _how("--json", None, "One JSON object per LABELS folder.", w.OUT)] = False,
) -> None:
    """How steady label maps are: labels that change along the motion."""
    with listener(False) as events:
        done = api.evaluate_labels(video, labels, flow=flow, device=device, events=events)
    typer.echo(done.lines() if json else done.table(), nl=False)


@evaluate.command(cls=Command)
def run(
    folders: Annotated[list[Path], _given("CASES", "Folders made by vrm evaluate cases.")],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Results, tables, page; an earlier run goes on.",
            rich_help_panel=w.OUT,
        ),
    ],
    engines: Annotated[str, _how("--engines", "NAMES", f"Of: {', '.join(ENGINES)}.")] = "motion",
    presets: Annotated[str, _how("--presets", "NAMES", f"Of: {', '.join(PRESETS)}.")] = "balanced",
    only: Annotated[
        list[str] | None,
        _how(
            "--only",
            "METHOD=CLIPS",
            "Run methods on fewer clips: '*-best=goat,camel', or '*-best=fixed/goat' of one of several CASES. "
            "Repeatable.",
        ),
    ] = None,
    keyframes_every: Annotated[
        int, _how("--keyframes-every", "N", "Engine keyframe is given the truth of frames 0, N, 2N, ...; 0 = none.")
    ] = 20,
    clips: Clips = None,
    frames: Frames = None,
    measures: Measures = "standard",
    invert_mask: InvertMask = False,
    flow: Raft = None,
    lpips: Lpips = None,
    fid: Fid = None,
    i3d: I3d = None,
    device: w.Device = "auto",
    dtype: w.Dtype = "auto",
    threads: w.Threads = None,
    seed: w.Seed = 0,
    memory: w.Memory = None,
    page: Annotated[bool, _how("--page/--no-page", None, "Write the HTML page.", w.OUT)] = True,
    json: w.Json = False,
    overwrite: w.Overwrite = False,
) -> None:
    """Run engines and presets over cases, beside the baselines.

    Writes DIR/table.md, table.csv, results.json and index.html. Telea, Navier-Stokes, the temporal median and
    propagation alone are always in the same run. What an earlier run of the same settings did is not done again.
    """
    with listener(json) as events:
        done = api.evaluate_run(
            folders,
            out,
            engines=engines,
            presets=presets,
            only=only,
            keyframes_every=keyframes_every,
            clips=clips,
            frames=frames,
            measures=measures,
            invert_mask=invert_mask,
            flow=flow,
            lpips=lpips,
            fid=fid,
            i3d=i3d,
            device=device,
            dtype=dtype,
            threads=threads,
            seed=seed,
            memory_gb=memory,
            page=page,
            overwrite=overwrite,
            command=shlex.join(["vrm", *sys.argv[1:]]),
            events=events,
        )
        if json:
            events.done(done)
    if not json:
        typer.echo(done.text, nl=False)
    done.complete()
