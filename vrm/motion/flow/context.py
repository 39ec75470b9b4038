"""Flow between a frame and any other one, as the two-stream network takes it (Esser et al. 2022, Section 3.3).

Estimated at one fixed size and interpolated in the holes; its forward-backward error says how far to believe it.
"""

from __future__ import annotations

import cv2
import numpy as np

from vrm.motion.poisson import interpolate_laplace
from vrm.types import U8, Array, Bool, FlowEstimator, Pixels, eight_bits

SIDE = 256
"""Side of the squares that flow is estimated on, in pixels."""


def square(frame: Pixels) -> U8:
    """A frame ``(H, W, 3)``, grey, as a square."""
    grey = cv2.cvtColor(eight_bits(frame), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def square_hole(hole: Bool) -> Bool:
    """A hole ``(H, W)`` as a square: every pixel that holds any of it."""
    return cv2.resize(hole.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 0


def context_flow(
    estimator: FlowEstimator, target: U8, key: U8, hole: Bool, size: tuple[int, int]
) -> tuple[Array, Array]:
    """Flow from the square of a target to that of a key frame, for frames of ``size``.

    As in the published code, in training and in the engine alike: the hole is the target's for the flow of either
    direction, and flow back is zero outside the frame. The error there is the motion itself, so that nothing is
    believed where the features that the network warps are zero.

    The error's unit is a pixel of the square at every size, which keeps it in the range that the network was trained
    with, at 256x256. There the published code agrees; for larger frames its errors grow with the square of the size.

    Args:
        target, key: see ``square``.
        hole: of the target, see ``square_hole``; flow there is interpolated from around it.
        size: ``(height, width)`` of the result.

    Returns:
        Flow float32 ``(2, h, w)`` in pixels of that size, (x, y), and its error ``(1, h, w)``: the mean over x and y of
        ``|forth(p) + back(p + forth(p))|``.
    """
    forth = interpolate_laplace(estimator(target, key), hole)
    back = interpolate_laplace(estimator(key, target), hole)
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    returned = cv2.remap(
        back, xs + forth[..., 0], ys + forth[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    error = np.abs(forth + returned).mean(-1)
    h, w = size
    scale = np.array([w / SIDE, h / SIDE], np.float32)
    flow = cv2.resize(forth, (w, h), interpolation=cv2.INTER_LINEAR) * scale
    error = cv2.resize(error, (w, h), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(flow.transpose(2, 0, 1)), error[None]
