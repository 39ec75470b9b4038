"""When each frame is shown, from the packets alone: nothing is decoded."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction

import av

from vrm.types import VideoInfo


def timestamps(info: VideoInfo) -> list[int]:
    """The pts of every frame in presentation order, in units of ``info.time_base``."""
    if info.container == "frames":
        return list(range(info.n_frames))
    with av.open(str(info.path)) as container:
        stream = container.streams[info.stream]
        packets = container.demux(stream)
        return sorted(p.pts for p in packets if p.pts is not None and not p.is_discard)


def frame_at(times: list[int], time_base: Fraction, seconds: Fraction) -> int:
    """The number of the first frame shown at ``seconds`` after the first one, or later; len(times) if there is none."""
    if not times:
        return 0
    return bisect_left(times, times[0] + seconds / time_base)
