"""The choice of an encoder and a pixel format: found by opening them into a header in memory."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av

from vrm.errors import OutputError, UsageError
from vrm.media.frame.pixel_layout import PixelLayout, layout_of
from vrm.media.read.container import open_input
from vrm.media.read.source_facts import PROGRESSIVE_ORDERS, SourceFacts
from vrm.media.write.containers import FRAMES, Container, abandon, open_in_memory
from vrm.media.write.encoders import (
    ENCODERS,
    PictureFormat,
    VideoEncoder,
    add_encoder,
    encoders_of,
    library_params,
    pix_fmts,
    profile_options,
    quality_options,
    same_samples,
)
from vrm.media.write.hdr import CARRIERS
from vrm.options.remove import OutputOptions
from vrm.types import Colour, VideoInfo


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder that was opened once and works.

    Attributes:
        encoder, picture, options: what it is opened with.
        layout: of the frames it will be given.
        time_base: of the pts that are written.
        lossless: decoding gives the frames' samples back.
    """

    encoder: VideoEncoder
    picture: PictureFormat
    layout: PixelLayout
    options: dict[str, str]
    time_base: Fraction
    lossless: bool
    notes: list[str]


@dataclass(frozen=True)
class _EncoderWish:
    """What an encoder has to do: the source, the container, and what the user asked for."""

    info: VideoInfo
    facts: SourceFacts
    container: Container
    options: OutputOptions
    target: PixelLayout


class _DoesNotFit(Exception):
    """Says why an encoder does not do for this video and container."""


# Tried in this order where the source's own codec does not do; the last takes nearly everything.
_FALLBACKS = ("h264", "hevc", "av1", "vp9", "ffv1")


def choose_video(
    info: VideoInfo, facts: SourceFacts, container: Container, options: OutputOptions, out: Path
) -> EncoderChoice:
    """The encoder asked for; else one of the source's codec; else the container's, or the most common one that does.

    Raises:
        UsageError: an unknown codec or pixel format, or a quality the codec does not have.
        OutputError: the container or the encoder cannot hold the picture.
    """
    source = layout_of(info.pix_fmt)
    wish = _EncoderWish(info, facts, container, options, asked_layout(options.pix_fmt, source))
    asked = options.codec
    if options.lossless and asked is None:
        asked = "ffv1"
        if container.muxer not in ("matroska", "avi"):
            raise UsageError(
                f"--lossless writes FFV1, which {container.label} does not hold.",
                f"Name the output {out.stem}.mkv, or add --codec h264 or --codec hevc for their lossless forms.",
            )
    if asked is not None:
        return _as_asked(encoders_of(asked), asked, wish)
    if info.container == FRAMES and options.pix_fmt is None:
        wish = replace(wish, target=_for_players(source, info))
    return _nearest(wish)


def _nearest(wish: _EncoderWish) -> EncoderChoice:
    own = _own_encoders(wish.info.codec) if wish.info.container != FRAMES else ()
    others = [e for name in (wish.container.codec, *_FALLBACKS) for e in encoders_of(name) if e not in own]
    reason = ""
    for encoder in [*own, *others]:
        try:
            choice = _try(encoder, wish)
        except _DoesNotFit as unfit:
            reason = reason or str(unfit)
            continue
        if encoder in own or wish.info.container == FRAMES:
            return choice
        why = reason if own else f"{wish.info.codec.upper()} has no encoder here:"
        return replace(choice, notes=[f"{why} {'Written' if own else 'written'} as {encoder.label}.", *choice.notes])
    what = f"{wish.info.width}x{wish.info.height} {wish.target.name}"
    raise OutputError(
        f"No codec of {wish.container.label} takes this video ({what}). {reason}",
        "Name the output .mkv, or choose another --pix-fmt.",
    )


def _as_asked(encoders: tuple[VideoEncoder, ...], asked: str, wish: _EncoderWish) -> EncoderChoice:
    reasons: list[str] = []
    for encoder in encoders:
        try:
            return _try(encoder, wish)
        except _DoesNotFit as unfit:
            reasons.append(str(unfit))
    fix = "Name the output .mkv" if wish.container.muxer != "matroska" else "Choose another --codec"
    taken = sorted({f for e in encoders for f in pix_fmts(e) if not f.startswith("yuvj")})
    fits = not taken or wish.target.name in taken
    raise OutputError(
        f"--codec {asked} does not fit. {reasons[0]}",
        f"{fix}." if fits else f"{fix}, or one of its pixel formats: --pix-fmt {', '.join(taken)}.",
    )


def _own_encoders(codec: str) -> tuple[VideoEncoder, ...]:
    try:
        return encoders_of(codec)
    except UsageError:
        return ()


def asked_layout(pix_fmt: str | None, source: PixelLayout) -> PixelLayout:
    """The layout of ``--pix-fmt``, or the source's own.

    Raises UsageError: no encoder takes such a format; names near ones.
    """
    if pix_fmt is None:
        return source
    names = sorted({f for e in ENCODERS for f in pix_fmts(e)})
    if pix_fmt not in names:
        near = difflib.get_close_matches(pix_fmt, names, 4, 0.5)
        raise UsageError(
            f"There is no pixel format {pix_fmt}.", f"Did you mean {' or '.join(near)}?" if near else "Try yuv420p."
        )
    return layout_of("yuv" + pix_fmt[4:] if pix_fmt.startswith("yuvj") else pix_fmt)


def _for_players(source: PixelLayout, info: VideoInfo) -> PixelLayout:
    """RGB becomes the YUV format that players show."""
    if source.family != "rgb":
        return source
    depth = "10le" if source.depth > 8 else ""
    sub = "420" if info.width % 2 == 0 and info.height % 2 == 0 else "444"
    return layout_of(f"yuv{sub}p{depth}")


def _try(encoder: VideoEncoder, wish: _EncoderWish) -> EncoderChoice:
    """Set an encoder up for this video, and open it into a header in memory. Raises _DoesNotFit: it cannot."""
    info, facts, options = wish.info, wish.facts, wish.options
    avi = wish.container.muxer == "avi"
    pix_fmt, note = _format_for(encoder, wish.target, wish.container)
    layout = layout_of(pix_fmt)
    own = encoder.codec == info.codec and options.pix_fmt is None
    settings = quality_options(encoder, options.crf, options.lossless)
    settings |= profile_options(encoder, info.profile if own else "", layout, options.lossless)
    settings |= library_params(encoder, facts.mastering, lossless=options.lossless, constant_rate=facts.constant_rate)
    if facts.field_order not in PROGRESSIVE_ORDERS and encoder.name in _CODES_FIELDS:
        settings["flags"] = settings.get("flags", "") + "+ildct+ilme"
    exact = encoder.exact_times and not avi
    if not exact:
        settings["bf"] = "0"
    rate = _sane_rate(info, encoder)
    if avi and not _on_grid(info, rate):
        raise _DoesNotFit("AVI holds no times of its own, and this video's frame rate varies.")
    picture = PictureFormat(
        info.size,
        pix_fmt,
        _tags(info, layout),
        info.sample_aspect if facts.sample_aspect else Fraction(0),
        rate,
        facts.time_base if exact else 1 / rate,
        facts.field_order,
        "hvc1" if encoder.codec == "hevc" and wish.container.muxer in ("mp4", "mov") else "",
        facts.mastering if encoder.name in CARRIERS and wish.container.muxer in _STATES_HDR else None,
    )
    _open_once(encoder, wish.container, picture, settings)
    lossless = options.lossless or (encoder.lossless == {} and not encoder.quality)
    base = 1 / rate if avi else facts.time_base
    return EncoderChoice(encoder, picture, layout_of(info.pix_fmt), settings, base, lossless, [note] if note else [])


_STATES_HDR = ("matroska", "webm")
_CODES_FIELDS = ("libx264", "mpeg2video", "mpeg4", "prores_ks", "dnxhd", "ffv1")


def _format_for(encoder: VideoEncoder, layout: PixelLayout, container: Container) -> tuple[str, str]:
    """The encoder's pixel format that holds the layout's samples (but for alpha, or ProRes' last bits), and a note."""
    formats = pix_fmts(encoder)
    found = same_samples(layout, formats)
    if found is not None and (not layout.alpha or _keeps_alpha(encoder, container)):
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
    raise _DoesNotFit(f"{encoder.label} ({encoder.name}) does not take {layout.name}.")


def _keeps_alpha(encoder: VideoEncoder, container: Container) -> bool:
    """VP8 and VP9 have alpha as a second picture with each packet, which only Matroska and WebM hold."""
    return encoder.codec != "hevc" and (encoder.codec not in ("vp8", "vp9") or container.muxer in ("matroska", "webm"))


def _open_once(encoder: VideoEncoder, container: Container, picture: PictureFormat, options: dict[str, str]) -> None:
    if not container.holds(encoder.codec):
        raise _DoesNotFit(f"{container.label} does not hold {encoder.label}.")
    out = open_in_memory(container)
    try:
        add_encoder(out, encoder.name, picture, options)
        out.start_encoding()
    except ValueError as err:
        raise _DoesNotFit(f"{container.label} does not hold {encoder.label}.") from err
    except av.error.FFmpegError as err:
        odd = picture.size[0] % 2 or picture.size[1] % 2
        why = f"{picture.size[1]}x{picture.size[0]} is odd, and it" if odd else f"{err.strerror}: it"
        raise _DoesNotFit(
            f"{encoder.label} ({encoder.name}) cannot be written into {container.label} as {picture.pix_fmt} "
            f"({why} does not take this)."
        ) from err
    finally:
        abandon(out)


def _tags(info: VideoInfo, layout: PixelLayout) -> Colour:
    if layout.family == "rgb":
        return replace(info.colour, matrix=0, full_range=True)
    if layout_of(info.pix_fmt).family == "rgb":
        return Colour(1, 1 if info.colour.transfer in (2, 13) else info.colour.transfer, 1, False)
    colour = info.colour
    if info.pix_fmt.startswith("yuvj"):
        colour = replace(colour, full_range=True)
    return colour


_MPEG4_MOST = 65535  # ticks per second that MPEG-4 can state


def _sane_rate(info: VideoInfo, encoder: VideoEncoder) -> Fraction:
    """The nominal frame rate; the average where the stated one cannot be right (1000 in many Matroska files)."""
    rate = info.frame_rate
    if not 0 < rate <= 300:
        known = info.duration and info.n_frames
        rate = Fraction(info.n_frames) / info.duration if known and info.duration else Fraction(25)
        rate = max(Fraction(1), min(rate, Fraction(300)))
    most = _MPEG4_MOST if encoder.codec == "mpeg4" else 1001000
    return rate if rate.numerator <= most else rate.limit_denominator(1001)


def _on_grid(info: VideoInfo, rate: Fraction) -> bool:
    """Whether each frame is near a time of its own on the grid of a constant rate."""
    if info.container in (FRAMES, "avi"):
        return True
    places = [t * rate for t in sorted(_video_times(info))]
    near = all(abs(p - round(p)) < Fraction(1, 10) for p in (q - places[0] for q in places))
    return near and len({round(p) for p in places}) == len(places)


def _video_times(info: VideoInfo) -> Iterator[Fraction]:
    with open_input(info.path) as source:
        for packet in source.demux(source.streams[info.stream]):
            if packet.pts is not None and packet.size:
                yield packet.pts * packet.time_base


def picture_words(
    info: VideoInfo, facts: SourceFacts, video: EncoderChoice, container: Container
) -> tuple[list[str], list[str], list[str]]:
    """What is kept and what is lost of the picture itself, and notes on it."""
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
        stated = video.encoder.params or video.picture.mastering is not None
        (kept if stated else lost).append("HDR static metadata")
    captions = facts.captions or "closed captions" in info.extras
    if captions:
        (kept if video.encoder.name in ("libx264", "libx265") else lost).append("closed captions")
    if "stereo 3d" in info.extras and "second view" not in info.extras:
        (kept if video.encoder.name == "libx264" else lost).append("the stereo 3D layout")
    lost += facts.data
    if "dolby vision" in info.extras and "Dolby Vision data" not in facts.data:
        lost.append("Dolby Vision data")
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
    if container.muxer == "mpegts" and facts.start < _REORDERING and video.encoder.exact_times:
        notes.append("MPEG-TS holds no time before zero: all streams start later by the picture's reordering delay.")
    return kept, lost, notes


_REORDERING = Fraction(1, 2)
"""Seconds before the first picture is shown at which its decoding may have to begin."""


def _on_ticks(info: VideoInfo, facts: SourceFacts, tick: int) -> bool:
    period = 1 / info.frame_rate if info.frame_rate else facts.time_base
    return (period * tick).denominator == 1 and (facts.start * tick).denominator == 1
