"""Patch consistency of DEVIL (Szeto and Corso, "The DEVIL is in the Details", 2021)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from vrm.metrics.error import peak_of, psnr, squared_error
from vrm.types import Bool, Pixels

PATCH, REACH = 50, 20
"""Size of the patch and how far it is searched for, pixels: offsets are -REACH .. REACH - 1."""


def patch_consistency(first: Pixels, second: Pixels, mask: Bool) -> float:
    """PCons of one pair: the best PSNR, in dB, of a patch of frame t in frame t + 1; +inf if it is found exactly.

    The patch of 50x50 pixels is centred on the centroid of frame t's hole (nan without one) and clipped at the frame's
    border; it is compared with frame t + 1 at offsets of -20 to 19 pixels, as far as it fits there.

    Args:
        first, second: composed frames t and t + 1, ``(H, W, 3)``.
        mask: bool ``(H, W)``: the hole of frame t.
    """
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return float("nan")
    h, w = mask.shape
    y0, y1 = _span(int(rows.mean()), h)
    x0, x1 = _span(int(columns.mean()), w)
    top, left = max(0, y0 - REACH), max(0, x0 - REACH)
    patch: Any = np.ascontiguousarray(first[y0:y1, x0:x1])
    place: Any = np.ascontiguousarray(second[top : min(h, y1 + REACH - 1), left : min(w, x1 + REACH - 1)])
    found = cv2.matchTemplate(place.astype(np.float32), patch.astype(np.float32), cv2.TM_SQDIFF)
    # OpenCV computes the map by Fourier transforms, not exactly: its five smallest values are computed again.
    count = min(5, found.size)
    best = min(
        squared_error(patch, place[y : y + patch.shape[0], x : x + patch.shape[1]])
        for y, x in zip(*np.unravel_index(np.argpartition(found, count - 1, None)[:count], found.shape), strict=True)
    )
    return psnr(best / patch.size, peak_of(first))


def _span(centre: int, size: int) -> tuple[int, int]:
    return max(0, centre - PATCH // 2), min(size, centre + PATCH // 2)
