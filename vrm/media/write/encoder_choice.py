"""The choice of an encoder and a pixel format: found by opening them into a header in memory."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av

from vrm.errors import OutputError, UsageError
from vrm.media.frame.pixel_layout import PixelLayout, layout_of
from vrm.media.read.source_facts import PROGRESSIVE_ORDERS, SourceFacts
from vrm.media.read.times import timestamps
from vrm.media.write.chroma_location import chroma_location
from vrm.media.write.containers import ANIMATED, FRAMES, Container, abandon, open_in_memory
from vrm.media.write.encoders import (
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
from vrm.media.write.target_layout import as_rgb, asked_layout, for_players
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
    if container.plays and options.pix_fmt is None:
        wish = replace(wish, target=as_rgb(source))
    asked = options.codec
    if options.lossless and asked is None:
        asked = container.codec if container.plays else "ffv1"
        if not container.plays and container.muxer not in ("matroska", "avi"):
            raise UsageError(
                f"--lossless writes FFV1, which {container.label} does not hold.",
                f"Name the output {out.stem}.mkv, or add --codec h264 or --codec hevc for their lossless forms.",
            )
    encoders = encoders_of(asked) if asked is not None else ()
    if (found := _with_alpha(wish, encoders)) is not None:
        return found
    lossy = not options.lossless and all(encoder.quality for encoder in encoders)
    if options.pix_fmt is None and info.container in (FRAMES, *ANIMATED) and not container.plays and lossy:
        wish = replace(wish, target=for_players(source, info))
    return _as_asked(encoders, asked, wish) if asked is not None else _nearest(wish)


def _with_alpha(wish: _EncoderWish, asked: tuple[VideoEncoder, ...] = ()) -> EncoderChoice | None:
    """For a source with alpha: what was asked for, its own codec or the container's for it; None if none holds it."""
    if not wish.target.alpha or wish.options.pix_fmt is not None:
        return None
    if asked and not wish.options.lossless and (wider := _wider_format(asked, wish)) is not None:
        return wider
    own = _own_encoders(wish.info.codec) if wish.info.container != FRAMES else ()
    name = _HOLD_ALPHA.get(wish.container.muxer)
    for encoder in asked or (*own, *(encoders_of(name) if name else ())):
        pix_fmt = None if encoder in own else _ALPHA_FORMATS.get(encoder.codec)
        with suppress(_DoesNotFit):
            choice = _try(encoder, replace(wish, target=layout_of(pix_fmt)) if pix_fmt else wish)
            if layout_of(choice.picture.pix_fmt).alpha:
                said = [f"Written as {encoder.label}, which holds the alpha plane."]
                return replace(choice, notes=[*(said if own and encoder not in (*own, *asked) else []), *choice.notes])
    return None


_HOLD_ALPHA = {"matroska": "ffv1", "avi": "ffv1", "webm": "vp9", "mov": "prores"}
_ALPHA_FORMATS = {"vp8": "yuva420p", "vp9": "yuva420p", "prores": "yuva444p10le"}
"""Codecs for pictures with alpha by container; and what those take that do not take them as they are."""


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
    if wish.options.pix_fmt is None and not wish.options.lossless:
        wider = _wider_format(encoders, wish)
        if wider is not None:
            return wider
    fix = "Name the output .mkv" if wish.container.muxer != "matroska" else "Choose another --codec"
    taken = sorted({f for e in encoders for f in pix_fmts(e) if not f.startswith("yuvj")})
    fits = not taken or wish.target.name in taken
    raise OutputError(
        f"--codec {asked} does not fit. {reasons[0]}",
        f"{fix}." if fits else f"{fix}, or one of its pixel formats: --pix-fmt {', '.join(taken)}.",
    )


def _wider_format(encoders: tuple[VideoEncoder, ...], wish: _EncoderWish) -> EncoderChoice | None:
    """One that does not take the source's format, in the nearest with at least its bits, chroma and alpha, or None."""
    target = wish.target
    for encoder in encoders:
        if same_samples(target, pix_fmts(encoder)) is not None:
            continue
        layouts = [layout_of(name) for name in pix_fmts(encoder) if _planar_yuv(name)]
        fit = [
            layout
            for layout in layouts
            if layout.family == target.family and layout.depth >= target.depth and layout.alpha >= target.alpha
            and layout.sub_x <= target.sub_x and layout.sub_y <= target.sub_y
        ]  # fmt: skip
        for layout in sorted(fit, key=lambda one: (one.alpha, one.depth, -one.sub_x, -one.sub_y)):
            try:
                choice = _try(encoder, replace(wish, target=layout))
            except _DoesNotFit:
                continue
            note = f"{encoder.label} does not take {_sampling(target)}: written as {_sampling(layout)} ({layout.name})."
            return replace(choice, notes=[note, *choice.notes])
    return None


def _planar_yuv(name: str) -> bool:
    return re.fullmatch(r"yuva?4\d\dp(\d+le)?", name) is not None


def _sampling(layout: PixelLayout) -> str:
    """``yuv422p10le`` as "4:2:2 with 10 bits"."""
    digits = ":".join(layout.name.removeprefix("yuva").removeprefix("yuv")[:3])
    return f"{digits} with {layout.depth} bits" + (" and alpha" if layout.alpha else "")


def _own_encoders(codec: str) -> tuple[VideoEncoder, ...]:
    try:
        return encoders_of(codec)
    except UsageError:
        return ()


def _try(encoder: VideoEncoder, wish: _EncoderWish) -> EncoderChoice:
    """Set an encoder up for this video, and open it into a header in memory. Raises _DoesNotFit: it cannot."""
    info, facts, options = wish.info, wish.facts, wish.options
    if not wish.container.holds(encoder.codec):
        raise _DoesNotFit(f"{wish.container.label} does not hold {encoder.label}.")
    avi = wish.container.muxer == "avi"
    pix_fmt, note = _format_for(encoder, wish.target, wish.container)
    layout = layout_of(pix_fmt)
    own = encoder.codec == info.codec and options.pix_fmt is None
    settings = quality_options(encoder, options.crf, options.lossless)
    settings |= profile_options(encoder, info.profile if own else "", layout, options.lossless)
    fields = facts.field_order not in PROGRESSIVE_ORDERS and encoder.name in CODES_FIELDS
    settings |= library_params(
        encoder,
        facts.mastering,
        lossless=options.lossless,
        constant_rate=facts.constant_rate,
        bottom_first=fields and facts.flags.bottom_first,
    )
    if fields:
        settings["flags"] = settings.get("flags", "") + "+ildct+ilme"
    if chroma_location(facts, layout_of(info.pix_fmt), layout):
        settings["chroma_sample_location"] = facts.flags.chroma_location
    exact = encoder.exact_times and not avi
    if not exact:
        settings["bf"] = "0"
    rate = _sane_rate(info, encoder)
    if avi and not _on_grid(info, rate):
        raise _DoesNotFit("AVI holds no times of its own, and this video's frame rate varies.")
    if layout.alpha and encoder.codec == "vp8":
        settings["auto-alt-ref"] = "0"  # hidden frames have no alpha
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
CODES_FIELDS = ("libx264", "mpeg2video", "mpeg4", "prores_ks", "dnxhd", "ffv1")


def _format_for(encoder: VideoEncoder, layout: PixelLayout, container: Container) -> tuple[str, str]:
    """The encoder's pixel format that holds the layout's samples (but for alpha, or ProRes' last bits), and a note."""
    if encoder.pix_fmt:
        return encoder.pix_fmt, ""
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
    out = open_in_memory(container)
    try:
        add_encoder(out, encoder.name, picture, options)
        out.start_encoding()
    except av.error.FFmpegError as err:
        odd = picture.size[0] % 2 or picture.size[1] % 2
        why = f"{picture.size[1]}x{picture.size[0]} is odd, and it" if odd else f"{err.strerror}: it"
        raise _DoesNotFit(
            f"{encoder.label} ({encoder.name}) cannot be written into {container.label} as {picture.pix_fmt} "
            f"({why} does not take this)."
        ) from err
    except ValueError as err:
        raise _DoesNotFit(f"{container.label} does not hold {encoder.label}.") from err
    finally:
        abandon(out)


def _tags(info: VideoInfo, layout: PixelLayout) -> Colour:
    if layout.family == "rgb":
        return replace(info.colour, matrix=0, full_range=True)
    if layout_of(info.pix_fmt).family == "rgb":
        primaries, transfer = info.colour.primaries, info.colour.transfer
        matrix = 9 if primaries == 9 else 1
        return Colour(1 if primaries == 2 else primaries, 1 if transfer in (2, 13) else transfer, matrix, False)
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
    times = timestamps(info)
    places = [(t - times[0]) * info.time_base * rate for t in times]
    near = all(abs(p - round(p)) < Fraction(1, 10) for p in places)
    return near and len({round(p) for p in places}) == len(places)
