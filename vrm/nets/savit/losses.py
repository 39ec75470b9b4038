"""Losses of SAVIT (Lee et al. 2023, Eq. 5 to 9); Eq. 9 is ``vrm.nets.savit.semantic.token_classification``."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def pixels(made: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
    """L_pix, Eq. 6, as in FuseFormer's training, which the paper follows: the mean error in the hole plus that outside.

    Made and truth are ``(B, T, 3, H, W)`` in [-1, 1], the hole ``(B, T, 1, H, W)``, 0 or 1.
    """
    error = (made - truth).abs()
    known = 1 - hole
    return (error * hole).mean() / hole.mean().clamp(min=1e-6) + (error * known).mean() / known.mean().clamp(min=1e-6)


def adversarial(scores: Tensor) -> Tensor:
    """L_adv, Eq. 7, and its counterpart with SAD: minus the mean score that a discriminator gives made frames."""
    return -scores.mean()


def hinge(real: Tensor, made: Tensor) -> Tensor:
    """Eq. 8, a discriminator's hinge loss on its scores of real and made frames; half of the sum, as in FuseFormer."""
    return (F.relu(1 - real).mean() + F.relu(1 + made).mean()) / 2
