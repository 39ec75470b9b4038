"""The words of the command line that several commands share: names, help and grouping, each said once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from vrm.options.remove import DTYPES, ENGINES, PRESETS

GOES, HOW, OUT, MANY, LIMITS = "What goes", "How", "What comes out", "Many videos", "Limits"


def _among(words: Sequence[str]) -> Callable[[str], list[str]]:
    """What a shell completes the beginning of one of these words to."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


Input = Annotated[
    Path, typer.Argument(metavar="INPUT", help="A video file, or a folder of numbered frames.", show_default=False)
]

Mask = Annotated[
    Path | None,
    typer.Option(
        "--mask", metavar="PATH", help="A PNG, a folder of PNGs, or a mask video; white goes.", rich_help_panel=GOES
    ),
]
MaskFrame = Annotated[
    int,
    typer.Option(
        "--mask-frame",
        metavar="N",
        help="Frame a single PNG belongs to; it is followed through the shot from there, both ways.",
        rich_help_panel=GOES,
    ),
]
StaticMask = Annotated[
    bool,
    typer.Option(
        "--static-mask", help="The single PNG holds for every frame (logo, subtitle band).", rich_help_panel=GOES
    ),
]
Object = Annotated[
    str | None,
    typer.Option(
        "--object", metavar="IDS", help="Ids of a palette mask that go: 1,2. Default: all.", rich_help_panel=GOES
    ),
]
InvertMask = Annotated[bool, typer.Option("--invert-mask", help="Black goes, not white.", rich_help_panel=GOES)]
Grow = Annotated[
    int | None,
    typer.Option(
        "--grow",
        metavar="PX",
        help="Enlarge the mask; 0: exactly as given. Default: chosen from the image size.",
        rich_help_panel=GOES,
    ),
]
Feather = Annotated[
    int | None,
    typer.Option(
        "--feather", metavar="PX", help="Ramp inside the grown ring. Default: chosen from grow.", rich_help_panel=GOES
    ),
]
SaveMasks = Annotated[
    Path | None,
    typer.Option("--save-masks", metavar="DIR", help="Write the final mask of every frame.", rich_help_panel=GOES),
]
Points = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y[@FRAME]",
        help="Click on the thing, in pixels of the picture as displayed; repeatable, corrects on other frames.",
        rich_help_panel=GOES,
        show_default=False,
    ),
]
NotPoints = Annotated[
    list[str] | None,
    typer.Option(
        "--not-point",
        metavar="X,Y[@FRAME]",
        help="Click on what stays; repeatable.",
        rich_help_panel=GOES,
        show_default=False,
    ),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X0,Y0,X1,Y1[@FRAME]",
        help="Box around the thing: left, top, right, bottom; repeatable.",
        rich_help_panel=GOES,
        show_default=False,
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        metavar="NAME[,NAME]",
        help="Everything of a class or super-category (vrm segment --classes), with --labels or a segmenter.",
        rich_help_panel=GOES,
        show_default=False,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="DIR", help="Label maps that --class is looked up in.", rich_help_panel=GOES),
]
OracleLabels = Annotated[
    bool,
    typer.Option(
        "--oracle-labels",
        help="Labels are the clean video's, also in the hole: for measuring alone.",
        rich_help_panel=GOES,
    ),
]
Segmenter = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        metavar="NAME|DIR",
        help="Model that labels the video. Default for --class: the first among your weights.",
        rich_help_panel=GOES,
    ),
]
Sam = Annotated[
    str | None,
    typer.Option(
        "--sam", metavar="NAME|PATH", help="SAM model for points and boxes. Default: no weights.", rich_help_panel=GOES
    ),
]

Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="|".join(ENGINES),
        help="Engine.",
        rich_help_panel=HOW,
        autocompletion=_among(ENGINES),
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        metavar="|".join(PRESETS),
        help="How much work to spend; paper: the published system alone.",
        rich_help_panel=HOW,
        autocompletion=_among(PRESETS),
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="NAME|FILE|none",
        help="Weights of the engine's network (savit, keyframe), see vrm weights list. Default: the first here.",
        rich_help_panel=HOW,
    ),
]
Prefill = Annotated[
    bool | None,
    typer.Option(
        "--prefill/--no-prefill",
        help="Start from what motion propagates. Default: yes, but for --preset paper.",
        show_default=False,
        rich_help_panel=HOW,
    ),
]
Keyframe = Annotated[
    list[str] | None,
    typer.Option(
        "--keyframe",
        metavar="FRAME=IMAGE",
        help="A frame you have cleaned already; repeat it, or give a folder of numbered pictures.",
        show_default=False,
        rich_help_panel=HOW,
    ),
]
ExportKeyframes = Annotated[
    Path | None,
    typer.Option(
        "--export-keyframes",
        metavar="DIR",
        help="Write cleaned frames as PNGs, to be retouched and given back with --keyframe DIR.",
        rich_help_panel=OUT,
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="TIME",
        help="Work from here on: seconds, hh:mm:ss or a frame (120f). What is outside passes through.",
        rich_help_panel=HOW,
    ),
]
End = Annotated[
    str | None, typer.Option("--end", metavar="TIME", help="Work up to here (excluded).", rich_help_panel=HOW)
]
Preview = Annotated[
    bool,
    typer.Option(
        "--preview",
        help="Write only the three most telling seconds, before and after side by side.",
        rich_help_panel=HOW,
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda|cuda:N|mps", help="Where to compute.", rich_help_panel=HOW)
]
Dtype = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="|".join(DTYPES),
        help="Number format of the network.",
        rich_help_panel=HOW,
        autocompletion=_among(DTYPES),
    ),
]
Threads = Annotated[
    int | None, typer.Option("--threads", metavar="N", help="CPU threads. Default: all cores.", rich_help_panel=HOW)
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of everything random.", rich_help_panel=HOW)]
Memory = Annotated[
    float | None,
    typer.Option(
        "--memory",
        metavar="GB",
        help="A bound that is kept: work goes in smaller pieces, or stops.",
        rich_help_panel=HOW,
    ),
]
NoFallback = Annotated[
    bool,
    typer.Option(
        "--no-fallback",
        help="Where memory runs out, stop; by default work goes on with less (windows, half precision, the processor).",
        rich_help_panel=HOW,
    ),
]

Codec = Annotated[
    str | None,
    typer.Option("--codec", metavar="NAME", help="Codec or encoder. Default: the source's.", rich_help_panel=OUT),
]
Crf = Annotated[
    int | None,
    typer.Option("--crf", metavar="N", help="Quality. Default: visually lossless.", rich_help_panel=OUT),
]
Lossless = Annotated[
    bool,
    typer.Option("--lossless", help="FFV1 in mkv, or lossless x264/x265 with that --codec.", rich_help_panel=OUT),
]
PixFmt = Annotated[
    str | None,
    typer.Option("--pix-fmt", metavar="NAME", help="Pixel format. Default: the source's.", rich_help_panel=OUT),
]
Stream = Annotated[
    int | None,
    typer.Option("--stream", metavar="N", help="Video stream to work on. Default: the first.", rich_help_panel=OUT),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write a report: .html or .json.", rich_help_panel=OUT),
]
Json = Annotated[bool, typer.Option("--json", help="Events as lines of JSON on standard output.", rich_help_panel=OUT)]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Keep what is finished, go on after an interruption, and use what was learned of this video before.",
        rich_help_panel=HOW,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.", rich_help_panel=OUT)]

SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave videos out whose output is there.", rich_help_panel=MANY)
]
Recursive = Annotated[
    bool,
    typer.Option("--recursive", help="Look into sub-folders of INPUT too, and keep them in OUT.", rich_help_panel=MANY),
]
Manifest = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="A list of jobs, .csv or .jsonl: input, output, mask, and any option, a line each.",
        rich_help_panel=MANY,
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option("--allow-outside", help="The manifest may write to other folders than OUT.", rich_help_panel=MANY),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        help="Videos at the same time, or windows of one; they share --threads and --memory, a GPU each. Default: 1.",
        rich_help_panel=MANY,
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="auto|local|ADDRESS",
        help="Spread videos, or windows of one, over a Ray cluster; each has --threads (default 1) and --memory.",
        rich_help_panel=MANY,
    ),
]
SummaryFile = Annotated[
    Path | None,
    typer.Option("--summary", metavar="FILE", help="Write what became of each video, as JSON.", rich_help_panel=MANY),
]

MaxPixels = Annotated[
    int | None, typer.Option("--max-pixels", metavar="N", help="Refuse larger frames.", rich_help_panel=LIMITS)
]
MaxFrames = Annotated[
    int | None, typer.Option("--max-frames", metavar="N", help="Refuse longer videos.", rich_help_panel=LIMITS)
]
