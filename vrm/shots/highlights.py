"""Which frames are shown or handed out: the highlights of a report, a preview, exported keyframes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from vrm.types import Masks

KEYFRAME_GRID = 20
"""Keyframes that the tool chooses lie so many frames apart (Esser et al. 2022, Section 4)."""


def areas(holes: Masks) -> np.ndarray:
    """Number of pixels in each frame's hole, float64 ``(n_frames,)``."""
    out = np.zeros(holes.n_frames)
    for t in holes.frames():
        out[t] = np.count_nonzero(holes[t])
    return out


def highlight_range(holes: Masks, length: int) -> tuple[int, int]:
    """The ``length`` consecutive frames (fewer in a shorter video) in which most is removed: ``(start, stop)``."""
    total = np.concatenate([[0.0], np.cumsum(areas(holes))])
    length = min(length, holes.n_frames)
    sums = total[length:] - total[:-length]
    start = int(np.argmax(sums))
    return start, start + length


def highlight_frames(holes: Masks, shots: list[tuple[int, int]], most: int = 6) -> list[int]:
    """Up to ``most`` frames for a report: each shot's largest hole, then frames spread over the video."""
    sizes = areas(holes)
    largest = [start + int(np.argmax(sizes[start:stop])) for start, stop in shots if sizes[start:stop].any()]
    masked = np.flatnonzero(sizes)
    if masked.size == 0:
        return []
    spread = [int(masked[i]) for i in np.linspace(0, masked.size - 1, most).round().astype(int)]
    chosen = list(dict.fromkeys([*largest[: most // 2], *spread]))[:most]
    return sorted(chosen)


def export_times(shots: Sequence[tuple[int, int]], holes: Masks, given: Collection[int], every: int) -> list[int]:
    """The frames that ``--export-keyframes`` writes: the given ones, and every so many of each shot with a hole."""
    times = {t for t in given if holes.box(t) is not None}
    for start, stop in shots:
        times.update(t for t in range(start, stop, every) if holes.box(t) is not None)
        holed = [t for t in range(start, stop) if holes.box(t) is not None]
        if holed and not any(start <= t < stop for t in times):
            times.add(holed[len(holed) // 2])
    return sorted(times)
