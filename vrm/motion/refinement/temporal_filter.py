"""The temporal filter: uncertain fills are averaged over time along the flow, so that they do not flicker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np

from vrm.motion.config import MotionConfig
from vrm.motion.flow.pairs import FlowPair
from vrm.motion.flow.warp import remap
from vrm.motion.frames import FrameAccess, box_around, depth_in_hole, unit
from vrm.motion.fusion.gradient_domain import MARGIN
from vrm.motion.result import HoleFill, Propagation
from vrm.motion.trajectories.tracker import TrajectoryTracker
from vrm.types import Array, Box

_MOST = 0.85
"""Share of the neighbour frame where nothing was seen: about the last six frames are averaged."""

_EDGE = 3.0
"""Pixels from the hole's border over which a frame's own colours, which fit the border, keep the upper hand."""

_SPARSE = 3
"""Every third pixel each way is enough to see a change of light."""


def temporal_filter(
    found: Propagation,
    shot: FrameAccess,
    tracker: TrajectoryTracker,
    config: MotionConfig,
    keyframes: Collection[int] = (),
) -> None:
    """Average each fill with those of its neighbour frames, both ways, as far as it is uncertain. In place.

    A recursive filter along the flow inside the holes: y_t = (1 - r) x_t + r y_(t-1), its share r falling with the
    confidence, run in both directions of time and averaged. Seen pixels of full confidence stay as they are.

    Args:
        found: with fills whose ``confidence`` is set.
        tracker: knows the flow between neighbour frames.
        keyframes: frames without a hole that had one: the filter begins with them.
    """
    times = sorted(found.fills)
    if config.filter_strength <= 0 or len(times) < 2:
        return

    def share(confidence: Array) -> Array:
        uncertain: Array = _MOST * config.filter_strength * (1 - confidence) ** config.filter_power
        return uncertain

    order = sorted({*times, *(t for t in keyframes if times[0] - 1 <= t <= times[-1] + 1)})
    onward = dict(_filtered(found, shot, tracker, share, order))
    for t, rgb in _filtered(found, shot, tracker, share, order[::-1]):
        mean = np.clip(0.5 * (onward.pop(t) + rgb), 0, 1).astype(np.float32)
        found.fills[t] = replace(found.fills[t], rgb=mean)


def _filtered(
    found: Propagation,
    shot: FrameAccess,
    tracker: TrajectoryTracker,
    share_of: Callable[[Array], Array],
    order: Iterable[int],
) -> Iterator[tuple[int, Array]]:
    """Frames and their filtered colours in the given order; a fill may be replaced once its frame was given."""
    before: tuple[int, Array] | None = None
    for t in order:
        if t not in found.fills:  # a keyframe
            before = t, np.zeros((0, 3), np.float32)
            continue
        fill = found.fills[t]
        rgb = fill.rgb
        pair = tracker.flow(t, before[0]) if before is not None and abs(before[0] - t) == 1 else None
        if pair is not None and before is not None:
            rgb = _averaged(fill, shot, tracker.frames.scale, t, pair, before, share_of)
        before = t, rgb
        yield t, rgb


def _averaged(
    fill: HoleFill,
    shot: FrameAccess,
    scale: float,
    t: int,
    pair: FlowPair,
    neighbour: tuple[int, Array],
    share_of: Callable[[Array], Array],
) -> Array:
    """Frame t's colours averaged with those of the neighbour frame, its hole filled, fetched along the flow.

    Args:
        scale: working pixels, in which the flow is, per pixel.
        neighbour: its number and the colours of its hole.
        share_of: the neighbour's share by confidence.
    """
    hole = shot.hole(t)
    y0, x0, y1, x1 = box_around(hole, 1)
    rows, cols = np.divmod(fill.index, hole.shape[1])
    r = np.clip((rows * np.float32(scale)).astype(np.int64) - pair.box[0], 0, pair.flow.shape[0] - 1)
    c = np.clip((cols * np.float32(scale)).astype(np.int64) - pair.box[1], 0, pair.flow.shape[1] - 1)
    xy = np.stack([cols, rows], -1) + pair.flow[r, c].astype(np.float32) / np.float32(scale)
    height, width = hole.shape
    outside = (xy[:, 0] < 0) | (xy[:, 1] < 0) | (xy[:, 0] > width - 1) | (xy[:, 1] > height - 1)
    low = np.maximum(np.floor(xy.min(0)).astype(int) - MARGIN, 0)
    low = np.minimum(low, [width - 1, height - 1])
    high = np.ceil(xy.max(0)).astype(int) + MARGIN
    box = (int(low[1]), int(low[0]), max(int(high[1]), int(low[1]) + 1), max(int(high[0]), int(low[0]) + 1))
    source = _filled(shot, *neighbour, box)
    fetched = remap(source, (xy - low).astype(np.float32)) + _change_of_light(shot, neighbour[0], t)
    depth = depth_in_hole(hole[y0:y1, x0:x1])
    error = pair.error[r, c].astype(np.float32)
    share = share_of(fill.confidence) * np.minimum(1, depth / _EDGE) * np.exp(-error)
    share = np.where(outside, 0, np.minimum(share, 0.95))[:, None].astype(np.float32)
    return fill.rgb + share * (fetched - fill.rgb)


def _change_of_light(shot: FrameAccess, before: int, t: int) -> Array:
    """How much brighter frame t is than the one before, by channel: in a fade, what was fetched is out of date.

    The median over the known pixels around the hole: a moving camera does not change it, light and fades do.
    """
    hole, other = shot.hole(t), shot.hole(before)
    y0, x0, y1, x1 = box_around(hole, 2 * MARGIN)
    at = np.s_[y0:y1:_SPARSE, x0:x1:_SPARSE]
    known = ~(hole[at] | other[at])
    if not known.any():
        return np.zeros(3, np.float32)
    change: Array = np.median(unit(shot.frame(t)[at])[known] - unit(shot.frame(before)[at])[known], axis=0)
    return change.astype(np.float32)


def _filled(shot: FrameAccess, t: int, rgb: Array, box: Box) -> Array:
    """A part of frame t in [0, 1], with the colours ``rgb`` in its hole."""
    y0, x0, y1, x1 = box
    part = unit(shot.frame(t)[y0:y1, x0:x1])
    hole = shot.hole(t)
    inside = hole[y0:y1, x0:x1]
    number = np.flatnonzero(hole)  # colours are in the order of these
    rows, cols = np.nonzero(inside)
    part[inside] = rgb[np.searchsorted(number, (rows + y0) * hole.shape[1] + cols + x0)]
    return part
