"""What a video holds: read from its headers, its packets and its first frames."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from vrm.errors import UsageError, VideoError
from vrm.media.frame.frame import frame_tags
from vrm.media.frame.pixel_layout import layout_of
from vrm.media.frame.side_data import EXIF, VIEW_ID, side_data
from vrm.media.read.animated_webp import is_animated_webp, probe_webp
from vrm.media.read.clock import ClockScan
from vrm.media.read.container import channel_layout, codec_name, has_own_clock, is_cover, open_input, video_stream
from vrm.media.read.decode import StreamDecoder, shows_a_frame
from vrm.media.read.frame_folder import FRAME_RATE, is_frames, probe_folder
from vrm.types import ClockRestart, StreamInfo, VideoInfo

_PROBED = 3
"""Frames that are decoded to see what they carry."""
_INTERLACED = (2, 3, 4, 5)
"""FFmpeg's field orders of interlaced material."""
_DOLBY_TAGS = ("dvh1", "dvhe", "dva1", "dvav", "dav1")
_SIDE_DATA = {
    Type.MASTERING_DISPLAY_METADATA: "hdr10",
    Type.CONTENT_LIGHT_LEVEL: "hdr10",
    Type.DYNAMIC_HDR_PLUS: "hdr10+",
    Type.DOVI_METADATA: "dolby vision",
    Type.DOVI_RPU_BUFFER: "dolby vision",
    Type.A53_CC: "closed captions",
    Type.STEREO3D: "stereo 3d",
    Type.SPHERICAL: "spherical",
    Type.S12M_TIMECODE: "timecode",
    VIEW_ID: "second view",
    EXIF: "exif",
}


def probe(
    path: Path,
    stream: int | None = None,
    *,
    most_frames: int | None = None,
    most_pixels: int | None = None,
    rate: Fraction | None = None,
) -> VideoInfo:
    """What is in a video file, a folder of pictures or a picture.

    The number of frames is exact for an undamaged file: from the index where the container has a complete one, else
    by reading all packets (nothing is decoded for it).

    Args:
        stream: index of the video stream in the container; default: the first that is no cover picture.
        most_frames: a video with more is refused as soon as they are counted.
        most_pixels: a video whose header claims larger frames is refused before anything of it is decoded.
        rate: frames per second of a folder of pictures; default: 25.

    Raises:
        VideoError: no such file, no video in it, no such stream, an unknown codec or pixel format, nothing that
            decodes, or more than a limit.
    """
    if is_frames(path):
        if stream not in (None, 0):
            kind = "folder" if path.is_dir() else "picture"
            raise VideoError(f"The {kind} {path} has no stream {stream}.", "Its only one is 0.")
        return probe_folder(path, rate or FRAME_RATE)
    if rate is not None:
        raise UsageError(f"--fps is for folders of pictures, and {path} is a video file.", "It has its own times.")
    if is_animated_webp(path):
        return probe_webp(path)
    with open_input(path) as container:
        video = video_stream(container, path, stream)
        chosen = video.index
        claimed = video.codec_context
        if most_pixels is not None and claimed is not None and claimed.width * claimed.height > most_pixels:
            raise VideoError(
                f"{path} has {claimed.width}x{claimed.height} pixels, more than --max-pixels {most_pixels}."
            )
        decoding = StreamDecoder(container, video, path)
        first = list(islice(decoding.frames(), _PROBED))
        if not first:
            raise VideoError(f"Nothing of {path} can be decoded.", "It is damaged, encrypted or incomplete.")
    with open_input(path) as container:  # afresh: the packets were used up
        return _info(container, video_stream(container, path, chosen), path, first, most_frames)


def _info(
    container: InputContainer, video: VideoStream, path: Path, first: list[av.VideoFrame], most: int | None
) -> VideoInfo:
    context, shown = video.codec_context, first[0]
    layout = layout_of(shown.format.name)
    rotation, mirrored = _orientation(shown)
    n_frames, spanned, restarts = _count(container, video, path, shown, most)
    time_base = video.time_base or Fraction(1, 1000)
    duration = video.duration * time_base if video.duration and not restarts else spanned
    if duration is None and container.duration is not None:
        duration = Fraction(container.duration, av.time_base)
    interlaced = context.field_order in _INTERLACED or any(f.interlaced_frame for f in first)
    extras = dict.fromkeys(_extras(first, context.codec_tag))
    if mirrored:
        extras["mirrored"] = None
    return VideoInfo(
        path=path,
        container=_short(container.format.name, path),
        stream=video.index,
        codec=codec_name(video),
        profile=context.profile or "",
        pix_fmt=shown.format.name,
        height=shown.height,
        width=shown.width,
        rotation=rotation,
        sample_aspect=video.sample_aspect_ratio or Fraction(1),
        bit_depth=layout.depth,
        time_base=time_base,
        frame_rate=_rate(video, n_frames, duration),
        n_frames=n_frames,
        duration=duration,
        colour=frame_tags(shown),
        has_alpha=layout.alpha,
        interlaced=interlaced,
        streams=tuple(_stream_info(s) for s in container.streams),
        chapters=len(container.chapters()),
        extras=tuple(extras),
        metadata=dict(container.metadata),
        restarts=restarts,
    )


def _count(
    container: InputContainer, video: VideoStream, path: Path, first: av.VideoFrame, most: int | None
) -> tuple[int, Fraction | None, tuple[ClockRestart, ...]]:
    """Number of frames; where packets had to be read for it, their duration in seconds and the clock's restarts."""
    index = video.index_entries
    if "mov" in container.format.name and 0 < video.frames == len(index) and index[0].is_keyframe:
        return sum(not entry.is_discard for entry in index), None, ()
    codec, scan = codec_name(video), ClockScan(video.index, own_clock=has_own_clock(container))
    times, end = _shown(StreamDecoder(container, video, path).packets(scan), codec, first, path, most)
    restarts = scan.restarts()
    if restarts:
        with open_input(path) as again:
            stream = video_stream(again, path, video.index)
            decoding = StreamDecoder(again, stream, path, restarts)
            times, end = _shown(decoding.packets(), codec, first, path, most)
    begin = min((t for t in times if t is not None), default=end)
    length = (end - begin) * (video.time_base or Fraction(0))
    return len(times), length if length > 0 else None, restarts


def _shown(
    packets: Iterable[av.Packet[VideoStream]], codec: str, first: av.VideoFrame, path: Path, most: int | None
) -> tuple[list[int | None], int]:
    """The time of each frame that is decoded, ``first`` being the first of them, and the end of the last."""
    begin = _time(first)
    keyed, leading = False, begin is not None
    times: list[int | None] = []
    end = 0
    for packet in packets:
        if not shows_a_frame(packet, codec):
            continue
        time = _time(packet)
        times.append(time)
        keyed = keyed or packet.is_keyframe
        if leading and keyed and time is not None and begin is not None and time > begin:
            # A recording may begin between key frames: with which of these frames decoding begins, the codec decides.
            leading, times = False, [t for t in times if t is None or t >= begin]
        if most is not None and len(times) > most:
            raise VideoError(f"{path} has more frames than --max-frames {most}.", "Cut it, or raise the limit.")
        end = max(end, (time or 0) + (packet.duration or 0))
    return times, end


def _time(of: av.VideoFrame | av.Packet[VideoStream]) -> int | None:
    return of.pts if of.pts is not None else of.dts


def _rate(video: VideoStream, n_frames: int, duration: Fraction | None) -> Fraction:
    """The average rate the container states, unless its other guess and the measured rate both speak against it."""
    if video.average_rate and video.average_rate == video.guessed_rate:
        return Fraction(video.average_rate)
    measured = Fraction(n_frames / duration).limit_denominator(1001) if duration and n_frames > 1 else None
    for stated in (video.average_rate, video.guessed_rate):
        if stated and (measured is None or abs(stated - measured) < measured / 10):
            return Fraction(stated)
    return measured or Fraction(video.guessed_rate or 25)


def _orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """By the display matrix: degrees to turn clockwise, and whether the picture is mirrored as well."""
    matrix = side_data(frame).get(Type.DISPLAYMATRIX, b"")
    if len(matrix) < 36:
        return 0, False
    a, b, _, c, d = struct.unpack("<5i", matrix[:20])
    mirrored = a * d - b * c < 0
    if mirrored:
        return (90 if abs(b) > abs(a) else 0), True
    return {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}[_direction(a, b)], False


def _direction(a: int, b: int) -> tuple[int, int]:
    """The axis that the matrix's first column is closest to; y points down, so (0, 1) is a turn clockwise."""
    return ((1 if a >= 0 else -1), 0) if abs(a) >= abs(b) else (0, 1 if b > 0 else -1)


def _extras(frames: list[av.VideoFrame], codec_tag: str) -> list[str]:
    found = [_SIDE_DATA[kind] for frame in frames for kind in side_data(frame) if kind in _SIDE_DATA]
    return found + (["dolby vision"] if codec_tag in _DOLBY_TAGS else [])


def _short(names: str, path: Path) -> str:
    """One of FFmpeg's names of a demuxer: that of the file's ending, if it is among them."""
    listed = names.split(",")
    ending = path.suffix.lower()[1:]
    if ending in listed:
        return ending
    return {"mov": "mp4"}.get(listed[0], listed[0])


def _stream_info(stream: Stream) -> StreamInfo:
    detail = ""
    context: Any = stream.codec_context
    if is_cover(stream):
        detail = "cover picture"
    elif stream.type == "video" and context is not None:
        detail = f"{context.width}x{context.height} {context.pix_fmt or ''}".strip()
    elif stream.type == "audio" and context is not None:
        detail = f"{context.sample_rate} Hz {channel_layout(stream)}"
    elif isinstance(stream, AttachmentStream):
        detail = stream.metadata.get("filename", "")
    tags = {k.lower(): v for k, v in stream.metadata.items()}
    language = tags.get("language", "")
    return StreamInfo(
        stream.index,
        stream.type,
        codec_name(stream),
        "" if language == "und" else language,
        tags.get("title", ""),
        detail,
    )
