"""Fine detail that averaging took away, given back in the measure the candidates themselves have it."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from vrm.motion.frames import box_around, length_scale, mean_of_channels, odd
from vrm.motion.fusion.candidate import Candidate
from vrm.motion.fusion.fusion import SHARPNESS
from vrm.motion.result import HoleFill
from vrm.types import Array, Bool

_DETAIL = 9
"""What differs from the mean over a window of so many pixels is detail (in frames 432 wide)."""

_LOCAL = 21
"""The energy of detail is compared over windows of so many pixels, likewise."""

_MOST = 2.0
"""Detail is strengthened at most so many times: what is nearly gone would come back as noise."""

_FAINT = 1e-6
"""Energy (of colours in [0, 1]) below the noise of any camera."""


def restore_detail(fill: HoleFill, rgb: Array, size: tuple[int, int], most: float = _MOST) -> Array:
    """Strengthen the detail of a fill up to the energy it has in the candidates the fill was averaged from.

    Candidates that do not lie exactly on one another lose fine detail when they are averaged. The low frequencies stay
    as they are; the high ones are scaled, locally, by ``sqrt(E_candidates / E_fill)``, E the mean square of what
    differs from the local mean of the grey levels, over the candidates by their weights. Nothing is ever softened. The
    surroundings are left out: candidates are not blended with them, and a step at the border is no detail.

    Args:
        rgb: float32 ``(N, 3)`` in [0, 1]: the hole's colours, averaged from the fill's candidates.
        most: detail is strengthened at most so many times.

    Returns float32 ``(N, 3)`` in [0, 1].
    """
    scale = length_scale(size)
    detail, local = odd(_DETAIL * scale), odd(_LOCAL * scale)
    inside = _inside(fill.index, size)
    at = np.flatnonzero(inside)
    high = rgb - _local_mean(rgb, inside, at, detail)
    grey = mean_of_channels(high)
    wanted, present = _local_mean(np.stack([fill.detail, np.square(grey)], -1), inside, at, local).T
    gain = np.sqrt(np.clip((wanted + _FAINT) / (present + _FAINT), 1, most**2))
    restored: Array = np.clip(rgb + (gain - 1)[:, None] * high, 0, 1)
    return restored


def detail_energy(candidates: Iterable[Candidate], index: np.ndarray, size: tuple[int, int]) -> Array:
    """Energy of the candidates' own detail at each of the hole's N pixels, averaged by their weights: float32 ``(N,)``.

    Args:
        candidates: their expected errors set.
        index: int64 ``(N,)``: flat indices of the hole's pixels in a frame of that size (height, width).
    """
    inside, detail = _inside(index, size), odd(_DETAIL * length_scale(size))
    at = np.flatnonzero(inside)
    energy, weight = np.zeros(len(at), np.float32), np.full(len(at), 1e-20, np.float32)
    for one in candidates:
        valid = np.flatnonzero(one.valid)
        if len(valid):
            where = np.zeros_like(inside)
            where.reshape(-1)[at[valid]] = True
            grey = mean_of_channels(one.colour[valid])
            share = np.maximum(one.error[valid], np.float32(1e-3)) ** -SHARPNESS
            energy[valid] += share * np.square(grey - _local_mean(grey, where, at[valid], detail))
            weight[valid] += share
    return energy / weight


def _inside(index: np.ndarray, size: tuple[int, int]) -> Bool:
    """The hole of those flat indices in the smallest box around it."""
    hole = np.zeros(size, np.bool_)
    hole.reshape(-1)[index] = True
    y0, x0, y1, x1 = box_around(hole, 0)
    return np.ascontiguousarray(hole[y0:y1, x0:x1])


def _local_mean(values: Array, counts: Bool, at: np.ndarray, size: int) -> Array:
    """Means in a square window of an odd size over the pixels that count.

    Args:
        values: float32 ``(N[, C])``, C <= 3, of those pixels; so is the result.
        counts: bool ``(h, w)``.
        at: int64 ``(N,)``: their flat indices.
    """
    values = values.reshape(len(at), -1)
    plane = np.zeros((*counts.shape, values.shape[1] + 1), np.float32)
    flat = plane.reshape(-1, plane.shape[-1])
    flat[at, :-1], flat[at, -1] = values, 1
    blurred: Array = cv2.blur(plane, (size, size), borderType=cv2.BORDER_CONSTANT).reshape(flat.shape)[at]
    mean = blurred[:, :-1] / np.maximum(blurred[:, -1:], np.float32(1e-3))
    return mean[:, 0] if mean.shape[1] == 1 else mean
