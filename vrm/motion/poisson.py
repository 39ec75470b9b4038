"""Laplace and Poisson equations on the unknown pixels of an image, by multigrid.

The discrete problem, for every unknown pixel p with its 4-neighbours q inside the image:

    sum_q (u_p - u_q) + screening * u_p = rhs_p,      u given on the known pixels

which is Perez et al., "Poisson Image Editing" (2003), Eq. 7, with a screening term. The image border is natural
(Neumann): neighbours outside do not count.
"""

from __future__ import annotations

import cv2
import numpy as np

from vrm.types import Array, Bool

_CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
_COARSEST = 4


def neighbour_sum(u: Array) -> Array:
    """The sum of the 4-neighbours inside the image, of a float32 ``(h, w)`` or ``(h, w, c)`` array, c <= 4."""
    return cv2.filter2D(u, -1, _CROSS, borderType=cv2.BORDER_CONSTANT)


class _GridLevel:
    """One grid: the equation's diagonal, and which pixels are unknown. Arrays have as many channels as the answer."""

    def __init__(self, unknown: Bool, screening: float, channels: int) -> None:
        self.shape = unknown.shape
        degree = neighbour_sum(np.ones(unknown.shape, np.float32)) + np.float32(screening)
        unknown = unknown & (degree > 0)
        mask = unknown.astype(np.float32)
        inverse = np.where(unknown, 1 / np.maximum(degree, 1e-6), 0).astype(np.float32)
        weight = np.float32(0.8) * inverse
        self.degree, self.mask, self.weight, self.keep = (
            cv2.merge([a] * channels) if channels > 1 else a for a in (degree, mask, weight, 1 - weight * degree)
        )

    def residual(self, u: Array, rhs: Array) -> Array:
        out = neighbour_sum(u)
        out += rhs
        out -= self.degree * u
        out *= self.mask
        return out

    def smooth(self, u: Array, rhs: Array, sweeps: int) -> Array:
        """Sweeps of damped Jacobi: u + 0.8 / degree * residual."""
        for _ in range(sweeps):
            step = neighbour_sum(u)
            step += rhs
            step *= self.weight
            u = self.keep * u
            u += step
        return u


def _halve(a: Array) -> Array:
    """Sum of each 2x2 block; an odd last row or column is padded with zeros."""
    h, w = a.shape[:2]
    padded = cv2.copyMakeBorder(a, 0, h % 2, 0, w % 2, cv2.BORDER_CONSTANT, value=(0.0, 0.0, 0.0, 0.0))
    return cv2.resize(padded, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA) * np.float32(4)


def _levels(unknown: Bool, screening: float, channels: int) -> list[_GridLevel]:
    """Fine to coarse. A coarse pixel is unknown where at least three of its four pixels are."""
    levels = [_GridLevel(unknown, screening, channels)]
    scale = 1.0
    while min(unknown.shape) > _COARSEST:
        unknown, scale = _halve(unknown.astype(np.float32)) > 2.5, scale * 4
        if not unknown.any():
            break
        levels.append(_GridLevel(unknown, screening * scale, channels))
    return levels


def _v_cycle(levels: list[_GridLevel], k: int, u: Array, rhs: Array, sweeps: int) -> Array:
    """One V-cycle from level k down: smooth, correct by the coarser levels' answer to the residual, smooth."""
    level = levels[k]
    if k == len(levels) - 1:
        return level.smooth(u, rhs, 16)
    u = level.smooth(u, rhs, sweeps)
    coarse = _halve(level.residual(u, rhs)) * levels[k + 1].mask
    error = _v_cycle(levels, k + 1, np.zeros_like(coarse), coarse, sweeps)
    h, w = level.shape
    up = cv2.resize(error, (error.shape[1] * 2, error.shape[0] * 2), interpolation=cv2.INTER_LINEAR)[:h, :w]
    return level.smooth(u + up * level.mask, rhs, sweeps)


def solve_poisson(rhs: Array, unknown: Bool, start: Array, screening: float = 0.0, cycles: int = 4) -> Array:
    """Solve the equation above.

    Args:
        rhs: float32 ``(h, w)`` or ``(h, w, c)``, c <= 4; read where unknown.
        unknown: bool ``(h, w)``.
        start: same shape as rhs: the given values where known, a first guess where unknown.
        screening: weight of the screening term (0 = pure Poisson).
        cycles: V-cycles; each cuts the error by three to ten.

    Returns:
        float32 of the same shape; known pixels are as given. Without any known pixel and with screening 0 the problem
        has no unique answer: the level of ``start`` is kept.
    """
    if not unknown.any():
        return start.astype(np.float32)
    channels = 1 if rhs.ndim == 2 else rhs.shape[2]
    squeeze = rhs.ndim == 3 and channels == 1
    if squeeze:
        rhs, start = rhs[..., 0], start[..., 0]
    u = np.ascontiguousarray(start, np.float32)
    b = np.where(unknown if rhs.ndim == 2 else unknown[..., None], rhs, 0).astype(np.float32)
    levels = _levels(unknown, screening, channels)
    for _ in range(cycles):
        u = _v_cycle(levels, 0, u, b, 2)
    return u[..., None] if squeeze else u


def push_pull(values: Array, weight: Array) -> Array:
    """Fill in pixels of weight 0 from coarser averages (Gortler et al., "The Lumigraph", 1996, section 3.4.3).

    Args:
        values: float32 ``(h, w)`` or ``(h, w, c)``, like the result.
        weight: float32 ``(h, w)`` in [0, 1]: where it is 1 the value stays, elsewhere the result is smooth; zeros if no
            weight is positive.
    """
    weighted = values * (weight if values.ndim == 2 else weight[..., None])
    return _push_pull(weighted.astype(np.float32), weight.astype(np.float32))


def _push_pull(weighted: Array, weight: Array) -> Array:
    if min(weight.shape) <= 2 or weight.min() >= 1:
        total = np.maximum(weight, 1e-8)
        value = weighted / (total if weighted.ndim == 2 else total[..., None])
        mean = weighted.sum((0, 1)) / max(float(weight.sum()), 1e-8)
        empty = weight <= 1e-8
        value[empty] = mean
        return value
    h, w = weight.shape
    low_weight, low = _halve(weight), _halve(weighted)
    scale = np.minimum(low_weight, 1) / np.maximum(low_weight, 1e-8)
    coarse = _push_pull(low * (scale if low.ndim == 2 else scale[..., None]), np.minimum(low_weight, 1))
    up = cv2.resize(coarse, (coarse.shape[1] * 2, coarse.shape[0] * 2), interpolation=cv2.INTER_LINEAR)[:h, :w]
    rest = 1 - weight
    filled: Array = weighted + up * (rest if weighted.ndim == 2 else rest[..., None])
    return filled


def interpolate_laplace(values: Array, unknown: Bool, cycles: int = 2) -> Array:
    """The solution of Laplace's equation through the known values: the smoothest surface there is.

    Args:
        values: float32 ``(h, w)`` or ``(h, w, c)``, c <= 4, like the result, where known pixels stay.
        unknown: bool ``(h, w)``; if all pixels are unknown the result is zero.
        cycles: V-cycles, from where push-pull begins.
    """
    if not unknown.any():
        return values.astype(np.float32)
    start = push_pull(values, (~unknown).astype(np.float32))
    if unknown.all():
        return start
    return solve_poisson(np.zeros_like(start), unknown, start, cycles=cycles)
