"""Trajectories through holes: coordinates, not colours, followed to the first frame where the background is seen.

A trail for the holes of frame t is made from the flow of t to its neighbour and the trail of the neighbour's holes,
so a frame costs the same however long its trajectories are. Coordinates are taken over from the nearest pixel of the
neighbour's trail, with the sub-pixel rest added, so nothing is interpolated repeatedly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.frames import dilate
from vrm.motion.poisson import Array
from vrm.types import Bool, Box, bounding_box

GUARD = 2
"""Pixels around a hole that no colour is taken from: interpolation and gradients would touch the object."""

BEYOND = -2
"""In place of a source frame: the context ended before the background was seen."""

_CHUNK = 32000
_ROW = 1024


@dataclass
class Trail:
    """Where the pixels in a box of one frame are seen, in one direction of time. Arrays are ``(h, w)`` of the box.

    Attributes:
        box: ``(y0, x0, y1, x1)`` at working size.
        inside: bool, the hole grown by ``GUARD``.
        frame: int32, number of the source frame; -1 where the way left the picture, ``BEYOND`` where it
            reached the end of the context.
        xy: float32 ``(h, w, 2)``: the place in the source frame, working pixels.
        error: float32, forward-backward errors summed along the way, working pixels.
    """

    box: Box
    inside: Bool
    frame: np.ndarray
    xy: Array
    error: Array


@dataclass
class PairFlow:
    """Flow of one frame to a neighbour in a box, with its forward-backward error there; float16 to stay small."""

    box: Box
    flow: np.ndarray
    error: np.ndarray


def remap(image: np.ndarray, xy: Array, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Sample an image ``(h, w[, c])`` at points ``(N, 2)``; border pixels continue outside. Any number of points."""
    n = len(xy)
    # OpenCV works along rows: a column of points would take twenty times as long.
    width = min(_ROW, max(1, n))
    height = -(-n // width)
    out = []
    for first in range(0, max(height, 1), _CHUNK):
        part = xy[first * width : (first + _CHUNK) * width]
        rows = max(1, -(-len(part) // width))
        places = np.zeros((rows * width, 2), np.float32)
        places[: len(part)] = part
        found = cv2.remap(image, places.reshape(rows, width, 2), None, interpolation, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        out.append(found.reshape(rows * width, *image.shape[2:])[: len(part)])
    return np.concatenate(out) if len(out) > 1 else out[0]


def pair_flow(forth: Array, back: Array, hole: Bool, corner: tuple[int, int] = (0, 0)) -> PairFlow | None:
    """What trails need of a flow field: the part around the hole, and |forth(x) + back(x + forth(x))| there.

    Args:
        forth, back: flow both ways, float32 ``(h, w, 2)``.
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
    returned = (
        cv2.remap(back, target[..., 0], target[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if max(part.shape[:2]) <= _CHUNK
        else part
    )
    error = np.linalg.norm(part + returned, axis=-1)
    box = y0 + corner[0], x0 + corner[1], y1 + corner[0], x1 + corner[1]
    return PairFlow(box, part.astype(np.float16), np.minimum(error, 1000).astype(np.float16))


def step(pair: PairFlow | None, hole: Bool, neighbour: int, next_hole: Bool, next_trail: Trail | None) -> Trail | None:
    """The trail of one frame from its flow to a neighbour frame and the neighbour's trail.

    Args:
        pair: flow to the neighbour; None if the hole is empty.
        hole: bool ``(h, w)``, the frame's hole at working size.
        neighbour: the neighbour's frame number.
        next_hole: the neighbour's hole.
        next_trail: the neighbour's trail in the same direction, None if it has none (no hole, or no context beyond).

    Returns:
        None if the hole is empty.
    """
    if pair is None:
        return None
    h, w = hole.shape
    y0, x0, y1, x1 = pair.box
    xs, ys = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    xy = np.stack([xs, ys], -1) + pair.flow
    error = pair.error.astype(np.float32)
    frame = np.full(xs.shape, neighbour, np.int32)
    outside = (xy[..., 0] < 0) | (xy[..., 1] < 0) | (xy[..., 0] > w - 1) | (xy[..., 1] > h - 1)
    near = np.rint(np.clip(xy, 0, (w - 1, h - 1))).astype(np.int32)
    hidden = dilate(next_hole, GUARD)[near[..., 1], near[..., 0]] & ~outside
    frame[outside] = -1
    if next_trail is None:
        frame[hidden] = BEYOND
    else:
        b = next_trail.box
        r, c = near[..., 1][hidden] - b[0], near[..., 0][hidden] - b[1]
        frame[hidden] = next_trail.frame[r, c]
        rest = xy[hidden] - near[hidden]
        xy[hidden] = next_trail.xy[r, c] + rest
        error[hidden] += next_trail.error[r, c]
    np.clip(xy, 0, (w - 1, h - 1), out=xy)
    return Trail(pair.box, dilate(hole, GUARD)[y0:y1, x0:x1], frame, xy, error)
