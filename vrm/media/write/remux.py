"""The source's other streams: their packets are copied in step with the new picture; text subtitles are converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.format import Flags as FormatFlags
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from vrm.errors import OutputError
from vrm.media.frame.pixel_layout import layout_of
from vrm.media.read.clock import Clock, move
from vrm.media.read.container import codec_name, cover_picture, open_input
from vrm.media.write.containers import copy_stream, packet_for
from vrm.media.write.convert import STALE, SoundConverter, SubtitleConverter
from vrm.media.write.encoders import add_encoder
from vrm.media.write.plan import OutputPlan
from vrm.media.write.streams import CONTAINER_TAGS, StreamPlan
from vrm.system.files import disk_error

_HALF = Fraction(1, 2)


@contextmanager
def refused_as(what: str, fix: str) -> Iterator[None]:
    """Say what the muxer has refused, where it was not the disk: else the picture's encoder would be blamed."""
    try:
        yield
    except av.error.FFmpegError as error:
        if disk_error(error) is not None:
            raise
        raise OutputError(f"{what} cannot be written: {error.strerror}.", fix) from error


class Remuxer:
    """Sets up the streams of an output and copies the source's other packets into it, in order of time.

    A context manager; it opens the source a second time, beside the reader.

    Attributes:
        video: the output's stream for the encoded picture.
        copied: packets written, by index of the source's stream.
        damaged: packets that the output's muxer cannot read, and that are left out.
    """

    def __init__(self, plan: OutputPlan, out: OutputContainer) -> None:
        self.copied: Counter[int] = Counter()
        self.damaged: Counter[int] = Counter()
        self._out = out
        self._wanted = {s.index: s for s in plan.streams}
        self._targets: dict[int, Stream] = {}
        self._converters: dict[int, SoundConverter | SubtitleConverter] = {}
        self._covers: list[Packet[Any]] = []
        self._last: dict[int, int] = {}
        self._may_repeat = FormatFlags.ts_nonstrict in FormatFlags(out.format.flags)
        self._held: Packet[Any] | None = None
        self._from: Fraction | None = None
        self._shift = plan.shift
        self._clock = Clock(plan.restarts)
        self._source = open_input(plan.source) if plan.source is not None else None
        if self._source is None:
            self.video = _add_video(plan, out)
            return
        for stream in self._source.streams:
            if stream.index == plan.stream:
                self.video = _add_video(plan, out)
                self.video.metadata.update({k: v for k, v in stream.metadata.items() if not STALE.match(k)})
                self.video.disposition = stream.disposition
            if stream.index not in self._wanted:
                stream.discard = Discard.all
                continue
            self._add(stream, self._wanted[stream.index])
        if plan.chapters:
            out.set_chapters([_moved(chapter, plan.shift) for chapter in self._source.chapters()])
        out.metadata.update({k: v for k, v in self._source.metadata.items() if k.lower() not in CONTAINER_TAGS})
        self._packets = self._source.demux([self._source.streams[i] for i in self._targets])

    def __enter__(self) -> Remuxer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._source is not None:
            self._source.close()

    def begin_at(self, start: Fraction, shift: Fraction) -> None:
        """Leave out what ends before ``start`` (seconds), and move the rest by ``shift`` seconds."""
        self._from, self._shift = start, shift

    def until(self, time: Fraction) -> None:
        """Write the packets that come before ``time`` (seconds of the output, by dts)."""
        while self._covers:
            self._out.mux_one(self._covers.pop())
        while (packet := self._next()) is not None:
            if _seconds(packet) + self._shift > time:
                return
            self._held = None
            self._write(packet)

    def finish(self, end: Fraction | None = None) -> None:
        """Write what is left, up to ``end`` seconds, or all of it."""
        while (packet := self._next()) is not None:
            self._held = None
            if end is None or _seconds(packet) < end:
                self._write(packet)
            elif packet.stream.type == "video" or not self._targets:
                continue
            elif _seconds(packet) > end + 10:
                break
        for index, converter in self._converters.items():
            self._mux(index, converter.finish())

    def _add(self, stream: Stream, plan: StreamPlan) -> None:
        if plan.kind == "cover":
            self._add_cover(stream, plan.target)
            return
        if not plan.target:
            self._targets[stream.index] = copy_stream(self._out, stream)
            return
        convert = SoundConverter if plan.kind == "audio" else SubtitleConverter
        converter = convert(self._out, stream, plan.target)
        self._converters[stream.index] = converter
        self._targets[stream.index] = converter.stream

    def _add_cover(self, stream: Stream, target: str) -> None:
        """A cover picture: an attachment in Matroska; in MP4 a packet of a stream that its muxer makes no track of."""
        assert self._source is not None
        picture = cover_picture(Path(self._source.name), stream.index)
        stream.discard = Discard.all
        self.copied[stream.index] += 1
        if target != "attachment":
            self._covers.append(packet_for(copy_stream(self._out, stream), picture))
            return
        ending = codec_name(stream).replace("mjpeg", "jpeg")
        name = stream.metadata.get("filename", f"cover.{ending.replace('jpeg', 'jpg')}")
        self._out.add_attachment(name, stream.metadata.get("mimetype", f"image/{ending}"), picture)

    def _next(self) -> Packet[Any] | None:
        """The packet that is written next; it is held until then."""
        while self._held is None:
            if self._source is None or not self._targets:
                return None
            try:
                packet = next(self._packets, None)
            except av.error.FFmpegError:  # a damaged source ends here, its sound as its picture
                return None
            if packet is None:
                return None
            if packet.size and (packet.dts is not None or packet.pts is not None):
                self._clock.continue_times(packet)
                self._held = packet
        return self._held

    def _write(self, packet: Packet[Any]) -> None:
        index = packet.stream_index
        base = packet.time_base
        if self._from is not None and _seconds(packet) + (packet.duration or 0) * base <= self._from:
            return
        move(packet, self._shift)
        if self._shift < 0 and packet.pts is not None and packet.pts < 0 and packet.stream.type == "subtitle":
            packet.duration = max(0, (packet.duration or 0) + packet.pts)  # it is shown before sound and picture begin
            packet.pts = packet.dts = 0
        self.copied[index] += 1
        if index in self._converters:
            self._mux(index, self._converters[index].convert(packet))
            return
        packet.dts = packet.pts if packet.dts is None else packet.dts
        assert packet.dts is not None
        target = self._targets[index]
        if index in self._last and target.type in ("audio", "video"):
            self._keep_order(packet, self._last[index], target)
        self._last[index] = packet.dts
        packet.stream = target
        self._mux(index, [packet])

    def _keep_order(self, packet: Packet[Any], last: int, target: Stream) -> None:
        """Put a packet a tick of the output later where a damaged or joined source repeats a time: muxers refuse it."""
        base = target.time_base
        ticks = Fraction(1) if self._may_repeat or base is None else packet.time_base / base  # in a unit of the packet
        assert packet.dts is not None
        if floor(packet.dts * ticks + _HALF) <= floor(last * ticks + _HALF):
            packet.dts = last + ceil(1 / ticks)
            packet.pts = max(packet.pts, packet.dts) if packet.pts is not None else None

    def _mux(self, index: int, packets: list[Packet[Any]]) -> None:
        plan = self._wanted[index]
        fix = "Try --audio convert or drop." if plan.kind == "audio" else "Try the ending .mkv."
        with refused_as(f"Stream {index} of the source ({plan.codec})", fix):
            for packet in packets:
                try:
                    self._out.mux_one(packet)
                except (av.error.InvalidDataError, av.error.PatchWelcomeError):  # at a cut, it may be a piece of one
                    self.copied[index] -= 1
                    self.damaged[index] += 1


def _add_video(plan: OutputPlan, out: OutputContainer) -> VideoStream:
    stream = add_encoder(out, plan.encoder, plan.picture, plan.options)
    stream.time_base = plan.time_base
    if layout_of(plan.pix_fmt).alpha and plan.codec in ("vp8", "vp9"):
        stream.metadata["alpha_mode"] = "1"
    if plan.display_matrix:
        stream.set_display_matrix(plan.display_matrix)
    return stream


def _moved(chapter: Any, seconds: Fraction) -> Any:
    units = round(seconds / chapter["time_base"])
    return {**chapter, "start": max(0, chapter["start"] + units), "end": max(0, chapter["end"] + units)}


def _seconds(packet: Packet[Any]) -> Fraction:
    time = packet.dts if packet.dts is not None else packet.pts
    assert time is not None
    return time * packet.time_base
