"""Output containers: the endings that are written, and what each can hold (found by trying); names of videos."""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from vrm.errors import UsageError
from vrm.media.read.container import channel_layout, codec_name


@dataclass(frozen=True)
class Container:
    """One kind of output file.

    Attributes:
        muxer: FFmpeg's name of it.
        codec: video codec where the source's own does not fit.
        subtitles: codec that text subtitles of other kinds are converted to; empty = none fits.
        sound: encoder of sound that it does not hold as it is: a lossless one where players know such in it.
        covers: it holds a cover picture, which is no track.
        tick: ticks per second of its one clock; 0 = each stream has its own.
        codecs: those that players find in it, where its muxer would take any as private data; empty = ask the muxer.
        from_zero: players count its times from zero, and show what comes before the first as emptiness.
        plays: the muxer's option for how often an animation plays, which holds nothing beside its one picture stream.
    """

    muxer: str
    label: str
    codec: str = "h264"
    subtitles: str = ""
    sound: str = "aac"
    covers: bool = False
    chapters: bool = True
    tick: int = 0
    options: dict[str, str] = field(default_factory=dict)
    codecs: tuple[str, ...] = ()
    from_zero: bool = True
    plays: str = ""

    def holds(self, codec: str) -> bool:
        """False for codecs that it holds only as private data, and for those of animated pictures elsewhere."""
        return codec in self.codecs if self.codecs else codec not in ANIMATED


# Without these, the muxers move every stream so that nothing starts below zero: AAC's priming then shifts the picture.
# Matroska's random names for itself and its tracks are left out, so that equal runs give equal files.
_KEEP_TIMES = {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}
_MP4 = Container("mp4", "MP4", subtitles="mov_text", covers=True)
_TS_CODECS = (
    *("h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "cavs"),
    *("mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "s302m"),
    *("dvb_subtitle", "dvb_teletext", "arib_caption", "klv", "timed_id3"),
)
_TS = Container(
    "mpegts",
    "MPEG-TS",
    chapters=False,
    tick=90000,
    options={"mpegts_copyts": "1"},
    codecs=_TS_CODECS,
    from_zero=False,
)
CONTAINERS: dict[str, Container] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", "QuickTime", subtitles="mov_text", sound="alac"),
    ".3gp": Container("3gp", "3GP", subtitles="mov_text"),
    ".mkv": Container(
        "matroska", "Matroska", subtitles="subrip", sound="flac", covers=True, tick=1000, options=_KEEP_TIMES
    ),
    ".webm": Container(
        "webm", "WebM", codec="vp9", subtitles="webvtt", sound="libopus", tick=1000, options=_KEEP_TIMES
    ),
    ".avi": Container("avi", "AVI", codec="mpeg4", sound="pcm_s16le", chapters=False),
    ".ts": _TS,
    ".m2ts": _TS,
    ".mts": _TS,
}
_APNG = Container("apng", "APNG", "apng", chapters=False, codecs=("apng",), plays="plays")
ANIMATIONS: dict[str, Container] = {
    ".gif": Container("gif", "GIF", "gif", chapters=False, tick=100, codecs=("gif",), plays="loop"),
    ".apng": _APNG,
    ".png": _APNG,
    ".webp": Container("webp", "WebP", "webp", chapters=False, tick=1000, codecs=("webp",), plays="loop"),
}
VIDEO_ENDINGS = (*CONTAINERS, ".mpg", ".mpeg", ".wmv", ".flv", ".mxf", ".vob", ".ogv", ".dv", ".gif", ".apng")
"""What counts as a video in a folder; a file that is named is taken whatever its ending."""
FRAMES = "frames"
"""What ``VideoInfo.container`` says of a folder of numbered pictures."""
ANIMATED = ("gif", "apng", "webp")
"""Codecs of animated pictures, and the containers of their own."""
PICTURES = (FRAMES, "webp")
"""Containers that no FFmpeg reads here, and that hold one picture stream alone."""
TEXT_SUBTITLES = ("mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text")


def container_of(path: Path) -> Container:
    """The container that a file's ending stands for. Raises UsageError."""
    try:
        return {**CONTAINERS, **ANIMATIONS}[path.suffix.lower()]
    except KeyError:
        ending = f"the ending '{path.suffix}'" if path.suffix else "no ending"
        raise UsageError(
            f"The output {path.name} has {ending}, so the kind of file is not known.",
            f"Use one of {', '.join((*CONTAINERS, *ANIMATIONS))}.",
        ) from None


def open_in_memory(container: Container) -> OutputContainer:
    """An output that is thrown away: it shows what a header or an encoder refuses before any work is done."""
    return av.open(io.BytesIO(), "w", format=container.muxer, container_options=container.options)


def abandon(out: OutputContainer) -> None:
    """Close an output that is given up; its trailer may fail for the same reason as its body."""
    with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
        out.close()


def open_file(path: Path, muxer: str, options: dict[str, str], *, any_codec: bool = False) -> OutputContainer:
    """An output file. ``any_codec``: PyAV refuses codecs that Matroska has only under Microsoft's names.

    FFmpeg's muxer "tee", which hands packets on to another, is asked for none; it does not hand on chapters.
    """
    place = str(path.absolute())
    if not any_codec:
        return av.open(place, "w", format=muxer, container_options=options)
    handed = ":".join(f"{name}={value}" for name, value in {"f": muxer, **options}.items())
    quoted = place.replace("'", r"'\''")
    return av.open(f"[{handed}]'{quoted}'", "w", format="tee")


def first_packets(source: InputContainer) -> dict[int, bytes]:
    """The first packet of each sound and video stream, as far as they lie near the beginning of a file just opened."""
    wanted = {stream.index for stream in source.streams if stream.type in ("audio", "video")}
    found: dict[int, bytes] = {}
    with contextlib.suppress(av.error.FFmpegError):
        for _, packet in zip(range(_LOOKED_AT), source.demux(), strict=False):
            if packet.size and packet.stream_index in wanted:
                found.setdefault(packet.stream_index, bytes(packet))
            if found.keys() == wanted:
                break
    return found


_LOOKED_AT = 2000
"""Packets that are read to find the first of each stream."""


def holds_copy(container: Container, template: Stream, packet: bytes | None = None, *, any_codec: bool = False) -> bool:
    """Whether the container takes the packets of a source's stream as they are, tried with its header and one packet.

    ``any_codec``: see ``open_file``.
    """
    if not container.holds(codec_name(template)):
        return False
    try:
        if any_codec:
            out = open_file(Path(os.devnull), container.muxer, container.options, any_codec=True)
        else:
            out = open_in_memory(container)
        copy = copy_stream(out, template)
        if packet is None:
            out.start_encoding()
        else:
            out.mux_one(packet_for(copy, packet))
        out.close()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def packet_for(stream: Stream, data: bytes) -> Packet[Stream]:
    """A packet of that content at time 0."""
    packet: Packet[Stream] = Packet(data)
    packet.pts = packet.dts = 0
    packet.time_base = stream.time_base or Fraction(1, 1000)
    packet.is_keyframe = True
    packet.stream = stream
    return packet


def copy_stream(out: OutputContainer, template: Stream) -> Stream:
    """Add a stream to ``out`` that takes the template's packets, with its tags and disposition."""
    stream = out.add_stream_from_template(template, opaque=True)
    stream.metadata.update(template.metadata)
    stream.disposition = template.disposition
    if isinstance(stream, AudioStream) and (layout := stated_layout(template)) is not None:
        stream.codec_context.layout = layout
    return stream


def stated_layout(stream: Stream) -> str | None:
    """The layout of one or two channels of which the file, as old AVI, does not say what they are; else None."""
    return {"1 channels": "mono", "2 channels": "stereo"}.get(channel_layout(stream))


def distinct_names(paths: Iterable[Path]) -> list[str]:
    """A name for each path: its stem, or its whole name where two paths of one folder have the same stem."""
    listed = list(paths)
    stems = Counter((path.parent, stem(path)) for path in listed)
    return [stem(path) if stems[path.parent, stem(path)] == 1 else path.name for path in listed]


def stem(path: Path) -> str:
    """A file's name without its ending; the whole name of a folder."""
    return path.resolve().name if path.is_dir() else path.stem
