"""Where new pixels come from: found in other frames, taken from a keyframe of the user's, or synthesised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from vrm.engines.base import HasCoverage, HasDebugViews, Session
from vrm.engines.shot import ShotView
from vrm.motion.flow.camera import moving_share
from vrm.motion.result import HoleFill
from vrm.report.coverage import GIVEN, MOVING, NEVER, SEEN, UNRELIABLE, FrameCoverage
from vrm.shots.patch_store import Extra
from vrm.shots.windows import Window
from vrm.types import U8

RELIABLE = 0.5
"""Confidence above which a seen pixel counts as reliably seen."""

_LOOKED_AT = 8
"""Frames of a window that are asked whether their surroundings move by themselves."""


def coverage_map(fill: HoleFill, size: tuple[int, int], origins: Mapping[int, U8] | None = None) -> U8:
    """Where each new pixel of a frame of ``size`` comes from: ``SEEN``, ``UNRELIABLE``, ``NEVER`` or ``GIVEN``.

    ``origins`` are such maps of frames that motion took for whole though they had a hole: a pixel fetched from what was
    filled there is as little seen as that was. The result is uint8 ``(H, W)``, 0 outside the hole.
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


def frame_coverage(t: int, coverage: U8, moving: float = 0.0) -> FrameCoverage:
    """The map of frame t in shares of its hole; ``moving`` see ``FrameCoverage``."""
    counts = np.bincount(coverage.reshape(-1), minlength=GIVEN + 1)
    n = int(counts[1:].sum())
    seen, unreliable, never, given = (float(counts[k]) / max(1, n) for k in (SEEN, UNRELIABLE, NEVER, GIVEN))
    return FrameCoverage(t, n / coverage.size, seen, unreliable, never, given, moving)


def surroundings_moving(view: ShotView, window: Window) -> float:
    """The share of what lies around the window's holes that moves unlike the camera; 0 where nothing tells.

    What another frame shows behind water, leaves or a crowd was there then, and need not be now. No expected error
    tells that: the trajectories may be consistent all the same.
    """
    holed = [t for t in range(window.start, window.stop) if view.hole(t).any()]
    looks = min(_LOOKED_AT, -(-len(holed) // 4))  # neighbours tell the same
    chosen = np.linspace(0, len(holed) - 1, looks).round().astype(int)
    within = (window.context_start, window.context_stop - 1)
    return moving_share(view, {holed[k]: view.hole(holed[k]) for k in chosen}, within) or 0.0


class CoverageLog:
    """Coverage of every filled frame, and what the report shows of its highlights.

    ``maps`` holds the coverage maps of the highlights, and ``views`` what the engine has to show of them, by frame.
    """

    def __init__(self, highlights: tuple[int, ...] = ()) -> None:
        self.highlights = highlights
        self.maps: dict[int, U8] = {}
        self.views: dict[int, list[tuple[str, U8]]] = {}

    def add(self, view: ShotView, session: Session, window: Window) -> tuple[dict[int, FrameCoverage], Extra]:
        """Coverage, by frame, of a window that was just filled, and all of it as it is kept with the window's patches.

        Where motion was not asked, the engine synthesised everything itself.
        """
        times = range(window.start, window.stop)
        found = view.found(window)
        moving = 0.0 if found is None else surroundings_moving(view, window)
        if isinstance(session, HasCoverage):
            origins = ((t, session.origin(t)) for t in times)
            covered = {t: self._covered(t, one, moving) for t, one in origins if one is not None}
        elif found is not None:
            covered = {t: self._covered(t, coverage_map(fill, found.size), moving) for t, fill in found.fills.items()}
        else:
            areas = {t: float(view.hole(t).mean()) for t in times}
            covered = {t: FrameCoverage(t, area, 0.0, 0.0, 1.0) for t, area in areas.items() if area}
        if isinstance(session, HasDebugViews):
            self.views |= {t: session.views(t) for t in self._shown(window)}
        return covered, self._extra(covered, session, window)

    def recall(self, extra: Extra, window: Window) -> dict[int, FrameCoverage] | None:
        """Coverage of a window that was filled earlier; None if less of it was kept than this run's report shows."""
        views = {int(t): names for t, names in extra.facts["views"].items()}
        shown = self._shown(window)
        if not set(shown) <= set(views):
            return None
        self.maps |= {t: extra.arrays[f"map {t}"] for t in shown if f"map {t}" in extra.arrays}
        for t in shown:
            self.views[t] = [(name, extra.arrays[f"view {t} {k}"]) for k, name in enumerate(views[t])]
        return {c["frame"]: FrameCoverage(**c) for c in extra.facts["covered"]}

    def _covered(self, t: int, coverage: U8, moving: float) -> FrameCoverage:
        if moving > MOVING:
            coverage = np.where(coverage == SEEN, np.uint8(UNRELIABLE), coverage)
        if t in self.highlights:
            self.maps[t] = coverage
        return frame_coverage(t, coverage, moving)

    def _shown(self, window: Window) -> list[int]:
        return [t for t in self.highlights if window.start <= t < window.stop]

    def _extra(self, covered: dict[int, FrameCoverage], session: Session, window: Window) -> Extra:
        shown = self._shown(window)
        arrays: dict[str, np.ndarray] = {f"map {t}": self.maps[t] for t in shown if t in self.maps}
        names = {t: [name for name, _ in self.views.get(t, ())] for t in shown}
        arrays |= {f"view {t} {k}": view for t in shown for k, (_, view) in enumerate(self.views.get(t, ()))}
        facts = {"covered": [asdict(c) for c in covered.values()], "views": names, "notes": list(session.notes)}
        return Extra(facts, arrays)
