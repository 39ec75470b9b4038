"""What motion propagated, as it is: the internal engine's preset ``fast``, and what others fall back on.

Nothing here needs torch, which takes longer to import than a short clip takes to fill.
"""

from __future__ import annotations

import numpy as np

from vrm.engines.base import Progress, Session, Shot, Window
from vrm.motion.detail import restore_detail
from vrm.motion.unseen import complete_unseen
from vrm.options import EngineOptions
from vrm.types import Patch, Pixels
from vrm.weights import find


class PrefillEngine:
    """The internal engine's ``fast``: no network takes part, so whatever the device, the processor does all.

    Raises:
        UsageError: the device or number format asked for is not there.
        WeightsError: there is no prior of the name asked for.
    """

    name = "internal"
    labelled = False
    generates = True
    keeps = False
    device, dtype = "cpu", "fp32"

    def __init__(self, options: EngineOptions) -> None:
        if options.prior not in ("auto", "none"):
            find(options.prior, "fuser")
        if options.device not in ("auto", "cpu") or options.dtype != "auto":
            from vrm.train.device import choose

            choose(options)

    def prepare(self, shot: Shot, progress: Progress) -> Session:
        """The session that fills the shot; there is nothing to prepare."""
        return PrefillSession(shot)


class PrefillSession:
    """What motion propagated, its detail restored."""

    notes: tuple[str, ...] = ()

    def __init__(self, shot: Shot) -> None:
        self.shot = shot

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches of the window's frames that have a hole."""
        found = self.shot.propagation(window)
        patches = {}
        for t, fill in found.fills.items():
            if window.start <= t < window.stop and fill.index.size:
                frame = self.shot.frame(t)
                patches[t] = to_patch(frame, fill.index, restore_detail(fill, fill.rgb, found.size))
        complete_unseen(self.shot, found, patches)
        return patches


def to_patch(frame: Pixels, index: np.ndarray, rgb: np.ndarray) -> Patch:
    """The box around the hole's pixels with ``rgb`` (float ``(N, 3)`` in [0, 1]) in the hole, the frame elsewhere."""
    rows, cols = np.divmod(index, frame.shape[1])
    box = (int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
    out = frame[box[0] : box[2], box[1] : box[3]].copy()
    top = np.iinfo(frame.dtype).max
    out[rows - box[0], cols - box[1]] = np.clip(np.rint(rgb * np.float32(top)), 0, top).astype(frame.dtype)
    return Patch(box, out)
