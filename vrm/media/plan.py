"""What will be written, decided and checked before any work: codec, pixel format, streams, and what gets lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm
from pathlib import Path

import av

from vrm.errors import OutputError, UsageError
from vrm.media.container import ENDINGS, TEXT_SUBTITLES, Container, container_of, holds_copy, open_in_memory
from vrm.media.encode import (
    Encoder,
    Picture,
    add_encoder,
    encoders_of,
    library_params,
    pix_fmts,
    profile_options,
    quality_options,
    same_samples,
)
from vrm.media.layout import PixelLayout, layout_of
from vrm.media.source import PROGRESSIVE_ORDERS, SourceFacts, read_facts
from vrm.options import OutputOptions
from vrm.types import Colour, VideoInfo

FRAMES = "frames"
"""The container name of a folder of numbered pictures."""


@dataclass(frozen=True)
class StreamPlan:
    """What becomes of one stream of the source beside the one that is worked on.

    Attributes:
        index, kind, codec: of the source's stream.
        target: codec its text is converted to; empty = packets are copied.
    """

    index: int
    kind: str
    codec: str
    target: str = ""


@dataclass(frozen=True)
class OutputPlan:
    """How the output is written. ``picture`` and ``options`` open the encoder; see ``plan_output``.

    Attributes:
        path: the file, or the folder where container is "frames".
        container: FFmpeg's muxer, or "frames".
        encoder: FFmpeg's encoder; "png" for frames.
        codec: the codec it writes.
        picture: size, pixel format, colour, times the encoder is opened with.
        layout: the planar layout of the frames that come.
        options, muxer_options: for the encoder and the muxer.
        time_base: of the pts that are written: the source's own; the frame period in AVI.
        start: of the source's picture, in seconds.
        source, stream: the file the other streams come from and its worked stream; None = nothing is copied.
        exact_times: False: the encoder counts frames, and their packets get the source's times after.
        lossless: decoding gives the frames' samples back.
        streams: the source's other streams that are kept.
        display_matrix: nine integers, or empty.
        chapters: whether the source's are taken along.
        overwrite: replace an existing output.
        notes: one line for each decision the user should know of.
        kept, lost: what comes along, and everything that does not.
    """

    path: Path
    container: str
    encoder: str
    codec: str
    picture: Picture
    layout: PixelLayout
    options: dict[str, str] = field(default_factory=dict)
    muxer_options: dict[str, str] = field(default_factory=dict)
    time_base: Fraction = Fraction(1, 1000)
    start: Fraction = Fraction(0)
    source: Path | None = None
    stream: int = 0
    exact_times: bool = True
    lossless: bool = False
    streams: tuple[StreamPlan, ...] = ()
    display_matrix: tuple[int, ...] = ()
    chapters: bool = False
    overwrite: bool = False
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the written pixel format."""
        return self.picture.pix_fmt

    @property
    def colour(self) -> Colour:
        """The colour tags that are written."""
        return self.picture.colour


def plan_output(
    info: VideoInfo,
    out: Path,
    options: OutputOptions,
    *,
    copy_streams: bool = True,
    source_must_differ: bool = True,
) -> OutputPlan:
    """Decide and check everything about the output before any work is done.

    The codec family, profile, bit depth, chroma format, times, colour and the other streams stay the source's own
    where the container and the encoders here can hold them; what cannot be kept is converted, refused, or named in
    ``lost``. The encoder and the container's header are tried in memory, so that what they refuse shows now.

    Args:
        info: the source; its size may have been replaced (a preview of double width).
        out: the file to write, or the folder for a folder of frames.
        options: codec, quality, pixel format, overwriting.
        copy_streams: take the source's other streams, chapters and metadata along.
        source_must_differ: refuse to write onto the source.

    Raises:
        UsageError: unknown codec, pixel format or ending; the output is the input.
        OutputError: the output exists or cannot be written there; the container cannot hold what is asked.
    """
    if info.container == FRAMES and not out.suffix:
        _check_target(info, out, options, source_must_differ, folder=True)
        return _plan_frames(info, out, options)
    container = container_of(out)
    _check_target(info, out, options, source_must_differ, folder=False)
    facts = (
        SourceFacts(info.time_base) if info.container == FRAMES else read_facts(info.path, info.stream)
    )
    video = _choose_video(info, facts, container, options, out)
    copied = _Copied()
    if copy_streams and info.container != FRAMES:
        copied = _plan_streams(info, container)
    whole = copy_streams and info.container != FRAMES
    kept, lost, notes = _picture_words(info, facts, video, container)
    if whole and facts.chapters:
        (kept if container.chapters else lost).append(f"{facts.chapters} chapters")
    streams = tuple(copied.streams)
    return OutputPlan(
        out,
        container.muxer,
        video.encoder.name,
        video.encoder.codec,
        video.picture,
        video.layout,
        video.options,
        _muxer_options(info, container, video.time_base),
        video.time_base,
        facts.start,
        info.path if whole else None,
        info.stream,
        video.encoder.exact_times and container.muxer != "avi",
        video.lossless,
        streams,
        facts.display_matrix,
        bool(facts.chapters) and whole and container.chapters,
        options.overwrite,
        tuple(video.notes + notes + copied.notes),
        tuple(kept + copied.kept),
        tuple(lost + copied.lost),
    )


# --- where it goes ----------------------------------------------------------------------------------------------


def _check_target(info: VideoInfo, out: Path, options: OutputOptions, differ: bool, *, folder: bool) -> None:
    if differ and _same(out, info.path):
        raise UsageError(f"The output {out} is the input itself.", "Choose another name: the source is never replaced.")
    parent = out.absolute().parent
    if not parent.is_dir():
        what = "is not a folder" if parent.exists() else "does not exist"
        raise OutputError(f"The folder {parent} for the output {what}.", "Create it first, or choose another one.")
    if out.exists() or out.is_symlink():
        if out.is_dir() != folder:
            kind = "a folder" if out.is_dir() else "a file"
            raise OutputError(f"The output {out} is {kind} already.", "Choose another name.")
        if not options.overwrite:
            raise OutputError(f"The output {out} exists already.", "Add --overwrite, or choose another name.")
    probe = parent / f".{out.name}.{os.getpid()}.vrm-test"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as err:
        raise OutputError(
            f"Nothing can be written to the folder {parent}: {err.strerror}.", "Choose another folder for the output."
        ) from err


def _same(out: Path, source: Path) -> bool:
    try:
        return out.resolve() == source.resolve() or (out.exists() and out.samefile(source))
    except OSError:
        return False


# --- the picture ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Video:
    """A choice of encoder that was tried and works."""

    encoder: Encoder
    picture: Picture
    layout: PixelLayout
    options: dict[str, str]
    time_base: Fraction
    lossless: bool
    notes: list[str]


class _Unfit(Exception):
    """Why an encoder cannot take this picture into this container."""


# Tried in this order where the source's own codec does not fit; the last holds nearly everything.
_FALLBACKS = ("h264", "hevc", "av1", "vp9", "ffv1")


def _choose_video(
    info: VideoInfo, facts: SourceFacts, container: Container, options: OutputOptions, out: Path
) -> _Video:
    source = layout_of(info.pix_fmt)
    target = _asked_layout(options.pix_fmt, source)
    asked = options.codec
    if options.lossless and asked is None:
        asked = "ffv1"
        if container.muxer not in ("matroska", "avi"):
            raise UsageError(
                f"--lossless writes FFV1, which {container.label} does not hold.",
                f"Name the output {out.stem}.mkv, or add --codec h264 or --codec hevc for their lossless forms.",
            )
    if asked is not None:
        return _as_asked(encoders_of(asked), asked, info, facts, container, options, source, target)
    own = _own_encoders(info.codec)
    if info.container == FRAMES and options.pix_fmt is None:
        target = _for_players(source, info)
    names = [e for e in own] + [e for name in _FALLBACKS for e in encoders_of(name) if e not in own]
    first: str = ""
    for encoder in sorted(names, key=lambda e: (e not in own, e.codec != container.codec)):
        try:
            video = _try(encoder, info, facts, container, options, source, target)
        except _Unfit as reason:
            first = first or str(reason)
            continue
        if encoder in own:
            return video
        label = encoder.label
        if not own:
            why = f"{info.codec.upper()} has no encoder here: written as {label}."
            return replace(video, notes=[why, *video.notes])
        return replace(video, notes=[f"{first} Written as {label}.", *video.notes])
    raise OutputError(
        f"No codec of {container.label} takes this video ({info.width}x{info.height} {target.name}). {first}",
        "Name the output .mkv, or choose another --pix-fmt.",
    )


def _as_asked(
    encoders: tuple[Encoder, ...],
    asked: str,
    info: VideoInfo,
    facts: SourceFacts,
    container: Container,
    options: OutputOptions,
    source: PixelLayout,
    target: PixelLayout,
) -> _Video:
    reasons: list[str] = []
    for encoder in encoders:
        try:
            return _try(encoder, info, facts, container, options, source, target)
        except _Unfit as reason:
            reasons.append(str(reason))
    fix = "Name the output .mkv" if container.muxer != "matroska" else "Choose another --codec"
    taken = sorted({f for e in encoders for f in pix_fmts(e) if not f.startswith("yuvj")})
    near = f", or one of its pixel formats: --pix-fmt {', '.join(taken)}" if taken and target.name not in taken else ""
    raise OutputError(f"--codec {asked} does not fit. {reasons[0]}", f"{fix}{near}.")


def _own_encoders(codec: str) -> tuple[Encoder, ...]:
    try:
        return encoders_of(codec)
    except UsageError:
        return ()


def _asked_layout(pix_fmt: str | None, source: PixelLayout) -> PixelLayout:
    if pix_fmt is None:
        return source
    import difflib

    from av.video.format import names

    if pix_fmt not in names:
        near = difflib.get_close_matches(pix_fmt, sorted(names), 4, 0.5)
        raise UsageError(
            f"There is no pixel format {pix_fmt}.", f"Did you mean {' or '.join(near)}?" if near else "Try yuv420p."
        )
    return layout_of("yuv" + pix_fmt[4:] if pix_fmt.startswith("yuvj") else pix_fmt)


def _for_players(source: PixelLayout, info: VideoInfo) -> PixelLayout:
    """RGB pictures become the YUV format that players show."""
    if source.family != "rgb":
        return source
    depth = "10le" if source.depth > 8 else ""
    sub = "420" if info.width % 2 == 0 and info.height % 2 == 0 else "444"
    return layout_of(f"yuv{sub}p{depth}")


def _try(
    encoder: Encoder,
    info: VideoInfo,
    facts: SourceFacts,
    container: Container,
    options: OutputOptions,
    source: PixelLayout,
    target: PixelLayout,
) -> _Video:
    """Set the encoder up for this video and open it into a header in memory.

    Raises:
        _Unfit: it cannot.
    """
    notes: list[str] = []
    pix_fmt, lost_bits = _format_for(encoder, target)
    layout = layout_of(pix_fmt)
    settings = quality_options(encoder, options.crf, options.lossless)
    own = encoder.codec == info.codec and options.pix_fmt is None
    settings |= profile_options(encoder, info.profile if own else "", layout, options.lossless)
    settings |= library_params(
        encoder, facts.mastering, lossless=options.lossless, constant_rate=facts.constant_rate
    )
    interlaced = facts.field_order not in PROGRESSIVE_ORDERS
    if interlaced and encoder.name in _CODES_FIELDS:
        settings["flags"] = settings.get("flags", "") + "+ildct+ilme"
    if not encoder.exact_times or container.muxer == "avi":
        settings["bf"] = "0"
    rate = _sane_rate(info, encoder)
    base = 1 / rate if container.muxer == "avi" else facts.time_base
    if container.muxer == "avi" and not _on_grid(info, rate):
        raise _Unfit("AVI holds no times of its own, and this video's frame rate varies.")
    picture = Picture(
        info.size,
        pix_fmt,
        _tags(info, layout, source),
        info.sample_aspect if facts.sample_aspect else Fraction(0),
        rate,
        base if encoder.exact_times and container.muxer != "avi" else 1 / rate,
        facts.field_order,
        "hvc1" if encoder.codec == "hevc" and container.muxer in ("mp4", "mov") else "",
    )
    _open_once(encoder, container, picture, settings)
    if lost_bits:
        notes.append(lost_bits)
    return _Video(encoder, picture, layout_of(info.pix_fmt), settings, base, _is_lossless(encoder, options), notes)


_CODES_FIELDS = ("libx264", "mpeg2video", "mpeg4", "prores_ks", "dnxhd", "ffv1")


def _is_lossless(encoder: Encoder, options: OutputOptions) -> bool:
    return options.lossless or (encoder.lossless == {} and not encoder.quality)


def _format_for(encoder: Encoder, layout: PixelLayout) -> tuple[str, str]:
    """The encoder's pixel format with the layout's samples; without its alpha or ProRes' last bits if need be."""
    formats = pix_fmts(encoder)
    found = same_samples(layout, formats)
    if found is not None:
        return found, ""
    if encoder.codec == "prores" and layout.depth == 12:
        found = same_samples(layout_of(layout.name.replace("12", "10")), formats)
        if found is not None:
            return found, "ProRes is encoded with 10 bits here: the last two of the decoder's 12 are rounded away."
    if layout.alpha:
        found = same_samples(layout_of(layout.name.replace("yuva", "yuv").replace("gbrap", "gbrp")), formats)
        if found is not None:
            return found, ""
    if layout.family == "gray" and layout.depth <= 12:
        depth = "" if layout.depth == 8 else f"{layout.depth}le"
        found = next((f"yuv{s}p{depth}" for s in ("420", "422") if f"yuv{s}p{depth}" in formats), None)
        if found is not None:
            return found, ""
    raise _Unfit(f"{encoder.label} ({encoder.name}) does not take {layout.name}.")


def _open_once(encoder: Encoder, container: Container, picture: Picture, options: dict[str, str]) -> None:
    out = open_in_memory(container)
    try:
        add_encoder(out, encoder.name, picture, options)
        out.start_encoding()
    except ValueError as err:
        raise _Unfit(f"{container.label} does not hold {encoder.label}.") from err
    except av.error.FFmpegError as err:
        odd = picture.size[0] % 2 or picture.size[1] % 2
        why = f"{picture.size[1]}x{picture.size[0]} is odd, and it" if odd else f"{err.strerror}: it"
        raise _Unfit(
            f"{encoder.label} ({encoder.name}) cannot be written into {container.label} as {picture.pix_fmt} "
            f"({why} does not take this)."
        ) from err
    finally:
        _discard(out)


def _discard(out: av.container.OutputContainer) -> None:
    try:
        out.close()
    except (av.error.FFmpegError, ValueError):
        return


def _tags(info: VideoInfo, layout: PixelLayout, source: PixelLayout) -> Colour:
    if layout.family == "rgb":
        return replace(info.colour, matrix=0, full_range=True)
    if source.family == "rgb":
        return Colour(1, 1 if info.colour.transfer in (2, 13) else info.colour.transfer, 1, False)
    colour = info.colour
    if info.pix_fmt.startswith("yuvj"):
        colour = replace(colour, full_range=True)
    return colour


_MPEG4_MOST = 65535


def _sane_rate(info: VideoInfo, encoder: Encoder) -> Fraction:
    """The nominal frame rate; the average where the stated one cannot be meant (1000 in many Matroska files)."""
    rate = info.frame_rate
    if not 0 < rate <= 300:
        known = info.duration and info.n_frames
        rate = Fraction(info.n_frames) / info.duration if known and info.duration else Fraction(25)
        rate = max(Fraction(1), min(rate, Fraction(300)))
    most = _MPEG4_MOST if encoder.codec == "mpeg4" else 1001000
    return rate if rate.numerator <= most else rate.limit_denominator(1001)


def _on_grid(info: VideoInfo, rate: Fraction) -> bool:
    """Whether every frame has a place of its own at the given rate, and lies close to it."""
    if info.container in (FRAMES, "avi"):
        return True
    places = [t * rate for t in sorted(_video_times(info))]
    near = all(abs(p - round(p)) < Fraction(1, 10) for p in (q - places[0] for q in places))
    return near and len({round(p) for p in places}) == len(places)


def _video_times(info: VideoInfo) -> Iterator[Fraction]:
    with av.open(str(info.path)) as source:
        for packet in source.demux(source.streams[info.stream]):
            if packet.pts is not None and packet.size:
                yield packet.pts * packet.time_base


def _picture_words(
    info: VideoInfo, facts: SourceFacts, video: _Video, container: Container
) -> tuple[list[str], list[str], list[str]]:
    """What is kept and lost of the picture itself, and notes on it."""
    kept: list[str] = [f"{video.picture.pix_fmt}, {video.layout.depth} bits"]
    lost: list[str] = []
    notes: list[str] = []
    written = layout_of(video.picture.pix_fmt)
    if video.layout.alpha:
        (kept if written.alpha else lost).append("the alpha plane")
    elif info.has_alpha:
        lost.append("the alpha plane (this decoder does not give it)")
    if (written.sub_x, written.sub_y) > (video.layout.sub_x, video.layout.sub_y) and video.layout.family != "gray":
        lost.append("full chroma resolution (--pix-fmt yuv444p keeps it)")
    if written.depth < video.layout.depth:
        lost.append(f"{video.layout.depth} bits (written with {written.depth})")
    if facts.mastering is not None:
        (kept if video.encoder.params else lost).append("HDR static metadata")
    captions = facts.captions or "closed captions" in info.extras
    if captions:
        (kept if video.encoder.name in ("libx264", "libx265") else lost).append("closed captions")
    named = list(facts.data) + [e for e in info.extras if "dolby" in e.lower() and "Dolby Vision data" not in facts.data]
    lost += named
    if facts.field_order not in PROGRESSIVE_ORDERS:
        fields = video.encoder.name in _CODES_FIELDS
        (kept if fields else lost).append("interlacing flags")
    if info.rotation or facts.display_matrix:
        holds = container.muxer in ("mp4", "mov", "3gp", "matroska", "webm")
        (kept if holds else lost).append(f"rotation by {info.rotation} degrees")
    if info.sample_aspect not in (0, 1):
        kept.append(f"pixels of {info.sample_aspect.numerator}:{info.sample_aspect.denominator}")
    tick = container.tick
    if tick and (facts.time_base * tick).denominator != 1 and not _on_ticks(info, facts, tick):
        notes.append(f"{container.label} counts time in 1/{tick} s: times are rounded to that.")
    return kept, lost, notes


def _on_ticks(info: VideoInfo, facts: SourceFacts, tick: int) -> bool:
    period = 1 / info.frame_rate if info.frame_rate else facts.time_base
    return (period * tick).denominator == 1 and (facts.start * tick).denominator == 1


# --- the other streams ------------------------------------------------------------------------------------------


@dataclass
class _Copied:
    streams: list[StreamPlan] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _plan_streams(info: VideoInfo, container: Container) -> _Copied:
    """Which of the source's other streams are copied, converted, or lost.

    Raises:
        OutputError: the container cannot hold a sound or video stream.
    """
    result = _Copied()
    with av.open(str(info.path)) as source:
        for stream in source.streams:
            if stream.index != info.stream:
                _plan_stream(source, stream.index, container, result, chapters=bool(source.chapters()))
    return result


def _plan_stream(
    source: av.container.InputContainer, index: int, container: Container, result: _Copied, *, chapters: bool
) -> None:
    stream = source.streams[index]
    codec = stream.codec_context.codec.canonical_name if stream.codec_context else stream.name or "unknown"
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
        result.notes.append(f"{words[0].upper()}{words[1:]} is converted to {container.subtitles} for {container.label}.")
    elif kind in ("audio", "video") and not _is_cover(stream):
        raise OutputError(
            f"{container.label} does not hold {words} of the source.",
            f"Name the output .mkv, which holds it (endings: {', '.join(ENDINGS)}).",
        )
    else:
        result.lost.append(f"{words}: {container.label} does not hold it")


_KINDS = {"audio": "sound", "video": "video", "subtitle": "subtitles", "attachment": "attachment", "data": "data"}


def _is_cover(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _muxer_options(info: VideoInfo, container: Container, base: Fraction) -> dict[str, str]:
    options = dict(container.options)
    if container.muxer not in ("mp4", "mov", "3gp"):
        return options
    # A late start is written in the file's own clock, which would else round it to a millisecond.
    clock = base.denominator
    while clock < 10000:
        clock *= 2
    sounds = [s for s in info.streams if s.kind == "audio"]
    if sounds and info.container != FRAMES:
        with av.open(str(info.path)) as source:
            bases = [source.streams[s.index].time_base for s in sounds]
        common = lcm(clock, *(b.denominator for b in bases if b))
        clock = common if common <= 2**31 - 1 else clock
    options["movie_timescale"] = str(clock)
    known = {"title", "artist", "album_artist", "album", "comment", "genre", "date", "copyright", "description"}
    if set(info.metadata) - known - set(CONTAINER_TAGS) - {"creation_time", "composer", "synopsis", "track"}:
        options["movflags"] = "+use_metadata_tags"
    return options


CONTAINER_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder")
"""Tags that describe the file, not its content: the muxer writes its own."""


# --- a folder of pictures ---------------------------------------------------------------------------------------


def _plan_frames(info: VideoInfo, out: Path, options: OutputOptions) -> OutputPlan:
    if options.codec not in (None, "png") or options.crf is not None:
        raise UsageError(
            f"{out.name} has no ending, so a folder of PNG frames is written, without --codec and --crf.",
            f"For a video file use one of {', '.join(ENDINGS)}.",
        )
    layout = _asked_layout(options.pix_fmt, layout_of(info.pix_fmt))
    depth = 8 if layout.depth == 8 else 16
    picture = Picture(info.size, info.pix_fmt, info.colour, info.sample_aspect, info.frame_rate, info.time_base)
    return OutputPlan(
        out,
        FRAMES,
        "png",
        "png",
        picture,
        layout_of(info.pix_fmt),
        source=info.path,
        lossless=True,
        overwrite=options.overwrite,
        kept=(f"PNG, {depth} bits",),
    )
