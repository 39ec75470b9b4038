"""A shot divided into windows: as long as memory allows, overlapping, with context on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from vrm.types import Masks

OVERLAP = 6
"""Frames that two neighbouring windows share; what fills them is cross-faded there."""

_LONGEST = 110
_SHORTEST = 2 * OVERLAP
_NEAR = 24  # frames of context whose trajectories are computed too
# Bytes that motion keeps for each frame of a window while it works: for each pixel of the hole's bounding box at full
# size; for each pixel of that box at working size (flow and trajectories, both ways); for each working pixel of the
# frame.
_PER_HOLE, _PER_BOX, _PER_FRAME = 12, 60, 2
_CONTEXT_SECONDS = Fraction(7, 2)  # an object that stands still so long is filled from frames after it has left
_LEAST_CONTEXT = 60
REACH = 240
"""Frames of context on either side of a window, at most, whatever the frame rate."""
_MERGE_GAP = 12


@dataclass(frozen=True)
class Window:
    """Frames ``start..stop-1`` to fill; ``[context_start, context_stop)`` around them is what motion looks at."""

    start: int
    stop: int
    context_start: int
    context_stop: int

    def __post_init__(self) -> None:
        if not self.context_start <= self.start < self.stop <= self.context_stop:
            raise ValueError(f"window {self} is not inside its context")


def context_reach(rate: Fraction) -> int:
    """Frames of context on either side of a window, at a number of frames per second."""
    return min(max(round(_CONTEXT_SECONDS * rate), _LEAST_CONTEXT), REACH)


def plan_windows(
    holes: Masks, start: int, stop: int, rate: Fraction, memory_bytes: int, longest: int, *,
    within: range | None = None, split_points: Sequence[int] = (),
) -> list[Window]:  # fmt: skip
    """Windows that together cover every frame of ``start..stop-1`` with a hole.

    Args:
        holes: grown masks.
        start, stop: the shot; no window looks outside it.
        rate: frames per second.
        memory_bytes: what motion may keep for one window.
        longest: longer side of the frames that motion works on.
        within: only these frames of the shot are filled; all by default.
        split_points: frames that are filled already (keyframes), ascending: where memory allows, windows meet at one
            and share that frame alone.
    """
    wanted = range(start, stop) if within is None else within
    reach = context_reach(rate)
    windows: list[Window] = []
    for first, last in _runs(holes, max(start, wanted.start), min(stop, wanted.stop)):
        most = _longest_core(holes, first, last, memory_bytes, longest)
        for from_, to in _parts(first, last, most, [t for t in split_points if first < t < last - 1]):
            cores = max(1, -(-(to - from_ - OVERLAP) // max(1, most - OVERLAP)))
            step = -(-(to - from_ - OVERLAP) // cores) if cores > 1 else to - from_
            at = from_
            while True:
                end = min(at + step + (OVERLAP if cores > 1 else 0), to)
                windows.append(Window(at, end, max(start, at - reach), min(stop, end + reach)))
                if end == to:
                    break
                at = end - OVERLAP
    return windows


def _parts(first: int, last: int, most: int, split_points: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Frames ``first..last-1`` cut at split points: parts of at most ``most`` frames, or from one to the next."""
    at = first
    while last - at > most and (ahead := [t for t in split_points if t > at]):
        end = max((t for t in ahead if t + 1 - at <= most), default=ahead[0]) + 1
        yield at, end
        at = end - 1
    yield at, last


def _runs(holes: Masks, start: int, stop: int) -> list[tuple[int, int]]:
    """Runs of frames with a hole; runs with a short gap between them count as one."""
    runs: list[tuple[int, int]] = []
    for t in holes.frames():
        if not start <= t < stop:
            continue
        if runs and t - runs[-1][1] <= _MERGE_GAP:
            runs[-1] = runs[-1][0], t + 1
        else:
            runs.append((t, t + 1))
    return runs


def _longest_core(holes: Masks, first: int, last: int, memory_bytes: int, longest: int) -> int:
    """Frames a window may have so that what motion keeps for it, and for its near context, fits into the memory."""
    area = max((b[2] - b[0]) * (b[3] - b[1]) for t in range(first, last) if (b := holes.box(t)) is not None)
    height, width = holes.size
    shrunk = min(1.0, longest / max(height, width)) ** 2
    around = shrunk * (_PER_BOX * area + _PER_FRAME * height * width)
    return max(_SHORTEST, min(_LONGEST, int((memory_bytes - _NEAR * around) / (around + _PER_HOLE * area))))
