"""What is kept and what is lost of the picture, in words, once its encoder is chosen."""

from __future__ import annotations

from fractions import Fraction

from vrm.media.frame.pixel_layout import layout_of
from vrm.media.read.source_facts import PROGRESSIVE_ORDERS, SourceFacts
from vrm.media.read.times import timestamps
from vrm.media.write.chroma_location import chroma_location, keeps_chroma_location
from vrm.media.write.containers import ANIMATED, Container
from vrm.media.write.encoder_choice import CODES_FIELDS, EncoderChoice
from vrm.types import VideoInfo


def picture_words(
    info: VideoInfo, facts: SourceFacts, video: EncoderChoice, container: Container
) -> tuple[list[str], list[str], list[str]]:
    """What is kept and what is lost of the picture itself, and notes on it."""
    kept: list[str] = [f"{video.picture.pix_fmt}, {video.layout.depth} bits"]
    lost: list[str] = []
    written = layout_of(video.picture.pix_fmt)
    if video.layout.alpha:
        (kept if written.alpha else lost).append("the alpha plane")
    elif info.has_alpha:
        lost.append("the alpha plane (this decoder does not give it)")
    if (written.sub_x, written.sub_y) > (video.layout.sub_x, video.layout.sub_y) and video.layout.family != "gray":
        lost.append("full chroma resolution" + ("" if written.alpha else " (--pix-fmt yuv444p keeps it)"))
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
    location = chroma_location(facts, video.layout, written)
    located = not location or keeps_chroma_location(location, video.encoder, container)
    if not located or location not in ("", "left"):
        (kept if located else lost).append(f"chroma location ({location})")
    if facts.field_order not in PROGRESSIVE_ORDERS:
        fields = video.encoder.name in CODES_FIELDS
        (kept if fields else lost).append("interlacing flags")
    if info.rotation or facts.display_matrix:
        holds = container.muxer in ("mp4", "mov", "3gp", "matroska", "webm")
        (kept if holds else lost).append(f"rotation by {info.rotation} degrees")
    if info.sample_aspect not in (0, 1):
        kept.append(f"pixels of {info.sample_aspect.numerator}:{info.sample_aspect.denominator}")
    return kept, lost, _time_notes(info, facts, video, container)


def _time_notes(info: VideoInfo, facts: SourceFacts, video: EncoderChoice, container: Container) -> list[str]:
    notes = []
    tick = container.tick
    if tick and (facts.time_base * tick).denominator != 1 and not _on_ticks(info, facts, tick):
        notes.append(f"{container.label} counts time in 1/{tick} s: times are rounded to that.")
    if container.muxer == "mpegts" and facts.start < _REORDERING and video.encoder.exact_times:
        notes.append("MPEG-TS holds no time before zero: all streams start later by the picture's reordering delay.")
    return notes


_REORDERING = Fraction(1, 2)
"""Seconds before the first picture is shown at which its decoding may have to begin."""


def _on_ticks(info: VideoInfo, facts: SourceFacts, tick: int) -> bool:
    if info.container in ANIMATED:
        return all((t * info.time_base * tick).denominator == 1 for t in timestamps(info))
    period = 1 / info.frame_rate if info.frame_rate else facts.time_base
    return (period * tick).denominator == 1 and (facts.start * tick).denominator == 1
