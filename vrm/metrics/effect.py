"""How much of an object's shadow or reflection is gone, where the clip without it is known."""

from __future__ import annotations

import math

import numpy as np

from vrm.metrics.error import psnr, squared_error
from vrm.metrics.regions import dilated
from vrm.types import U8, Bool, Pixels

LEAST = 25
"""The effect is where more of the ground's light than this of 255, a tenth, is lost or covered."""
RIM = 8
"""Pixels around object and effect that need not be flagged, and may be."""


class EffectMeter:
    """Adds up the measures of one clip's effect, frame by frame."""

    def __init__(self) -> None:
        self._pixels = self._error = self._given_error = 0
        self._found = self._extra = self._area = 0

    def add(
        self, filled: Pixels, given: Pixels, truth: Pixels, mask: Bool, effect: U8, flagged: Bool | None = None
    ) -> None:
        """Add a frame.

        Args:
            filled, given, truth: the result, what was given and the true frame, uint8 or uint16 ``(H, W, 3)``.
            mask: the object, bool ``(H, W)``.
            effect: how much of the ground's light is lost or covered, 0 to 255, ``(H, W)``.
            flagged: what the tool took for object and effect, bool ``(H, W)``.
        """
        where = (effect > LEAST) & ~mask
        self._pixels += int(np.count_nonzero(where))
        self._error += squared_error(truth[where], filled[where])
        self._given_error += squared_error(truth[where], given[where])
        if flagged is not None:
            self._found += int(np.count_nonzero(flagged & where))
            self._extra += int(np.count_nonzero(flagged & ~dilated(mask | where, RIM)))
            self._area += mask.size

    def values(self, peak: int) -> dict[str, float]:
        """By measure; nan where there was nothing to measure. ``peak`` is the largest value of the frames' type."""
        left, given = (
            psnr(error / (3 * self._pixels), peak) if self._pixels else math.nan
            for error in (self._error, self._given_error)
        )
        return {
            "effect_psnr": left,
            "effect_input": given,
            "effect_gain": left - given,
            "effect_recall": self._found / self._pixels if self._area and self._pixels else math.nan,
            "effect_extra": self._extra / self._area if self._area else math.nan,
        }
