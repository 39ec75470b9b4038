"""``vrm frame``: a frame as a PNG as vrm counts its pixels, with a ruled grid to read places from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vrm.errors import UsageError, VideoError
from vrm.events import Events, no_progress, stages
from vrm.job.preflight import refuse_existing
from vrm.media.frame.frame import Frame
from vrm.media.read.open_video import frame_number, open_video
from vrm.media.read.reader import Reader
from vrm.media.read.times import timestamps
from vrm.media.write.containers import stem
from vrm.media.write.png import picture_of, write_png
from vrm.options.frame import FrameOptions
from vrm.options.values import Moment
from vrm.report.frame import FrameReport
from vrm.system.failures import translate_errors
from vrm.types import U8, Pixels, VideoInfo, eight_bits

_LINES = 20
"""Ruled lines along the longer side, at most."""
_FAR = 500
"""From this frame on it is worth while to show how far it is."""
_ROOM = 40
"""Pixels between two of them, at least, where the picture is no stamp."""
_STEPS = (10, 20, 50, 100, 200, 500, 1000)
_LIGHT, _DARK = 0.6, 0.4
"""How far a ruled line goes towards white, and the line beside it towards black: one of the two is seen anywhere."""


def write_frame(source: Path, target: Path | None, options: FrameOptions, events: Events) -> FrameReport:
    """Write one frame as PNG, in the displayed orientation and of the size that places are counted in.

    Without a grid it has the source's depth. ``target`` None: beside the source, named by frame.

    Raises VrmError: no such video or frame, or the picture cannot be written.
    """
    with translate_errors():
        limits = options.input
        info = open_video(source, limits.max_pixels, limits.max_frames, limits.stream)
        t = frame_number(info, options.at or Moment(frame=0), "--at")
        target = target or source.parent / f"{stem(source)}-frame{t}.png"
        _check_target(target, source, options.overwrite)
        frame = _read(info, t, events)
        picture: Pixels = np.rot90(picture_of(frame), -info.rotation // 90)
        write_png(target, ruled(picture) if options.grid else picture)
        times = timestamps(info)
    seconds = float((times[min(t, len(times) - 1)] - times[0]) * info.time_base)
    report = FrameReport(str(source), str(target), t, seconds, info.display_size)
    if info.sample_aspect not in (0, 1):
        report.notes.append("A player stretches this video's pixels; places are counted in those of this picture.")
    for note in report.notes:
        events.note(note)
    events.done(report)
    return report


def _read(info: VideoInfo, t: int, events: Events) -> Frame:
    """Frame t, to which everything before it is decoded; far into a video that takes a while. Raises VideoError."""
    far = t >= _FAR and info.container != "frames"
    progress = stages(events) if far else no_progress
    with Reader(info) as reader:
        for frame in reader.frames(0 if far else t, t + 1):
            progress("look for the frame", frame.index + 1, t + 1)
            if frame.index == t:
                return frame
    raise VideoError(f"Frame {t} of {info.path} cannot be decoded.", "Choose another with --at.")


def _check_target(target: Path, source: Path, overwrite: bool) -> None:
    if target.suffix.lower() != ".png":
        raise UsageError(f"-o {target} does not end in .png.", "Frames are written as PNG.")
    if source.resolve() in (target.resolve(), target.resolve().parent):
        raise UsageError(f"-o {target} would change the input, {source}.", "Choose another place.")
    refuse_existing(target, overwrite)


def ruled(picture: Pixels) -> U8:
    """A picture as RGB ``(H, W, 3)`` with a grid over it; the line of a label is that row or column of pixels."""
    plain = eight_bits(picture)
    out = cv2.cvtColor(plain, cv2.COLOR_GRAY2RGB) if plain.ndim == 2 else plain[..., :3].copy()
    height, width = out.shape[:2]
    longest = max(height, width)
    least = max(longest / _LINES, min(_ROOM, longest / 4))
    step = next((step for step in _STEPS if step >= least), longest // _LINES)
    for axis, length in ((0, height), (1, width)):
        for at in range(step, length, step):
            _line(out, axis, at, slice(None))
        tick = max(3, min(height, width) // 60)
        for at in range(0, length, max(1, step // 5)):
            for edge in (slice(0, tick), slice(-tick, None)):
                _line(out, axis, at, edge)
    scale = max(0.35, longest / 2200)
    for axis, length in ((0, height), (1, width)):
        size, _ = cv2.getTextSize(str(length), cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        every = step * -(-(size[1 - axis] + 8) // step)
        for at in range(every, length, every):
            _label(out, axis, at, scale)
    return np.asarray(out, np.uint8)


def _line(out: np.ndarray, axis: int, at: int, along: slice) -> None:
    """One row (axis 0) or column (axis 1) lighter, the next one darker."""
    for place, share, level in ((at, _LIGHT, 255), (at + 1, _DARK, 0)):
        if place < out.shape[axis]:
            part = out[place, along] if axis == 0 else out[along, place]
            part[:] = np.rint((1 - share) * part + share * level)


def _label(out: np.ndarray, axis: int, at: int, scale: float) -> None:
    """The number of a line beside it, at both its ends, white on black."""
    height, width = out.shape[:2]
    thick = max(1, round(scale))
    (w, h), _ = cv2.getTextSize(str(at), cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    edges = (6, (width if axis == 0 else height) - (w if axis == 0 else h) - 6)
    for edge in edges:
        x, y = (edge, at - h // 2) if axis == 0 else (at - w // 2, edge)
        if x < 0 or y < 0 or x + w > width or y + h > height:
            continue
        out[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2] = 0
        cv2.putText(out, str(at), (x, y + h), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thick, cv2.LINE_AA)
