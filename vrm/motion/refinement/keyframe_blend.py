"""Keyframe blending: the frames beside a keyframe change over to it, instead of jumping.

A fill is estimated, a keyframe is given; from the one to the other, what is wrong with the fill would vanish at once.
The keyframe's picture is therefore aligned with each finished frame near it, by flow between the two pictures, and
averaged in: the nearer, the more, and less where the two do not show the same even then, or only because what the one
shows was squeezed into the other. Flow completed from around a hole, which fills follow, does not know how things in
the hole move; two pictures tell.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.flow.camera import grid
from vrm.motion.flow.warp import remap_grid
from vrm.motion.frames import FrameAccess, box_around, depth_in_hole, length_scale, odd, unit
from vrm.motion.fusion.gradient_domain import MARGIN
from vrm.motion.result import HoleFill, Propagation
from vrm.system.threads import parallel_map
from vrm.types import U8, Array, Bool, FlowEstimator

_HALF = 4.0
"""Frames over which a keyframe's share halves."""

_REACH = 12
"""Frames that a keyframe is blended into, either way: further on its share is below a seventh."""

_UNLIKE = 0.12
"""Difference of colours (of 1), once aligned, at which the share has fallen to 1/e: more is a ghost, not noise."""

_WINDOW = 5
"""That difference is averaged over so many pixels (in frames 432 wide)."""

_BEND = 0.5
"""Gradient of the flow (pixels per pixel, root mean square) at which the share has fallen to 1/e. Flow makes two
pictures alike also where one shows a leg and the other none: by drawing it together to a line."""

_BEND_WINDOW = 9
"""That gradient is averaged over so many pixels, likewise."""

_EDGE = 3.0
"""Pixels from the hole's border, likewise, over which a fill's own colours, which fit it, keep the upper hand."""


def blend_keyframes(
    found: Propagation,
    shot: FrameAccess,
    keyframes: Collection[int],
    strength: float,
    estimator: FlowEstimator,
    scale: float = 1.0,
) -> None:
    """Average keyframes into the fills of the frames near them. In place.

    Args:
        keyframes: frames without a hole that had one.
        strength: share of a keyframe in the frame next to it where the two show the same, 0..1; 0 = nothing is done.
        estimator: flow between pictures.
        scale: flow is estimated on pictures of so many times the size, in (0, 1].
    """
    near = {t: [k for k in sorted(keyframes) if 0 < abs(k - t) <= _REACH] for t in sorted(found.fills)}
    times = [t for t, keys in near.items() if keys]
    if strength <= 0:
        return

    def blended(t: int) -> HoleFill:
        return _blended(found.fills[t], shot, t, near[t], strength, estimator, scale)

    for t, fill in zip(times, parallel_map(blended, times), strict=True):
        found.fills[t] = fill


def _blended(
    fill: HoleFill, shot: FrameAccess, t: int, keys: list[int], strength: float, estimator: FlowEstimator, scale: float
) -> HoleFill:
    """The fill of frame t with those keyframes averaged in; where one of them weighs most, it is the source."""
    hole = shot.hole(t)
    y0, x0, y1, x1 = box_around(hole, round(MARGIN / scale))
    inside = np.ascontiguousarray(hole[y0:y1, x0:x1])
    part = unit(shot.frame(t)[y0:y1, x0:x1])
    part[inside] = fill.rgb
    looks, shares, places = [], [], []
    for k in keys:
        look, xy = _aligned(part, unit(shot.frame(k)[y0:y1, x0:x1]), inside, estimator, scale)
        looks.append(look[inside])
        similarity = _agreement(part, look, inside, shot.size) * _straightness(xy, shot.size)[inside]
        shares.append(strength * 0.5 ** ((abs(k - t) - 1) / _HALF) * similarity)
        col, row = np.moveaxis(np.rint(np.clip(xy[inside], 0, (x1 - x0 - 1, y1 - y0 - 1))).astype(np.int32), -1, 0)
        places.append((row + y0) * shot.size[1] + col + x0)
    share = np.stack(shares)
    share /= np.maximum(share.sum(0), 1)
    rgb = fill.rgb + sum(w[:, None] * (look - fill.rgb) for w, look in zip(share, looks, strict=True))
    rgb = np.clip(rgb, 0, 1).astype(np.float32)
    source, place, seen = fill.source, fill.place, fill.seen
    for k, w, there in zip(keys, share, places, strict=True):
        most = w > 0.5
        seen = seen | most
        source = None if source is None else np.where(most, np.int32(k), source)
        place = None if place is None else np.where(most, there, place)
    return replace(fill, rgb=rgb, seen=seen, source=source, place=place)


def _aligned(part: Array, key: Array, inside: Bool, estimator: FlowEstimator, scale: float) -> tuple[Array, Array]:
    """A keyframe moved to where a filled frame has what it shows, in that frame's light.

    Args:
        part, key: the same part of both frames, float32 ``(h, w, 3)`` in [0, 1].
        inside: bool ``(h, w)``: the filled hole.

    Returns the picture, float32 ``(h, w, 3)``, and the places it comes from, float32 ``(h, w, 2)``, pixels (x, y).
    """
    h, w = inside.shape
    flow = estimator(_grey(part, scale), _grey(key, scale))
    if scale < 1:
        ratio = np.array([w / flow.shape[1], h / flow.shape[0]], np.float32)
        flow = cv2.resize(flow, (w, h), interpolation=cv2.INTER_LINEAR) * ratio
    xy = grid(h, w) + flow
    look: Array = remap_grid(key, xy, cv2.INTER_CUBIC)
    if not inside.all():
        look = look + np.median((part - look)[~inside], axis=0)
    return look, xy


def _agreement(part: Array, look: Array, inside: Bool, size: tuple[int, int]) -> Array:
    """How far an aligned picture may be averaged in, float32 ``(N,)`` in [0, 1] for the hole's N pixels."""
    scale = length_scale(size)
    difference = cv2.blur(np.abs(look - part).mean(-1), (odd(_WINDOW * scale),) * 2)[inside]
    edge = np.minimum(1, depth_in_hole(inside) / (_EDGE * scale))
    agreement: Array = np.exp(-np.square(difference / np.float32(_UNLIKE))) * edge
    return agreement.astype(np.float32)


def _straightness(xy: Array, size: tuple[int, int]) -> Array:
    """How far a picture keeps its shape when it is fetched from those places, float32 ``(h, w)`` in [0, 1]."""
    flow = xy - grid(*xy.shape[:2])
    bend = sum(np.square(np.diff(flow, axis=axis, append=flow.take([-1], axis))).sum(-1) for axis in (0, 1))
    kept: Array = np.exp(-cv2.blur(bend, (odd(_BEND_WINDOW * length_scale(size)),) * 2) / np.float32(_BEND**2))
    return kept


def _grey(part: Array, scale: float) -> U8:
    grey: Array = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        h, w = grey.shape
        size = max(1, round(w * scale)), max(1, round(h * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return (np.clip(grey, 0, 1) * 255 + 0.5).astype(np.uint8)
