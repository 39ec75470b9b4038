"""Flow between neighbouring frames as trajectories use it: around a hole, with its forward-backward error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.frames import GUARD, dilate
from vrm.types import Array, Bool, Box, bounding_box


@dataclass
class FlowPair:
    """Flow of one frame to a neighbour, in the box of its hole grown by ``GUARD``; float16 to stay small.

    Attributes:
        box: where it lies in the frame.
        flow: ``(h, w, 2)``, pixels (x, y).
        error: ``(h, w)``: the forward-backward error ``|forth(p) + back(p + forth(p))|``, pixels.
    """

    box: Box
    flow: np.ndarray
    error: np.ndarray


def flow_pair(forth: Array, back: Array, hole: Bool, corner: tuple[int, int] = (0, 0)) -> FlowPair | None:
    """The part of a flow around a hole and its forward-backward error; None where there is no hole.

    Args:
        forth, back: flow to the neighbour and back, float32 ``(h, w, 2)``.
        hole: bool ``(h, w)``.
        corner: where the three lie in the frame, (y, x).
    """
    box = bounding_box(dilate(hole, GUARD))
    if box is None:
        return None
    y0, x0, y1, x1 = box
    part = forth[y0:y1, x0:x1]
    xs, ys = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    target = np.stack([xs, ys], -1) + part
    returned = cv2.remap(back, target[..., 0], target[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = np.linalg.norm(part + returned, axis=-1)
    box = y0 + corner[0], x0 + corner[1], y1 + corner[0], x1 + corner[1]
    return FlowPair(box, part.astype(np.float16), np.minimum(error, 1000).astype(np.float16))


def enlarged(pair: FlowPair, size: tuple[int, int], larger: tuple[int, int]) -> FlowPair:
    """A pair on frames of one size ``(height, width)``, as on larger ones."""
    ry, rx = larger[0] / size[0], larger[1] / size[1]
    y0, x0, y1, x1 = (
        math.floor(pair.box[0] * ry),
        math.floor(pair.box[1] * rx),
        math.ceil(pair.box[2] * ry),
        math.ceil(pair.box[3] * rx),
    )
    y1, x1 = min(y1, larger[0]), min(x1, larger[1])
    flow = cv2.resize(pair.flow.astype(np.float32), (x1 - x0, y1 - y0)) * np.array([rx, ry], np.float32)
    error = cv2.resize(pair.error.astype(np.float32), (x1 - x0, y1 - y0)) * np.float32(max(rx, ry))
    return FlowPair((y0, x0, y1, x1), flow.astype(np.float16), np.minimum(error, 1000).astype(np.float16))
