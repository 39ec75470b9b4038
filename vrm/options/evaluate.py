"""Everything the commands of ``vrm evaluate`` can be told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vrm.errors import UsageError
from vrm.options.declare import EVERYDAY, MODEL, OUTPUT, READ, SCORING, SELECTION, WRITTEN, Options, group, option
from vrm.options.remove import ENGINES, PRESETS, EngineOptions, overwrite_option
from vrm.options.values import names


def read_size(value: str) -> tuple[int, int]:
    """``"432x240"`` as ``(height, width)``. Raises UsageError, also for a side of less than 16 pixels."""
    found = re.fullmatch(r"(\d+)x(\d+)", value)
    if not found:
        raise UsageError(f"--size {value} is not a size.", "Write width and height: 432x240.")
    size = int(found[2]), int(found[1])
    if min(size) < 16:
        raise UsageError(f"--size {value} is smaller than 16 pixels.")
    return size


def read_frame_numbers(value: str | Iterable[str]) -> tuple[int, ...]:
    """``"0,-1"`` as numbers; negative ones count from the end. Raises UsageError."""
    try:
        return tuple(int(t) for t in names(value))
    except ValueError:
        raise UsageError(f"--skip {value} is not a list of frame numbers.", "Write --skip 0,-1.") from None


def read_folders(value: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    return tuple(map(Path, [value] if isinstance(value, str | Path) else value))


def read_only(value: str | Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """``"METHOD=CLIP,CLIP"``, or several of them. Raises UsageError."""
    found = []
    for text in [value] if isinstance(value, str) else value:
        pattern, sign, clips = text.partition("=")
        if not sign:
            raise UsageError(f"--only {text} is not METHOD=CLIPS.", "Write --only '*-best=goat,camel'.")
        found.append((pattern.strip(), names(clips)))
    return tuple(found)


# fmt: off
@dataclass(frozen=True)
class _Masks(Options):
    clips: tuple[str, ...] = option((), EVERYDAY, "NAMES", parse=names,
        help="Only these: a,b or patterns such as 'davis-*'.")
    invert_mask: bool = option(False, SELECTION, help="Read masks the other way round: black, not white, counts.")


@dataclass(frozen=True)
class _Frames(_Masks):
    frames: int | None = option(None, EVERYDAY, "N", between=(1, None), help="Only the first N frames of each clip.")


@dataclass(frozen=True)
class LabelsCommand(Options):
    """``vrm evaluate labels``."""

    flow: str | None = option(None, SCORING, "NAME|FILE", kind=MODEL,
        help="Weights of RAFT (large), for the motion between frames. Default: DIS, which needs none.")
    engine: EngineOptions = group(EngineOptions, only=("device",))


@dataclass(frozen=True)
class CasesCommand(_Frames):
    """``vrm evaluate cases``."""

    protocol: str = option("object", EVERYDAY, "NAME", help="How holes are made; vrm evaluate protocols lists them.")
    size: tuple[int, int] | None = option(None, SELECTION, "WxH", parse=read_size,
        help="Size of the cases. Default: the protocol's.")
    keyframes: int = option(4, SELECTION, "N", between=(1, 16),
        help="Views beside each image, for the protocol guided.")
    masks: Path | None = option(None, SELECTION, "DIR", kind=READ,
        help="Published holes, DIR/NAME/*.png, instead of drawn ones.")
    overwrite: bool = overwrite_option()
    engine: EngineOptions = group(EngineOptions, only=("seed",))


@dataclass(frozen=True)
class _Scoring(LabelsCommand, _Frames):
    measures: tuple[str, ...] = option(("standard",), SCORING, "standard|all|NAMES", parse=names,
        help="What is measured: psnr,ssim. Default: standard.")
    lpips: tuple[str, ...] = option((), SCORING, "NAME|FILE", parse=names,
        help="Weights of AlexNet or VGG-16, for LPIPS; both with a comma.")
    fid: str | None = option(None, SCORING, "NAME|FILE", kind=MODEL, help="Weights of FID's Inception, for FID.")
    i3d: str | None = option(None, SCORING, "NAME|FILE", kind=MODEL, help="Weights of I3D, for VFID and PVCS.")
    overwrite: bool = overwrite_option()


@dataclass(frozen=True)
class ScoreCommand(_Scoring):
    """``vrm evaluate score``."""

    skip_every: int = option(0, SELECTION, "N", between=(0, None),
        help="Leave out frames 0, N, 2N, ...: they were given.")
    masks: tuple[Path, ...] = option((), SELECTION, "DIR", kind=READ, parse=read_folders, several=True,
        help="Masks that the tool saved, DIR/NAME/*.png: how much of a known effect they hold. Once for each RESULTS.")
    table: Path | None = option(None, OUTPUT, "FILE", kind=WRITTEN, help="Write the table: .md, .csv or .json.")


@dataclass(frozen=True)
class MasksCommand(_Masks):
    """``vrm evaluate masks``."""

    skip: tuple[int, ...] = option((), EVERYDAY, "FRAMES", parse=read_frame_numbers,
        help="Frames that do not count, such as given ones: 0,-1.")


@dataclass(frozen=True)
class RunCommand(_Scoring):
    """``vrm evaluate run``."""

    engines: tuple[str, ...] = option(("motion",), EVERYDAY, "NAMES", parse=names, offers=tuple(ENGINES),
        help=f"Of: {', '.join(ENGINES)}. Default: motion.")
    presets: tuple[str, ...] = option(("balanced",), EVERYDAY, "NAMES", parse=names, offers=PRESETS,
        help=f"Of: {', '.join(PRESETS)}. Default: balanced.")
    only: tuple[tuple[str, tuple[str, ...]], ...] = option((), SELECTION, "METHOD=CLIPS", parse=read_only,
        several=True,
        help="Run methods on fewer clips: '*-best=goat,camel', or '*-best=fixed/goat' of one of several CASES. "
        "Repeatable.")
    keyframes_every: int = option(20, SELECTION, "N", between=(0, None), hint="0 gives no keyframes.",
        help="Engine keyframe is given the truth of frames 0, N, 2N, ...; 0: none.")
    page: bool = option(True, OUTPUT, help="Write the HTML page.")
    engine: EngineOptions = group(EngineOptions, only=("device", "dtype", "threads", "seed", "memory"))
# fmt: on
