"""Open a video to work on it: within the limits that the user set, and for the frames that were asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vrm.errors import UsageError, VideoError
from vrm.media.read.probe import probe
from vrm.media.read.times import frame_at, timestamps
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
    times: list[int] = []

    def number(moment: Moment) -> int:
        if moment.frame is not None:
            return moment.frame
        if not times:
            times.extend(timestamps(info))
        assert moment.seconds is not None
        return frame_at(times, info.time_base, moment.seconds)

    first = number(start) if start is not None else 0
    last = min(number(end), info.n_frames) if end is not None else info.n_frames
    if first >= info.n_frames:
        raise UsageError(f"--start lies behind the video's last frame, {info.n_frames - 1}f.")
    if first >= last:
        raise UsageError(f"The range {first}f to {last}f holds no frame.", "--end must lie behind --start.")
    return first, last
