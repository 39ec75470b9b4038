"""Where a frame is darker than its plate, by how much, and whether it is the same ground in less light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from vrm.media.frame.linear_light import linear_light, luminance
from vrm.selection.effects.plates import Plate
from vrm.types import F32, U8, Bool

_WINDOW = 7
"""Side of the windows whose light is compared."""

_FLOOR = 0.02
"""Log-ratios are not surer than this."""

_EVEN = 0.05
"""What a loss of light is held against where all frames agree."""

_BIAS = 0.67
"""An upper quartile is brighter than the middle by this many standard deviations: moving leaves look darker than it."""

_DARK = 0.006
"""A dark pixel must have lost at least this much light (of 1)."""

_LOCAL = 11
"""Side of the windows in which a frame is fitted by its plate: ``I = a B + b``."""


@dataclass(frozen=True)
class Evidence:
    """What one frame says, all ``(h, w)``.

    Attributes:
        loss: natural logarithm of light lost, 0 = as the plate, float32; negative where it is brighter.
        known: bool: there is a plate and no object.
        sureness: ``loss`` in standard deviations of what frames show there, float32.
        steady: the same, with deviations that are averaged as ``loss`` is: weaker, and hardly above 0 by accident.
        score: the same, 0 where the ground is not the plate's (another thing).
    """

    loss: F32
    known: Bool
    sureness: F32
    steady: F32
    score: F32

    def without(self, explained: Bool) -> Evidence:
        """The same where another effect does not explain it."""
        loss, sureness, steady, score = (
            np.where(explained, np.float32(0), plane) for plane in (self.loss, self.sureness, self.steady, self.score)
        )
        return Evidence(loss, self.known & ~explained, sureness, steady, score)


def evidence(rgb: U8, hidden: Bool, plate: Plate) -> Evidence:
    """Hold a frame ``(h, w, 3)`` against its plate; ``hidden`` is the object with its rim."""
    light = linear_light(rgb)
    known = plate.known & ~hidden
    weight = known.astype(np.float32)
    window = (_WINDOW, _WINDOW)
    here = cv2.boxFilter(light * weight[..., None], -1, window)
    there = cv2.boxFilter(plate.light * weight[..., None], -1, window)
    ratio = np.log((here + 2e-3) / (there + 2e-3))
    ratio -= _slow(ratio, known)
    mean = luminance(ratio)
    noise = 1.48 * float(np.median(np.abs(mean[known]))) if known.any() else 1.0
    score = -mean / np.sqrt(max(_FLOOR, noise) ** 2 + plate.spread**2)
    around = cv2.boxFilter(plate.spread * weight, -1, window) / (cv2.boxFilter(weight, -1, window) + 1e-3)
    sureness, steady = (
        np.where(known, (-mean - _BIAS * spread) / np.sqrt(_EVEN**2 + spread**2), 0).astype(np.float32)
        for spread in (plate.spread, around)
    )
    lost = luminance(there - here) > _DARK * cv2.boxFilter(weight, -1, window)
    chroma = np.abs(ratio - mean[..., None]).max(-1) < 0.25 + 0.35 * np.abs(mean)
    score = np.where(known & lost & chroma & _same_ground(luminance(light), luminance(plate.light), weight), score, 0)
    loss = np.where(known, -mean, 0).astype(np.float32)
    return Evidence(loss, known, sureness, steady, score.astype(np.float32))


def _slow(ratio: F32, known: Bool) -> F32:
    """What varies slowly over the picture, a polynomial of fourth degree in x and y for each channel.

    Vignetting moves with the camera, as an effect moves with its object, and would be found as one. Dark places count
    less in the fit, for they may be effects.
    """
    terms = _terms(*known.shape)
    part = (slice(2, None, 5), slice(2, None, 5))
    use = known[part]
    if use.sum() < 100:
        return np.zeros_like(ratio)
    design, value = terms[part][use], ratio[part][use]
    weight = np.ones(len(value), np.float32)
    for _ in range(4):
        a = design * weight[:, None]
        fit = np.linalg.solve(a.T @ design + 1e-3 * len(value) * np.eye(15, dtype=np.float32) * 1e-2, a.T @ value)
        left = (value - design @ fit).mean(-1)
        scale = 1.48 * float(np.median(np.abs(left))) + 1e-4
        weight = np.where(left < 0, np.abs(left) < 1.5 * scale, left < 3 * scale).astype(np.float32) + 1e-3
    return np.asarray(terms @ fit, np.float32)


@lru_cache(maxsize=2)
def _terms(h: int, w: int) -> F32:
    """The products of powers of x and y, -1..1 over the picture, of degree four at most: float32 ``(h, w, 15)``."""
    x, y = np.linspace(-1, 1, w, dtype=np.float32), np.linspace(-1, 1, h, dtype=np.float32)
    powers = [(x[None, :] ** i) * (y[:, None] ** j) for i in range(5) for j in range(5 - i)]
    return np.stack(powers, -1).astype(np.float32)


def _same_ground(here: F32, there: F32, weight: F32) -> Bool:
    """False where the plate has texture and the frame another one."""
    window = (_LOCAL, _LOCAL)
    n = cv2.boxFilter(weight, -1, window) + 1e-3

    def mean(values: F32) -> F32:
        return np.asarray(cv2.boxFilter(values * weight, -1, window) / n, np.float32)

    one, two = mean(here), mean(there)
    variance_one = np.maximum(mean(here * here) - one * one, 0)
    variance_two = np.maximum(mean(there * there) - two * two, 0)
    shared = mean(here * there) - one * two
    alike = shared / np.sqrt(variance_one * variance_two + 1e-12)
    textured = np.sqrt(variance_two) > 0.12 * two + 0.004
    return np.asarray(~textured | (alike > 0.5))
