"""From candidates to one prefill: expected errors, weights, and the join with the picture around.

How large an error to expect of a guess is a log-linear model: log(error) is a weighted sum of the logarithms of what
is known of the guess. Its coefficients were fitted by least squares on made holes in a dozen clips of different
kinds (it explains 57% of the variance of the logarithm for trajectories, 67% for far frames, 30% for spatial fills);
``Trust`` corrects its level for the clip at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from vrm.motion.fusion.gradient_domain import join
from vrm.motion.poisson import Array
from vrm.types import Bool

Kind = Literal["trajectory", "distant", "spatial"]

SHARPNESS = 4.0
"""Weights go with the expected error to the power of minus this. Two would be least squares for independent errors;
more chooses rather than averages, which keeps texture and cost nothing in any clip tried."""

_BASE_WIDTH = 432.0
"""Lengths in the model were fitted on frames this wide, and grow with wider ones."""


@dataclass(frozen=True)
class Trust:
    """How errors are in this clip, compared to the usual: what is added to the logarithm of the expected error."""

    trajectory: float = 0.0
    distant: float = 0.0
    spatial: float = 0.0

    def of(self, kind: Kind) -> float:
        """The term for one kind of guess."""
        return {"trajectory": self.trajectory, "distant": self.distant, "spatial": self.spatial}[kind]


USUAL = Trust()


@dataclass
class Guess:
    """One candidate for the N hole pixels of a frame, ready to be fused.

    Attributes:
        kind: where it comes from.
        colour: float32 ``(N[, 3])``.
        differences: float32 ``(4, N[, 3])``, see ``seam.sample``.
        valid: bool ``(N,)``.
        prior: float32 ``(N,)``: the part of the log expected error that is known without the other guesses.
        error: float32 ``(N,)``: expected absolute error, 0..1; set by ``judge``.
    """

    kind: Kind
    colour: Array
    differences: Array
    valid: Bool
    prior: Array
    error: Array = field(default_factory=lambda: np.zeros(0, np.float32))


def trajectory_prior(drift: Array, distance: Array) -> Array:
    """The prior of a colour fetched along a trajectory.

    Without any drift the camera stood still: the place is exact then, however long ago it was seen.

    Args:
        drift: forward-backward error summed along the way, in pixels.
        distance: frames to the source.
    """
    drift = np.minimum(drift, 1e3)
    far = distance * np.minimum(1, drift + 0.05)
    log = -1.63 + 0.15 * np.log(drift + 0.1) + 0.28 * np.log1p(far) - 1.2 * (drift < 0.02)
    prior: Array = log.astype(np.float32)
    return prior


def distant_prior(error: Array) -> Array:
    """The prior of a colour from a directly aligned far frame of that local error, see ``distant.Alignment``."""
    return np.float32(0.4) + np.float32(0.75) * np.log(error + 0.01)


def spatial_prior(image: Array, hole: Bool, scale: float) -> Array:
    """The prior of a guess from the frame alone: its depth in the hole, and the contrast around.

    Args:
        image: float32 ``(h, w[, 3])``, read outside the hole.
        hole: bool ``(h, w)``, N pixels.
        scale: see ``length_scale``.

    Returns:
        float32 ``(N,)``.
    """
    known = (~hole).astype(np.float32)
    grey = image if image.ndim == 2 else image.mean(-1)
    depth = cv2.distanceTransform(hole.view(np.uint8), cv2.DIST_L2, 3)[hole] / scale
    out = np.float32(-1.65) + np.float32(0.68) * np.log(np.minimum(np.maximum(depth, 0.5), 1000))
    for size, weight in ((15, 0.25), (31, 0.09), (63, 0.28)):
        window = (odd(size * scale),) * 2
        share = np.maximum(cv2.blur(known, window), 1e-4)
        mean = cv2.blur(grey * known, window) / share
        square = cv2.blur(grey * grey * known, window) / share
        contrast = np.sqrt(np.maximum(square - mean * mean, 0))[hole]
        out += np.float32(weight) * np.log(contrast + 0.01)
    result: Array = out.astype(np.float32)
    return result


def length_scale(size: tuple[int, int]) -> float:
    """How much longer lengths are in frames of ``size`` than in those the model was fitted on; at least 1."""
    return max(1.0, max(size) / _BASE_WIDTH)


def judge(guesses: Sequence[Guess], inside: Bool, scale: float, trust: Trust = USUAL) -> None:
    """Set the expected error of each guess, also from how the guesses differ from one another.

    Two frames that show the same behind the hole confirm each other; a fill that departs far from the surroundings'
    smooth continuation risks more.

    Args:
        guesses: exactly one is spatial.
        inside: bool ``(h, w)`` with the N hole pixels.
        scale: see ``length_scale``.
        trust: of this clip.
    """
    blur = _HoleBlur(inside, odd(7 * scale))
    moving = [g for g in guesses if g.kind != "spatial"]
    smooth = next(g for g in guesses if g.kind == "spatial")
    apart, others = _apart(moving, blur)
    for k, g in enumerate(moving):
        confirmed = others[k] > 0
        mean = apart[k] / np.maximum(others[k], 1)
        texture = blur(np.abs(g.differences).mean(0), g.valid)
        departure = blur(np.abs(g.colour - smooth.colour), g.valid)
        if g.kind == "trajectory":
            constant, disagree, from_smooth = 1.1, 0.45, 0.41
        else:
            constant, disagree, from_smooth = 0.83, 0.3, 0.2
        log = g.prior + np.where(confirmed, constant + disagree * np.log(mean + 0.01), 0)
        log = log + 0.16 * np.log(texture + 0.005) + from_smooth * np.log(departure + 0.01) + trust.of(g.kind)
        g.error = np.where(g.valid, np.clip(np.exp(log), 1e-3, 1), np.inf).astype(np.float32)
    smooth.error = np.clip(np.exp(smooth.prior + trust.spatial), 1e-3, 1).astype(np.float32)


def weights(guesses: Sequence[Guess], sharpness: float = SHARPNESS) -> Array:
    """Weights ``(K, N)`` that sum to one over the K judged guesses; at least one must be valid at each pixel."""
    raw = np.stack([np.where(g.valid, np.maximum(g.error, 1e-3) ** -sharpness, 0) for g in guesses])
    share: Array = (raw / np.maximum(raw.sum(0), 1e-20)).astype(np.float32)
    return share


def fuse(image: Array, hole: Bool, guesses: Sequence[Guess], anchor: float, sharpness: float = SHARPNESS) -> Array:
    """Mix judged guesses by expected error, colours and gradients alike, and join the mix to its surroundings.

    Args:
        image: float32 ``(h, w[, 3])``, known outside the hole.
        hole: bool ``(h, w)`` with N pixels.
        guesses: at least one valid at each pixel.
        anchor: see ``seam.join``.
        sharpness: see ``SHARPNESS``.

    Returns:
        The hole's colours, float32 ``(N[, 3])`` in [0, 1].
    """
    share = weights(guesses, sharpness)
    colour = np.zeros_like(guesses[0].colour)
    differences = np.zeros_like(guesses[0].differences)
    for w, g in zip(share, guesses, strict=True):
        w = w if colour.ndim == 1 else w[:, None]
        colour += w * np.where(w > 0, g.colour, 0)
        differences += w * np.where(w > 0, g.differences, 0)
    return np.clip(join(image, hole, colour, differences, anchor)[hole], 0, 1)


def odd(size: float) -> int:
    """The odd whole number nearest to a size: what a centred window can have."""
    return 2 * round((size - 1) / 2) + 1


class _HoleBlur:
    """Box average over the hole's pixels that count."""

    def __init__(self, inside: Bool, size: int) -> None:
        self._inside, self._window = inside, (size, size)
        self._plane = np.zeros((*inside.shape, 2), np.float32)

    def __call__(self, values: Array, counts: Bool) -> Array:
        if values.ndim == 2:
            values = values.mean(1)
        self._plane[self._inside, 0] = np.where(counts, values, 0)
        self._plane[self._inside, 1] = counts
        mean = cv2.blur(self._plane, self._window)[self._inside]
        return mean[:, 0] / np.maximum(mean[:, 1], 1e-3)


def _apart(moving: Sequence[Guess], blur: _HoleBlur) -> tuple[Array, Array]:
    """For each guess the sum of its differences to the others, and how many others there are, per pixel."""
    n = moving[0].valid.size if moving else 0
    apart = np.zeros((len(moving), n), np.float32)
    others = np.zeros((len(moving), n), np.float32)
    for i, one in enumerate(moving):
        for j in range(i + 1, len(moving)):
            both = one.valid & moving[j].valid
            if both.any():
                difference = blur(np.abs(one.colour - moving[j].colour), both)
                for k in (i, j):
                    apart[k] += np.where(both, difference, 0)
                    others[k] += both
    return apart, others
