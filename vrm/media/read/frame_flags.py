"""What PyAV gives no attribute for: where a frame's chroma samples lie, and which of its fields is shown first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import av
import av.logging

_SHOWN = re.compile(r" cl:(\w+) .* i:([PTB])")


@dataclass(frozen=True)
class FrameFlags:
    """Flags of a decoded frame.

    Attributes:
        chroma_location: FFmpeg's name ("left", "topleft", ...); empty where it is unknown.
        bottom_first: an interlaced frame whose bottom field is shown first.
    """

    chroma_location: str = ""
    bottom_first: bool = False


def frame_flags(frame: av.VideoFrame) -> FrameFlags:
    """The flags as FFmpeg's filter ``showinfo`` prints them."""
    graph = av.filter.Graph()
    base = frame.time_base or Fraction(1, 1000)
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)
    shown = graph.add("showinfo", "checksum=0")
    source.link_to(shown)
    shown.link_to(graph.add("buffersink"))
    graph.configure()
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.INFO)
    av.logging.set_skip_repeated(False)  # the same frame may be asked for again
    try:
        with av.logging.Capture() as lines:
            graph.push(frame)
            graph.pull()
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])
    found = next((m for _, name, text in lines if name == "showinfo" and (m := _SHOWN.search(text))), None)
    if found is None:
        return FrameFlags()
    location, fields = found.groups()
    return FrameFlags("" if location in ("unknown", "unspecified") else location, fields == "B")
