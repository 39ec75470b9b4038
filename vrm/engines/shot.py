"""One shot as an engine sees it (the ``Shot`` of ``vrm.engines.base``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from vrm.engines.base import Shot
from vrm.events import Progress
from vrm.motion.config import MotionConfig
from vrm.motion.fill_cache import FillFolder
from vrm.motion.propagation import propagate
from vrm.motion.result import Propagation
from vrm.shots.frame_cache import FrameCache
from vrm.shots.windows import Window
from vrm.types import U8, Bool, Masks, Pixels


class KeyframedShot:
    """A shot some of whose frames, ``given``, are known whole (keyframes); only their pixels in the hole are taken."""

    def __init__(self, shot: Shot, given: Mapping[int, Pixels]) -> None:
        self.start, self.stop, self.size = shot.start, shot.stop, shot.size
        self._shot, self._given = shot, given

    def frame(self, t: int) -> Pixels:
        frame = self._shot.frame(t)
        if t not in self._given:
            return frame
        out = frame.copy()
        hole = self._shot.hole(t)
        out[hole] = self._given[t][hole]
        return out

    def hole(self, t: int) -> Bool:
        return np.zeros(self.size, np.bool_) if t in self._given else self._shot.hole(t)

    def filled(self, within: range) -> dict[int, Bool]:
        """The holes that given frames had, by number."""
        holes = {t: self._shot.hole(t) for t in sorted(self._given) if t in within}
        return {t: hole for t, hole in holes.items() if hole.any()}


class ShotView:
    """Frames, holes, windows and propagation of the frames ``start..stop-1``, see ``vrm.engines.base.Shot``.

    Args:
        holes: grown masks of the whole video.
        windows: as ``plan_windows`` made them for this shot.
        depth: 8, or 16 for deeper sources.
        scratch: an existing folder for what motion finds and engines keep; None keeps it in memory.
        progress: told ``(stage, done, total)`` while motion works.
        keyframes: frames the user has cleaned, by number.
    """

    def __init__(
        self, store: FrameCache, holes: Masks, start: int, stop: int, windows: list[Window], depth: int,
        motion: MotionConfig, scratch: Path | None = None, progress: Progress | None = None,
        keyframes: Mapping[int, Pixels] | None = None, labels: Callable[[int], U8] | None = None,
    ) -> None:  # fmt: skip
        self.start, self.stop, self.size, self.depth = start, stop, holes.size, depth
        self.keyframes, self.labels, self.scratch = keyframes or {}, labels, scratch
        self._store, self._holes, self._windows = store, holes, windows
        self._motion, self._progress = motion, progress
        self._found: tuple[Window, frozenset[int], Propagation] | None = None

    def frame(self, t: int) -> Pixels:
        return self._store.frame(t)

    def hole(self, t: int) -> Bool:
        return self._holes[t]

    def windows(self) -> list[Window]:
        return list(self._windows)

    def propagation(self, window: Window, given: Mapping[int, Pixels] | None = None) -> Propagation:
        kind = frozenset(given or {})
        if self._found is None or self._found[:2] != (window, kind):
            self._found = None  # only the last is kept; first, so that its memory and files are free
            self._found = window, kind, self._propagate(KeyframedShot(self, given) if given else self, window)
        return self._found[2]

    def found(self, window: Window) -> Propagation | None:
        """What motion found for the window, if that was what was asked last; nothing is computed."""
        return self._found[2] if self._found is not None and self._found[0] == window else None

    def _propagate(self, shot: ShotView | KeyframedShot, window: Window) -> Propagation:
        context, motion, keyframes = range(window.context_start, window.context_stop), self._motion, None
        if isinstance(shot, KeyframedShot):
            motion, keyframes = motion.with_keyframes(), shot.filled(context)
        fills = None if self.scratch is None else FillFolder(self.scratch)
        return propagate(
            shot, range(window.start, window.stop), context, motion, nonlocal_frames=context, keyframes=keyframes,
            fills=fills, progress=self._progress,
        )  # fmt: skip
