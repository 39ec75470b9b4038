"""A prompt, its answer, and the contract of everything that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vrm.selection.prompts.graph_cut import Points
from vrm.types import Bool, Box, Pixels


@dataclass(frozen=True)
class Prompt:
    """What is said about one object on one frame, in pixels of that frame.

    Negative points are on what is not the object. The mask, bool ``(H, W)``, is the object as far as it is known, which
    the points correct.
    """

    points: Points = ()
    negative_points: Points = ()
    box: Box | None = None
    mask: Bool | None = None

    @property
    def clicks(self) -> tuple[list[list[float]], list[int]]:
        """All points as SAM takes them: ``[x, y]`` each, and for each 1 (on the object) or 0 (not on it)."""
        places = [[float(x), float(y)] for x, y in (*self.points, *self.negative_points)]
        return places, [1] * len(self.points) + [0] * len(self.negative_points)

    @property
    def corners(self) -> list[float] | None:
        """The box as SAM takes it: left, top, right, bottom."""
        return None if self.box is None else [float(self.box[k]) for k in (1, 0, 3, 2)]

    @property
    def ambiguous(self) -> bool:
        """One click alone may mean a part or the whole: SAM then gives three masks, with a score each."""
        return len(self.points) + len(self.negative_points) == 1 and self.box is None and self.mask is None


@dataclass(frozen=True)
class Outline:
    """The object that a prompt means: its mask, bool ``(H, W)``, and the confidence, 0 (a guess) to 1."""

    mask: Bool
    confidence: float


class Prompter(Protocol):
    """Answers prompts."""

    name: str

    def outline(self, t: int, frame: Pixels, prompt: Prompt) -> Outline:
        """The object on frame t, uint8 or uint16 RGB ``(H, W, 3)``; the same t means the same picture."""
        ...
