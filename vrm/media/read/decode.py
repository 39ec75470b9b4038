"""Packets of one video stream, and the frames FFmpeg makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vrm.media.read.clock import Clock, ClockScan
from vrm.media.read.container import codec_name, decoder_of, has_side_alpha, restate_colour
from vrm.types import ClockRestart

_PROFILED = ("png", "apng")


def _has_profile(packet: av.Packet[VideoStream], context: VideoCodecContext) -> bool:
    """Whether an iCCP chunk lies before the pictures: in PNG's packet, in APNG's header."""
    return any(b"iCCP" in bytes(data).partition(b"IDAT")[0] for data in (packet, context.extradata or b""))


def _without_profile(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame without its ICC profile, whose name PyAV would free twice as soon as side data is looked at."""
    graph = Graph()
    steps = (
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base),
        graph.add("sidedata", "mode=delete:type=ICC_PROFILE"),
        graph.add("buffersink"),
    )
    graph.link_nodes(*steps).configure()
    graph.vpush(frame)
    return graph.vpull()


def shows_a_frame(packet: av.Packet[VideoStream], codec: str) -> bool:
    """False for packets that give no frame: cut off by an edit list, empty, placeholders, hidden references."""
    if packet.is_discard or not packet.size:
        return False
    if codec == "mpeg4":
        return packet.size > 1  # one byte stands in AVI for a frame that was dropped
    if codec == "vp8":
        return bool(memoryview(packet)[0] & 0x10)  # RFC 6386, 9.1: show_frame
    return codec != "vp9" or _shows_vp9(packet)


def _shows_vp9(packet: av.Packet[VideoStream]) -> bool:
    """By the VP9 bitstream specification, 6.2 (uncompressed header) and annex B (superframes)."""
    data = memoryview(packet)
    if data[-1] & 0xE0 == 0xC0:
        return True  # a superframe ends with a shown frame
    head = data[0] << (1 if data[0] & 0x30 == 0x30 else 0)  # profile 3 has one more reserved bit
    show_existing, shown = head & 0x08, head & 0x02
    return bool(show_existing or shown)


class _Joint:
    """Stops what cannot be decoded where a part of a joined recording begins between key frames."""

    def __init__(self) -> None:
        self.part = 0
        self._leading = False
        self._key: int | None = None

    def passes(self, packet: av.Packet[VideoStream], part: int) -> bool:
        """False for packets before the part's first key frame, and after it for those that are shown before it."""
        if part != self.part:
            self.part, self._leading, self._key = part, True, None
        if not self._leading:
            return True
        time = packet.pts if packet.pts is not None else packet.dts
        if self._key is None:
            self._key = time if packet.is_keyframe else None
            return packet.is_keyframe
        self._leading = time is None or time < self._key
        return not self._leading


class StreamDecoder:
    """The packets and frames of one stream, from where its container stands.

    Args:
        restarts: of the container's clock (``VideoInfo.restarts``): times go on there.

    Attributes:
        damaged: packets that could not be decoded so far.
        left_out: packets between a joint and the key frame after it, which cannot be decoded.
        ended_early: why the container could not be read to its end, or empty.
        key_positions: in a joined recording, the byte of each key frame so far, by its pts.
        icc_profile: the pictures (PNG, APNG) come with a colour profile, which is taken off the frames.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, path: Path, restarts: tuple[ClockRestart, ...] = ()
    ) -> None:
        self.damaged = 0
        self.left_out = 0
        self.ended_early = ""
        self.key_positions: dict[int, int] = {}
        self.icc_profile = False
        self._container = container
        self._stream = stream
        self._path = path
        self._joined = bool(restarts)
        self._clock = Clock(restarts)
        self._joint = _Joint()
        self._begun = False

    def packets(self, scan: ClockScan | None = None) -> Iterator[av.Packet[VideoStream]]:
        """The stream's packets, the empty flushing one last; a damaged container ends them early.

        ``scan`` is shown those of all streams. A last packet that the end of the file cut in two is left out: with it,
        frames before it would not decode. So is what cannot be decoded at the beginning of a joined recording's parts.
        """
        for packet in self._complete(scan):
            part = self._clock.continue_times(packet)
            if packet.size and not self._joint.passes(packet, part):
                self.left_out += 1
                continue
            if self._joined and packet.is_keyframe and packet.pts is not None and packet.pos is not None:
                self.key_positions[packet.pts] = packet.pos
            yield packet

    def _complete(self, scan: ClockScan | None) -> Iterator[av.Packet[VideoStream]]:
        held: av.Packet[VideoStream] | None = None
        try:
            for packet in self._demuxed(scan):
                if held is not None and held.is_corrupt and not packet.size:
                    self.damaged += 1
                elif held is not None:
                    yield held
                held = packet
        except (av.error.FFmpegError, OSError) as error:
            self.ended_early = error.strerror or type(error).__name__
        if held is not None:
            yield held

    def _demuxed(self, scan: ClockScan | None) -> Iterator[av.Packet[VideoStream]]:
        if scan is None:
            yield from self._container.demux(self._stream)
            return
        for packet in self._container.demux():
            scan.add(packet)
            if packet.stream_index == self._stream.index:
                yield packet  # type: ignore[misc]  # it is one of the video stream

    def frames(self) -> Iterator[av.VideoFrame]:
        """Decoded frames in presentation order, in the stream's time base; damaged packets are skipped.

        Raises VideoError: there is no decoder for the stream.
        """
        context: VideoCodecContext | None = None
        part = 0
        for packet in self.packets():
            flushing = packet.pts is None and packet.dts is None
            if not packet.size and not flushing:
                continue  # AVI's mark of a repeated frame; a decoder would take it for the end
            if context is None:
                context = decoder_of(self._stream, self._path, alpha=has_side_alpha(self._stream, packet))
            elif part != self._joint.part:  # each part is decoded as the file of its own that it was
                yield from self._decode(context, None)
                context.flush_buffers()
            part = self._joint.part
            self.icc_profile |= codec_name(self._stream) in _PROFILED and _has_profile(packet, context)
            yield from self._decode(context, packet if packet.size else None)
        if self.ended_early and context is not None:
            yield from self._decode(context, None)

    def _decode(self, context: VideoCodecContext, packet: av.Packet[VideoStream] | None) -> list[av.VideoFrame]:
        try:
            frames = context.decode(packet)
        except EOFError:
            return []
        except av.error.FFmpegError:
            self.damaged += 1
            return []
        if frames and not self._begun:
            self._begun = True
            if codec_name(self._stream) == "mpeg4" and not frames[0].pict_type:
                del frames[0]  # a grey picture that stands for a key frame which is missing
        for frame in frames:
            if context is not self._stream.codec_context:
                restate_colour(frame, self._stream)
            if self._stream.time_base is not None:
                frame.time_base = self._stream.time_base
        return [_without_profile(frame) for frame in frames] if self.icc_profile else frames
