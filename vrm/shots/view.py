"""One shot as an engine sees it (the ``Shot`` of ``vrm.engines.base``)."""

from __future__ import annotations

from collections import OrderedDict

from vrm.engines.base import Window
from vrm.motion.propagate import MotionConfig, propagate
from vrm.motion.result import Propagation
from vrm.shots.store import FrameStore
from vrm.types import Bool, Masks, Pixels

_DISTANT_STEP = 5
_DISTANT_MOST = 64
_KEEP = 2  # windows whose propagation is kept: the one in work and its neighbour


class ShotView:
    """Frames, holes, windows and propagation of the frames ``start..stop-1``.

    Args:
        store: where the frames come from.
        holes: grown masks of the whole video.
        start, stop: the shot.
        windows: as ``plan_windows`` made them for this shot.
        depth: 8, or 16 for deeper sources.
        motion: how to propagate.
    """

    def __init__(
        self,
        store: FrameStore,
        holes: Masks,
        start: int,
        stop: int,
        windows: list[Window],
        depth: int,
        motion: MotionConfig,
    ) -> None:
        self.start, self.stop = start, stop
        self.size = holes.size
        self.depth = depth
        self._store = store
        self._holes = holes
        self._windows = windows
        self._motion = motion
        self._found: OrderedDict[Window, Propagation] = OrderedDict()

    def frame(self, t: int) -> Pixels:
        """Frame t, uint8 or uint16 ``(H, W, 3)`` RGB."""
        return self._store.frame(t)

    def hole(self, t: int) -> Bool:
        """The grown mask of frame t, bool ``(H, W)``."""
        return self._holes[t]

    def windows(self) -> list[Window]:
        """In order; together they cover every frame with a hole."""
        return list(self._windows)

    def propagation(self, window: Window) -> Propagation:
        """What motion found for the window's frames; the last two are kept."""
        if window not in self._found:
            while len(self._found) >= _KEEP:
                self._found.popitem(last=False)
            self._found[window] = propagate(
                self,
                window.start,
                window.stop,
                window.context_start,
                window.context_stop,
                self._motion,
                distant=self._distant(window),
            )
        self._found.move_to_end(window)
        return self._found[window]

    def _distant(self, window: Window) -> list[int]:
        """Frames spread evenly over the shot around the window, for direct alignment."""
        step = max(_DISTANT_STEP, (window.context_stop - window.context_start) // _DISTANT_MOST)
        return list(range(window.context_start, window.context_stop, step))
