"""What a user can ask for, as frozen dataclasses that check themselves; the command line and the API build these."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from vrm.errors import UsageError

ENGINES = ("motion", "internal", "savit", "keyframe")
PRESETS = ("fast", "balanced", "best", "paper")
DTYPES = ("auto", "fp32", "bf16", "fp16")
MOST_THREADS, MOST_SEED = 1024, 2**31 - 1
"""What the libraries take."""


@dataclass(frozen=True)
class Moment:
    """A place in a video: a frame number, or seconds as an exact fraction. Exactly one of the two is set."""

    frame: int | None = None
    seconds: Fraction | None = None

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Read ``120f``, ``4.5`` or ``hh:mm:ss[.fff]`` (also ``mm:ss``). Raises UsageError."""
        if re.fullmatch(r"\d+f", text):
            return cls(frame=int(text[:-1]))
        if re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text):
            seconds = Fraction(0)
            for part in text.split(":"):
                seconds = seconds * 60 + Fraction(part)
            return cls(seconds=seconds)
        raise UsageError(f"'{text}' is not a time.", "Write seconds (4.5), hh:mm:ss, or a frame number with f (120f).")


@dataclass(frozen=True)
class Point:
    """A click on one frame: pixels from the top left corner of the picture as displayed.

    Attributes:
        x, y: pixels, fractions allowed; pixel 0 reaches from 0 to 1.
        frame: the frame it is on.
        keep: the click says that this does not go.
    """

    x: float
    y: float
    frame: int = 0
    keep: bool = False

    @classmethod
    def parse(cls, text: str, keep: bool = False) -> Point:
        """Read ``X,Y`` or ``X,Y@FRAME``. Raises UsageError."""
        option = "--not-point" if keep else "--point"
        (x, y), frame = _numbers(text, 2, option, "X,Y or X,Y@FRAME, such as 320,200@12")
        if x < 0 or y < 0:
            raise UsageError(f"{option} {text} lies outside the frame.", "Pixels are counted from 0 at the top left.")
        return cls(x, y, frame, keep)


@dataclass(frozen=True)
class BoxPrompt:
    """A box around one thing on one frame, in pixels of the picture as displayed; its right and lower edge excluded."""

    x0: float
    y0: float
    x1: float
    y1: float
    frame: int = 0

    @classmethod
    def parse(cls, text: str) -> BoxPrompt:
        """Read ``X0,Y0,X1,Y1`` or ``X0,Y0,X1,Y1@FRAME``. Raises UsageError."""
        (x0, y0, x1, y1), frame = _numbers(
            text, 4, "--box", "X0,Y0,X1,Y1 or X0,Y0,X1,Y1@FRAME: left, top, right, bottom"
        )
        if x1 <= x0 or y1 <= y0:
            raise UsageError(f"--box {text} is empty.", "Write left, top, right, bottom: X0,Y0,X1,Y1.")
        return cls(x0, y0, x1, y1, frame)


def _numbers(text: str, count: int, option: str, form: str) -> tuple[list[float], int]:
    number = r"\s*-?\d+(?:\.\d+)?\s*"
    if not re.fullmatch(rf"{number}(?:,{number}){{{count - 1}}}(?:@\s*\d+f?\s*)?", text):
        raise UsageError(f"{option} {text} cannot be read.", f"Write {form}.")
    values, _, frame = text.partition("@")
    return [float(value) for value in values.split(",")], int(frame.strip().rstrip("f") or 0)


@dataclass(frozen=True)
class MaskOptions:
    """What goes, and how the mask is shaped.

    Attributes:
        path: a PNG, a folder of PNGs, or a mask video.
        frame: which frame a single PNG belongs to; it is followed through the shot from there.
        static: the single PNG holds for every frame.
        objects: ids of a palette mask that go; empty = every non-zero one.
        invert: 0 = remove instead of 0 = keep.
        grow: pixels the mask is enlarged by; None = chosen from the image size.
        feather: pixels of ramp inside the grown ring; None = chosen from grow.
        save_to: folder the final masks are written to, or None.
        classes: names of classes or super-categories, all of which goes.
        points, boxes: what the user pointed at; beside a path or classes they correct those.
        labels: folder of label maps that ``classes`` is looked up in; None = a segmenter makes them.
        oracle_labels: labels are those of the clean video, and are taken in the hole too, which tells an engine what is
            behind it: for measuring alone.
        segmenter: a panoptic or semantic model: a folder, or a card's name; None = the one present.
        sam: a SAM checkpoint or SAM 2 folder, or a card's name, that points and boxes go through; None = no weights.
    """

    path: Path | None = None
    frame: int = 0
    static: bool = False
    objects: tuple[int, ...] = ()
    invert: bool = False
    grow: int | None = None
    feather: int | None = None
    save_to: Path | None = None
    classes: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    boxes: tuple[BoxPrompt, ...] = ()
    labels: Path | None = None
    oracle_labels: bool = False
    segmenter: str | None = None
    sam: str | None = None

    @property
    def given(self) -> bool:
        """Something says what goes."""
        return bool(self.path or self.classes or self.boxes or any(not p.keep for p in self.points))

    def __post_init__(self) -> None:
        if self.path is not None and self.classes:
            raise UsageError("--mask and --class cannot be combined.", "Give one of them, and correct it with --point.")
        if self.labels is not None and self.segmenter is not None:
            raise UsageError("--labels and --segmenter cannot be combined.", "One of them says what is where.")
        if self.oracle_labels and self.labels is None:
            raise UsageError("--oracle-labels needs the labels of the clean video.", "Give them with --labels DIR.")
        if self.sam is not None and not (self.points or self.boxes):
            raise UsageError("--sam needs something to look at.", "Give --point or --box.")
        if self.frame < 0:
            raise UsageError(f"--mask-frame {self.frame} is negative.", "Frames are counted from 0.")
        for name, value in (("--grow", self.grow), ("--feather", self.feather)):
            if value is not None and not 0 <= value <= 500:
                raise UsageError(f"{name} {value} is outside 0..500 pixels.")
        if self.grow is not None and self.feather is not None and self.feather > self.grow:
            raise UsageError(
                f"--feather {self.feather} is wider than --grow {self.grow}.",
                "The ramp lies in the grown ring only, or the object would shine through: give a larger --grow.",
            )
        if self.objects and self.invert:
            raise UsageError("--object and --invert-mask cannot be combined.")


@dataclass(frozen=True)
class EngineOptions:
    """How the hole is filled.

    Attributes:
        engine, preset: see ``ENGINES`` and ``PRESETS``.
        prefill: start from what motion propagates; None = the preset decides (only "paper" says no).
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: see ``DTYPES``; auto takes bf16 where the machine is fast at it.
        threads: CPU threads; None = all cores the process may use.
        seed: of everything random.
        memory_gb: bound on memory in GB, or None.
        fallback: go on with less where memory runs out: smaller windows, half precision, the processor.
        fits: folder that fits to this video are kept in and taken from; None = neither.
        weights: of the engine's network: a card's name, a safetensors file, "none" (engine keyframe), or
            "auto" (the first present); not for motion and internal.
        keyframes: frame numbers and pictures of frames the user has cleaned (engine keyframe).
    """

    engine: str = "motion"
    preset: str = "balanced"
    prefill: bool | None = None
    weights: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    seed: int = 0
    memory_gb: float | None = None
    fallback: bool = True
    fits: Path | None = None
    keyframes: tuple[tuple[int, Path], ...] = ()

    def __post_init__(self) -> None:
        _one_of("--engine", self.engine, ENGINES)
        _one_of("--preset", self.preset, PRESETS)
        _one_of("--dtype", self.dtype, DTYPES)
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise UsageError(f"--device {self.device} is unknown.", "Use auto, cpu, cuda, cuda:N or mps.")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads {self.threads} is less than one.")
        if self.threads is not None and self.threads > MOST_THREADS:
            raise UsageError(f"--threads {self.threads} is more than {MOST_THREADS}.")
        if self.memory_gb is not None and not 1 <= self.memory_gb <= 1e6:
            raise UsageError(f"--memory {self.memory_gb:g} is outside 1..1,000,000.", "Give GB, at least 1.")
        if not 0 <= self.seed <= MOST_SEED:
            raise UsageError(f"--seed {self.seed} is outside 0..{MOST_SEED}.")
        if self.weights != "auto" and self.engine in ("motion", "internal"):
            raise UsageError(f"--engine {self.engine} takes no --weights.", "Leave them out, or give another --engine.")
        if self.engine == "motion" and self.preset == "paper":
            raise UsageError(
                "--preset paper is a published system alone, and --engine motion is our own.",
                "Add --engine internal, savit or keyframe.",
            )
        if self.engine == "motion" and self.prefill is False:
            raise UsageError("--engine motion without --prefill would have nothing left.", "Give another --engine.")
        if self.keyframes and self.engine != "keyframe":
            raise UsageError(f"--keyframe means nothing to --engine {self.engine}.", "Add --engine keyframe.")
        numbers = [t for t, _ in self.keyframes]
        for t in sorted(set(numbers)):
            if t < 0:
                raise UsageError(f"--keyframe {t} is negative.", "Frames are counted from 0.")
            if numbers.count(t) > 1:
                raise UsageError(f"--keyframe gives two pictures of frame {t}.", "Leave one out.")
        if self.preset == "paper" and self.prefill:
            raise UsageError("--preset paper is the published system alone and takes no --prefill.")

    @property
    def cpu_threads(self) -> int:
        """The threads asked for, or as many as there are cores this process may use."""
        if self.threads is not None:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class OutputOptions:
    """What is written.

    Attributes:
        codec: FFmpeg encoder or codec name; None = the source's own codec family.
        crf: quality; None = visually lossless for the codec.
        lossless: FFV1 in mkv, or lossless x264/x265 with that codec.
        pix_fmt: FFmpeg pixel format; None = the source's own.
        overwrite: replace an existing output.
    """

    codec: str | None = None
    crf: int | None = None
    lossless: bool = False
    pix_fmt: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.lossless and self.crf is not None:
            raise UsageError("--lossless and --crf cannot be combined.", "Lossless has no quality setting.")
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise UsageError(f"--crf {self.crf} is outside 0..63.")


@dataclass(frozen=True)
class RemoveOptions:
    """One video, from end to end: everything ``vrm remove`` can be told.

    Attributes:
        start, end: only this range is worked on; the rest passes through untouched. end is excluded.
        stream: index of the video stream to work on; None = the first.
        preview: write only the three most telling seconds, before and after side by side.
        report: where to write the report (.html or .json), or None.
        export_keyframes: folder that cleaned frames are written to as PNGs, to be retouched and given back, or None.
        max_pixels, max_frames: refuse larger input.
        resume: keep what is finished on the way, go on from what an interrupted run kept, and use what the engine
            learned of this video before.
    """

    mask: MaskOptions = field(default_factory=MaskOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    start: Moment | None = None
    end: Moment | None = None
    stream: int | None = None
    preview: bool = False
    report: Path | None = None
    export_keyframes: Path | None = None
    max_pixels: int = 8192 * 8192
    max_frames: int = 10_000_000
    resume: bool = False

    def __post_init__(self) -> None:
        if self.report is not None and self.report.suffix.lower() not in (".html", ".json"):
            raise UsageError(f"--report {self.report} is neither .html nor .json.", "Choose one of the two endings.")
        _limits(self.max_pixels, self.max_frames)


@dataclass(frozen=True)
class BatchOptions:
    """How many videos are worked on.

    Attributes:
        recursive: look for videos in sub-folders too, and keep those in the output.
        manifest: a list of jobs, .csv or .jsonl.
        allow_outside: a manifest may write outside the output folder.
        skip_existing: what is there already is not made again.
        jobs: videos worked on at the same time, or windows of one; None = 1 here, as many as there is room for on a
            cluster.
        ray: "auto", "local", or the address of a Ray cluster; None = processes of this machine.
        summary: a JSON file for what became of each, or None.
    """

    recursive: bool = False
    manifest: Path | None = None
    allow_outside: bool = False
    skip_existing: bool = False
    jobs: int | None = None
    ray: str | None = None
    summary: Path | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs} is less than one.")
        if self.allow_outside and self.manifest is None:
            raise UsageError("--allow-outside means nothing without --manifest.")
        if self.summary is not None and self.summary.suffix.lower() != ".json":
            raise UsageError(f"--summary {self.summary} does not end in .json.", "Give a file's name that does.")
        if self.manifest is not None and self.recursive:
            raise UsageError("--recursive means nothing to --manifest.", "Its lines name the videos.")

    @property
    def asked(self) -> bool:
        """Anything that makes even one video a batch."""
        return self != BatchOptions()


@dataclass(frozen=True)
class SegmentOptions:
    """Everything ``vrm segment`` can be told.

    Attributes:
        segmenter: a model: its folder, or a card's name.
        labels: a folder of label maps, in place of a model.
        every: label every so manieth frame; those between take their labels along the motion.
        video: write maps as lossless video, not as PNGs.
        preview: write a video with the labels laid over it.
        overwrite: replace an existing folder.
        engine: device, number format, threads.
        start, end, stream, max_pixels, max_frames: see ``RemoveOptions``.
    """

    segmenter: str | None = None
    labels: Path | None = None
    every: int = 1
    video: bool = False
    preview: bool = True
    overwrite: bool = False
    engine: EngineOptions = field(default_factory=EngineOptions)
    start: Moment | None = None
    end: Moment | None = None
    stream: int | None = None
    max_pixels: int = 8192 * 8192
    max_frames: int = 10_000_000

    def __post_init__(self) -> None:
        if not 1 <= self.every <= 30:
            raise UsageError(
                f"--every {self.every} is outside 1..30.", "Farther apart, labels cannot be carried along."
            )
        if self.segmenter is not None and self.labels is not None:
            raise UsageError("--labels and --segmenter cannot be combined.", "One of them says what is where.")
        _limits(self.max_pixels, self.max_frames)


def _limits(pixels: int, frames: int) -> None:
    for option, value in (("--max-pixels", pixels), ("--max-frames", frames)):
        if value < 1:
            raise UsageError(f"{option} {value} is less than one, and refuses every video.")


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{option} {value} is unknown.", f"Choose from: {', '.join(allowed)}.")
