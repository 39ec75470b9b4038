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
    start = image.copy()
    start[hole] = colour
    rhs = np.zeros_like(start)
    h, w = hole.shape
    pad = cv2.copyMakeBorder(hole.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0).view(np.bool_)
    for k, (dx, dy) in enumerate(STEPS):
        neighbour = np.s_[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
        field = np.zeros_like(start)
        field[hole] = differences[k]
        opposite = np.zeros_like(start)
        opposite[hole] = -differences[k ^ 1]
        opposite = cv2.copyMakeBorder(opposite, 1, 1, 1, 1, cv2.BORDER_CONSTANT)[neighbour]
        both = pad[neighbour] & hole
        rhs += np.where(both if start.ndim == 2 else both[..., None], 0.5 * (field + opposite), field)
    _drop_outer(rhs, hole, differences)
    # Solve for the correction to the sampled colours: it is small and smooth, so few cycles are enough.
    degree = neighbour_sum(np.ones(hole.shape, np.float32))
    degree = degree[..., None] if start.ndim == 3 else degree
    misfit = rhs - (degree * start - neighbour_sum(start))
    correction = solve_poisson(misfit, hole, np.zeros_like(start), screening=screening, cycles=cycles)
    return start + correction


def _drop_outer(rhs: Array, hole: Bool, differences: Array) -> None:
    """Take the differences across the image border out of the right-hand side: there is no such neighbour."""
    rows, cols = np.nonzero(hole)
    h, w = hole.shape
    for k, (dx, dy) in enumerate(STEPS):
        gone = (cols + dx < 0) | (cols + dx >= w) | (rows + dy < 0) | (rows + dy >= h)
        if gone.any():
            rhs[rows[gone], cols[gone]] -= differences[k][gone]
