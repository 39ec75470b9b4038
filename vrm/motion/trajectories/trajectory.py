"""Trajectories through holes: coordinates, not colours, followed to the first frame that shows the background.

The trajectories of frame t are its flow to a neighbour, continued by the trajectories of the neighbour's hole: a frame
costs the same however long they are. Coordinates are taken over from the nearest pixel of the neighbour with the
sub-pixel rest added, so that nothing is interpolated again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vrm.motion.flow.pairs import FlowPair
from vrm.motion.flow.warp import remap
from vrm.motion.frames import GUARD, WorkingFrames, dilate
from vrm.motion.fusion.candidate import Correspondences
from vrm.types import Array, Bool, Box

LEFT_PICTURE = -1
"""In place of a source frame: the trajectory left the picture."""

BEYOND = -2
"""In place of a source frame: the context ended before the background was seen."""


@dataclass
class Trajectories:
    """Where the pixels in a box of one frame are seen, in one direction of time. Arrays are ``(h, w)`` of the box.

    Attributes:
        box: ``(y0, x0, y1, x1)``, working pixels.
        inside: bool, the hole grown by ``GUARD``.
        source: int32, number of the source frame, ``LEFT_PICTURE`` or ``BEYOND``.
        xy: float32 ``(h, w, 2)``: the place in the source frame, working pixels.
        error: float32, forward-backward errors accumulated along the way, working pixels.
    """

    box: Box
    inside: Bool
    source: np.ndarray
    xy: Array
    error: Array

    def valid(self, max_error: float) -> Bool:
        """Bool ``(h, w)``: where another frame is reached with no more than that error."""
        valid: Bool = self.inside & (self.source >= 0) & (self.error <= max_error)
        return valid


def extend(
    pair: FlowPair | None, hole: Bool, neighbour: int, next_hole: Bool, onward: Trajectories | None
) -> Trajectories | None:
    """The trajectories of one frame, from its flow to a neighbour and the neighbour's trajectories.

    Args:
        pair: flow to the neighbour; None if the hole is empty.
        hole: bool ``(h, w)``, the frame's hole at working size.
        onward: the neighbour's trajectories in the same direction, None if it has none (no hole, or the context ends).

    Returns None if the hole is empty.
    """
    if pair is None:
        return None
    h, w = hole.shape
    y0, x0, y1, x1 = pair.box
    xs, ys = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    xy = np.stack([xs, ys], -1) + pair.flow
    error = pair.error.astype(np.float32)
    source = np.full(xs.shape, neighbour, np.int32)
    outside = (xy[..., 0] < 0) | (xy[..., 1] < 0) | (xy[..., 0] > w - 1) | (xy[..., 1] > h - 1)
    near = np.rint(np.clip(xy, 0, (w - 1, h - 1))).astype(np.int32)
    hidden = dilate(next_hole, GUARD)[near[..., 1], near[..., 0]] & ~outside
    source[outside] = LEFT_PICTURE
    if onward is None:
        source[hidden] = BEYOND
    else:
        b = onward.box
        r, c = near[..., 1][hidden] - b[0], near[..., 0][hidden] - b[1]
        source[hidden] = onward.source[r, c]
        rest = xy[hidden] - near[hidden]
        xy[hidden] = onward.xy[r, c] + rest
        error[hidden] += onward.error[r, c]
    np.clip(xy, 0, (w - 1, h - 1), out=xy)
    return Trajectories(pair.box, dilate(hole, GUARD)[y0:y1, x0:x1], source, xy, error)


def look_up(found: Trajectories | None, rows: np.ndarray, cols: np.ndarray, max_error: float) -> Correspondences:
    """Where trajectories lead from N working pixels (rows, cols), as far as their error is not larger."""
    n = len(rows)
    if found is None:
        nowhere, infinite = np.full(n, -1, np.int32), np.full(n, np.inf, np.float32)
        return Correspondences("trajectory", nowhere, np.zeros((n, 2), np.float32), infinite)
    r, c = rows - found.box[0], cols - found.box[1]
    error = found.error[r, c]
    source = np.where(error <= max_error, np.maximum(found.source[r, c], -1), -1)
    return Correspondences("trajectory", source, found.xy[r, c], error)


def grey_at(frames: WorkingFrames, source: np.ndarray, xy: Array) -> Array:
    """Grey levels 0..255 at N places ``(N, 2)`` of working frames ``source``; 0 where that is negative."""
    out = np.zeros(len(source), np.float32)
    for s in np.unique(source[source >= 0]):
        at = source == s
        out[at] = remap(frames.grey(int(s)), xy[at])
    return out
