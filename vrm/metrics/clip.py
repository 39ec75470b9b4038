"""One clip, measured frame by frame: only sums and the previous frame are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from vrm.metrics.effect import EffectMeter
from vrm.metrics.error import composed, peak_of, psnr, squared_error
from vrm.metrics.means import mean
from vrm.metrics.patches import patch_consistency
from vrm.metrics.ssim import UNIFORM_7, VARIANTS, Similarity
from vrm.metrics.texture import Texture, seam, texture
from vrm.metrics.warping import Motion, warp, warp_difference, warp_error
from vrm.types import U8, Bool, Box, Pixels, bounding_box, union_box

STANDARD = ("hole_psnr", "psnr", "ssim", "hole_ssim", "dt", "sharp", "ewarp", "ewarp_hole", "ewarp_truth")
"""The default measures; they need the truth."""
FURTHER = ("ssim_gauss11", "ssim_65", "ssim_devil", "pcons")
"""Definitions of other papers, and what takes longer; they need the truth."""
WITHOUT_TRUTH = ("sharp_around", "seam", "ewarp_own", "ewarp_own_hole")
EFFECT = ("effect_psnr", "effect_input", "effect_gain")
"""Of the object's shadow or reflection; they need it and the truth."""
FLAGGED = ("effect_recall", "effect_extra")
"""What a tool took for the effect; they need its masks, too."""
THING = ("thing_psnr",)
"""In what the holes hide of a thing that moves and stays; it needs the truth."""
HIGHER_IS_BETTER = frozenset(
    {"hole_psnr", "thing_psnr", "psnr", "hole_ssim", "pcons", "effect_psnr", "effect_gain", "effect_recall", *VARIANTS}
)


@dataclass(frozen=True)
class ClipScore:
    """The scores of a filled clip.

    Attributes:
        scored: frames with a hole that were not skipped; measures of single frames are means over these.
        values: by measure; None where there was nothing to measure, +inf for the PSNR of equal frames.
        infinite: by measure, how many frames had an infinite value, which is not in the mean.
        outside_max: largest difference from the given frames outside the holes, in levels.
    """

    frames: int
    scored: int
    values: dict[str, float | None]
    infinite: dict[str, int] = field(default_factory=dict)
    outside_max: int = 0


class ClipMeter:
    """Adds up the measures of one clip, frame by frame, in order.

    Args:
        measures: names of ``STANDARD``, ``FURTHER``, ``WITHOUT_TRUTH``, ``EFFECT``, ``FLAGGED`` and ``THING``.
        skip_every: leave frames 0, N, 2N, ... out of the measures of single frames (they were given); 0 = none.
        only: the only frames that count in measures of single frames; None = all.
    """

    def __init__(
        self, measures: tuple[str, ...] = STANDARD, skip_every: int = 0, only: frozenset[int] | None = None
    ) -> None:
        unknown = set(measures) - {*STANDARD, *FURTHER, *WITHOUT_TRUTH, *EFFECT, *FLAGGED, *THING}
        if unknown:
            raise ValueError(f"no measure is called {', '.join(sorted(unknown))}")
        self._measures = measures
        self._skip, self._only = skip_every, only
        self._frames = self._scored = 0
        self._outside = 0
        self._peak = 255
        self._rows: dict[str, list[float]] = {name: [] for name in measures}
        self._hole = [0, 0]  # squared error, number of values
        self._thing = [0, 0]
        self._hole_ssim = [0.0, 0]
        self._change = [0, 0]  # absolute error of the change over time, number of values
        self._texture = Texture()
        self._effect = EffectMeter()
        self._before: tuple[Pixels, Pixels | None, Bool] | None = None

    def add(
        self,
        filled: Pixels,
        mask: Bool,
        truth: Pixels | None = None,
        given: Pixels | None = None,
        motion: Motion | None = None,
        own_motion: Motion | None = None,
        effect: U8 | None = None,
        flagged: Bool | None = None,
        thing: Bool | None = None,
    ) -> Pixels:
        """Add the next frame. Raises ValueError where sizes or depths differ.

        Args:
            filled: the result, uint8 or uint16 ``(H, W, 3)``.
            mask: bool ``(H, W)``, the hole.
            truth: the true frame; without one, only ``WITHOUT_TRUTH`` is measured.
            given: the frame that was to be filled; ``outside_max`` is against it.
            motion: from the previous true frame to this one, for ``ewarp``.
            own_motion: the same between the filled frames, for ``ewarp_own``.
            effect: the object's shadow or reflection, uint8 ``(H, W)`` (see ``EffectMeter.add``), for ``EFFECT``; it
                needs ``truth`` and ``given``.
            flagged: the tool's mask of object and effect, bool ``(H, W)``, for ``FLAGGED``.
            thing: where a thing that moves and stays is hidden, bool ``(H, W)``, for ``THING``; it needs ``truth``.

        Returns:
            The composed frame: ``filled`` in the hole, the truth (without one, the given frame) outside.
        """
        outside = truth if truth is not None else given
        frame = filled if outside is None else composed(outside, filled, mask)
        self._peak = peak_of(filled)
        if given is not None:
            if given.dtype != filled.dtype or given.shape != filled.shape:
                raise ValueError(f"frames {given.dtype} {given.shape} and {filled.dtype} {filled.shape}")
            difference = cv2.norm(filled, given, cv2.NORM_INF, (~mask).view(np.uint8))
            self._outside = max(self._outside, int(difference))
        if mask.any() and self.scores_next:
            self._scored += 1
            self._single(frame, mask, truth)
        if effect is not None and truth is not None and given is not None and self.scores_next:
            self._effect.add(filled, given, truth, mask, effect, flagged)
        if thing is not None and truth is not None and self.scores_next:
            hidden = thing & mask
            self._thing[0] += squared_error(truth[hidden], frame[hidden])
            self._thing[1] += 3 * int(np.count_nonzero(hidden))
        if self._before is not None:
            self._pair(frame, mask, truth, motion, own_motion)
        self._before = frame, truth, mask
        self._frames += 1
        return frame

    @property
    def scores_next(self) -> bool:
        """Whether measures of single frames include the next frame, if it has a hole."""
        skipped = self._skip and self._frames % self._skip == 0
        return not skipped and (self._only is None or self._frames in self._only)

    def score(self) -> ClipScore:
        pooled = {
            "hole_psnr": psnr(self._hole[0] / self._hole[1], self._peak) if self._hole[1] else math.nan,
            "thing_psnr": psnr(self._thing[0] / self._thing[1], self._peak) if self._thing[1] else math.nan,
            "hole_ssim": self._hole_ssim[0] / self._hole_ssim[1] if self._hole_ssim[1] else math.nan,
            "dt": self._change[0] / self._change[1] * (255 / self._peak) if self._change[1] else math.nan,
            "sharp": self._texture.against_truth,
            "sharp_around": self._texture.against_surroundings,
            **self._effect.values(self._peak),
        }
        values: dict[str, float | None] = {}
        infinite = {}
        for name in self._measures:
            found = mean([pooled[name]] if name in pooled else self._rows[name])
            values[name] = found.value
            if found.infinite and name not in pooled:
                infinite[name] = found.infinite
        return ClipScore(self._frames, self._scored, values, infinite, self._outside)

    def _single(self, frame: Pixels, mask: Bool, truth: Pixels | None) -> None:
        wanted = self._measures
        if {"sharp", "sharp_around"} & set(wanted):
            self._texture = self._texture.plus(texture(frame, mask, truth if "sharp" in wanted else None))
        if "seam" in wanted:
            across, beside = seam(frame, mask)
            self._rows["seam"].append(across / beside if beside else math.nan)
        if truth is None:
            return
        error = squared_error(*_in_box((truth, frame), bounding_box(mask)))
        self._hole[0] += error
        self._hole[1] += int(np.count_nonzero(mask)) * frame.shape[2]
        if "psnr" in wanted:
            self._rows["psnr"].append(psnr(error / frame.size, self._peak))
        for name, variant in VARIANTS.items():
            if name in wanted or (variant is UNIFORM_7 and "hole_ssim" in wanted):
                similar = Similarity(truth, frame, mask, variant)
                if name in wanted:
                    self._rows[name].append(similar.mean)
                if variant is UNIFORM_7:
                    total, n = similar.in_hole
                    self._hole_ssim[0] += total
                    self._hole_ssim[1] += n

    def _pair(
        self, frame: Pixels, mask: Bool, truth: Pixels | None, motion: Motion | None, own_motion: Motion | None
    ) -> None:
        assert self._before is not None
        before, truth_before, mask_before = self._before
        holes = mask_before, mask
        if own_motion is not None:
            self._warped(("ewarp_own", "ewarp_own_hole"), before, frame, own_motion, holes)
        if truth is None or truth_before is None:
            return
        if "dt" in self._measures:
            self._changed((truth_before, before, mask_before), (truth, frame, mask))
        if motion is not None:
            self._warped(("ewarp", "ewarp_hole"), before, frame, motion, holes)
            self._warped(("ewarp_truth", ""), truth_before, truth, motion, holes)
        if "pcons" in self._measures:
            self._rows["pcons"].append(patch_consistency(before, frame, mask_before))

    def _warped(
        self, names: tuple[str, str], first: Pixels, second: Pixels, motion: Motion, holes: tuple[Bool, Bool]
    ) -> None:
        """The warping error of a pair over the frame, and over what starts or ends in a hole (DEVIL's variant)."""
        if not set(names) & set(self._measures):
            return
        difference = warp_difference(first, second, motion.flow)
        for name, only_holes in zip(names, (False, True), strict=True):
            if name in self._measures:
                where = motion.visible
                if only_holes:
                    ends = warp(holes[1].astype(np.float32), motion.flow) >= 0.5
                    where = where & (holes[0] | ends)
                total, n = warp_error(difference, where, self._peak)
                self._rows[name].append(total / n if n else math.nan)

    def _changed(self, first: tuple[Pixels, Pixels, Bool], second: tuple[Pixels, Pixels, Bool]) -> None:
        """Add the absolute error of the change from frame to frame, where either frame has its hole."""
        box = union_box([bounding_box(first[2]), bounding_box(second[2])])
        if box is None:
            return
        (truth0, frame0, mask0), (truth1, frame1, mask1) = (_in_box(part, box) for part in (first, second))
        change = (frame1.astype(np.int32) - truth1) - (frame0.astype(np.int32) - truth0)
        self._change[0] += int(np.abs(change)[mask0 | mask1].sum())
        self._change[1] += int(np.count_nonzero(mask0 | mask1)) * frame1.shape[2]


def measure_clip(
    truth: Pixels, masks: Bool, filled: Pixels, measures: tuple[str, ...] = ("hole_psnr", "psnr", "ssim", "dt", "sharp")
) -> ClipScore:
    """Measure a clip that is in memory.

    Args:
        truth, filled: uint8 or uint16 ``(T, H, W, 3)``.
        masks: bool ``(T, H, W)``; outside them ``filled`` does not count.
        measures: not those that need motion (see ``ClipMeter.add``).
    """
    meter = ClipMeter(measures)
    for x, y, mask in zip(truth, filled, masks, strict=True):
        meter.add(y, mask, x)
    return meter.score()


def _in_box(arrays: Iterable[Any], box: Box | None) -> list[Any]:
    """The parts of arrays in the box of a hole: outside it, result and truth are equal."""
    assert box is not None
    return [array[box[0] : box[2], box[1] : box[3]] for array in arrays]
