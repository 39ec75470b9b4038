"""Labels looked up along the flow."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np

from vrm.selection.tracking.features import sampled
from vrm.types import F32

Map = TypeVar("Map", bound=np.ndarray)


def looked_up(labels: Map, flow: F32) -> Map:
    """``labels`` ``(h, w)`` at ``x + flow(x)``, nearest neighbour, edges repeated; the flow's size is theirs."""
    height, width = flow.shape[:2]
    xs = np.arange(width, dtype=np.float32) + flow[..., 0]
    ys = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    # OpenCV looks up 8 and 16 bits and floats; numbers up to 2**24 are exact in a float.
    source = labels.astype(np.float32) if labels.dtype == np.int32 else labels
    found = cv2.remap(source, xs, ys, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
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
