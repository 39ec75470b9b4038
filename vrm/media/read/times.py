"""When each frame is shown: from the packets, without decoding."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction

from vrm.media.read.animated_webp import WEBP, webp_times
from vrm.media.read.container import open_input, video_stream
from vrm.media.read.decode import StreamDecoder, shows_a_frame
from vrm.types import VideoInfo


def timestamps(info: VideoInfo) -> list[int]:
    """The pts of every frame in presentation order, in units of ``info.time_base``."""
    if info.container == "frames":
        return list(range(info.n_frames))
    if info.container == WEBP:
        return webp_times(info.path)
    with open_input(info.path) as container:
        stream = video_stream(container, info.path, info.stream)
        times: list[int] = []
        for packet in StreamDecoder(container, stream, info.path, info.restarts).packets():
            if not shows_a_frame(packet, info.codec):
                continue
            time = packet.pts if packet.pts is not None else packet.dts
            if time is not None:
                times.append(time)
        return sorted(times)[-info.n_frames :]  # without what comes before the first frame that can be decoded


def frame_at(times: list[int], time_base: Fraction, seconds: Fraction) -> int:
    """The number of the first frame shown at ``seconds`` after the first one, or later; len(times) if there is none."""
    if not times:
        return 0
    return bisect_left(times, times[0] + seconds / time_base)
