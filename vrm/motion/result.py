"""What motion hands to an engine: the fill of every hole, and how sure it is."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field

import numpy as np

from vrm.types import F32, Bool


@dataclass
class HoleFill:
    """Everything motion knows about the hole of one frame.

    Attributes:
        index: int64 ``(N,)``: flat indices (``y * width + x``) of the hole's pixels, ascending.
        rgb: float32 ``(N, 3)`` in [0, 1]: the fused candidates, blended with the surroundings; every pixel has a value.
        seen: bool ``(N,)``: True where another frame shows the pixel, False where only the frame itself was asked.
        confidence: float32 ``(N,)`` in [0, 1]: 1 = surely seen, 0 = never seen.
        detail: float32 ``(N,)``: energy of the fine detail in the candidates (``vrm.motion.refinement.detail``).
        source: int32 ``(N,)``: the frame that weighs most in each pixel, -1 where no other frame does; None: unknown.
        place: int32 ``(N,)``: flat index of the pixel there.
    """

    index: np.ndarray
    rgb: F32
    seen: Bool
    confidence: F32
    detail: F32
    source: np.ndarray | None = None
    place: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        own = (self.index, self.rgb, self.seen, self.confidence, self.detail, self.source, self.place)
        return sum(array.nbytes for array in own if array is not None)


@dataclass
class Propagation:
    """The result for one window: a ``HoleFill`` for each frame that has a hole, keyed by frame number.

    ``fills`` may lie on disk (``vrm.motion.fill_cache``): a fill is never written into, only replaced as a whole.
    """

    size: tuple[int, int]
    fills: MutableMapping[int, HoleFill] = field(default_factory=dict)

    def coverage(self, t: int) -> float:
        """Share of frame t's hole that other frames show, 0..1 (1.0 if it has no hole)."""
        fill = self.fills.get(t)
        return float(fill.seen.mean()) if fill is not None and fill.seen.size else 1.0

    def filled(self, t: int, frame: F32) -> F32:
        """Frame t (float32 ``(H, W, 3)`` in [0, 1]) with its hole filled; a copy."""
        out = frame.copy()
        if t in self.fills:
            out.reshape(-1, 3)[self.fills[t].index] = self.fills[t].rgb
        return out
