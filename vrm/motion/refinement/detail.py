"""Fine detail that averaging took away, given back in the measure the candidates themselves have it."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from vrm.motion.frames import box_around, length_scale, odd
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
    differs from the local mean, over the candidates by their weights. Nothing is ever softened. The surroundings are
    left out: candidates are not blended with them, and a step at the border is no detail.

    Args:
        rgb: float32 ``(N, 3)`` in [0, 1]: the hole's colours, averaged from the fill's candidates.
        most: detail is strengthened at most so many times.

    Returns float32 ``(N, 3)`` in [0, 1].
    """
    scale = length_scale(size)
    detail, local = odd(_DETAIL * scale), odd(_LOCAL * scale)
    inside = _inside(fill.index, size)
    own = np.zeros((*inside.shape, 3), np.float32)
    own[inside] = rgb
    high = _high(own, inside, detail)
    energy = np.zeros(inside.shape, np.float32)
    energy[inside] = fill.detail
    wanted = _local_mean(energy, inside, local)
    present = _local_mean(np.square(high).mean(-1), inside, local)
    gain = np.sqrt(np.clip((wanted + _FAINT) / (present + _FAINT), 1, most**2))
    restored: Array = np.clip(rgb + (gain[inside, None] - 1) * high[inside], 0, 1)
    return restored


def detail_energy(candidates: Iterable[Candidate], index: np.ndarray, size: tuple[int, int]) -> Array:
    """Energy of the candidates' own detail at each of the hole's N pixels, averaged by their weights: float32 ``(N,)``.

    Args:
        candidates: their expected errors set; half precision is enough for this.
        index: int64 ``(N,)``: flat indices of the hole's pixels in a frame of that size (height, width).
    """
    inside, detail = _inside(index, size), odd(_DETAIL * length_scale(size))
    energy, weight = np.zeros(inside.shape, np.float32), np.full(inside.shape, 1e-20, np.float32)
    for one in candidates:
        if one.valid.any():
            where, image = inside.copy(), np.zeros((*inside.shape, 3), np.float32)
            where[inside] = one.valid
            image[where] = one.colour[one.valid].astype(np.float16)
            error = one.error[one.valid].astype(np.float16).astype(np.float32)
            share = np.zeros(inside.shape, np.float32)
            share[where] = np.maximum(error, 1e-3) ** -SHARPNESS
            energy += share * np.square(_high(image, where, detail)).mean(-1)
            weight += share
    mean: Array = (energy / weight)[inside]
    return mean


def _inside(index: np.ndarray, size: tuple[int, int]) -> Bool:
    """The hole of those flat indices in the smallest box around it."""
    hole = np.zeros(size, np.bool_)
    hole.reshape(-1)[index] = True
    y0, x0, y1, x1 = box_around(hole, 0)
    return np.ascontiguousarray(hole[y0:y1, x0:x1])


def _high(image: Array, counts: Bool, size: int) -> Array:
    """An image less its local mean over the pixels that count."""
    high: Array = image - _local_mean(image, counts, size)
    return high


def _local_mean(values: Array, counts: Bool, size: int) -> Array:
    """Mean of ``values``, float32 ``(h, w[, C])``, over the pixels that count in a square window of an odd size."""
    square, nothing = (size, size), cv2.BORDER_CONSTANT
    share = np.maximum(cv2.blur(counts.astype(np.float32), square, borderType=nothing), 1e-3)
    counted = values * counts if values.ndim == 2 else values * counts[..., None]
    mean: Array = cv2.blur(counted, square, borderType=nothing) / (share if values.ndim == 2 else share[..., None])
    return mean
