"""What motion found for one frame, as the fuser's input: a description of every pixel and the candidates' colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from vrm.motion.result import HoleFill
from vrm.types import F32, Bool, Box

MOVING = ("forward", "backward", "distant0", "distant1")
"""Candidates from other frames, in the order of their channels; one that motion did not give is never valid."""

CANDIDATES = 2 + len(MOVING)
"""The prefill, those, and the spatial fill."""

CHANNELS = 7 + 6 * len(MOVING) + 3
"""Colour, mask, seen, confidence and depth of the hole; six per moving candidate; the spatial fill."""

CONFIDENCE_ROW = 5
"""The channel that holds the confidence of the prefill."""

DIFFERENCE_ROWS = tuple(7 + 6 * k for k in range(len(MOVING) + 1))
"""First of the three channels that hold a candidate's difference from the prefill: the moving ones, the spatial."""

DISTANT = [1 + k for k, name in enumerate(MOVING) if name.startswith("distant")]
"""Which of the candidates come from distant frames."""

_CONTRAST = 4.0
_WORST = 0.25
_FARTHEST = float(np.log1p(80.0))


@dataclass(frozen=True)
class Sample:
    """One frame's hole, packed: half-precision arrays over its N pixels.

    Attributes:
        size: (height, width) of the frame.
        index: int32 ``(N,)``, flat and ascending.
        colours: float16 ``(N, CANDIDATES, 3)`` in [0, 1].
        valid: bool ``(N, CANDIDATES)``.
        facts: float16 ``(N, 2 + 2 * len(MOVING))``: seen, confidence, then error and distance of each, scaled to 1.
    """

    size: tuple[int, int]
    index: np.ndarray
    colours: np.ndarray
    valid: Bool
    facts: np.ndarray


def pack(fill: HoleFill, size: tuple[int, int]) -> Sample:
    """Pack what motion found for one frame of ``size`` (height, width)."""
    n = fill.index.size
    colours = np.empty((n, CANDIDATES, 3), np.float16)
    valid = np.zeros((n, CANDIDATES), bool)
    facts = np.ones((n, 2 + 2 * len(MOVING)), np.float16)
    colours[:, 0], valid[:, 0] = fill.rgb, True
    facts[:, 0], facts[:, 1] = fill.seen, fill.confidence
    for k, name in enumerate(MOVING):
        found = fill.candidates.get(name)
        there = np.zeros(n, bool) if found is None else found.valid & np.isfinite(found.rgb).all(1)
        colours[:, k + 1] = fill.rgb
        valid[:, k + 1] = there
        if found is not None and there.any():
            colours[there, k + 1] = found.rgb[there]
            facts[there, 2 + 2 * k] = np.minimum(found.error[there], _WORST) / _WORST
            facts[there, 3 + 2 * k] = np.minimum(np.log1p(found.distance[there]) / _FARTHEST, 1)
    spatial = fill.candidates.get("spatial")
    colours[:, -1] = fill.rgb if spatial is None else spatial.rgb
    valid[:, -1] = spatial is not None
    return Sample(size, fill.index.astype(np.int32), colours, valid, facts)


def unpack(sample: Sample, frame: F32, box: Box) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The part of a frame inside ``box`` as the fuser takes it (without a batch dimension).

    Args:
        sample: what motion found for this frame.
        frame: float32 ``(h, w, 3)`` in [0, 1]: the frame inside the box; what it holds in the hole is not looked at.
        box: which part.

    Returns:
        Description float32 ``(CHANNELS, h, w)``, colours float32 ``(CANDIDATES, 3, h, w)``, valid bool
        ``(CANDIDATES, h, w)``. Outside the hole every candidate is the frame itself and only the prefill is valid.
    """
    y0, x0, y1, x1 = box
    h, w = y1 - y0, x1 - x0
    rows, cols = sample.index // sample.size[1] - y0, sample.index % sample.size[1] - x0
    keep = (rows >= 0) & (rows < h) & (cols >= 0) & (cols < w)
    at = rows[keep] * w + cols[keep]
    picked = sample.colours[keep].astype(np.float32)
    there = sample.valid[keep]
    facts = sample.facts[keep].astype(np.float32)

    colours = np.repeat(frame.reshape(1, h * w, 3), CANDIDATES, 0)
    colours[:, at] = picked.transpose(1, 0, 2)
    valid = np.zeros((CANDIDATES, h * w), bool)
    valid[0] = True
    valid[:, at] = there.T

    x = np.zeros((CHANNELS, h * w), np.float32)
    x[:3] = colours[0].T - 0.5
    x[3, at] = 1
    x[4, at], x[CONFIDENCE_ROW, at] = facts[:, 0], facts[:, 1]
    depth = cv2.distanceTransform(x[3].reshape(h, w).astype(np.uint8), cv2.DIST_L2, 3)
    x[6] = np.minimum(depth.ravel() / 32, 2)
    for k in range(len(MOVING)):
        row = DIFFERENCE_ROWS[k]
        x[row : row + 3, at] = _CONTRAST * (picked[:, k + 1] - picked[:, 0]).T
        x[row + 3, at] = there[:, k + 1]
        x[row + 4, at], x[row + 5, at] = facts[:, 2 + 2 * k], facts[:, 3 + 2 * k]
    x[-3:, at] = _CONTRAST * (picked[:, -1] - picked[:, 0]).T
    return (
        torch.from_numpy(x.reshape(CHANNELS, h, w)),
        torch.from_numpy(np.ascontiguousarray(colours.reshape(CANDIDATES, h, w, 3).transpose(0, 3, 1, 2))),
        torch.from_numpy(valid.reshape(CANDIDATES, h, w)),
    )
