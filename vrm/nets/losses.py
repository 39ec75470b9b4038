"""Losses of the internal networks; every function is an equation of Ouyang et al. 2021 or says what it is."""

from __future__ import annotations

import torch
from torch import Tensor


def reconstruction(output: Tensor, frame: Tensor, hole: Tensor) -> Tensor:
    """Eq. 2: ``|| (Y_i - X_i) * (1 - M_i) ||_1``, as a mean over the known samples so that it has a scale.

    Args:
        output, frame: ``(B, C, H, W)``, any range.
        hole: ``(B, 1, H, W)`` 0 or 1: the *real* hole M_i, whose truth is unknown. The translated mask is not in it.

    Returns:
        A scalar; 0 where nothing is known.
    """
    known = (1 - hole).to(output.dtype)
    total = ((output - frame) * known).abs().sum(dtype=torch.float32)
    return total / (known.sum(dtype=torch.float32) * output.shape[1]).clamp(min=1)


def inside(output: Tensor, truth: Tensor, where: Tensor, gradient: float = 0.5, square: float = 0.0) -> Tensor:
    """What the fuser is taught with: absolute error, plus that of the finite differences, plus squared error.

    The mean over ``where`` of ``|d|``, of ``gradient * (|d_x| + |d_y|)`` (differences between neighbours that both
    lie in ``where``: a soft average is dearer than with the absolute error alone) and of ``square * d**2``.

    Args:
        output, truth: ``(B, C, H, W)``.
        where: ``(B, 1, H, W)`` bool: hidden pixels whose truth is known.
    """
    d = (output - truth).float()
    loss = _mean(d.abs(), where)
    if square:
        loss = loss + square * _mean(d.square(), where)
    if gradient:
        across = _mean((d[..., 1:] - d[..., :-1]).abs(), where[..., 1:] & where[..., :-1])
        down = _mean((d[..., 1:, :] - d[..., :-1, :]).abs(), where[..., 1:, :] & where[..., :-1, :])
        loss = loss + gradient * (across + down)
    return loss


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / (where.sum() * values.shape[1]).clamp(min=1)
