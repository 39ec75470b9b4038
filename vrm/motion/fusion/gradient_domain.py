"""Joining sampled colours to the picture around them in the gradient domain, with a weak colour anchor."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.motion.poisson import Array, neighbour_sum, solve
from vrm.motion.trajectories.trajectory import remap
from vrm.types import Bool

STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""The four neighbours (dx, dy)."""


def sample(image: Array, xy: Array) -> tuple[Array, Array]:
    """Colour and differences to the four neighbours, at points of a source frame, each sampled once.

    Args:
        image: float32 ``(h, w)`` or ``(h, w, 3)``.
        xy: float32 ``(N, 2)``.

    Returns:
        Colours ``(N[, 3])`` and differences ``(4, N[, 3])``: colour minus the neighbour's, in the order of ``STEPS``.
    """
    colour = remap(image, xy, cv2.INTER_CUBIC)
    around = [colour - remap(image, xy + np.array(s, np.float32), cv2.INTER_CUBIC) for s in STEPS]
    return colour, np.stack(around)


def own_differences(image: Array, hole: Bool) -> Array:
    """Differences of the hole's pixels to their four neighbours in the image itself: ``(4, N[, c])``."""
    padded = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    h, w = hole.shape
    return np.stack([(image - padded[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w])[hole] for dx, dy in STEPS])


def join(image: Array, hole: Bool, colour: Array, differences: Array, anchor: float, cycles: int = 3) -> Array:
    """Solve for the hole's pixels (Perez et al. 2003, Eq. 7; the anchor pulls towards the sampled colours).

    Minimises the sum over neighbour pairs of (f_p - f_q - v_pq)^2 plus ``anchor`` times the sum of (f_p - colour_p)^2,
    f given outside the hole.

    Args:
        image: float32 ``(h, w)`` or ``(h, w, 3)``, known outside the hole.
        hole: bool ``(h, w)``.
        colour: float32 ``(N[, 3])`` for the N hole pixels in row order.
        differences: float32 ``(4, N[, 3])`` as ``sample`` gives them: v_pq seen from p. A pair inside the hole takes
            the mean of both ends.
        anchor: weight of the colours against the gradients.

    Returns:
        float32 like the image, the hole filled.
    """
    start = image.copy()
    start[hole] = colour
    rhs = np.zeros_like(start)
    h, w = hole.shape
    pad = cv2.copyMakeBorder(hole.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0).view(np.bool_)
    for k, (dx, dy) in enumerate(STEPS):
        field = np.zeros_like(start)
        field[hole] = differences[k]
        opposite = np.zeros_like(start)
        opposite[hole] = -differences[k ^ 1]
        opposite = cv2.copyMakeBorder(opposite, 1, 1, 1, 1, cv2.BORDER_CONSTANT)[
            1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w
        ]
        both = pad[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w] & hole
        if start.ndim == 3:
            rhs += np.where(both[..., None], 0.5 * (field + opposite), field)
        else:
            rhs += np.where(both, 0.5 * (field + opposite), field)
    _drop_outer(rhs, hole, differences)
    # Solve for the correction to the sampled colours: it is small and smooth, so few cycles are enough.
    degree = neighbour_sum(np.ones(hole.shape, np.float32))
    degree = degree[..., None] if start.ndim == 3 else degree
    misfit = rhs - (degree * start - neighbour_sum(start))
    correction = solve(misfit, hole, np.zeros_like(start), anchor=anchor, cycles=cycles)
    return start + correction


def _drop_outer(rhs: Array, hole: Bool, differences: Array) -> None:
    """Take the differences across the image border out of the right-hand side: there is no such neighbour."""
    rows, cols = np.nonzero(hole)
    h, w = hole.shape
    for k, (dx, dy) in enumerate(STEPS):
        gone = (cols + dx < 0) | (cols + dx >= w) | (rows + dy < 0) | (rows + dy >= h)
        if gone.any():
            rhs[rows[gone], cols[gone]] -= differences[k][gone]
