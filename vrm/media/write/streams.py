"""Which of the source's other streams come along, and the muxer options for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

import av

from vrm.errors import OutputError
from vrm.media.read.container import codec_name, has_own_clock, is_cover, open_input
from vrm.media.read.picture_tags import plays
from vrm.media.read.times import timestamps
from vrm.media.write.containers import CONTAINERS, FRAMES, TEXT_SUBTITLES, Container, holds_copy
from vrm.types import VideoInfo


@dataclass(frozen=True)
class StreamPlan:
    """What becomes of one of the source's other streams, which has this index, kind and codec.

    ``target``: codec that its text is converted to; "attachment" for a cover picture; empty = packets are copied.
    """

    index: int
    kind: str
    codec: str
    target: str = ""


@dataclass
class CopiedStreams:
    """The streams that come along; what is kept, lost and converted, in words."""

    streams: list[StreamPlan] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan_streams(info: VideoInfo, container: Container) -> CopiedStreams:
    """Decide for each of the source's other streams: copied, converted, or lost.

    Raises OutputError: the container cannot hold a sound or video stream.
    """
    result = CopiedStreams()
    with open_input(info.path) as source:
        for stream in source.streams:
            if stream.index != info.stream:
                _plan_stream(source, stream.index, container, result, chapters=bool(source.chapters()))
    return result


def _plan_stream(
    source: av.container.InputContainer, index: int, container: Container, result: CopiedStreams, *, chapters: bool
) -> None:
    stream = source.streams[index]
    codec = codec_name(stream)
    kind = stream.type
    words = f"{_KINDS.get(kind, kind)} {index} ({', '.join(w for w in (codec, stream.language) if w)})"
    if kind == "data" and chapters and codec in ("bin_data", "text", "unknown"):
        return  # the text track that QuickTime keeps its chapters in: written anew with them
    if kind == "data" and codec in ("tmcd", "unknown", "none", "bin_data") and "timecode" in stream.metadata:
        result.kept.append("timecode")
        return
    if holds_copy(container, source, index):
        result.streams.append(StreamPlan(index, kind, codec))
        result.kept.append(words)
    elif kind == "subtitle" and codec in TEXT_SUBTITLES and container.subtitles:
        result.streams.append(StreamPlan(index, kind, codec, container.subtitles))
        result.kept.append(f"{words}, as {container.subtitles}")
        result.notes.append(f"For {container.label}, {words} become {container.subtitles}.")
    elif is_cover(stream) and container.muxer == "matroska":
        result.streams.append(StreamPlan(index, kind, codec, "attachment"))
        result.kept.append(f"cover {index}")
    elif kind in ("audio", "video") and not is_cover(stream) and not container.plays:
        raise OutputError(
            f"{container.label} does not hold {words} of the source.",
            f"Name the output .mkv, which holds it (endings: {', '.join(CONTAINERS)}).",
        )
    else:
        result.lost.append(f"{words}: {container.label} does not hold it")


_KINDS = {"audio": "sound", "video": "video", "subtitle": "subtitles", "attachment": "attachment", "data": "data"}


def shift_to_zero(info: VideoInfo, start: Fraction, container: Container, streams: list[StreamPlan]) -> Fraction:
    """Seconds that bring the first sound or picture to zero, where the source's clock has a beginning of its own.

    ``start`` is when the picture begins. Times of files that count from zero themselves are left as they are, unless
    the first ``EMPTY`` seconds hold nothing: then they were copied from such a clock.
    """
    if not container.from_zero or info.container == FRAMES:
        return Fraction(0)
    told = [s.index for s in streams if s.kind in ("audio", "video")]
    with open_input(info.path) as source:
        begins = [(s.start_time, s.time_base) for s in source.streams if s.index in told]
        own_clock = has_own_clock(source)
    first = min([start, *(time * base for time, base in begins if time is not None and base is not None)])
    return -first if first > (0 if own_clock else EMPTY) else Fraction(0)


EMPTY = 10
"""Seconds without sound or picture at a file's beginning that nobody meant."""


def muxer_options(info: VideoInfo, container: Container, base: Fraction) -> dict[str, str]:
    """Options of the muxer for this source; ``base`` is the time base of the picture."""
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
    known = {"title", "artist", "album_artist", "album", "comment", "genre", "date", "copyright", "description"}
    if set(info.metadata) - known - set(CONTAINER_TAGS) - {"creation_time", "composer", "synopsis", "track"}:
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


CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder")
"""Tags that describe the file, not its content: the muxer writes its own."""
