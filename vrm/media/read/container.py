"""Open a container, choose its video stream and a decoder for it; what fails is a ``VideoError`` that says why."""

from __future__ import annotations

import contextlib
import ctypes
import re
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags as FormatFlags
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vrm.errors import VideoError
from vrm.media.frame.colour import UNSPECIFIED
from vrm.system.crash import reading

_LISTS = {"hls", "concat", "dash", "imf", "sdp", "vapoursynth", "avisynth", "ffmetadata"}
"""Formats that make FFmpeg open other files, which the user has not chosen, or that may never end."""

_LIST_HEADS = (b"#extm3u", b"ffconcat", b";ffmetadata", b"v=0")
_LIST_ROOTS = (b"<mpd", b"<compositionplaylist", b"<assetmap")
"""How such files begin, in lower case. FFmpeg must not even open them: a live playlist is polled for ever."""

_MOST_PIXELS = 1 << 29
"""A decoder refuses a larger picture, even if the stream changes its size on the way."""

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def open_input(path: Path) -> InputContainer:
    """Open a media file for reading. Raises VideoError: it does not exist, may not be read, or is no media file."""
    if path.exists() and not path.is_file():
        raise VideoError(f"{path} is no file, but a pipe or a device.", "Videos are read more than once: give a file.")
    if path.exists() and not path.stat().st_size:
        raise VideoError(f"{path} is empty: it has no bytes.", "Copy it again.")
    _refuse_list(path)
    reading(path)
    try:
        # Absolute, or FFmpeg would take a name with a colon for a protocol.
        container = av.open(str(path.absolute()), metadata_errors="replace")
    except FileNotFoundError as error:
        raise refuse_address(path) or VideoError(f"{path} does not exist.", "Check the path.") from error
    except PermissionError as error:
        raise VideoError(f"{path} may not be read.", "Check its permissions.") from error
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise VideoError(
            f"{path} is not a video that can be read: {reason}.", "It may be damaged, incomplete or of another kind."
        ) from error
    if set(container.format.name.split(",")) & _LISTS:
        container.close()
        raise VideoError(f"{path} is a list of other files ({container.format.name}).", "Give the video itself.")
    if container.format.name == "tty":
        container.close()
        raise VideoError(f"{path} is a text file, not a video.")
    return container


def refuse_address(path: Path) -> VideoError | None:
    """What to say of a path that is missing because it is an address of the net; None where it is none."""
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):[/\\]+(.+)", str(path))
    if found is None:
        return None
    what = f"{found[1]}://{found[2]}"
    fix = "Give its path instead." if found[1].lower() == "file" else "Download it first, and give the file."
    return VideoError(f"{what} is an address, and vrm reads files: it downloads nothing.", fix)


def _refuse_list(path: Path) -> None:
    """Raise VideoError for a file that names other files. One that cannot be read is left to ``open_input``."""
    try:
        with path.open("rb") as file:
            head = file.read(2048).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    except OSError:
        return
    if head.startswith(_LIST_HEADS) or (head.startswith(b"<") and any(root in head for root in _LIST_ROOTS)):
        raise VideoError(f"{path} is a list of other files, not a video.", "Give the video itself.")


def has_own_clock(container: InputContainer) -> bool:
    """Whether the format's times are a broadcaster's, and may jump: transport and program streams, Ogg."""
    return FormatFlags.ts_discont in FormatFlags(container.format.flags)


def is_cover(stream: Stream) -> bool:
    """Whether a stream is an attached picture, and no video."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def cover_picture(path: Path, index: int) -> bytes:
    """The file in which a cover picture is stored; empty where it cannot be read."""
    with open_input(path) as source, contextlib.suppress(av.error.FFmpegError):
        return next((bytes(packet) for packet in source.demux(source.streams[index]) if packet.size), b"")
    return b""


def codec_name(stream: Stream) -> str:
    """FFmpeg's name of a stream's codec ("av1", not "libdav1d"); without a decoder, what the container says."""
    if stream.codec_context is not None:
        return stream.codec_context.codec.canonical_name
    return getattr(stream, "name", None) or "unknown"  # only streams of data and attachments have the attribute


def channel_layout(stream: Stream) -> str:
    """FFmpeg's words for a sound stream's channels: "stereo", "5.1"; "2 channels" where the file does not say which."""
    context: Any = stream.codec_context
    layout = context.layout
    # Of channels in an order of their own, PyAV's layout would free a list that the codec context frees once more.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    name: str = layout.name
    return name


def video_stream(container: InputContainer, path: Path, index: int | None) -> VideoStream:
    """The first video stream, or the one with that index in the container. Raises VideoError, listing what there is."""
    videos = [s for s in container.streams if isinstance(s, VideoStream) and not is_cover(s)]
    if index is None and videos:
        return videos[0]
    for stream in videos:
        if stream.index == index:
            return stream
    if not videos:
        held = [f"{s.type} ({codec_name(s)})" for s in container.streams if s.type != "video"]
        held += ["a cover picture"] if any(is_cover(s) for s in container.streams) else []
        raise VideoError(f"{path} has no video stream; it holds {', '.join(held) or 'nothing'}.", "Give a video file.")
    valid = ", ".join(str(s.index) for s in videos)
    raise VideoError(f"{path} has no video stream {index}.", f"Its video streams are: {valid}.")


def decoder_of(stream: VideoStream, path: Path, *, alpha: bool) -> VideoCodecContext:
    """A decoder, not open yet, for an open container's stream, with as many threads as FFmpeg chooses.

    ``alpha``: the packets carry an alpha plane that the default decoder does not read. Raises VideoError: no decoder.
    """
    context: VideoCodecContext | None = stream.codec_context
    if context is None or not context.is_decoder:
        raise VideoError(
            f"{path}: no decoder here reads its video stream {stream.index}.", "Convert it to H.264 or FFV1 first."
        )
    if alpha:
        other = av.CodecContext.create(_ALPHA_DECODERS[codec_name(stream)], "r")
        assert isinstance(other, VideoCodecContext)
        other.extradata = context.extradata
        other.color_primaries, other.color_trc = context.color_primaries, context.color_trc
        context = other
    context.thread_type = "AUTO"
    context.options = {**context.options, "max_pixels": str(_MOST_PIXELS)}
    return context


def restate_colour(frame: av.VideoFrame, stream: VideoStream) -> None:
    """Give a frame of a decoder for alpha the container's matrix and range, where the packets state none."""
    stated = stream.codec_context
    if frame.colorspace == UNSPECIFIED:
        frame.colorspace = stated.colorspace
    if codec_name(stream) == "vp8" and stated.color_range:
        frame.color_range = stated.color_range


def has_side_alpha(stream: VideoStream, packet: av.Packet[VideoStream]) -> bool:
    """Whether a VP8 or VP9 stream says that it has alpha and this packet carries it as a second picture."""
    tagged = any(k.lower() == "alpha_mode" and v == "1" for k, v in stream.metadata.items())
    return tagged and codec_name(stream) in _ALPHA_DECODERS and packet.has_sidedata("matroska_block_additional")
