"""Plates: how the surroundings of a thing look on a frame without it, from frames around (a clean plate, in film).

neighbours' flow, chained to frames further off -> each of these warped to the frame, its light made equal
-> of what they show at a pixel the upper quartile, for a shadow that often lies there darkens half of them
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vrm.media.frame.linear_light import linear_light, luminance
from vrm.motion.flow.camera import grid
from vrm.motion.flow.warp import sampled, upsized
from vrm.selection.effects.working_frames import EffectFrames
from vrm.types import F32, U8, Bool

REACH = 36
"""Frames on either side that a plate is made of."""

_DISTANCES = (4, 8, 12, 18, 26, 36)
_QUANTILE = 0.75
_BRIGHTER, _ALL = 2.5, 0.96
"""From medians of what the brighter half, and all, differ by to standard deviations; the latter counts two thirds."""
_LEAST = 3
"""Frames that must show a pixel for its plate to be known."""


@dataclass(frozen=True)
class Plate:
    """The surroundings on one frame.

    Attributes:
        light: linear, 0..1, float32 ``(h, w, 3)``.
        known: bool ``(h, w)``: at least three frames show it.
        spread: how much they differ there, relative, float32 ``(h, w)``.
    """

    light: F32
    known: Bool
    spread: F32


def plate(frames: EffectFrames, t: int) -> Plate | None:
    """The plate of frame t; None where no other frame shows its surroundings."""
    samples, valid = _samples(frames, t)
    if len(samples) < _LEAST:
        return None
    luma = np.stack([luminance(s) for s in samples], -1)
    luma[~np.stack(valid, -1)] = np.inf  # sorted behind all that is known
    ranks = np.sort(luma, -1)
    count = np.isfinite(ranks).sum(-1)
    at = np.clip(np.round(_QUANTILE * (count - 1)), 0, None).astype(np.intp)
    low, high, middle = (
        np.take_along_axis(ranks, np.clip(at + d, 0, np.maximum(count - 1, 0))[..., None], -1)[..., 0]
        for d in (-1, 1, 0)
    )
    total, n = np.zeros((*frames.size, 3), np.float32), np.zeros(frames.size, np.float32)
    with np.errstate(invalid="ignore"):
        for k, sample in enumerate(samples):
            near = ((luma[..., k] >= low) & (luma[..., k] <= high)).astype(np.float32)
            total += sample * near[..., None]
            n += near
    known = count >= _LEAST
    middle = np.where(known, middle, 1)
    light = total / np.maximum(n, 1)[..., None]
    differ = np.where(known, _spread(ranks, count, middle), 1)
    spread = np.where(known, differ / np.maximum(middle, 0.01), 1).astype(np.float32)
    return Plate(np.asarray(light, np.float32), known, spread)


def _spread(ranks: F32, count: npt.NDArray[np.intp], middle: F32) -> F32:
    """How much what frames show differs, as a standard deviation, ``(h, w)``.

    That of the brighter half, for the darker half may be the shadow that is looked for; but where that is much less
    than all of them differ by, frames are aligned badly rather than shaded.
    """
    apart = np.abs(ranks - middle[..., None])
    half = count // 2
    dark = np.arange(ranks.shape[-1]) < half[..., None]
    bright = _lower_median(np.where(dark, np.inf, apart), count - half)
    return np.asarray(np.maximum(_BRIGHTER * bright, _ALL * _lower_median(apart, count)), np.float32)


def _lower_median(values: F32, count: npt.NDArray[np.intp]) -> F32:
    """The middle of the ``count`` smallest of the last axis."""
    at = np.maximum((count - 1) // 2, 0)[..., None]
    return np.asarray(np.take_along_axis(np.sort(values, -1), at, -1)[..., 0], np.float32)


def _samples(frames: EffectFrames, t: int) -> tuple[list[F32], list[Bool]]:
    """Frames around, warped to frame t, as light; and where they show its surroundings."""
    here = luminance(linear_light(frames.rgb(t)))
    open_here = ~frames.hidden(t)
    small, full = grid(*frames.flow_size), grid(*frames.size)
    h, w = frames.size
    samples, valid = [], []
    for step in (1, -1):
        total = np.zeros((*frames.flow_size, 2), np.float32)
        for n in range(1, _DISTANCES[-1] + 1):
            s = t + step * n
            if not frames.start <= s < frames.stop:
                break
            total = total + sampled(frames.flow(s - step, step), total)
            if n not in _DISTANCES:
                continue
            warped: U8 = _looked_up(frames.grey(s), small + total)
            places = full + upsized(_refined(total, frames.refine(t, warped), frames.flow_hidden(t)), frames.size)
            light = linear_light(_looked_up(frames.rgb(s), places))
            inside = (places[..., 0] >= 0) & (places[..., 0] <= w - 1) & (places[..., 1] >= 0) & (places[..., 1] < h)
            shown = inside & (_looked_up(frames.hidden(s).view(np.uint8), places, cv2.INTER_NEAREST) == 0)
            both = shown & open_here & (here > 0.005)
            if both.sum() < 50:
                continue
            gain = float(np.median(here[both] / np.maximum(luminance(light)[both], 1e-4)))
            samples.append(light * np.float32(np.clip(gain, 0.7, 1.4)))
            valid.append(shown)
    return samples, valid


def _refined(total: F32, rest: F32, hidden: Bool) -> F32:
    """A flow with what was left of it; under the object the object's own motion would be left."""
    weight = np.where(hidden, 0, 1).astype(np.float32)[..., None]
    smooth = cv2.GaussianBlur(np.concatenate([rest * weight, weight], 2), (0, 0), 4)
    around = smooth[..., :2] / (smooth[..., 2:] + 0.05)
    return np.asarray(total + np.where(hidden[..., None], around, rest), np.float32)


def _looked_up(picture: U8, places: F32, interpolation: int = cv2.INTER_LINEAR) -> U8:
    return np.asarray(
        cv2.remap(picture, places, None, interpolation, borderMode=cv2.BORDER_REPLICATE),  # type: ignore[call-overload]
        np.uint8,
    )
