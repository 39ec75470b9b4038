"""Where new pixels come from, in numbers: by frame, of all frames, and which frames to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SEEN, UNRELIABLE, NEVER, GIVEN = 1, 2, 3, 4
"""Values of a coverage map, see ``FrameCoverage``; 0 is outside the hole."""

COLOURS = {SEEN: (46, 160, 67), UNRELIABLE: (227, 179, 65), NEVER: (218, 54, 51), GIVEN: (56, 139, 253)}
"""RGB of a coverage map's values: green, yellow, red, blue."""

MOVING = 0.5
"""From this ``FrameCoverage.moving`` on nothing that was found in other frames counts as reliable."""


@dataclass(frozen=True)
class FrameCoverage:
    """Where the new pixels of one frame come from, as shares of its hole that sum to 1.

    Attributes:
        hole: share of the frame that was filled, 0..1.
        seen: found reliably in other frames.
        unreliable: found in other frames, but not reliably.
        never: never seen, so synthesised, here or on a generated keyframe.
        given: taken from the user's keyframes.
        moving: share of what lies around the hole that moves unlike the camera (water, leaves, a crowd), 0..1; looked
            at on some frames of each window. No part of the sum.
    """

    frame: int
    hole: float
    seen: float
    unreliable: float = 0.0
    never: float = 0.0
    given: float = 0.0
    moving: float = 0.0

    @property
    def doubtful(self) -> float:
        """Share of the picture that was filled with something not known to be right."""
        return self.hole * (self.unreliable + self.never)


def hole_share(frames: Iterable[FrameCoverage], kind: str) -> float:
    """The share of all pixels in the frames' holes that is of one kind ("seen", "never", ...); 0.0 without a hole."""
    hole = part = 0.0
    for frame in frames:
        hole += frame.hole
        part += frame.hole * getattr(frame, kind)
    return part / hole if hole else 0.0


_RUNS = 3
"""At most so many runs of frames are named."""

_LEAST = 0.0005
"""Share of the picture below which hardly anybody sees what is wrong."""

_GAP = 5
"""Runs with fewer frames than this between them are one."""


def look_at(frames: Sequence[FrameCoverage]) -> list[list[int]]:
    """The frames to look at first, as at most three runs ``[first, last]``, in order.

    Those in which at least half as large a part of the picture is doubtful as in the worst.
    """
    worst = max((frame.doubtful for frame in frames), default=0.0)
    if worst < _LEAST:
        return []
    weight = {frame.frame: frame.doubtful for frame in frames if frame.doubtful >= worst / 2}
    runs = frame_runs(weight, _GAP)
    runs.sort(key=lambda run: -sum(weight.get(t, 0.0) for t in range(run[0], run[1] + 1)))
    return sorted(runs[:_RUNS])


def moving_runs(frames: Iterable[FrameCoverage]) -> list[list[int]]:
    """The frames whose surroundings move by themselves, as runs ``[first, last]``."""
    return frame_runs(frame.frame for frame in frames if frame.moving > MOVING)


def frame_runs(frames: Iterable[int], gap: int = 1) -> list[list[int]]:
    """Ascending frame numbers as runs ``[first, last]``; those with fewer than ``gap`` frames between them are one."""
    runs: list[list[int]] = []
    for t in frames:
        if runs and t - runs[-1][1] <= gap:
            runs[-1][1] = t
        else:
            runs.append([t, t])
    return runs


def in_words(runs: Sequence[Sequence[int]]) -> str:
    """``"frame 3"``, ``"frames 3-7 and 9"``."""
    names = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    several = len(names) > 1 or any(first != last for first, last in runs)
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"frame{'s' if several else ''} {listed}"
