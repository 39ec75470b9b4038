"""From candidates to one prefill: expected errors, weights, and the join with the picture around."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.seam import join
from vrm.types import F32, Bool

SHARPNESS = 2.5
"""Weights go with expected error to the power of minus this: 2 is least squares for independent errors."""


@dataclass(frozen=True)
class Trust:
    """How errors are expected to be in this clip; the defaults hold on average over many clips.

    Attributes:
        trajectory, distant, spatial: factors on the expected errors of each kind of guess.
        bound: trajectories of more drift than this (working pixels) are not used.
    """

    trajectory: float = 1.0
    distant: float = 1.0
    spatial: float = 1.0
    bound: float = 2.0


USUAL = Trust()


@dataclass
class Guess:
    """One candidate for the N hole pixels of a frame, ready to be fused.

    Attributes:
        colour: float32 ``(N[, 3])``.
        differences: float32 ``(4, N[, 3])``, see ``seam.sample``.
        valid: bool ``(N,)``.
        error: float32 ``(N,)``: expected absolute error, 0..1.
    """

    colour: F32
    differences: F32
    valid: Bool
    error: F32


def trajectory_error(drift: F32, distance: F32, trust: Trust = USUAL) -> F32:
    """Expected error of a colour fetched along a trajectory.

    Args:
        drift: forward-backward error summed along the way, in pixels.
        distance: frames to the source.
        trust: of this clip.
    """
    return (trust.trajectory * (0.02 + 0.03 * drift + 0.0012 * distance)).astype(np.float32)


def distant_error(error: F32, spread: F32, support: F32, trust: Trust = USUAL) -> F32:
    """Expected error of a colour from a directly aligned far frame; see ``distant.Pick`` for the arguments."""
    return (trust.distant * (0.01 + 0.5 * error + 0.5 * spread + 0.03 / (1 + support))).astype(np.float32)


def spatial_error(image: F32, hole: Bool, trust: Trust = USUAL) -> F32:
    """Expected error of a guess from the frame alone: the contrast around the hole, reached a few pixels inside.

    Args:
        image: float32 ``(h, w[, 3])``, read outside the hole.
        hole: bool ``(h, w)``, N pixels.
        trust: of this clip.

    Returns:
        float32 ``(N,)``.
    """
    known = (~hole).astype(np.float32)
    grey = image if image.ndim == 2 else image.mean(-1)
    window = (31, 31)
    weight = np.maximum(cv2.blur(known, window), 1e-4)
    mean = cv2.blur(grey * known, window) / weight
    square = cv2.blur(grey * grey * known, window) / weight
    contrast = np.sqrt(np.maximum(square - mean * mean, 0))
    depth = cv2.distanceTransform(hole.view(np.uint8), cv2.DIST_L2, 3)
    error = 0.01 + contrast * (0.25 + 0.5 * (1 - np.exp(-depth / 12)))
    return (trust.spatial * np.clip(error[hole], 0.01, 0.5)).astype(np.float32)


def weights(guesses: list[Guess]) -> F32:
    """Weights ``(K, N)`` that sum to one over the K guesses; at least one must be valid at each pixel."""
    raw = np.stack([np.where(g.valid, np.maximum(g.error, 1e-3) ** -SHARPNESS, 0) for g in guesses])
    return (raw / np.maximum(raw.sum(0), 1e-20)).astype(np.float32)


def fuse(image: F32, hole: Bool, guesses: list[Guess], anchor: float) -> F32:
    """Mix guesses by expected error, colours and gradients alike, and join the mix to its surroundings.

    Args:
        image: float32 ``(h, w[, 3])``, known outside the hole.
        hole: bool ``(h, w)`` with N pixels.
        guesses: at least one valid at each pixel.
        anchor: see ``seam.join``.

    Returns:
        The hole's colours, float32 ``(N[, 3])`` in [0, 1].
    """
    share = weights(guesses)
    colour = np.zeros_like(guesses[0].colour)
    differences = np.zeros_like(guesses[0].differences)
    for w, g in zip(share, guesses, strict=True):
        w = w if colour.ndim == 1 else w[:, None]
        colour += w * np.where(w > 0, g.colour, 0)
        differences += w * np.where(w > 0, g.differences, 0)
    return np.clip(join(image, hole, colour, differences, anchor)[hole], 0, 1)
