"""The facts of a video, for people (``describe``) and for programs (``video_facts``)."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any

from vrm.report.model import plain
from vrm.report.tables import text_table
from vrm.types import VideoInfo

_UNSPECIFIED = 2
_PRIMARIES = {1: "BT.709", 4: "BT.470M", 5: "BT.601 (625)", 6: "BT.601 (525)", 9: "BT.2020", 11: "DCI-P3", 12: "P3"}
_TRANSFER = {
    1: "BT.709", 4: "gamma 2.2", 5: "gamma 2.8", 6: "BT.601", 8: "linear", 13: "sRGB", 14: "BT.2020 (10 bit)",
    15: "BT.2020 (12 bit)", 16: "PQ", 18: "HLG",
}  # fmt: skip
_MATRIX = {0: "RGB", 1: "BT.709", 4: "FCC", 5: "BT.601 (625)", 6: "BT.601 (525)", 7: "SMPTE 240M", 9: "BT.2020"}


def video_facts(info: VideoInfo) -> dict[str, Any]:
    """Every field of ``info`` as JSON values, fractions as "30000/1001", and its size as displayed."""
    facts: dict[str, Any] = plain(asdict(info))
    facts["display_height"], facts["display_width"] = info.display_size
    return facts


def describe(info: VideoInfo) -> str:
    """The same in words, one fact a line."""
    lines = [("file", str(info.path)), ("container", info.container)]
    codec = f"{info.codec} ({info.profile})" if info.profile else info.codec
    lines.append(("video", f"stream {info.stream}: {codec}, {info.pix_fmt}, {info.bit_depth} bit"))
    lines.append(("size", _size(info)))
    lines.append(("frames", _timing(info)))
    lines.append(("colour", _colour(info)))
    flags = (("alpha", info.has_alpha), ("interlaced", info.interlaced), ("joined from parts", bool(info.restarts)))
    remarks = [word for word, holds in flags if holds]
    remarks += info.extras
    if remarks:
        lines.append(("besides", ", ".join(remarks)))
    for stream in info.streams:
        if stream.index != info.stream:
            words = (stream.codec, stream.language, stream.title, stream.detail)
            lines.append((stream.kind, f"stream {stream.index}: " + ", ".join(word for word in words if word)))
    if info.chapters:
        lines.append(("chapters", str(info.chapters)))
    lines += [("metadata", f"{key}: {value}") for key, value in info.metadata.items()]
    return text_table(lines, header=False)


def _size(info: VideoInfo) -> str:
    text = f"{info.width}x{info.height}"
    if info.rotation:
        height, width = info.display_size
        text += f", turned by {info.rotation} degrees to {width}x{height} for display"
    if info.sample_aspect != 1:
        text += f", pixels {info.sample_aspect.numerator}:{info.sample_aspect.denominator}"
    return text


def _timing(info: VideoInfo) -> str:
    text = str(info.n_frames)
    if info.frame_rate:
        text += f" at {_fraction(info.frame_rate)} per second"
    if info.duration is not None:
        text += f", {float(info.duration):.3f} s"
    return f"{text} (time base {_fraction(info.time_base)})"


def _colour(info: VideoInfo) -> str:
    tags, said = info.colour, []
    for what, names in (("primaries", _PRIMARIES), ("transfer", _TRANSFER), ("matrix", _MATRIX)):
        if (code := getattr(tags, what)) != _UNSPECIFIED:
            said.append(f"{what} {names.get(code, code)}")
    if tags.full_range is not None:
        said.append("full range" if tags.full_range else "limited range")
    return ", ".join(said) or "not stated in the file"


def _fraction(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
