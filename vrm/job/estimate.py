"""About how long the work on a video takes: the pieces of a job, with the seconds that each should take.

The rates are processor seconds of one recent core (motion: clips of 640x360 to 1920x1080 with holes of 4 to 16 % of the
frame). They are rough, a factor of two either way, more for networks; ``Forecast`` corrects them by the job's own pace.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vrm.events import Plan
from vrm.motion.config import MotionConfig
from vrm.options.remove import EngineOptions, RemoveOptions
from vrm.shots.windows import Window
from vrm.system.forecast import Piece
from vrm.types import Masks, VideoInfo

_CUTS, _LABEL, _WRITE = 2.5e-8, 5e-6, 1.5e-7
"""Seconds for each pixel of a frame: decoded and looked at; labelled by a network; composited and encoded."""
_FOLLOW = 0.12
"""Seconds to follow a mask from one frame to the next, whatever their size."""
_FIND_TEXT, _TEXT = 0.3, 0.02
"""Seconds to look for text on a frame, of which two a second are looked at; and to follow and outline it on each."""
_EFFECTS = 0.3
"""Seconds to look for the effects of an object on a frame, likewise."""

_USUAL_HOLE = 0.04
"""Share of the frame that a hole is taken for before the masks are known."""

_PER_PIXEL, _PER_HOLE = 0.8e-6, 0.9e-5
"""Seconds that motion takes with ``fast`` for each working pixel of a frame, and for each pixel of its hole."""
_EFFORT = {"fast": 1.0, "balanced": 3.2, "best": 4.4, "paper": 1.0}
_CALIBRATION = 24
"""Frames with ``fast`` that are worth as much as the calibration of a window (``balanced``, ``best``)."""
_SHARED = 0.8
"""Twice the threads make motion faster by two to the power of this."""

_INPAINT = {"savit": 5.0, "internal": 0.5}
"""Seconds that an engine's network takes for a frame."""
_PREPARE = {"internal": ("fit", 3600.0), "keyframe": ("keyframes", 60.0)}
"""What engines do for a shot before its windows, and the seconds it takes."""
_ON_GPU = 0.05
"""What a network takes on a GPU, of the time on a processor."""


def mask_pieces(info: VideoInfo, options: RemoveOptions, frames: int) -> list[Piece]:
    """What is done before the masks of ``frames`` frames are known."""
    pixels, mask = frames * info.width * info.height, options.mask
    pieces = [Piece({"look for cuts": _CUTS * pixels})]
    if mask.classes:
        labelling = [] if mask.labels is not None else [Piece({"label": _LABEL * pixels})]
        pieces = [*labelling, Piece({"read labels": _CUTS * pixels}), *pieces]
        pieces.append(Piece({"close drop-outs": _CUTS * pixels}))
    if mask.text.kind is not None:
        pieces.append(Piece({"find text": _FIND_TEXT * 2 * frames / float(info.frame_rate), "text": _TEXT * frames}))
    given = not mask.static and mask.path is not None
    followed = bool(mask.points or mask.boxes) or (given and all(path.is_file() for path in mask.paths))
    if followed:
        pieces.append(Piece({"follow": _FOLLOW * frames}))
    if options.effects(followed or bool(mask.classes)) != "none":
        pieces.append(Piece({"effects": _EFFECTS * frames}))
    return pieces


def label_pieces(info: VideoInfo, frames: int) -> list[Piece]:
    """``vrm segment``."""
    pixels = frames * info.width * info.height
    return [Piece({"look for cuts": _CUTS * pixels}), Piece({"label": _LABEL * pixels})]


def write_piece(info: VideoInfo, frames: int) -> Piece:
    """The result is decoded, composited and encoded."""
    return Piece({"write": _WRITE * frames * info.width * info.height})


def usual_filling(info: VideoInfo, options: EngineOptions, frames: int) -> Piece:
    """The filling of so many frames, as long as their masks are not known."""
    areas = [round(_USUAL_HOLE * info.width * info.height)] * frames
    return Piece({"fill": sum(_stages(info, options, areas, options.device == "cpu").values())})


def shot_pieces(
    info: VideoInfo, options: EngineOptions, on_cpu: bool, holes: Masks, windows: Sequence[Window], shot: int,
    prepared: int | None, at_once: int = 1,
) -> list[Piece]:  # fmt: skip
    """What is done to fill the windows of a shot.

    Args:
        on_cpu: the engine's network works on the processor.
        shot: its number, from 1.
        prepared: the shot's first frame if the engine prepares for it before the first window, or None.
        at_once: processes that share the windows.
    """
    pieces = []
    if prepared is not None and windows and options.engine in _PREPARE:
        stage, seconds = _PREPARE[options.engine]
        pieces.append(Piece({stage: seconds * (1 if on_cpu else _ON_GPU)}, "prepare", prepared, shot))
    for window in windows:
        areas = [int(np.count_nonzero(holes[t])) for t in range(window.start, window.stop)]
        stages = _stages(info, options, areas, on_cpu)
        pieces.append(Piece({name: s / at_once for name, s in stages.items()}, "fill", window, shot))
    return pieces


def _stages(info: VideoInfo, options: EngineOptions, areas: Sequence[int], on_cpu: bool) -> dict[str, float]:
    """The stages of a window whose frames have holes of these areas."""
    stages = {}
    network = _INPAINT.get(options.engine, 0.0) if options.preset == "paper" or options.engine == "savit" else 0.0
    if options.prefill is not False and not (options.preset == "paper" and options.engine != "keyframe"):
        working = info.width * info.height * min(1.0, MotionConfig.longest / max(info.size)) ** 2
        frames, effort = len(areas), _EFFORT[options.preset]
        each = _PER_PIXEL * working + _PER_HOLE * sum(areas) / max(1, frames)
        seconds = each * (effort * frames + (min(frames, _CALIBRATION) if effort > 1 else 0))
        stages["motion"] = seconds / options.cpu_threads**_SHARED
    if network:
        stages["inpaint"] = network * len(areas) * (1 if on_cpu else _ON_GPU)
    return stages or {"fill": _INPAINT["internal"] * len(areas)}


def planned(holes: Masks, wanted: range, written: int, seconds: float) -> Plan:
    """What is about to be done for the frames ``wanted``, of which ``written`` are written."""
    shares = [float(np.mean(holes[t])) for t in wanted if holes.box(t) is not None]
    mean, most = (float(np.mean(shares)), max(shares)) if shares else (0.0, 0.0)
    return Plan(written, len(shares), mean, most, seconds)
