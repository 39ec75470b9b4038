"""Which of the source's other streams come along, and the muxer options for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

import av
from av.stream import Disposition, Stream

from vrm.errors import OutputError
from vrm.media.read.container import codec_name, cover_picture, has_own_clock, is_cover, open_input
from vrm.media.read.picture_tags import plays
from vrm.media.read.times import timestamps
from vrm.media.write.containers import CONTAINERS, PICTURES, TEXT_SUBTITLES, Container, first_packets, holds_copy
from vrm.media.write.convert import refuses_sound
from vrm.types import VideoInfo


@dataclass(frozen=True)
class StreamPlan:
    """What becomes of one of the source's other streams, which has this index, kind ("audio", "cover") and codec.

    ``target``: the codec that its text, or the encoder that its sound is converted with; "attachment" for a cover
    picture in Matroska; empty = packets are copied.
    """

    index: int
    kind: str
    codec: str
    target: str = ""


@dataclass
class CopiedStreams:
    """The streams that come along; what is kept, lost and converted, in words.

    ``any_codec``: one of them is of a codec that needs ``containers.open_file`` to be told so.
    """

    streams: list[StreamPlan] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    any_codec: bool = False


def plan_streams(info: VideoInfo, container: Container, audio: str = "auto") -> CopiedStreams:
    """Decide for each of the source's other streams: copied, converted, or lost; ``audio`` as of ``--audio``.

    Raises OutputError: the container can hold a sound or video stream in no way; names those that can, as tried.
    """
    try:
        return _Planner(info, container, audio).plan()
    except _StreamRefused as unfit:
        one_of_each = {other.muxer: ending for ending, other in reversed(CONTAINERS.items()) if other != container}
        able = [ending for ending in reversed(one_of_each.values()) if _fits(info, CONTAINERS[ending], audio)]
        fixes = [f"name the output {' or '.join(able)}, which holds it"] if able else []
        if unfit.kind == "audio":
            fixes += [] if unfit.reason else ["have it converted with --audio auto"]
            fixes.append("leave the sound out with --audio drop")
        fix = ", or ".join(fixes)
        raise OutputError(f"{unfit}.", f"{fix[:1].upper()}{fix[1:]}." if fix else "") from unfit


def _fits(info: VideoInfo, container: Container, audio: str) -> bool:
    try:
        _Planner(info, container, audio).plan()
    except (_StreamRefused, OutputError):
        return False
    return True


class _StreamRefused(Exception):
    """A container holds a stream in no way."""

    def __init__(self, stream: Stream, container: Container, reason: str = "") -> None:
        converted = f", nor can it be converted: {reason}" if reason else ""
        super().__init__(f"{container.label} does not hold {_words(stream)} of the source{converted}")
        self.kind, self.reason = stream.type, reason  # a stream outlives no container


class _Planner:
    """Goes through the source's streams and decides what becomes of each."""

    def __init__(self, info: VideoInfo, container: Container, audio: str) -> None:
        self._info, self._container, self._audio = info, container, audio
        self._result = CopiedStreams()

    def plan(self) -> CopiedStreams:
        """Raises _StreamRefused."""
        with open_input(self._info.path) as source:
            chapters = bool(source.chapters())
            packets = first_packets(source)
            for stream in source.streams:
                if stream.index == self._info.stream:
                    continue
                if is_cover(stream):
                    self._cover(stream)
                elif stream.type == "audio":
                    self._sound(stream, packets.get(stream.index), chapters)
                elif stream.type == "video":
                    self._video(stream, packets.get(stream.index))
                else:
                    self._other(stream, chapters)
        if any(each.kind == "cover" for each in self._result.streams) and (
            odd := _odd_tags(self._info, self._container)
        ):
            self._result.lost.append(
                f"metadata {', '.join(odd)}: {self._container.label} holds them or a cover picture"
            )
        return self._result

    def _keep(self, stream: Stream, target: str = "", how: str = "", kind: str = "") -> None:
        self._result.streams.append(StreamPlan(stream.index, kind or stream.type, codec_name(stream), target))
        self._result.kept.append(_words(stream) + how)

    def _lose(self, stream: Stream, why: str = "") -> None:
        self._result.lost.append(f"{_words(stream)}: {why or f'{self._container.label} does not hold it'}")

    def _cover(self, stream: Stream) -> None:
        if not self._container.covers or not stream.disposition & Disposition.attached_pic:
            self._lose(stream)
        elif not cover_picture(self._info.path, stream.index):
            self._lose(stream, "it is empty")
        elif self._container.muxer == "matroska":
            self._keep(stream, "attachment", kind="cover")
        elif holds_copy(self._container, stream):
            self._keep(stream, kind="cover")
        else:
            self._lose(stream)

    def _sound(self, stream: Stream, packet: bytes | None, chapters: bool) -> None:
        if self._container.plays:
            self._lose(stream)
            return
        if self._audio == "drop":
            self._lose(stream, "left out (--audio drop)")
            return
        if self._audio != "convert":
            if holds_copy(self._container, stream, packet):
                self._keep(stream)
                return
            loose = self._container.muxer == "matroska" and not chapters
            if loose and holds_copy(self._container, stream, packet, any_codec=True):
                self._result.any_codec = True
                self._keep(stream)
                return
            if self._audio == "copy":
                raise _StreamRefused(stream, self._container)
        reason = refuses_sound(self._container, self._info.path, stream.index, packet)
        if reason and self._audio == "convert" and holds_copy(self._container, stream, packet):
            what = f"{_words(stream)} of the source cannot be converted: {reason}."
            raise OutputError(f"{what[:1].upper()}{what[1:]}", "Leave --audio out: it can be copied as it is.")
        if reason:
            raise _StreamRefused(stream, self._container, reason)
        codec = av.Codec(self._container.sound, "w").canonical_name
        self._keep(stream, self._container.sound, f", as {codec}")
        if self._audio == "auto":
            self._result.notes.append(
                f"{self._container.label} does not hold {_words(stream)}: it becomes {codec} (see --audio)."
            )

    def _video(self, stream: Stream, packet: bytes | None) -> None:
        if self._container.plays:
            self._lose(stream)
            return
        if not holds_copy(self._container, stream, packet):
            raise _StreamRefused(stream, self._container)
        self._keep(stream)

    def _other(self, stream: Stream, chapters: bool) -> None:
        """Subtitles, attachments and data."""
        kind, codec, container = stream.type, codec_name(stream), self._container
        if kind == "data" and chapters and codec in ("bin_data", "text", "unknown"):
            return  # the text track that QuickTime keeps its chapters in: written anew with them
        if kind == "data" and codec in ("tmcd", "unknown", "none", "bin_data") and "timecode" in stream.metadata:
            self._result.kept.append("timecode")
        elif holds_copy(container, stream):
            self._keep(stream)
        elif kind == "subtitle" and codec in TEXT_SUBTITLES and container.subtitles:
            self._keep(stream, container.subtitles, f", as {container.subtitles}")
            self._result.notes.append(f"For {container.label}, {_words(stream)} become {container.subtitles}.")
        else:
            self._lose(stream)


def _words(stream: Stream) -> str:
    kind = "cover" if is_cover(stream) else _KINDS.get(stream.type, stream.type)
    return f"{kind} {stream.index} ({', '.join(word for word in (codec_name(stream), stream.language) if word)})"


_KINDS = {"audio": "sound", "video": "video", "subtitle": "subtitles", "attachment": "attachment", "data": "data"}


def shift_to_zero(info: VideoInfo, start: Fraction, container: Container, streams: list[StreamPlan]) -> Fraction:
    """Seconds that bring the first sound or picture to zero, where the source's clock has a beginning of its own.

    ``start`` is when the picture begins. Times of files that count from zero themselves are left as they are, unless
    the first ``EMPTY`` seconds hold nothing: then they were copied from such a clock.
    """
    if not container.from_zero or info.container in PICTURES:
        return Fraction(0)
    told = [s.index for s in streams if s.kind in ("audio", "video")]
    with open_input(info.path) as source:
        begins = [(s.start_time, s.time_base) for s in source.streams if s.index in told]
        own_clock = has_own_clock(source)
    first = min([start, *(time * base for time, base in begins if time is not None and base is not None)])
    return -first if first > (0 if own_clock else EMPTY) else Fraction(0)


EMPTY = 10
"""Seconds without sound or picture at a file's beginning that nobody meant."""


def muxer_options(
    info: VideoInfo, container: Container, base: Fraction, streams: Sequence[StreamPlan]
) -> dict[str, str]:
    """Options of the muxer for this source and its other ``streams``; ``base`` is the time base of the picture."""
    options = dict(container.options)
    if container.plays:
        return options | _of_animation(info, container)
    if container.muxer not in ("mp4", "mov", "3gp"):
        return options
    # A late start is written in the file's own clock, which by default rounds it to a millisecond.
    clock = base.denominator
    while clock < 10000:
        clock *= 2
    sounds = [s for s in info.streams if s.kind == "audio"]
    if sounds:
        with open_input(info.path) as source:
            bases = [source.streams[s.index].time_base for s in sounds]
        common = lcm(clock, *(b.denominator for b in bases if b))
        clock = common if common <= 2**31 - 1 else clock
    options["movie_timescale"] = str(clock)
    if _odd_tags(info, container) and not any(each.kind == "cover" for each in streams):
        options["movflags"] = "+use_metadata_tags"
    return options


def _of_animation(info: VideoInfo, container: Container) -> dict[str, str]:
    times = plays(info.path)
    if container.muxer == "gif":
        times = times - 1 or -1 if times else 0  # it counts repetitions, and says nothing where there are none
    options = {container.plays: str(times)}
    if container.muxer == "apng":  # it would give the last frame the duration of the one before
        shown = timestamps(info)
        left = info.duration - (shown[-1] - shown[0]) * info.time_base if info.duration and shown else Fraction(0)
        options["final_delay"] = str(left if 0 < left < 60 else 1 / info.frame_rate)
    return options


def _odd_tags(info: VideoInfo, container: Container) -> list[str]:
    """The source's tags that MP4 has no place of its own for, other than that where it has no cover picture."""
    if container.muxer not in ("mp4", "mov", "3gp"):
        return []
    known = {"title", "artist", "album_artist", "album", "comment", "genre", "date", "copyright", "description"}
    known |= {"creation_time", "composer", "synopsis", "track", *CONTAINER_TAGS}
    return [tag for tag in info.metadata if tag.lower() not in known]


CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder")
"""Tags, in lower case, that describe the file, not its content: the muxer writes its own."""
