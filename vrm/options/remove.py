"""Everything ``vrm remove`` can be told about one video."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vrm.errors import UsageError
from vrm.options import values as read
from vrm.options.declare import (
    EVERYDAY,
    FILLING,
    MACHINE,
    MODEL,
    OUTPUT,
    READ,
    SELECTION,
    WRITTEN,
    Option,
    Options,
    group,
    option,
)
from vrm.options.text import TextOptions
from vrm.options.values import BoxPrompt, KeyMasks, Moment, Point

ENGINES = {
    "motion": "vrm.engines.motion:MotionEngine",
    "internal": "vrm.engines.internal.engine:InternalEngine",
    "savit": "vrm.engines.savit.engine:SavitEngine",
    "keyframe": "vrm.engines.keyframe.engine:KeyframeEngine",
}
"""The engines there are, and where ``vrm.engines.registry`` finds each: a further one is one file and one line here."""

PRESETS = ("fast", "balanced", "best", "paper")
EFFECTS = ("none", "shadows", "reflections", "all")
DTYPES = ("auto", "fp32", "bf16", "fp16")
MOST_THREADS, MOST_SEED = 1024, 2**31 - 1
"""What the libraries take."""


_NOT_POINT = Option(
    SELECTION, "X,Y[@FRAME]", "Click on what stays. Repeatable.", "not_point", parse=read.negative_points, several=True
)


@dataclass(frozen=True)
class MaskOptions(Options):
    """Which pixels go, and how the mask is shaped."""

    # fmt: off
    path: Path | KeyMasks | None = option(None, EVERYDAY, "PATH[@FRAME]", word="mask", kind=READ, noun="mask",
        parse=read.masks, several=True, help="What to remove, in white: a PNG, a folder of PNGs, or a mask video. "
        "Repeat it for masks of several frames: a.png@0, b.png@30.")
    frame: int = option(0, SELECTION, "N", word="mask_frame", between=(0, None), hint="Frames are counted from 0.",
        help="The frame that a single PNG belongs to; the object is followed from there, both ways.")
    static: bool = option(False, EVERYDAY, word="static_mask",
        help="The PNG, or the rectangle of --box, goes on every frame: for a logo, a date or a band of subtitles.")
    objects: tuple[int, ...] = option((), SELECTION, "IDS", word="object", parse=read.object_ids, commas=True,
        help="Ids to remove where the mask has a colour palette: 1,2. Default: all.")
    invert: bool = option(False, SELECTION, word="invert_mask", help="Remove what is black, not white.")
    grow: int | None = option(None, SELECTION, "PX", between=(0, 500), unit=" pixels",
        help="Enlarge the mask; 0: exactly as given. Default: chosen from the image size.")
    feather: int | None = option(None, SELECTION, "PX", between=(0, 500), unit=" pixels",
        help="Width of the soft edge, inside what --grow added. Default: chosen from --grow.")
    save_to: Path | None = option(None, SELECTION, "DIR", word="save_masks", kind=WRITTEN,
        help="Write the final mask of every frame into this folder.")
    classes: tuple[str, ...] = option((), SELECTION, "NAME[,NAME]", word="class_", parse=read.class_names, several=True,
        commas=True,
        help="Remove all of a class or super-category (vrm segment --classes lists them); needs --labels or a model.")
    points: tuple[Point, ...] = option((), EVERYDAY, "X,Y[@FRAME]", word="point", parse=read.points, several=True,
        also=_NOT_POINT,
        help="Click on the object, in pixels from the top left as displayed. Repeat it on any frame to correct.")
    boxes: tuple[BoxPrompt, ...] = option((), EVERYDAY, "X0,Y0,X1,Y1[@FRAME]", word="box", parse=read.boxes,
        several=True, help="Box around the object: left, top, right, bottom. Repeatable.")
    rectangles: tuple[BoxPrompt, ...] = option((), SELECTION, "X0,Y0,X1,Y1", word="static_box", parse=read.rectangles,
        several=True, help="A rectangle that goes on every frame, whatever else is followed. Repeatable.")
    accept_unsure: bool = option(False, SELECTION, word="yes",
        help="Go on where the outline that a click gives is unsure or very large.")
    effects: str | None = option(None, EVERYDAY, choices=EFFECTS,
        help="Remove what the object leaves on its surroundings too. Default: all; none where masks of all frames, "
        "--static-mask or --preset paper say exactly which pixels go, and in vrm track.")
    labels: Path | None = option(None, SELECTION, "DIR", kind=READ, noun="label maps",
        help="Label maps that --class is looked up in, such as vrm segment writes.")
    oracle_labels: bool = option(False, SELECTION,
        help="For measuring only: --labels are of the clean video, and hold inside the hole too.")
    segmenter: str | None = option(None, SELECTION, "NAME|DIR", kind=MODEL,
        help="Model that labels the video for --class. Default: the first that is installed (vrm weights list).")
    sam: str | None = option(None, SELECTION, "NAME|PATH", kind=MODEL,
        help="SAM or SAM 2 model for points and boxes. Default: none is needed.")
    text: TextOptions = group(TextOptions)
    # fmt: on

    @property
    def key_masks(self) -> KeyMasks:
        """Every mask that was named, and the moment it belongs to, if any was."""
        return ((None, self.path),) if isinstance(self.path, Path) else self.path or ()

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for _, path in self.key_masks)

    @property
    def pointed(self) -> tuple[Point | BoxPrompt, ...]:
        return (*self.points, *self.boxes)

    @property
    def prompts(self) -> tuple[Point | BoxPrompt, ...]:
        """Points and boxes that are to be outlined; with ``static`` a box is a rectangle and nothing else."""
        return self.points if self.static else self.pointed

    @property
    def given(self) -> bool:
        return self.of_things or bool(self.rectangles) or self.text.kind is not None

    @property
    def of_things(self) -> bool:
        """Something else than text and ``rectangles`` goes."""
        return bool(self.path or self.classes or self.boxes or any(not p.keep for p in self.points))

    def require(self, verb: str = "remove") -> None:
        if not self.given:
            fix = "Give --mask, --point, --box, --class or --text (mask= in Python)."
            raise UsageError(f"Nothing says what to {verb}.", fix)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path is not None and self.classes:
            raise UsageError("--mask and --class cannot be combined.", "Give one of them, and correct it with --point.")
        if isinstance(self.path, tuple):
            self._check_key_masks(self.path)
        if self.static and self.points and not (self.path or self.boxes or self.classes):
            raise UsageError("A --point has no size that --static-mask could put on every frame.", "Give --box.")
        one_labelling(self.labels, self.segmenter)
        if self.oracle_labels and self.labels is None:
            raise UsageError("--oracle-labels needs the labels of the clean video.", "Give them with --labels DIR.")
        if self.sam is not None and not (self.points or self.boxes):
            raise UsageError("--sam needs something to look at.", "Give --point or --box.")
        if self.grow is not None and self.feather is not None and self.feather > self.grow:
            raise UsageError(
                f"--feather {self.feather} is wider than --grow {self.grow}.",
                "The soft edge lies in the grown ring only, or the object would shine through: give a larger --grow.",
            )
        if self.objects and self.invert:
            raise UsageError("--object and --invert-mask cannot be combined.")

    def _check_key_masks(self, masks: KeyMasks) -> None:
        """Refuse masks of which it is not clear which frame each belongs to."""
        stated = [at for at, _ in masks if at is not None]
        if self.static and stated:
            raise UsageError(f"--static-mask goes on every frame, and --mask names {stated[0]}.", "Leave one out.")
        if self.static:
            return
        if self.frame and len(stated) == len(masks):
            raise UsageError(f"--mask-frame {self.frame} means nothing: every --mask names its frame.", "Leave it out.")
        placed = Counter(at or Moment(frame=self.frame) for at, _ in masks)
        twice = next((at for at, n in placed.items() if n > 1), None)
        if twice is not None:
            raise UsageError(
                f"--mask is given {len(masks)} times, and {placed[twice]} of them are for {twice}.",
                "Say which frame each belongs to: --mask a.png@0 --mask b.png@30. For all frames: --static-mask.",
            )


@dataclass(frozen=True)
class EngineOptions(Options):
    """How the hole is filled.

    ``fits``, no user's option (see ``RemoveOptions.resume``), is the folder that fits to this video are kept in and
    taken from; None = neither.
    """

    # fmt: off
    engine: str = option("motion", FILLING, choices=tuple(ENGINES), help="What fills the hole.")
    preset: str = option("balanced", EVERYDAY, choices=PRESETS,
        help="How much work to spend; paper: a published method alone.")
    prefill: bool | None = option(None, FILLING,
        help="Let the engine start from what motion finds in other frames. Default: yes, but not for --preset paper.")
    weights: str = option("auto", FILLING, "NAME|FILE|none", kind=MODEL,
        help="Weights of the engine's network (savit, keyframe); auto: the first installed (vrm weights list).")
    device: str = option("auto", MACHINE, "auto|cpu|cuda|cuda:N|mps", help="Where to compute.")
    dtype: str = option("auto", MACHINE, choices=DTYPES,
        help="Number format of networks; auto: bf16 where the machine is fast at it, but fp32 with --preset paper.")
    threads: int | None = option(None, MACHINE, "N", between=(1, MOST_THREADS), help="CPU threads. Default: all cores.")
    seed: int = option(0, MACHINE, "N", between=(0, MOST_SEED), help="Seed of everything random.")
    memory_gb: float | None = option(None, MACHINE, "GB", word="memory", between=(1, 1_000_000),
        hint="Give GB, at least 1.", help="Most memory to use: the work is cut into smaller pieces to fit, or refused.")
    fallback: bool = option(True, MACHINE, word="no_fallback", inverted=True,
        help="Stop where memory runs out. By default work goes on with less: smaller windows, half precision, the CPU.")
    fits: Path | None = None
    keyframes: tuple[tuple[int, Path], ...] = option((), FILLING, "FRAME=IMAGE", word="keyframe", kind=READ,
        noun="key frame", parse=read.keyframes, several=True,
        help="A frame you have cleaned already, for --engine keyframe. Repeatable; or a folder of numbered pictures.")
    # fmt: on

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise UsageError(f"--device {self.device} is unknown.", "Use auto, cpu, cuda, cuda:N or mps.")
        if self.weights != "auto" and self.engine in ("motion", "internal"):
            raise UsageError(f"--engine {self.engine} takes no --weights.", "Leave them out, or give another --engine.")
        if self.engine == "motion" and self.preset == "paper":
            raise UsageError(
                "--preset paper is a published method alone, and --engine motion is our own.",
                "Add --engine internal, savit or keyframe.",
            )
        if self.engine == "motion" and self.prefill is False:
            raise UsageError("--engine motion without --prefill would have nothing left.", "Give another --engine.")
        if self.keyframes and self.engine != "keyframe":
            raise UsageError(f"--keyframe means nothing to --engine {self.engine}.", "Add --engine keyframe.")
        for t, n in sorted(Counter(t for t, _ in self.keyframes).items()):
            if t < 0:
                raise UsageError(f"--keyframe {t} is negative.", "Frames are counted from 0.")
            if n > 1:
                raise UsageError(f"--keyframe gives two pictures of frame {t}.", "Leave one out.")
        if self.preset == "paper" and self.prefill:
            raise UsageError("--preset paper is the published method alone and takes no --prefill.")
        if self.preset == "paper" and self.dtype == "auto":  # results to be compared, not only looked at
            object.__setattr__(self, "dtype", "fp32")

    @property
    def cpu_threads(self) -> int:
        """The threads asked for, or as many as there are cores this process may use."""
        if self.threads is not None:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def overwrite_option() -> Any:
    return option(False, EVERYDAY, help="Replace an existing output.")


@dataclass(frozen=True)
class OutputOptions(Options):
    """How the result is written."""

    # fmt: off
    codec: str | None = option(None, OUTPUT, "NAME", help="Codec or encoder. Default: the source's.")
    crf: int | None = option(None, OUTPUT, "N", between=(0, 63),
        help="Quality; less is better. Default: visually lossless.")
    lossless: bool = option(False, OUTPUT, help="FFV1 in mkv, or lossless x264/x265 with that --codec.")
    pix_fmt: str | None = option(None, OUTPUT, "NAME", help="FFmpeg's pixel format. Default: the source's.")
    audio: str = option("auto", OUTPUT, choices=("auto", "copy", "convert", "drop"),
        help="Sound. auto: copied, or converted where the output does not hold it; convert: all; drop: none.")
    overwrite: bool = overwrite_option()
    # fmt: on

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lossless and self.crf is not None:
            raise UsageError("--lossless and --crf cannot be combined.", "Lossless has no quality setting.")


@dataclass(frozen=True)
class InputOptions(Options):
    """Which part of a video is worked on, and what is too large."""

    # fmt: off
    start: Moment | None = option(None, EVERYDAY, "TIME", parse=read.moment,
        help="Work from here on: seconds, hh:mm:ss, or a frame (120f). What lies outside stays as it is.")
    end: Moment | None = option(None, EVERYDAY, "TIME", parse=read.moment,
        help="Work up to here; this frame is not included.")
    stream: int | None = option(None, OUTPUT, "N", help="Video stream to work on. Default: the first.")
    fps: Fraction | None = option(None, OUTPUT, "RATE", parse=read.frame_rate,
        help="Frames per second of a folder of pictures: 24, 29.97, 30000/1001. Default: 25.")
    max_pixels: int = option(8192 * 8192, MACHINE, "N", between=(1, None), hint="It would refuse every video.",
        help="Refuse larger frames.")
    max_frames: int = option(10_000_000, MACHINE, "N", between=(1, None), hint="It would refuse every video.",
        help="Refuse longer videos.")
    # fmt: on


@dataclass(frozen=True)
class RemoveOptions(InputOptions):
    """One video, from end to end."""

    # fmt: off
    mask: MaskOptions = group(MaskOptions)
    engine: EngineOptions = group(EngineOptions)
    output: OutputOptions = group(OutputOptions)
    preview: bool = option(False, EVERYDAY,
        help="Write only the three seconds that show most, before and after side by side, as NAME-preview.")
    report: Path | None = option(None, OUTPUT, "FILE", kind=WRITTEN, help="Write a report: .html or .json.")
    session: Path | None = option(None, SELECTION, "FILE", kind=READ, noun="session",
        help="What vrm pick saved: what goes, and how. Other options count more than those in it.")
    export_keyframes: Path | None = option(None, FILLING, "DIR", kind=WRITTEN,
        help="Write cleaned frames as PNGs, to be retouched and given back with --keyframe DIR.")
    resume: bool = option(False, OUTPUT,
        help="Keep what is finished and what the engine learned of the video; go on from there after an interruption.")
    dry_run: bool = option(False, OUTPUT,
        help="Say how many frames there are to fill, how large the hole is and about how long it takes; write nothing.")
    # fmt: on

    def effects(self, pointed_at: bool) -> str:
        """Which effects go: as asked for, else all if a thing was pointed at, none if the mask says which pixels go."""
        if self.mask.effects is not None:
            return self.mask.effects
        return "all" if pointed_at and self.engine.preset != "paper" else "none"

    @property
    def stripped(self) -> RemoveOptions:
        """The same, with nothing to be written beside the video."""
        mask = replace(self.mask, save_to=None, text=replace(self.mask.text, srt=None))
        return replace(self, report=None, export_keyframes=None, mask=mask)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.report is not None and self.report.suffix.lower() not in (".html", ".json"):
            raise UsageError(f"--report {self.report} is neither .html nor .json.", "Choose one of the two endings.")


TRACK = (
    "mask", "mask_frame", "static_mask", "object", "invert_mask", "grow", "class_", "point", "not_point", "box",
    "static_box", "yes", "effects", "text", "text_area", "text_match", "text_keep", "srt", "labels", "segmenter", "sam",
    "device", "threads", "seed", "overwrite", "start", "end", "stream", "fps", "max_pixels", "max_frames",
)  # fmt: skip
"""The options of ``RemoveOptions`` that ``vrm track`` takes."""


def one_labelling(labels: Path | None, segmenter: str | None) -> None:
    if segmenter is not None and labels is not None:
        raise UsageError("--labels and --segmenter cannot be combined.", "One of them says what is where.")
