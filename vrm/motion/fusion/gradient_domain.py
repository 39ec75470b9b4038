"""Gradient-domain blending: sampled gradients are kept, and steps at the hole's border become smooth and invisible.

Colours and their differences to the neighbours are sampled once, at the source frame. A change of exposure between the
frames is a constant offset: it is in the colours, not in the gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vrm.motion.flow.warp import remap
from vrm.motion.poisson import neighbour_sum, solve_poisson
from vrm.types import Array, Bool, Box, grow_box

MARGIN = 24
"""Known pixels around a hole that its fill is blended with."""

STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""The four neighbours (dx, dy); a step and its opposite differ in the last bit of their number."""


def sample(image: Array, xy: Array) -> tuple[Array, Array]:
    """Colour and differences to the four neighbours, at points of a source frame, each sampled once.

    Of an image float32 ``(h, w[, 3])`` at ``(N, 2)`` float32: colours ``(N[, 3])`` and differences ``(4, N[, 3])``,
    which are colour minus the neighbour's, in the order of ``STEPS``.
    """
    colour = remap(image, xy, cv2.INTER_CUBIC)
    around = [colour - remap(image, xy + np.array(s, np.float32), cv2.INTER_CUBIC) for s in STEPS]
    return colour, np.stack(around)


def sample_frames(
    part_of: Callable[[int, Box], Array], size: tuple[int, int], source: np.ndarray, xy: Array, channels: int
) -> tuple[Array, Array]:
    """``sample`` from many source frames; of each, only the part that is needed is read, once.

    Args:
        part_of: gives a box of a frame, float32 in [0, 1].
        source: int ``(N,)``, frame numbers; negative = none (zeros come back).
        xy: float32 ``(N, 2)``, places in the source frames.

    Returns colours ``(N[, 3])`` and differences ``(4, N[, 3])``.
    """
    shape = (len(source),) if channels == 1 else (len(source), channels)
    colour, differences = np.zeros(shape, np.float32), np.zeros((4, *shape), np.float32)
    for s in np.unique(source[source >= 0]):
        at = np.flatnonzero(source == s)
        points = xy[at]
        low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
        box = grow_box((low[1], low[0], high[1] + 1, high[0] + 1), 4, size)
        colour[at], differences[:, at] = sample(part_of(int(s), box), points - np.array([box[1], box[0]], np.float32))
    return colour, differences


def own_differences(image: Array, hole: Bool) -> Array:
    """Differences of the hole's pixels to their four neighbours in the image itself: ``(4, N[, c])``."""
    padded = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    h, w = hole.shape
    return np.stack([(image - padded[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w])[hole] for dx, dy in STEPS])


def blend(image: Array, hole: Bool, colour: Array, differences: Array, screening: float, cycles: int = 2) -> Array:
    """Solve for the hole's pixels (Perez et al. 2003, Eq. 7, with a screening term).

    Minimises the sum over neighbour pairs of (f_p - f_q - v_pq)^2 plus ``screening`` times the sum of
    (f_p - colour_p)^2, f given outside the hole.

    Args:
        image: float32 ``(h, w)`` or ``(h, w, 3)``, known outside the hole.
        hole: bool ``(h, w)``.
        colour: float32 ``(N[, 3])`` for the N hole pixels in row order.
        differences: float32 ``(4, N[, 3])`` as ``sample`` gives them: v_pq seen from p. A pair inside the hole takes
            the mean of both ends.
        screening: weight of the colours against the gradients.
        cycles: of the solver.

    Returns float32 like the image, the hole filled.
    """
    at = np.flatnonzero(hole)
    start = image.copy()
    start.reshape(-1, *image.shape[2:])[at] = colour
    rhs = np.zeros_like(start)
    for axis, forth, back in ((1, 0, 1), (0, 2, 3)):
        _add_edges(rhs, hole, at, differences[forth], differences[back], axis)
    # Solve for the correction to the sampled colours: it is small and smooth, so few cycles are enough.
    degree = neighbour_sum(np.ones(hole.shape, np.float32))
    degree = degree[..., None] if start.ndim == 3 else degree
    misfit = rhs - (degree * start - neighbour_sum(start))
    correction = solve_poisson(misfit, hole, np.zeros_like(start), screening=screening, cycles=cycles)
    return start + correction


def _add_edges(rhs: Array, hole: Bool, at: np.ndarray, forth: Array, back: Array, axis: int) -> None:
    """Add what the pairs of pixels along an axis ask for to the right-hand side, in place.

    Args:
        at: flat indices of the hole's pixels.
        forth, back: their differences ``(N[, 3])`` to the next pixel and to the one before.
    """
    before = np.s_[:, :-1] if axis else np.s_[:-1]
    after = np.s_[:, 1:] if axis else np.s_[1:]
    plane, other = np.zeros_like(rhs), np.zeros_like(rhs)
    plane.reshape(-1, *rhs.shape[2:])[at] = forth
    other.reshape(-1, *rhs.shape[2:])[at] = back
    edge = plane[before] - other[after]  # of a pixel to the next, seen from both where both are in the hole
    both = hole[before] & hole[after]
    edge *= np.where(both, np.float32(0.5), np.float32(1))[..., None] if rhs.ndim == 3 else np.where(both, 0.5, 1.0)
    rhs[before] += edge
    rhs[after] -= edge
