"""Losses of SAVIT (Lee et al. 2023, Eq. 5 to 9); Eq. 9 is ``vrm.nets.savit.semantic.token_classification``."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def pixels(made: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
    """L_pix, Eq. 6, as in FuseFormer's training, which the paper follows: the mean error in the hole plus that outside.

    Args:
        made, truth: ``(B, T, 3, H, W)`` in [-1, 1].
        hole: ``(B, T, 1, H, W)``, 0 or 1.
    """
    error = (made - truth).abs()
    known = 1 - hole
    return (error * hole).mean() / hole.mean().clamp(min=1e-6) + (error * known).mean() / known.mean().clamp(min=1e-6)


def fooling(scores: Tensor) -> Tensor:
    """L_adv, Eq. 7, and its like with SAD: what a discriminator says of made frames, to be raised."""
    return -scores.mean()


def telling(real: Tensor, made: Tensor) -> Tensor:
    """Eq. 8, the hinge loss of a discriminator; half of the sum, as FuseFormer trains it."""
    return (F.relu(1 - real).mean() + F.relu(1 + made).mean()) / 2
