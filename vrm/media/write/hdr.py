"""HDR static metadata in the container, for codecs whose own stream has no place for it.

FFmpeg's muxers take it from a stream's side data, which PyAV only copies from a template stream. The template is a
Matroska file of a few hundred bytes, made here, that holds nothing but a track with the metadata (RFC 9559,
5.1.4.1.28.30: MasteringMetadata).
"""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from vrm.media.read.source_facts import Mastering

CARRIERS = {"ffv1": b"V_FFV1", "libvpx-vp9": b"V_VP9"}
"""Matroska's name of the codec, by encoder whose metadata goes into the container."""
_CHROMATICITIES = ("55D1", "55D2", "55D3", "55D4", "55D5", "55D6", "55D7", "55D8")


def add_carrier(out: OutputContainer, encoder: str, mastering: Mastering) -> VideoStream:
    """Add a stream with the metadata to ``out``; ``encoder`` is one of the ``CARRIERS``."""
    with av.open(io.BytesIO(_template(CARRIERS[encoder], mastering)), format="matroska") as given:
        return out.add_stream_from_template(given.streams.video[0], opaque=False)


def _template(codec: bytes, mastering: Mastering) -> bytes:
    colour = b""
    if mastering.light:
        colour += _integer("55BC", mastering.light[0]) + _integer("55BD", mastering.light[1])
    display = b"".join(_real(i, v) for i, v in zip(_CHROMATICITIES, mastering.primaries, strict=False))
    if mastering.luminance:
        display += _real("55DA", mastering.luminance[0]) + _real("55D9", mastering.luminance[1])
    if display:
        colour += _element("55D0", display)
    video = _element("E0", _integer("B0", 16) + _integer("BA", 16) + _element("55B0", colour))
    track = _integer("D7", 1) + _integer("73C5", 1) + _integer("83", 1) + _element("86", codec) + video
    versions = _integer("4286", 1) + _integer("42F7", 1) + _integer("42F2", 4) + _integer("42F3", 8)
    head = versions + _element("4282", b"matroska") + _integer("4287", 4) + _integer("4285", 2)
    about = _integer("2AD7B1", 1_000_000) + _element("4D80", b"-") + _element("5741", b"-")
    body = _element("1549A966", about) + _element("1654AE6B", _element("AE", track))
    return _element("1A45DFA3", head) + _element("18538067", body + _element("1F43B675", _integer("E7", 0)))


def _element(name: str, data: bytes) -> bytes:
    """An EBML element with a size of eight bytes."""
    return bytes.fromhex(name) + (1 << 56 | len(data)).to_bytes(8, "big") + data


def _integer(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(4, "big"))


def _real(name: str, value: Fraction) -> bytes:
    return _element(name, struct.pack(">d", float(value)))
