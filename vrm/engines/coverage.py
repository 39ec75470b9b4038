"""Where new pixels come from: seen elsewhere in the video, taken from a keyframe of the user's, or made up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vrm.motion.result import HoleFill
from vrm.report.model import GIVEN, NEVER, SEEN, UNRELIABLE, FrameCoverage
from vrm.types import U8

RELIABLE = 0.5
"""Confidence above which a seen pixel counts as reliably seen."""


def coverage_map(fill: HoleFill, size: tuple[int, int], origins: Mapping[int, U8] | None = None) -> U8:
    """Where each new pixel of a frame comes from.

    Args:
        fill: what motion found.
        size: ``(height, width)``.
        origins: such maps of frames that motion took for whole though they had a hole: a pixel fetched from what was
            filled there is as little seen as that was.

    Returns:
        uint8 ``(H, W)``: 0 outside the hole, else ``SEEN``, ``UNRELIABLE``, ``NEVER`` or ``GIVEN``.
    """
    out = np.zeros(size, np.uint8)
    values = np.where(fill.seen, np.where(fill.confidence >= RELIABLE, SEEN, UNRELIABLE), NEVER).astype(np.uint8)
    if origins is not None and fill.source is not None and fill.place is not None:
        for t in np.unique(fill.source).tolist():
            if t in origins:
                at = np.flatnonzero(fill.source == t)
                there = origins[t].reshape(-1)[fill.place[at]]
                values[at] = np.where((there == 0) | (there == SEEN), values[at], there)
    out.reshape(-1)[fill.index] = values
    return out


def frame_coverage(t: int, coverage: U8) -> FrameCoverage:
    """The map of frame t in shares of its hole."""
    counts = np.bincount(coverage.reshape(-1), minlength=GIVEN + 1)
    n = int(counts[1:].sum())
    seen, unreliable, never, given = (float(counts[k]) / max(1, n) for k in (SEEN, UNRELIABLE, NEVER, GIVEN))
    return FrameCoverage(t, n / coverage.size, seen, unreliable, never, given)
