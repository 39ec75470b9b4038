"""From candidates to one fill: weights from expected errors, and blending with the picture around."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vrm.motion.frames import box_around
from vrm.motion.fusion.candidate import Candidate
from vrm.motion.fusion.gradient_domain import blend
from vrm.types import Array, Bool

SHARPNESS = 4.0
"""Weights go with the expected error to the power of minus this. Two would be least squares for independent errors;
more chooses rather than averages, which keeps texture and cost nothing in any clip tried."""


def weights(candidates: Sequence[Candidate], sharpness: float = SHARPNESS) -> Array:
    """Weights ``(K, N)`` of the K candidates that sum to one at each pixel, where at least one must be valid."""
    raw = np.stack([np.where(c.valid, np.maximum(c.error, 1e-3) ** -sharpness, 0) for c in candidates])
    share: Array = (raw / np.maximum(raw.sum(0), 1e-20)).astype(np.float32)
    return share


def fuse(
    image: Array, hole: Bool, candidates: Sequence[Candidate], screening: float, sharpness: float = SHARPNESS
) -> Array:
    """Average candidates by expected error, colours and gradients alike, and blend the mean with its surroundings.

    Args:
        image: float32 ``(h, w[, 3])``, known outside the hole.
        hole: bool ``(h, w)`` with N pixels.
        candidates: their expected errors set, at least one valid at each pixel.
        screening: see ``gradient_domain.blend``.

    Returns the hole's colours, float32 ``(N[, 3])`` in [0, 1].
    """
    colour = np.zeros_like(candidates[0].colour)
    differences = np.zeros_like(candidates[0].differences)
    for w, c in zip(weights(candidates, sharpness), candidates, strict=True):
        w = w if colour.ndim == 1 else w[:, None]
        colour += w * c.colour  # zeros where it is not valid
        differences += w * c.differences
    y0, x0, y1, x1 = box_around(hole, 1)  # nothing further away takes part
    near = np.ascontiguousarray(hole[y0:y1, x0:x1])
    return np.clip(blend(image[y0:y1, x0:x1], near, colour, differences, screening)[near], 0, 1)
