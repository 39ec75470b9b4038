"""What motion hands to an engine: for every pixel of every hole, where else in the video it was seen."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vrm.types import F32, Bool

F16 = npt.NDArray[np.float16]


@dataclass
class Candidate:
    """One guess at the colour of every hole pixel of a frame.

    Attributes:
        rgb: float16 ``(N, 3)``, about [0, 1] (interpolation may overshoot a little). Half precision, as the other
            numbers here, because a window of 1080p frames holds many of these.
        valid: bool ``(N,)``: where the guess exists at all.
        error: float16 ``(N,)``: expected absolute error (0..1), +inf where not valid. From forward-backward error,
            photometric mismatch on known surroundings and distance; calibrated on held-back holes if there were any.
        distance: float16 ``(N,)``: frames between the hole and the source of the colour.
    """

    rgb: F16
    valid: Bool
    error: F16
    distance: F16


@dataclass
class HoleFill:
    """Everything motion knows about the hole of one frame.

    Attributes:
        index: int64 ``(N,)``: flat indices (``y * width + x``) of the hole's pixels, ascending.
        candidates: by name: "forward", "backward" (along trajectories), "distant0", "distant1", ... (direct
            alignment of far frames), "spatial" (from this frame alone; always valid).
        rgb: float32 ``(N, 3)`` in [0, 1]: the fused prefill, every pixel given, seams closed.
        seen: bool ``(N,)``: True where the prefill was seen elsewhere in the video, False where it is spatial.
        confidence: float32 ``(N,)`` in [0, 1]: 1 = surely seen, 0 = never seen.
        source: int32 ``(N,)``: the frame that weighs most in each pixel, -1 where no other frame does; None: not told.
        place: int32 ``(N,)``: flat index of the pixel there.
    """

    index: np.ndarray
    candidates: dict[str, Candidate]
    rgb: F32
    seen: Bool
    confidence: F32
    source: np.ndarray | None = None
    place: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        own = (self.index, self.rgb, self.seen, self.confidence, self.source, self.place)
        others = (array for c in self.candidates.values() for array in (c.rgb, c.valid, c.error, c.distance))
        return sum(array.nbytes for array in (*own, *others) if array is not None)


@dataclass
class Propagation:
    """The result for one window: a ``HoleFill`` for each frame that has a hole, keyed by frame number.

    ``fills`` may lie in files (``vrm.motion.keep``): what it gives is not to be written to, and is changed by setting
    it anew.
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
