"""Losses of the internal networks; the equations are those of Ouyang et al. 2021."""

from __future__ import annotations

import torch
from torch import Tensor


def reconstruction(output: Tensor, frame: Tensor, hole: Tensor) -> Tensor:
    """Eq. 2: ``|| (Y_i - X_i) * (1 - M_i) ||_1``, as a mean over the known samples so that it has a scale.

    Output and frame are ``(B, C, H, W)``, any range; ``hole``, ``(B, 1, H, W)`` 0 or 1, is the *real* hole M_i, whose
    truth is unknown (the translated mask is not in it). 0 where nothing is known.
    """
    known = (1 - hole).to(output.dtype)
    total = ((output - frame) * known).abs().sum(dtype=torch.float32)
    return total / (known.sum(dtype=torch.float32) * output.shape[1]).clamp(min=1)


def ambiguity(source: Tensor, target: Tensor, source_where: Tensor, target_where: Tensor) -> Tensor:
    """Eq. 3, 8 and 9: the cosine distance of each feature point to its nearest in another frame, as a mean.

    The paper prints both images times ``M_t``; its own explanation (a blocked target has no influence) and its code
    mean the known part of the target, ``1 - M_t``, and so do we: points outside ``where`` are neither matched nor
    match anything. 0 where either side has no point.

    Args:
        source, target: features ``(B, C, h, w)`` of the output and of another frame X_t.
        source_where, target_where: ``(B, 1, h, w)`` bool: the points that count.
    """
    losses = []
    for s, t, at, of in zip(source, target, source_where, target_where, strict=True):
        points, others = s[:, at[0]].float(), t[:, of[0]].float()
        if points.shape[1] and others.shape[1]:
            similarity = _unit(points).T @ _unit(others)
            losses.append((1 - similarity.amax(1)).mean())
    return torch.stack(losses).mean() if losses else source.sum() * 0


def _unit(points: Tensor) -> Tensor:
    unit: Tensor = points / points.norm(dim=0).clamp(min=1e-6)
    return unit


def stabilisation(changed_output: Tensor, output: Tensor, changed: Tensor, frame: Tensor, unknown: Tensor) -> Tensor:
    """Eq. 4 and 5: a small change ``g`` of the input should change the output in the same way, as a mean.

    ``|| ((Y' - Y) - (g(X) - X)) * (1 - M or g(M)) ||_1``; Y', Y, g(X), X are ``(B, C, H, W)``, and ``unknown``,
    ``(B, 1, H, W)`` bool, is M or g(M), and what g moved in from outside the picture. 0 where nothing is known.
    """
    delta = (changed_output - output).float() - (changed - frame).float()
    known = (~unknown).float()
    return (delta.abs() * known).sum() / (known.sum() * delta.shape[1]).clamp(min=1)
