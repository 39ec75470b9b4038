"""What may fill a hole: first where its pixels are seen, then the colours sampled there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vrm.types import Array, Bool

Kind = Literal["trajectory", "nonlocal", "single-frame"]
"""Where a candidate comes from: flow chained from frame to frame, a frame aligned directly, the hole's own frame."""


@dataclass(frozen=True)
class Correspondences:
    """Where N pixels of a hole are seen in other frames.

    Attributes:
        source: int ``(N,)``: the other frame's number, -1 = nowhere.
        xy: float32 ``(N, 2)``: the place in it, working pixels.
        error: float32 ``(N,)``: for trajectories the forward-backward error accumulated along them, working pixels;
            for aligned frames the difference on what is known nearby, grey levels 0..1.
        penalty: added to the logarithm of the expected error, float32 ``(N,)`` or one for all.
    """

    kind: Kind
    source: np.ndarray
    xy: Array
    error: Array
    penalty: Array | np.float32 | float = 0.0


@dataclass
class Candidate:
    """Colours and gradients for the N hole pixels of a frame.

    Attributes:
        colour: float32 ``(N[, 3])``.
        differences: float32 ``(4, N[, 3])``: colour minus that of each neighbour, see ``gradient_domain.sample``.
        valid: bool ``(N,)``.
        prior: float32 ``(N,)``: the logarithm of the expected error as far as the other candidates do not matter.
        error: float32 ``(N,)``: expected absolute error, 0..1; see ``expected_error.set_expected_errors``.
    """

    kind: Kind
    colour: Array
    differences: Array
    valid: Bool
    prior: Array
    error: Array = field(default_factory=lambda: np.zeros(0, np.float32))
