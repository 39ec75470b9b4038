"""The facts of a video, for people (``describe``) and for programs (``video_facts``)."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any

from vrm.report.model import plain
from vrm.report.tables import text_table
from vrm.types import Colour, VideoInfo

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


def fact_rows(source: dict[str, Any], result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What there is to know of both videos, from their ``video_facts``: name, the source's, the result's."""
    before, after = _in_words(source), _in_words(result)
    return [(name, before.get(name, ""), after.get(name, "")) for name in before | after]


def _in_words(facts: dict[str, Any]) -> dict[str, str]:
    if not facts:
        return {}
    width, height = facts["display_width"], facts["display_height"]
    codec = f"{facts['codec']} ({facts['profile']})" if facts["profile"] else facts["codec"]
    seconds = facts["duration"]
    others = [stream for stream in facts["streams"] if stream["index"] != facts["stream"]]
    said = {
        "container": facts["container"],
        "codec": codec,
        "pixels": f"{facts['pix_fmt']}, {facts['bit_depth']} bit",
        "size as shown": f"{width}x{height}",
        "rotation": f"{facts['rotation']} degrees" if facts["rotation"] else "",
        "pixel shape": "" if facts["sample_aspect"] == "1/1" else facts["sample_aspect"].replace("/", ":"),
        "frames": str(facts["n_frames"]),
        "frames per second": f"{float(Fraction(facts['frame_rate'])):.4g}",
        "duration": "" if seconds is None else f"{float(Fraction(seconds)):.3f} s",
        "colour": _colour(Colour(**facts["colour"])),
        "besides": ", ".join([*(w for w in ("interlaced",) if facts["interlaced"]), *facts["extras"]]),
        "alpha": "yes" if facts["has_alpha"] else "",
        "other streams": "; ".join(" ".join(filter(None, (s["kind"], s["codec"], s["language"]))) for s in others),
        "chapters": str(facts["chapters"] or ""),
    }
    return {name: words for name, words in said.items() if words}


def describe(info: VideoInfo) -> str:
    """The same in words, one fact a line."""
    lines = [("file", str(info.path)), ("container", info.container)]
    codec = f"{info.codec} ({info.profile})" if info.profile else info.codec
    lines.append(("video", f"stream {info.stream}: {codec}, {info.pix_fmt}, {info.bit_depth} bit"))
    lines.append(("size", _size(info)))
    lines.append(("frames", _timing(info)))
    lines.append(("colour", _colour(info.colour)))
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


def _colour(tags: Colour) -> str:
    said = []
    for what, names in (("primaries", _PRIMARIES), ("transfer", _TRANSFER), ("matrix", _MATRIX)):
        if (code := getattr(tags, what)) != _UNSPECIFIED:
            said.append(f"{what} {names.get(code, code)}")
    if tags.full_range is not None:
        said.append("full range" if tags.full_range else "limited range")
    return ", ".join(said) or "not stated in the file"


def _fraction(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
