"""Where chroma samples lie between the luma samples of 4:2:0 video, and what can state it (found by trying)."""

from __future__ import annotations

from vrm.media.frame.pixel_layout import PixelLayout
from vrm.media.read.source_facts import SourceFacts
from vrm.media.write.containers import Container
from vrm.media.write.encoders import VideoEncoder

_FIXED = {"mpeg2video": "left", "mpeg4": "left", "mjpeg": "center"}
"""The only place that a codec knows, by encoder."""


def chroma_location(facts: SourceFacts, source: PixelLayout, written: PixelLayout) -> str:
    """Where the source's chroma samples lie; empty where source or result have no 4:2:0."""
    subsampled = all((p.sub_x, p.sub_y) == (1, 1) for p in (source, written))
    return facts.flags.chroma_location if subsampled else ""


def keeps_chroma_location(location: str, encoder: VideoEncoder, container: Container) -> bool:
    """Whether the codec's stream or the container states this place, or it is the one that players assume."""
    if encoder.name in ("libx264", "libx265"):
        return True
    if encoder.name in _FIXED:
        return location == _FIXED[encoder.name]
    if encoder.name == "libsvtav1" and location in ("left", "topleft"):
        return True
    states = container.muxer in ("matroska", "webm") and location in ("left", "center", "topleft", "top")
    return states or location == "left"
