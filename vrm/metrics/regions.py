"""Agreement of masks: region similarity J and contour accuracy F (Perazzi et al., DAVIS, CVPR 2016)."""

from __future__ import annotations

import math

import cv2
import numpy as np

from vrm.types import Bool

TOLERANCE = 0.008
"""How far a contour pixel may lie from the other contour and still match, as a share of the image's diagonal."""


def region_similarity(found: Bool, truth: Bool) -> float:
    """J: intersection over union of two masks ``(H, W)``; 1 where both are empty."""
    union = int(np.count_nonzero(found | truth))
    return int(np.count_nonzero(found & truth)) / union if union else 1.0


def contour_accuracy(found: Bool, truth: Bool, tolerance: float = TOLERANCE) -> float:
    """F: harmonic mean of the precision and recall of contour pixels, matched within ``tolerance`` of the diagonal.

    Contours are matched by dilation with a disk of ``ceil(tolerance * diagonal)`` pixels, as the benchmark's own code
    does it. 1 where both are empty, 0 where one is.
    """
    radius = math.ceil(tolerance * math.hypot(*found.shape)) if tolerance < 1 else math.ceil(tolerance)
    ours, theirs = contour(found), contour(truth)
    if not ours.any() or not theirs.any():
        return 1.0 if not ours.any() and not theirs.any() else 0.0
    precision = np.count_nonzero(ours & dilated(theirs, radius)) / np.count_nonzero(ours)
    recall = np.count_nonzero(theirs & dilated(ours, radius)) / np.count_nonzero(theirs)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def contour(mask: Bool) -> Bool:
    """Bool ``(H, W)``: pixels that differ from their right, lower or lower right neighbour inside the frame."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    east, south, both = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    drawn = (mask != east) | (mask != south) | (mask != both)
    drawn[-1] = mask[-1] != east[-1]
    drawn[:, -1] = mask[:, -1] != south[:, -1]
    drawn[-1, -1] = False
    return np.asarray(drawn)


def dilated(mask: Bool, radius: int) -> Bool:
    """A mask grown by a disk of ``radius`` pixels."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disk) > 0)
