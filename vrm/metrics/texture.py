"""How much texture a filled hole has, against the truth and its surroundings, and how visible its border is."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from vrm.types import Bool, Pixels, bounding_box, grow_box

OFF_BORDER = 2
"""Width of the hole's border that is left out, pixels: gradients there cover both sides."""
RING = 16
"""Width of the ring around the hole that counts as its surroundings, pixels."""


class Texture(NamedTuple):
    """Sums of squared Sobel gradients (squared levels) over frames, and the numbers of pixels they are sums of."""

    filled: float = 0.0
    truth: float = 0.0
    inside: float = 0
    around: float = 0.0
    ring: float = 0

    def plus(self, other: Texture) -> Texture:
        return Texture(*map(sum, zip(self, other, strict=True)))

    @property
    def against_truth(self) -> float:
        """Gradient energy in the holes over the truth's: 1 = as much texture; nan where no hole is wide enough."""
        return self.filled / self.truth if self.truth > 0 else float("nan")

    @property
    def against_surroundings(self) -> float:
        """Gradient energy per pixel in the holes over that in the ring around them; needs no truth."""
        if not (self.inside and self.ring and self.around > 0):
            return float("nan")
        return (self.filled / self.inside) / (self.around / self.ring)


def texture(filled: Pixels, mask: Bool, truth: Pixels | None = None) -> Texture:
    """Gradient energies of one composed frame, uint8 or uint16 ``(H, W, 3)``, with the hole ``(H, W)``."""
    box = bounding_box(mask)
    if box is None:
        return Texture()
    y0, x0, y1, x1 = grow_box(box, RING + OFF_BORDER + 1, (mask.shape[0], mask.shape[1]))
    part = mask[y0:y1, x0:x1].astype(np.uint8)
    inner = cv2.erode(part, _square(OFF_BORDER)) > 0
    ring = (cv2.dilate(part, _square(RING + OFF_BORDER)) > 0) & (cv2.dilate(part, _square(OFF_BORDER)) == 0)
    energy = gradient_energy(filled[y0:y1, x0:x1])
    true = 0.0 if truth is None else float(gradient_energy(truth[y0:y1, x0:x1])[inner].sum())
    return Texture(
        float(energy[inner].sum()),
        true,
        int(np.count_nonzero(inner)),
        float(energy[ring].sum()),
        int(np.count_nonzero(ring)),
    )


def gradient_energy(frame: Pixels) -> np.ndarray:
    """Squared Sobel gradient at each pixel, summed over both directions and the channels: float64 ``(H, W)``."""
    energy = np.zeros(frame.shape[:2], np.float64)
    for plane in cv2.split(np.ascontiguousarray(frame)):
        for direction in ((1, 0), (0, 1)):
            gradient = cv2.Sobel(plane, cv2.CV_64F, *direction)
            energy += gradient * gradient
    return energy


def seam(filled: Pixels, mask: Bool) -> tuple[float, float]:
    """The mean step across the hole's border, and the mean step between known neighbours beside it; nan for none.

    A step is the absolute difference of two neighbouring pixels, mean over channels, in levels. Where the first is
    much larger than the second, the seam is visible. No truth is needed.
    """
    box = bounding_box(mask)
    if box is None:
        return float("nan"), float("nan")
    y0, x0, y1, x1 = grow_box(box, OFF_BORDER + 2, (mask.shape[0], mask.shape[1]))
    filled, mask = filled[y0:y1, x0:x1], mask[y0:y1, x0:x1]
    crossing, known = [], []
    near = cv2.dilate(mask.astype(np.uint8), _square(OFF_BORDER + 1)) > 0
    for axis in (0, 1):
        step = np.abs(np.diff(filled.astype(np.float32), axis=axis)).mean(2)
        first, second = (np.delete(mask, k, axis) for k in (-1, 0))
        close = np.delete(near, -1, axis) & np.delete(near, 0, axis)
        crossing.append(step[first ^ second])
        known.append(step[~first & ~second & close])
    across, beside = np.concatenate(crossing), np.concatenate(known)
    first_mean, second_mean = (
        float(steps.mean(dtype=np.float64)) if steps.size else float("nan") for steps in (across, beside)
    )
    return first_mean, second_mean


def _square(radius: int) -> np.ndarray:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
