"""Structural similarity (Wang et al., "Image Quality Assessment", 2004, Eq. 13), in the variants that papers use.

    S = (2 mu_x mu_y + C1)(2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1)(s_x^2 + s_y^2 + C2)),  C = (K L)^2

with K1 = .01, K2 = .03. Variants differ in the window, in the data range L and in whether variances are the sample's
(divided by N - 1). The value of a frame is the mean of S over the positions where the whole window is inside the
frame, then over the channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vrm.metrics.error import peak_of
from vrm.types import Bool, Box, Pixels, bounding_box, grow_box

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SsimVariant:
    """One way to compute SSIM.

    Attributes:
        radius: the window is ``2 radius + 1`` pixels wide.
        sigma: of a Gaussian window, in pixels; 0 = a box.
        sample: variances divided by N - 1 instead of N.
        data_range: L as a multiple of the largest sample value.
        source: who computes it this way.
    """

    name: str
    radius: int
    sigma: float = 0.0
    sample: bool = True
    data_range: float = 1.0
    source: str = ""


UNIFORM_7 = SsimVariant("ssim", 3, source="scikit-image's default: a box of 7 pixels")
WANG = SsimVariant("ssim_gauss11", 5, 1.5, sample=False, source="Wang et al. 2004: Gaussian of 11 pixels, sigma 1.5")
UNIFORM_65 = SsimVariant("ssim_65", 32, source="STTN, FuseFormer, E2FGVI: a box of 65 pixels, so higher values")
RANGE_2 = SsimVariant("ssim_devil", 3, data_range=2.0, source="DEVIL: data range taken as 2 instead of 1: inflated")
VARIANTS = {v.name: v for v in (UNIFORM_7, WANG, UNIFORM_65, RANGE_2)}


def ssim_map(x: Pixels, y: Pixels, variant: SsimVariant = UNIFORM_7) -> F64:
    """S at every pixel, float64 ``(H, W, C)``; windows that reach beyond the border are reflected."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    scale = peak_of(x) * variant.data_range
    c1, c2 = (0.01 * scale) ** 2, (0.03 * scale) ** 2
    n = (2 * variant.radius + 1) ** 2
    unbias = n / (n - 1) if variant.sample else 1.0
    mean_a, mean_b = _window(a, variant), _window(b, variant)
    mean_ab, square = mean_a * mean_b, mean_a * mean_a + mean_b * mean_b
    # The two variances are only needed as their sum.
    variance = _window(a * a + b * b, variant)
    variance -= square
    variance *= unbias
    covariance = _window(a * b, variant)
    covariance -= mean_ab
    covariance *= unbias
    above: F64 = (2 * mean_ab + c1) * (2 * covariance + c2)
    above /= (square + c1) * (variance + c2)
    return above


class Similarity:
    """SSIM of one frame against its truth, computed only around the hole: elsewhere the two are equal and S is 1.

    Args:
        truth, filled: uint8 or uint16 ``(H, W, 3)``.
        mask: bool ``(H, W)``, where they may differ; None = anywhere.
        variant: see ``VARIANTS``.
    """

    def __init__(
        self, truth: Pixels, filled: Pixels, mask: Bool | None = None, variant: SsimVariant = UNIFORM_7
    ) -> None:
        h, w = truth.shape[:2]
        self._size: tuple[int, int] = h, w
        self._r: int = variant.radius
        self._mask = np.ones((h, w), np.bool_) if mask is None else mask
        self._box = (0, 0, h, w) if mask is None else bounding_box(mask)
        if self._box is not None:
            # Values change up to r pixels beyond the hole; their windows reach r pixels further.
            self._around = grow_box(self._box, 2 * self._r, (h, w))
            self._map = ssim_map(_cut(truth, self._around), _cut(filled, self._around), variant)

    @property
    def mean(self) -> float:
        """The mean over all windows that lie inside the frame, then over channels; nan if none does."""
        h, w = self._size
        r = self._r
        inside = max(h - 2 * r, 0) * max(w - 2 * r, 0)
        if not inside:
            return float("nan")
        if self._box is None:
            return 1.0
        y0, x0, y1, x1 = grow_box(self._box, r, self._size)
        y0, x0, y1, x1 = max(y0, r), max(x0, r), min(y1, h - r), min(x1, w - r)
        if y1 <= y0 or x1 <= x0:
            return 1.0
        top, left = self._around[:2]
        part = self._map[y0 - top : y1 - top, x0 - left : x1 - left]
        lost = part.shape[0] * part.shape[1] - float(part.sum()) / part.shape[2]
        return float(1.0 - lost / inside)

    @property
    def in_hole(self) -> tuple[float, int]:
        """Sum of S (mean over channels) over the hole's pixels, and their number.

        Windows near the hole's border hold known pixels too; those at the frame's border are reflected.
        """
        if self._box is None:
            return 0.0, 0
        inside = _cut(self._mask, self._around)
        return float(self._map[inside].sum()) / self._map.shape[2], int(np.count_nonzero(inside))


def ssim(truth: Pixels, filled: Pixels, mask: Bool | None = None, variant: SsimVariant = UNIFORM_7) -> float:
    """SSIM of one frame, at most 1; nan if the frame is smaller than the window. Arguments as for ``Similarity``."""
    return Similarity(truth, filled, mask, variant).mean


def _cut(frame: Any, box: Box) -> Any:
    return frame[box[0] : box[2], box[1] : box[3]]


def _window(image: F64, variant: SsimVariant) -> F64:
    size = 2 * variant.radius + 1
    if not variant.sigma:
        return np.asarray(cv2.boxFilter(image, -1, (size, size), borderType=cv2.BORDER_REFLECT))
    line = np.exp(-0.5 * (np.arange(-variant.radius, variant.radius + 1) / variant.sigma) ** 2)
    line /= line.sum()
    return np.asarray(cv2.sepFilter2D(image, -1, line, line, borderType=cv2.BORDER_REFLECT))
