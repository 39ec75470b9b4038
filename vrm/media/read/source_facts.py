"""What a source states beyond ``VideoInfo`` that an encoder or a muxer needs: read once, before anything is written."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
from av.sidedata.sidedata import Type
from av.video.stream import VideoStream

from vrm.errors import VideoError
from vrm.media.frame.side_data import EXIF, VIEW_ID, side_data
from vrm.media.read.container import open_input
from vrm.media.read.decode import StreamDecoder
from vrm.media.read.frame_flags import FrameFlags, frame_flags

PROGRESSIVE_ORDERS = (0, 1)
"""FFmpeg's field orders "unknown" and "progressive"."""


@dataclass(frozen=True)
class Mastering:
    """HDR static metadata of SMPTE ST 2086 and CTA-861.3.

    Attributes:
        primaries: x, y of red, green, blue and white; or empty.
        luminance: darkest and brightest in cd/m2; or empty.
        light: MaxCLL and MaxFALL in cd/m2; or empty.
    """

    primaries: tuple[Fraction, ...] = ()
    luminance: tuple[Fraction, ...] = ()
    light: tuple[int, ...] = ()

    @property
    def display(self) -> bool:
        return bool(self.primaries and self.luminance)


@dataclass(frozen=True)
class SourceFacts:
    """What the encoder and the muxer need to know about the source.

    Attributes:
        start: pts of the first frame in seconds.
        field_order: FFmpeg's AVFieldOrder.
        display_matrix: nine integers of the display matrix, or empty.
        captions: closed captions (A/53) in the first frame.
        data: in words, the kinds of per-frame data in the first frame that no encoder here writes.
        constant_rate: the container states that the frame rate does not vary.
        sample_aspect: as stated; 0 where the source says nothing.
        flags: of the first frame.
    """

    time_base: Fraction
    start: Fraction = Fraction(0)
    field_order: int = 0
    display_matrix: tuple[int, ...] = ()
    mastering: Mastering | None = None
    captions: bool = False
    data: tuple[str, ...] = ()
    chapters: int = 0
    constant_rate: bool = False
    sample_aspect: Fraction = Fraction(0)
    flags: FrameFlags = field(default_factory=FrameFlags)


_UNWRITTEN = {
    Type.DYNAMIC_HDR_PLUS: "HDR10+ dynamic metadata",
    Type.DYNAMIC_HDR_VIVID: "HDR Vivid dynamic metadata",
    Type.DOVI_RPU_BUFFER: "Dolby Vision data",
    Type.AFD: "active format description",
    Type.ICC_PROFILE: "ICC profile",
    Type.SPHERICAL: "the projection of spherical video",
    EXIF: "EXIF data",
    VIEW_ID: "the second view (MV-HEVC): only the first is worked on",
}


def read_facts(path: Path, stream: int) -> SourceFacts:
    """The facts of a video's stream; its first frame is decoded. Raises VideoError: the file cannot be opened."""
    try:
        with open_input(path) as source:
            video = source.streams[stream]
            assert isinstance(video, VideoStream)
            chapters = len(source.chapters())
            order = video.codec_context.field_order if video.codec_context else 0
            base = video.time_base or Fraction(1, 1000)
            if video.codec_context is not None:
                # A decoder's own threads would log while ``frame_flags`` listens, wait for Python's lock to do so, and
                # never end while that lock's holder waits for them to.
                video.codec_context.thread_count = 1
            decoding = StreamDecoder(source, video, path)
            first = next(decoding.frames(), None)
            facts = _of_frame(first, base, order, chapters)
            if decoding.icc_profile:
                facts = replace(facts, data=(*facts.data, _UNWRITTEN[Type.ICC_PROFILE]))
            average, rate = video.average_rate or Fraction(0), video.base_rate or Fraction(0)
            constant = bool(average) and abs(average - rate) < average / 1000
            return replace(facts, constant_rate=constant, sample_aspect=Fraction(video.sample_aspect_ratio or 0))
    except (av.error.FFmpegError, IndexError) as err:
        raise VideoError(f"{path} cannot be read: {err}.") from err


def _of_frame(frame: av.VideoFrame | None, base: Fraction, order: int, chapters: int) -> SourceFacts:
    if frame is None:
        return SourceFacts(base, field_order=order, chapters=chapters)
    side = side_data(frame)
    matrix = side.get(Type.DISPLAYMATRIX, b"")
    flags = frame_flags(frame)
    if frame.interlaced_frame and order in PROGRESSIVE_ORDERS:
        order = 3 if flags.bottom_first else 2
    return SourceFacts(
        base,
        (frame.pts or 0) * base,
        order,
        struct.unpack("<9i", matrix[:36]) if len(matrix) >= 36 else (),
        _mastering(side.get(Type.MASTERING_DISPLAY_METADATA, b""), side.get(Type.CONTENT_LIGHT_LEVEL, b"")),
        Type.A53_CC in side,
        tuple(words for kind, words in _UNWRITTEN.items() if kind in side),
        chapters,
        flags=flags,
    )


def _mastering(display: bytes, light: bytes) -> Mastering | None:
    """From FFmpeg's AVMasteringDisplayMetadata (ten rationals, two flags) and AVContentLightMetadata."""
    primaries: tuple[Fraction, ...] = ()
    luminance: tuple[Fraction, ...] = ()
    if len(display) >= 88:
        raw = struct.unpack("<22i", display[:88])
        values = [Fraction(n, d) if d else Fraction(0) for n, d in zip(raw[0:20:2], raw[1:20:2], strict=True)]
        primaries = tuple(values[:8]) if raw[20] else ()
        luminance = tuple(values[8:]) if raw[21] else ()
    levels = struct.unpack("<2I", light[:8]) if len(light) >= 8 else ()
    if not (primaries or luminance or levels):
        return None
    return Mastering(primaries, luminance, levels)
