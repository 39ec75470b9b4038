"""Everything ``vrm frame`` can be told."""

from __future__ import annotations

from dataclasses import dataclass

from vrm.options import values as read
from vrm.options.declare import EVERYDAY, Options, group, option
from vrm.options.remove import InputOptions, overwrite_option
from vrm.options.values import Moment


@dataclass(frozen=True)
class FrameOptions(Options):
    """One frame of a video."""

    # fmt: off
    at: Moment | None = option(None, EVERYDAY, "TIME", parse=read.moment,
        help="Which frame: seconds, hh:mm:ss, or a number (120f). Default: the first.")
    grid: bool = option(False, EVERYDAY, help="Rule it with a grid of labelled lines, to read places from.")
    overwrite: bool = overwrite_option()
    input: InputOptions = group(InputOptions, only=("stream", "max_pixels", "max_frames"))
    # fmt: on
