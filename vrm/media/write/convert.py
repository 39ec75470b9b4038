"""Sound and text subtitles that are decoded and encoded anew, because the output does not hold them as they are."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext

from vrm.errors import OutputError
from vrm.media.read.container import channel_layout, open_input
from vrm.media.write.containers import Container, open_in_memory, packet_for, stated_layout

# Matroska's statistics of the old packets, and tags that every muxer writes itself.
STALE = re.compile(r"(BPS|DURATION|NUMBER_OF_|_STATISTICS_)|(encoder|vendor_id)$", re.IGNORECASE)

_BITS_PER_CHANNEL = 96_000
"""Bits per second of lossy sound for each channel, at which it is transparent to nearly everybody."""
_DEFAULT_LAYOUTS = {3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_WIDE = ("s32", "s32p", "s64", "s64p", "dbl", "dblp")


class CannotConvert(ValueError):
    """Says why sound cannot be converted."""


class SoundConverter:
    """Decodes a sound stream and encodes it anew, at its own times. Raises CannotConvert."""

    def __init__(self, out: OutputContainer, source: Stream, encoder: str) -> None:
        settings = _sound_settings(source, encoder)
        # Also where it is known: of frames whose channels have an order of their own, PyAV frees the list twice.
        cast(AudioCodecContext, source.codec_context).layout = stated_layout(source) or channel_layout(source)
        self._source = source
        self.stream = cast(AudioStream, out.add_stream(encoder, rate=settings.rate))
        context = self.stream.codec_context
        context.layout, context.format = settings.layout.name, settings.format.name
        context.bit_rate = settings.bit_rate
        context.time_base = self.stream.time_base = Fraction(1, settings.rate)
        self.stream.metadata.update({k: v for k, v in source.metadata.items() if not STALE.match(k)})
        self.stream.disposition = source.disposition

    def convert(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """The encoded packets that follow from one of the source; a damaged one gives none.

        Raises OutputError: the channels change on the way.
        """
        made: list[Packet[Any]] = []
        try:
            for frame in packet.decode():
                made += self.stream.encode(cast(av.AudioFrame, frame))
        except av.error.InvalidDataError:
            pass
        except ValueError as error:
            if isinstance(error, av.error.FFmpegError):
                raise
            raise OutputError(
                f"Sound {self._source.index} of the source changes its channels on the way, and cannot be converted.",
                "Name the output .mkv, or leave the sound out with --audio drop.",
            ) from error
        return made

    def finish(self) -> list[Packet[Any]]:
        """What is left at the end."""
        made: list[Packet[Any]] = []
        with contextlib.suppress(av.error.EOFError):
            for frame in cast(AudioCodecContext, self._source.codec_context).decode(None):
                made += self.stream.encode(frame)
        return made + self.stream.encode(None)


def _sound_settings(source: Stream, encoder: str) -> AudioCodecContext:
    """An open encoder that takes the stream's channels, at its rate or the next that there is. Raises CannotConvert."""
    decoder = source.codec_context
    if not isinstance(decoder, AudioCodecContext) or not decoder.sample_rate:
        raise CannotConvert("there is no decoder for it")
    layout = stated_layout(source) or channel_layout(source)
    if "channels" in layout:
        raise CannotConvert(f"no encoder knows its channel layout ({layout})")
    codec = av.Codec(encoder, "w")
    rates = sorted(codec.audio_rates or [decoder.sample_rate])
    channels = av.AudioLayout(layout).nb_channels
    wide = decoder.format is not None and decoder.format.name in _WIDE
    names = [each.name for each in codec.audio_formats or ()]
    formats = sorted(names, key=lambda name: name.startswith("s16") is wide)
    for tried in (layout, _DEFAULT_LAYOUTS.get(channels)):
        context = cast(AudioCodecContext, av.CodecContext.create(encoder, "w"))
        context.sample_rate = next((rate for rate in rates if rate >= decoder.sample_rate), rates[-1])
        context.format = formats[0]
        context.bit_rate = _BITS_PER_CHANNEL * channels
        context.time_base = Fraction(1, context.sample_rate)
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            context.layout = tried or layout
            context.open()
            return context
    raise CannotConvert(f"{encoder} does not take its {channels} channels ({layout})")


def refuses_sound(container: Container, path: Path, index: int, packet: bytes | None) -> str:
    """Why a sound stream cannot be converted for a container, tried with its first packet; empty where it can."""
    out = open_in_memory(container)
    try:
        with open_input(path) as source:
            stream = source.streams[index]
            converter = SoundConverter(out, stream, container.sound)
            made = converter.convert(packet_for(stream, packet)) if packet is not None else []
            for each in made + converter.finish():
                out.mux_one(each)
            out.close()
    except CannotConvert as error:
        return str(error)
    except (av.error.FFmpegError, ValueError) as error:
        return f"{container.sound} fails on it ({error})"
    return ""


class SubtitleConverter:
    """Decodes text subtitles and encodes them in another text codec, at their own times."""

    def __init__(self, out: OutputContainer, source: Stream, target: str) -> None:
        decoder = source.codec_context
        assert isinstance(decoder, SubtitleCodecContext)
        decoder.open(strict=False)
        self._decoder = decoder
        self.stream = out.add_stream(target)
        encoder = self.stream.codec_context
        assert isinstance(encoder, SubtitleCodecContext)
        encoder.subtitle_header = decoder.subtitle_header
        encoder.time_base = source.time_base or Fraction(1, 1000)
        self.stream.time_base = source.time_base
        encoder.open()
        self._encoder = encoder
        self.stream.metadata.update({k: v for k, v in source.metadata.items() if not STALE.match(k)})
        self.stream.disposition = source.disposition

    def convert(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """The packet's text in the target codec; nothing for the empty packets that fill mov_text's gaps."""
        text = self._decoder.decode2(packet)
        if text is None or not len(text):
            return []
        made = self._encoder.encode_subtitle(text)
        made.pts = made.dts = packet.pts
        made.duration = packet.duration
        made.time_base = packet.time_base
        made.stream = self.stream
        return [made]

    def finish(self) -> list[Packet[Any]]:
        """Nothing: a text is encoded as it comes."""
        return []
