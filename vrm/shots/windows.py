"""How a shot is cut into windows: as long as memory allows, overlapping, with context on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from vrm.engines.base import Window
from vrm.types import Masks

OVERLAP = 6
"""Frames two neighbouring windows share; their fillings are cross-faded there."""

_LONGEST = 110
_SHORTEST = 2 * OVERLAP
_NEAR = 24  # frames of context whose trajectories are found as well
# Bytes that motion keeps for each frame of a window, while it works: by pixel of the box around the hole, at full
# size; by working pixel of that box (flow and trajectories, both ways); by working pixel of the frame.
_PER_HOLE, _PER_BOX, _PER_FRAME = 12, 60, 2
_SEEN_AFTER = Fraction(7, 2)  # seconds an object may stand still and yet be filled from after it left
_REACH_LEAST, REACH = 60, 240  # the same in frames, whatever the rate
_MERGE_GAP = 12


def plan_windows(
    holes: Masks, start: int, stop: int, rate: Fraction, memory_bytes: int, longest: int, *,
    within: range | None = None, joints: Sequence[int] = (),
) -> list[Window]:  # fmt: skip
    """Windows that together cover every frame of ``start..stop-1`` with a hole.

    Args:
        holes: grown masks.
        start, stop: the shot; no window looks outside it.
        rate: frames per second.
        memory_bytes: what motion may keep for one window.
        longest: longer side of the frames motion works on.
        within: only these frames of the shot are to be filled; all by default.
        joints: frames that are known before, ascending: where memory allows, windows meet there and share that frame
            alone.
    """
    wanted = range(start, stop) if within is None else within
    reach = min(max(round(_SEEN_AFTER * rate), _REACH_LEAST), REACH)
    windows: list[Window] = []
    for first, last in _stretches(holes, max(start, wanted.start), min(stop, wanted.stop)):
        most = _longest_core(holes, first, last, memory_bytes, longest)
        for from_, to in _parts(first, last, most, [t for t in joints if first < t < last - 1]):
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


def _parts(first: int, last: int, most: int, joints: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Frames ``first..last-1`` cut at joints into parts of at most ``most`` frames, or of two neighbouring joints."""
    at = first
    while last - at > most and (ahead := [t for t in joints if t > at]):
        end = max((t for t in ahead if t + 1 - at <= most), default=ahead[0]) + 1
        yield at, end
        at = end - 1
    yield at, last


def _stretches(holes: Masks, start: int, stop: int) -> list[tuple[int, int]]:
    """Runs of frames with a hole, those with short gaps between them joined."""
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
    area = max((b[2] - b[0]) * (b[3] - b[1]) for t in range(first, last) if (b := holes.box(t)) is not None)
    height, width = holes.size
    shrunk = min(1.0, longest / max(height, width)) ** 2
    around = shrunk * (_PER_BOX * area + _PER_FRAME * height * width)
    return max(_SHORTEST, min(_LONGEST, int((memory_bytes - _NEAR * around) / (around + _PER_HOLE * area))))
