"""One self-contained HTML page about a finished run: what changed, where it came from, what was kept."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vrm.report.coverage import GIVEN, NEVER, SEEN, UNRELIABLE, FrameCoverage
from vrm.report.model import RemoveReport
from vrm.report.templates import environment
from vrm.types import U8, Bool

COLOURS = {SEEN: (46, 160, 67), UNRELIABLE: (227, 179, 65), NEVER: (218, 54, 51), GIVEN: (56, 139, 253)}
"""RGB of a coverage map's values: green, yellow, red, blue."""

_MAX_SIDE = 960
_MAX_BARS = 600


@dataclass(frozen=True)
class Highlight:
    """One frame that the page shows, in displayed orientation.

    Attributes:
        before, after: uint8 ``(H, W, 3)`` RGB.
        mask: bool (or uint8, not 0 = removed) ``(H, W)``.
        coverage: uint8 ``(H, W)`` of the values of ``COLOURS`` and 0, or None where there is no coverage map.
        views: what else the engine has to show, by name: uint8 ``(h, w, 3)`` RGB.
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

    @property
    def pictures(self) -> list[tuple[str, U8]]:
        shown = [("before, mask outlined", outline(self.before, self.mask)), ("after", self.after)]
        if self.coverage is not None:
            shown.append(("coverage", coverage_picture(self.after, self.coverage)))
        return [*shown, *self.views]


def render(report: RemoveReport, highlights: Sequence[Highlight]) -> str:
    """The page as text: no script, no external resource; it can be mailed as it is."""
    templates = environment()
    templates.filters |= {
        "data_uri": _data_uri,
        "duration": _duration,
        "percent": "{:.0%}".format,
        "rgb": lambda coverage: "rgb({},{},{})".format(*COLOURS[coverage]),
        "words": lambda key: key.replace("_", " "),
    }
    return templates.get_template("report.html").render(
        report=report, highlights=highlights, timeline=_timeline(report), settings=_settings(report)
    )


def outline(picture: U8, mask: Bool | U8) -> U8:
    """A copy of ``(H, W, 3)`` with the mask's border drawn in white on black, visible on any background."""
    drawn = np.ascontiguousarray(picture).copy()
    borders, _ = cv2.findContours((mask != 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(max(picture.shape[:2]) / 640))
    cv2.drawContours(drawn, borders, -1, (0, 0, 0), 2 * width + 1)
    cv2.drawContours(drawn, borders, -1, (255, 255, 255), width)
    return drawn


def coverage_picture(picture: U8, coverage: U8) -> U8:
    """The picture ``(H, W, 3)`` in grey, with the hole in the colours of ``COLOURS``."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)[..., None]
    drawn = np.repeat(grey // 2 + 96, 3, axis=2).astype(np.uint8)
    for value, colour in COLOURS.items():
        drawn[coverage == value] = colour
    return drawn


def _timeline(report: RemoveReport) -> dict[str, Any]:
    """A stacked bar per frame, or per run of frames in a long video: shares of the hole, 100 units high."""
    frames = max([report.frames, *(shot.stop for shot in report.shots)])
    width = min(frames, _MAX_BARS)
    groups: dict[int, list[FrameCoverage]] = {}
    for frame in (frame for shot in report.shots for frame in shot.frames):
        groups.setdefault(frame.frame * width // frames, []).append(frame)
    bars = []
    for x, group in groups.items():
        weight = sum(frame.hole for frame in group)
        top = 0.0
        for value, name in ((NEVER, "never"), (GIVEN, "given"), (UNRELIABLE, "unreliable"), (SEEN, "seen")):
            height = 100 * sum(frame.hole * getattr(frame, name) for frame in group) / weight if weight else 0.0
            if height > 0:
                bars.append({"x": x, "top": top, "height": height, "coverage": value})
            top += height
    legend = {SEEN: "found in other frames", UNRELIABLE: "found, not reliably", NEVER: "never seen: synthesised"}
    if any(frame.given for shot in report.shots for frame in shot.frames):
        legend[GIVEN] = "from your keyframes"
    cuts = [shot.start * width / frames for shot in report.shots if shot.start]
    return {"frames": frames, "width": width, "bars": bars, "cuts": cuts, "legend": legend}


def _settings(report: RemoveReport) -> dict[str, dict[str, Any]]:
    return {
        "Used": {name: getattr(report, name) for name in ("engine", "preset", "device", "dtype", "threads", "seed")},
        "Asked for": _flat(report.options),
        "Shots": {
            f"frames {shot.start} to {shot.stop - 1}": {"found": f"{shot.coverage:.0%}", **shot.detail}
            for shot in report.shots
        },
        "Versions": report.versions,
    }


def _flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options as one table, ``mask.grow`` for a nested name, without those that were not given."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value not in (None, (), [], False):
            flat[prefix + key] = value
    return flat


def _data_uri(picture: U8) -> str:
    """The picture as a JPEG of at most ``_MAX_SIDE`` pixels a side, inside a URL."""
    height, width = picture.shape[:2]
    bgr = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
    scale = min(1.0, _MAX_SIDE / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
