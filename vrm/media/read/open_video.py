"""Open a video to work on it: within the limits that the user set, and for the frames that were asked for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vrm.errors import UsageError, VideoError
from vrm.events import counted
from vrm.media.read.probe import probe
from vrm.media.read.times import frame_at, timestamps
from vrm.options.remove import MaskOptions
from vrm.options.values import Moment
from vrm.types import VideoInfo


def open_video(
    path: Path, max_pixels: int, max_frames: int, stream: int | None = None, rate: Fraction | None = None
) -> VideoInfo:
    """The facts of a video, or a folder of frames, within ``--max-pixels`` and ``--max-frames``.

    Raises VideoError; UsageError: a ``rate`` of frames that a video has itself.
    """
    info = probe(path, stream, most_frames=max_frames, most_pixels=max_pixels, rate=rate)
    if info.height * info.width > max_pixels:
        raise VideoError(f"{path} has {info.width}x{info.height} pixels, more than --max-pixels {max_pixels}.")
    if info.n_frames > max_frames:
        raise VideoError(f"{path} has {info.n_frames} frames, more than --max-frames {max_frames}.")
    return info


def frame_range(info: VideoInfo, start: Moment | None, end: Moment | None) -> tuple[int, int]:
    """``(first, last)`` frame numbers, last excluded; an end beyond the video is the video's. Raises UsageError."""
    first = _number(info, start) if start is not None else 0
    last = min(_number(info, end), info.n_frames) if end is not None else info.n_frames
    if first >= info.n_frames:
        raise UsageError(f"--start lies behind the video's last frame, {info.n_frames - 1}f.")
    if first >= last:
        raise UsageError(f"The range {first}f to {last}f holds no frame.", "--end must lie behind --start.")
    return first, last


def beyond_the_end(info: VideoInfo, end: Moment | None) -> str | None:
    """What the user should know of an ``--end`` that the video does not reach; None where it does."""
    if end is None or (end.seconds <= _length(info) if end.seconds is not None else (end.frame or 0) <= info.n_frames):
        return None
    return f"--end ({end}) lies beyond the end of the video, {_end(info)}: work goes on to its end."


def frame_number(info: VideoInfo, moment: Moment, option: str) -> int:
    """The frame of a moment that ``option`` names. Raises UsageError: it lies beyond the end."""
    number = _number(info, moment)
    if number == info.n_frames and moment.seconds is not None and moment.seconds <= _length(info):
        number -= 1  # while the last frame is shown
    if number >= info.n_frames:
        raise UsageError(
            f"{option} names {moment}, beyond the end of the video, {_end(info)}.",
            f"Its frames are 0f to {info.n_frames - 1}f.",
        )
    return number


def place_in_time(options: MaskOptions, info: VideoInfo) -> MaskOptions:
    """The options with frames in place of the times of points, boxes and masks. Raises UsageError: beyond the end."""

    def at(seconds: Fraction | None, frame: int, option: str) -> dict[str, Any]:
        if seconds is not None:
            frame = frame_number(info, Moment(seconds=seconds), option)
        return {"frame": frame, "seconds": None}

    path = options.path
    if isinstance(path, tuple):
        path = tuple((m and Moment(**at(m.seconds, m.frame or 0, f"--mask {key}")), key) for m, key in path)
    points = tuple(replace(p, **at(p.seconds, p.frame, "--point")) for p in options.points)
    boxes = tuple(replace(b, **at(b.seconds, b.frame, "--box")) for b in options.boxes)
    return replace(options, path=path, points=points, boxes=boxes)


def _number(info: VideoInfo, moment: Moment) -> int:
    if moment.seconds is None:
        return moment.frame or 0
    return frame_at(timestamps(info), info.time_base, moment.seconds)


def _length(info: VideoInfo) -> Fraction:
    """Seconds."""
    return info.duration if info.duration is not None else info.n_frames / info.frame_rate


def _end(info: VideoInfo) -> str:
    return f"which has {counted(info.n_frames, 'frame')} and lasts {float(_length(info)):.2f} s"
