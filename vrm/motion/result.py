"""What motion hands to an engine: for every pixel of every hole, where else in the video it was seen."""

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
        rgb: float32 ``(N, 3)`` in [0, 1]: the fused prefill, every pixel given, seams closed.
        seen: bool ``(N,)``: True where the prefill was seen elsewhere in the video, False where it is spatial.
        confidence: float32 ``(N,)`` in [0, 1]: 1 = surely seen, 0 = never seen.
        detail: float32 ``(N,)``: energy of the fine detail in what the prefill was mixed from
            (``vrm.motion.refinement.detail``).
        source: int32 ``(N,)``: the frame that weighs most in each pixel, -1 where no other frame does; None: not told.
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
        """Bytes it takes."""
        own = (self.index, self.rgb, self.seen, self.confidence, self.detail, self.source, self.place)
        return sum(array.nbytes for array in own if array is not None)


@dataclass
class Propagation:
    """The result for one window: a ``HoleFill`` for each frame that has a hole, keyed by frame number.

    ``fills`` may lie in files (``vrm.motion.fill_cache``): what it gives is not to be written to, and is changed by
    setting it anew.
    """

    size: tuple[int, int]
    fills: MutableMapping[int, HoleFill] = field(default_factory=dict)

    def coverage(self, t: int) -> float:
        """Share of frame t's hole that was seen elsewhere, 0..1 (1.0 if it has no hole)."""
        fill = self.fills.get(t)
        return float(fill.seen.mean()) if fill is not None and fill.seen.size else 1.0

    def prefill(self, t: int, frame: F32) -> F32:
        """Frame t (float32 ``(H, W, 3)`` in [0, 1]) with its hole replaced by the prefill; a copy."""
        out = frame.copy()
        if t in self.fills:
            out.reshape(-1, 3)[self.fills[t].index] = self.fills[t].rgb
        return out
