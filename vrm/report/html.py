"""One self-contained HTML page about a finished run: what changed, where it came from, what was kept."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.events import span
from vrm.report.coverage import COLOURS, GIVEN, NEVER, SEEN, UNRELIABLE, FrameCoverage
from vrm.report.facts import fact_rows
from vrm.report.model import RemoveReport
from vrm.report.tables import duration
from vrm.report.templates import environment
from vrm.report.verdict import verdict
from vrm.types import U8, Bool, Box, bounding_box

EFFECT = (255, 170, 0)
"""The colour of the outline of shadows and reflections."""

_MAX_SIDE = 1280
_MAX_BARS = 600
_AROUND = 1.6
"""A crop is so many times as large as the hole."""
_MOST_CROPPED = 0.75
"""A crop of more of the frame's height and width would show nothing new."""


@dataclass(frozen=True)
class Highlight:
    """One frame that the page shows, in displayed orientation.

    Attributes:
        before, after: uint8 ``(H, W, 3)`` RGB.
        mask: bool (or uint8, not 0 = removed) ``(H, W)``.
        effects: likewise: shadows and reflections in the mask, or None where there are none.
        coverage: uint8 ``(H, W)`` of the values of ``COLOURS`` and 0, or None where there is no coverage map.
        views: what else the engine has to show, by name: uint8 ``(h, w, 3)`` RGB.
    """

    frame: int
    before: U8
    after: U8
    mask: Bool | U8
    coverage: U8 | None = None
    views: tuple[tuple[str, U8], ...] = ()
    effects: Bool | U8 | None = None

    def __post_init__(self) -> None:
        for name, array in (("after", self.after), ("mask", self.mask), ("coverage", self.coverage)):
            if array is not None and array.shape[:2] != self.before.shape[:2]:
                raise ValueError(f"{name} of frame {self.frame} is {array.shape[:2]}, not {self.before.shape[:2]}")

    @property
    def outlined(self) -> U8:
        if self.effects is None:
            return outline(self.before, self.mask)
        return outline(outline(self.before, self.effects, EFFECT), (self.mask != 0) & (self.effects == 0))

    @property
    def crop(self) -> Box | None:
        """The hole and its surroundings, of the frame's own shape; None where that is most of the frame."""
        hole = bounding_box(self.mask != 0)
        if hole is None:
            return None
        height, width = self.mask.shape
        sides = (hole[2] - hole[0]) / height, (hole[3] - hole[1]) / width
        scale = max(sides) * _AROUND
        if scale > _MOST_CROPPED:
            return None
        h, w = max(1, round(scale * height)), max(1, round(scale * width))
        y0 = min(max(0, (hole[0] + hole[2] - h) // 2), height - h)
        x0 = min(max(0, (hole[1] + hole[3] - w) // 2), width - w)
        return y0, x0, y0 + h, x0 + w

    def cut(self, picture: U8) -> U8:
        """The part of a picture around the hole."""
        y0, x0, y1, x1 = self.crop or (0, 0, *self.mask.shape)
        return picture[y0:y1, x0:x1]

    @property
    def pictures(self) -> list[tuple[str, U8]]:
        """What is shown beside before and after: where the pixels come from, and the engine's own."""
        if self.coverage is None:
            return [*self.views]
        return [("where the pixels come from", self.cut(coverage_picture(self.after, self.coverage))), *self.views]


def render(report: RemoveReport, highlights: Sequence[Highlight]) -> str:
    """The page as text, in one file without external resources: it can be mailed as it is."""
    templates = environment()
    templates.filters |= {
        "data_uri": lambda picture: data_uri(shrunk(picture, _MAX_SIDE), "jpeg", 90),
        "duration": duration,
        "percent": "{:.0%}".format,
        "rgb": lambda coverage: "rgb({},{},{})".format(*COLOURS[coverage]),
        "words": lambda key: key.replace("_", " "),
    }
    return templates.get_template("report.html").render(
        report=report, name=Path(report.output).name, verdict=verdict(report), highlights=highlights,
        said={frame.frame: _said(frame) for frame in report.covered}, facts=fact_rows(report.source, report.result),
        timeline=_timeline(report), settings=_settings(report),
    )  # fmt: skip


def _said(frame: FrameCoverage) -> str:
    """What is said of one frame behind its number."""
    kinds = ((frame.seen, "found"), (frame.unreliable, "unsure"), (frame.never, "synthesised"), (frame.given, "given"))
    return ": " + ", ".join(f"{share:.0%} {kind}" for share, kind in kinds if share >= 0.005)


def outline(picture: U8, mask: Bool | U8, colour: tuple[int, int, int] = (255, 255, 255)) -> U8:
    """A copy of ``(H, W, 3)`` with the mask's border drawn in white, say, on black, visible on any background."""
    drawn = np.ascontiguousarray(picture).copy()
    borders, _ = cv2.findContours((mask != 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(max(picture.shape[:2]) / 640))
    cv2.drawContours(drawn, borders, -1, (0, 0, 0), 2 * width + 1)
    cv2.drawContours(drawn, borders, -1, colour, width)
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
    legend = {SEEN: "found in other frames", UNRELIABLE: "found, but unsure", NEVER: "seen nowhere: synthesised"}
    if any(frame.given for shot in report.shots for frame in shot.frames):
        legend[GIVEN] = "from your keyframes"
    cuts = [shot.start * width / frames for shot in report.shots[1:]]
    return {"frames": frames, "width": width, "bars": bars, "cuts": cuts, "legend": legend}


def _settings(report: RemoveReport) -> dict[str, dict[str, Any]]:
    return {
        "Used": {name: getattr(report, name) for name in ("engine", "preset", "device", "dtype", "threads", "seed")},
        "Asked for": _flat(report.options),
        "Shots": {
            span(shot.start, shot.stop - 1): {"found": f"{shot.coverage:.0%}", **shot.detail} for shot in report.shots
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


def shrunk(picture: U8, longest: int) -> U8:
    """A picture ``(H, W, 3)`` of at most so many pixels a side."""
    height, width = picture.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA), np.uint8)


def data_uri(picture: U8, kind: str, quality: int) -> str:
    """The picture ``(H, W, 3)`` RGB, as "jpeg" or "webp", inside a URL."""
    setting = {"jpeg": cv2.IMWRITE_JPEG_QUALITY, "webp": cv2.IMWRITE_WEBP_QUALITY}[kind]
    encoded = cv2.imencode(f".{kind}", np.ascontiguousarray(picture[..., ::-1]), [setting, quality])[1].tobytes()
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
