"""Pictures looked up along a flow or at points."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np

from vrm.types import F32, Array

Map = TypeVar("Map", bound=np.ndarray)

_MOST_ROWS = 32000
"""OpenCV's remap takes at most 32767 rows."""

_ROW = 1024


def remap(image: np.ndarray, xy: Array, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Sample an image ``(h, w[, c])`` at points ``(N, 2)``, any number of them; border pixels continue outside."""
    n = len(xy)
    # OpenCV works along rows: a single column of points would take twenty times as long.
    width = min(_ROW, max(1, n))
    height = -(-n // width)
    out = []
    for first in range(0, max(height, 1), _MOST_ROWS):
        part = xy[first * width : (first + _MOST_ROWS) * width]
        rows = max(1, -(-len(part) // width))
        places = np.zeros((rows * width, 2), np.float32)
        places[: len(part)] = part
        found = cv2.remap(image, places.reshape(rows, width, 2), None, interpolation, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        out.append(found.reshape(rows * width, *image.shape[2:])[: len(part)])
    return np.concatenate(out) if len(out) > 1 else out[0]


def remap_grid(image: np.ndarray, xy: Array, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Sample an image ``(h, w[, c])`` at places ``(a, b, 2)``: ``(a, b[, c])``."""
    return remap(image, xy.reshape(-1, 2), interpolation).reshape(*xy.shape[:2], *image.shape[2:])


def sampled(field: F32, flow: F32) -> F32:
    """``field`` ``(h, w)`` or ``(h, w, C)`` looked up at ``x + flow(x)``, bilinear, edges repeated."""
    return np.asarray(cv2.remap(field, *_places(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _places(flow: F32) -> tuple[F32, F32]:
    """Where a flow leads from every pixel: x and y, ``(h, w)`` each."""
    height, width = flow.shape[:2]
    xs = np.arange(width, dtype=np.float32) + flow[..., 0]
    return xs, np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]


def looked_up(labels: Map, flow: F32) -> Map:
    """``labels`` ``(h, w)`` at ``x + flow(x)``, nearest neighbour, edges repeated; the flow's size is theirs."""
    # OpenCV looks up 8 and 16 bits and floats; numbers up to 2**24 are exact in a float.
    source = labels.astype(np.float32) if labels.dtype == np.int32 else labels
    found = cv2.remap(source, *_places(flow), cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return found.astype(labels.dtype)  # type: ignore[return-value]


def chained(flows: list[F32]) -> F32:
    """One flow from several: the first leads from frame a to b, the next from b to c, and so on."""
    total = flows[0]
    for flow in flows[1:]:
        total = np.asarray(total + sampled(flow, total), np.float32)
    return total


def upsized(flow: F32, size: tuple[int, ...]) -> F32:
    """A flow at another size ``(height, width)``, its pixels scaled along."""
    height, width = size[:2]
    if flow.shape[:2] == (height, width):
        return flow
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) * scale, np.float32)


def reliability(forth: F32, back: F32) -> F32:
    """How far a flow and the one back agree, 0 to 1, ``(h, w)``: 0.6 at a mismatch of one pixel."""
    mismatch = forth + sampled(back, forth)
    return np.asarray(np.exp(-0.5 * (mismatch**2).sum(2)), np.float32)
