"""Strokes of the brush and of the eraser, and the masks that they leave as files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.errors import OutputError, UsageError
from vrm.media.write.png import write_png
from vrm.types import Array, Bool

_MOST = 5000
"""Points of one stroke."""


@dataclass(frozen=True)
class Stroke:
    """``places`` are its points ``(N, 2)``, x and y as displayed, ``thing`` the number of the thing that it is of."""

    frame: int
    thing: int | None
    places: Array
    radius: float
    erases: bool

    @classmethod
    def read(cls, asked: Mapping[str, Any], size: tuple[int, int]) -> Stroke:
        """A stroke as a page asks for it, on a picture of ``size``. Raises UsageError."""
        try:
            places = np.array([[float(x), float(y)] for x, y in asked["points"]])
            thing = None if asked.get("thing") is None else int(asked["thing"])
            found = cls(int(asked["frame"]), thing, places, float(asked["radius"]), bool(asked.get("erase")))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError("The page's request cannot be read.", "Reload it.") from error
        if not (0 < len(places) <= _MOST and np.isfinite(places).all() and 0 < found.radius <= max(size)):
            raise UsageError("That stroke is too long, or leads nowhere.", "Paint in several strokes.")
        return found

    def on(self, mask: Bool) -> Bool:
        """A mask, as displayed, after this stroke."""
        painted = np.ascontiguousarray(mask, np.uint8)
        line = np.rint(np.clip(self.places, -1e5, 1e5) * 8).astype(np.int32)  # in eighths of a pixel
        value = 0 if self.erases else 1
        cv2.polylines(painted, [line], False, value, max(1, round(2 * self.radius)), cv2.LINE_8, 3)
        for x, y in line:
            cv2.circle(painted, (int(x), int(y)), round(8 * self.radius), value, cv2.FILLED, cv2.LINE_8, 3)
        return np.asarray(painted > 0)


def keep_painted(mask: Bool, t: int, video: Path, scratch: Path) -> str:
    """Write a painted mask where the command line finds it later too: beside the video, by a name of its own."""
    name = f"{t:05d}-{hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:8]}.png"
    for folder in (video.with_name(f"{video.stem}-pick"), scratch / "painted"):
        try:
            folder.mkdir(exist_ok=True)
            write_png(folder / name, mask.astype(np.uint8) * 255)
            return str(folder / name)
        except (OSError, OutputError):
            continue
    raise OutputError("The painted mask cannot be written beside the video, nor into scratch.", "Free some space.")
