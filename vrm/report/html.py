"""One self-contained HTML page about a finished run: what changed, where it came from, what was kept."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import cv2
import numpy as np

from vrm.report.model import GIVEN, NEVER, SEEN, UNRELIABLE, FrameCoverage, RemoveReport
from vrm.report.style import STYLE
from vrm.types import U8, Bool

COLOURS = {SEEN: (46, 160, 67), UNRELIABLE: (227, 179, 65), NEVER: (218, 54, 51), GIVEN: (56, 139, 253)}
"""RGB of a coverage map's values: green, yellow, red, blue."""

_LONGEST = 960
_MOST_BARS = 600


@dataclass(frozen=True)
class Picture:
    """One moment of the video, in displayed orientation.

    Attributes:
        frame: frame number.
        before, after: uint8 ``(H, W, 3)`` RGB.
        mask: bool (or uint8, not 0 = removed) ``(H, W)``.
        coverage: uint8 ``(H, W)`` of the values of ``COLOURS`` and 0, or None if motion was not asked.
        views: further pictures, uint8 ``(h, w, 3)`` RGB, each with its name: what the engine has to show.
    """

    frame: int
    before: U8
    after: U8
    mask: Bool | U8
    coverage: U8 | None = None
    views: tuple[tuple[str, U8], ...] = ()

    def __post_init__(self) -> None:
        for name, array in (("after", self.after), ("mask", self.mask), ("coverage", self.coverage)):
            if array is not None and array.shape[:2] != self.before.shape[:2]:
                raise ValueError(f"{name} of frame {self.frame} is {array.shape[:2]}, not {self.before.shape[:2]}")


def render(report: RemoveReport, pictures: Sequence[Picture]) -> str:
    """The page as text: no script, no outside resource; it can be mailed as it is."""
    body = "".join(
        (
            _header(report),
            _section("Where the new pixels come from", _timeline(report) + _legend(report), bool(report.shots)),
            _section("Moments", "".join(map(_moment, pictures)), bool(pictures)),
            _section("What was kept", _list(report.kept), bool(report.kept)),
            _section("What was lost", _list(report.lost), bool(report.lost)),
            _section("Notes", _list(report.notes), bool(report.notes)),
            _section("Source and result", _facts(report), bool(report.source)),
            _section("Time", _timings(report.timings), bool(report.timings)),
            _section("Settings", _settings(report), True),
        )
    )
    title = escape(f"vrm: {report.output}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>{body}</body></html>\n"
    )


def outline(picture: U8, mask: Bool | U8) -> U8:
    """A copy of ``(H, W, 3)`` with the mask's border drawn in white on black, readable on any ground."""
    drawn = np.ascontiguousarray(picture).copy()
    borders, _ = cv2.findContours((mask != 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(max(picture.shape[:2]) / 640))
    cv2.drawContours(drawn, borders, -1, (0, 0, 0), 2 * width + 1)
    cv2.drawContours(drawn, borders, -1, (255, 255, 255), width)
    return drawn


def coverage_picture(picture: U8, coverage: U8) -> U8:
    """The picture ``(H, W, 3)`` greyed, with the hole in the colours of ``COLOURS``."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)[..., None]
    drawn = np.repeat(grey // 2 + 96, 3, axis=2).astype(np.uint8)
    for value, colour in COLOURS.items():
        drawn[coverage == value] = colour
    return drawn


def _header(report: RemoveReport) -> str:
    harm = report.changed_outside
    cards = [
        (f"{report.masked_frames} of {report.frames}", "frames changed", ""),
        (f"{harm}", "samples changed outside the mask", "good" if harm == 0 else "bad"),
        (f"{report.coverage:.0%}", "of the hole was seen elsewhere", "") if report.masked_frames else None,
        (_seconds(report.seconds), "in all", ""),
        (f"{report.peak_memory_mb / 1000:.2f} GB", "peak memory", "") if report.peak_memory_mb else None,
        (f"{report.frames_lost}", "frames could not be read", "bad") if report.frames_lost else None,
    ]
    shown = "".join(
        f'<div class="card {card[2]}"><b>{escape(card[0])}</b><span>{escape(card[1])}</span></div>'
        for card in cards
        if card is not None
    )
    return (
        f"<header><h1>{escape(report.output)}</h1><p>made from {escape(report.input)}</p>"
        f'<div class="cards">{shown}</div></header>'
    )


def _section(title: str, content: str, wanted: bool) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if wanted else ""


def _timeline(report: RemoveReport) -> str:
    """A stacked bar per frame, or per run of frames in a long video: shares of the hole, 100 units high."""
    frames = max([report.frames, *(shot.stop for shot in report.shots)])
    bars = min(frames, _MOST_BARS)
    groups: list[list[FrameCoverage]] = [[] for _ in range(bars)]
    for shot in report.shots:
        for frame in shot.frames:
            groups[frame.frame * bars // frames].append(frame)
    drawn = []
    for k, group in enumerate(groups):
        weight = sum(frame.hole for frame in group)
        if not weight:
            continue
        top = 0.0
        for value, name in ((NEVER, "never"), (GIVEN, "given"), (UNRELIABLE, "unreliable"), (SEEN, "seen")):
            share = 100 * sum(frame.hole * getattr(frame, name) for frame in group) / weight
            if share > 0:
                drawn.append(f'<rect x="{k}" y="{top:.1f}" width="1" height="{share:.1f}" fill="{_css(value)}"/>')
            top += share
    cuts = "".join(
        f'<line x1="{x:.2f}" x2="{x:.2f}" y1="-6" y2="106"/>'
        for x in (shot.start * bars / frames for shot in report.shots if shot.start)
    )
    ends = f'<div class="ends"><span>frame 0</span><span>{frames - 1}</span></div>'
    return (
        f'<svg class="timeline" viewBox="0 -6 {bars} 112" preserveAspectRatio="none" role="img" '
        f'aria-label="coverage of each frame">'
        f'<rect class="ground" x="0" y="0" width="{bars}" height="100"/>{"".join(drawn)}{cuts}</svg>{ends}'
    )


def _legend(report: RemoveReport) -> str:
    words = {SEEN: "seen elsewhere", UNRELIABLE: "seen, not reliably", NEVER: "never seen: invented"}
    if any(frame.given for shot in report.shots for frame in shot.frames):
        words[GIVEN] = "from your keyframes"
    keys = "".join(f'<span><i style="background:{_css(value)}"></i>{text}</span>' for value, text in words.items())
    return f'<p class="legend">{keys}<span>upright line: a cut; empty: nothing masked</span></p>'


def _moment(picture: Picture) -> str:
    views = [("before, mask outlined", outline(picture.before, picture.mask)), ("after", picture.after)]
    if picture.coverage is not None:
        views.append(("coverage", coverage_picture(picture.after, picture.coverage)))
    views += picture.views
    images = "".join(f"<figure>{_image(view, name)}<figcaption>{name}</figcaption></figure>" for name, view in views)
    return f'<h3>Frame {picture.frame}</h3><div class="views">{images}</div>'


def _image(picture: U8, text: str) -> str:
    height, width = picture.shape[:2]
    bgr = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
    scale = min(1.0, _LONGEST / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    data = base64.b64encode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()).decode()
    return f'<img alt="{escape(text)}" src="data:image/jpeg;base64,{data}">'


def _facts(report: RemoveReport) -> str:
    """A row for each fact; a fact that the result does not share with the source stands out."""
    rows = []
    for key, value in report.source.items():
        if key in ("path", "metadata", "streams"):
            continue
        other = report.result.get(key, value)
        mark = "" if value == other else ' class="differs"'
        rows.append(f"<tr{mark}><th>{_words(key)}</th><td>{_value(value)}</td><td>{_value(other)}</td></tr>")
    return f"<table><tr><th></th><th>source</th><th>result</th></tr>{''.join(rows)}</table>"


def _timings(timings: dict[str, float]) -> str:
    longest = max(timings.values(), default=0.0) or 1.0
    rows = "".join(
        f'<tr><th>{escape(stage)}</th><td class="number">{_seconds(value)}</td>'
        f'<td class="wide"><div class="bar" style="width:{100 * value / longest:.1f}%"></div></td></tr>'
        for stage, value in timings.items()
    )
    return f"<table>{rows}</table>"


def _settings(report: RemoveReport) -> str:
    used = {name: getattr(report, name) for name in ("engine", "preset", "device", "dtype", "threads", "seed")}
    asked = _flat(report.options)
    shots = {
        f"frames {shot.start} to {shot.stop - 1}": {"seen": f"{shot.coverage:.0%}", **shot.detail}
        for shot in report.shots
    }
    tables = (("Used", used), ("Asked for", asked), ("Shots", shots), ("Versions", report.versions))
    return "".join(_details(title, table) for title, table in tables if table)


def _details(title: str, table: dict[str, Any]) -> str:
    rows = "".join(f"<tr><th>{_words(key)}</th><td>{_value(value)}</td></tr>" for key, value in table.items())
    opened = " open" if title == "Used" else ""
    return f"<details{opened}><summary>{title}</summary><table>{rows}</table></details>"


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options as one table, ``mask.grow`` for a nested name; what was not given is left out."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value not in (None, (), [], False):
            flat[prefix + key] = value
    return flat


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_words(key)} {_value(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(str(value))


def _words(key: str) -> str:
    return escape(key.replace("_", " "))


def _seconds(value: float) -> str:
    if value < 120:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} h" if hours else f"{minutes}:{seconds:02} min"


def _css(value: int) -> str:
    return "rgb({},{},{})".format(*COLOURS[value])
