"""The engine motion: what propagation and synthesis find is the result. No network, and nothing here needs torch."""

from __future__ import annotations

import numpy as np

from vrm.engines.base import Session, Shot
from vrm.engines.pixels import from_float
from vrm.events import Progress
from vrm.motion.refinement.detail import restore_detail
from vrm.motion.synthesis.never_seen import synthesise_never_seen
from vrm.options.remove import EngineOptions
from vrm.shots.windows import Window
from vrm.types import Patch, Pixels


class MotionEngine:
    """The default engine. Whatever the device, the processor does all."""

    name = "motion"
    labelled = False
    generates = True
    keeps = False
    looks_beyond = True
    device, dtype = "cpu", "fp32"

    def __init__(self, options: EngineOptions) -> None:
        self._notes: tuple[str, ...] = ()
        if options.device not in ("auto", "cpu"):
            self._notes = (f"The engine motion works on the processor: --device {options.device} makes no difference.",)

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        return PrefillSession(shot, self._notes)


class PrefillSession:
    """What motion propagated, its detail restored."""

    def __init__(self, shot: Shot, notes: tuple[str, ...] = ()) -> None:
        self.shot, self.notes = shot, notes

    def fill(self, window: Window) -> dict[int, Patch]:
        found = self.shot.propagation(window)
        patches = {}
        for t, fill in found.fills.items():
            if window.start <= t < window.stop and fill.index.size:
                frame = self.shot.frame(t)
                patches[t] = to_patch(frame, fill.index, restore_detail(fill, fill.rgb, found.size))
        synthesise_never_seen(self.shot, found, patches)
        return patches


def to_patch(frame: Pixels, index: np.ndarray, rgb: np.ndarray) -> Patch:
    """The box around the hole's pixels with ``rgb`` (float ``(N, 3)`` in [0, 1]) in the hole, the frame elsewhere."""
    rows, cols = np.divmod(index, frame.shape[1])
    box = (int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
    out = frame[box[0] : box[2], box[1] : box[3]].copy()
    out[rows - box[0], cols - box[1]] = from_float(rgb, frame)
    return Patch(box, out)
