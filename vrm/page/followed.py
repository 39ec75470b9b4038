"""What following has left of a video, for the page to show: ``vrm.page.follow`` writes it in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.types import Bool

MASKS, EFFECTS, THINGS, FACTS = "masks", "effects", "things", "facts.json"
"""What lies in the folder, see ``vrm.page.follow``."""
UNSURE = 0.6
"""Following or an outline less sure than this is worth a word, and ..."""
LARGE, LEAP = 0.4, 2.2
"""... so is a mask of more of the frame, or of so many times the size of those around."""


class Followed:
    """What following has left in a folder, see ``vrm.page.follow``; ``said`` is what was followed.

    ``lines`` are those of text that were found: what each says, its first and last frame, whether it may go.
    """

    def __init__(self, folder: Path, said: Mapping[str, Any]) -> None:
        self.folder, self.said = folder, dict(said)
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        self.shots: list[list[int]] = facts["shots"]
        self.areas: list[float] = facts["areas"]
        self.sureness = {int(t): float(sure) for t, sure in facts["sureness"].items()}
        self.notes: list[str] = facts["notes"]
        self.things: list[int] = facts["things"]
        self.lines: list[list[Any]] = facts["lines"]

    def mask(self, t: int) -> Bool | None:
        """As displayed, bool ``(H, W)``, with the shadows and reflections that go."""
        return _read(self.folder / MASKS / f"{t:05d}.png")

    def things_alone(self, t: int) -> Bool | None:
        """The mask without shadows and reflections, which are found when all things are followed: it is corrected."""
        mask, effects = self.mask(t), self.effects(t)
        return mask if mask is None or effects is None else mask & ~effects

    def effects(self, t: int) -> Bool | None:
        return _read(self.folder / EFFECTS / f"{t:05d}.png")

    def by_thing(self, t: int, mask: Bool) -> list[tuple[Bool, int | None]]:
        """The parts of frame t's mask that belong to each thing, by its id; None: it belongs to none of them."""
        path = self.folder / THINGS / f"{t:05d}.png"
        if not path.is_file():
            return [(mask, self.things[0] if len(self.things) == 1 else None)]
        small = np.asarray(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE))
        labels = cv2.resize(small, mask.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return [(mask & (labels == number), thing) for number, thing in enumerate(self.things, 1)]

    @property
    def states(self) -> list[str]:
        """Of each frame: "" (all is well or nothing goes), "unsure", "lost", or "large"."""
        areas = np.array(self.areas)
        usual = np.array([np.median(areas[max(0, t - 8) : t + 9]) for t in range(len(areas))])
        found = []
        for t, area in enumerate(self.areas):
            if not area:
                found.append("lost" if t in self.sureness else "")
            elif self.sureness.get(t, 1.0) < UNSURE:
                found.append("unsure")
            else:
                found.append("large" if area > LARGE or (usual[t] and area > LEAP * usual[t]) else "")
        return found


def _read(path: Path) -> Bool | None:
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    return None if picture is None else np.asarray(picture > 127)
