"""Single-frame inpainting: the hole from its own frame alone, smooth and without smears."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.motion.poisson import interpolate_laplace
from vrm.types import Array, Bool, bounding_box, grow_box

_LONGEST = 240
"""Longer side at which fast marching works: it gives low frequencies only, so larger holes are shrunk first."""


def inpaint_frame(image: Array, hole: Bool) -> Array:
    """Fill the hole from its surroundings: the mean of Telea's fast marching (2004) and Laplace interpolation.

    Args:
        image: float32 ``(h, w)`` or ``(h, w, 3)`` in [0, 1]; what it holds in the hole is not looked at.
        hole: bool ``(h, w)``.

    Returns float32 like the image, the hole filled; mid-grey if all is hole.
    """
    box = bounding_box(hole)
    if box is None:
        return image
    if hole.all():
        return np.full_like(image, 0.5)
    reach = 8 + max(box[2] - box[0], box[3] - box[1]) // 8
    y0, x0, y1, x1 = grow_box(box, reach, hole.shape)
    part, unknown = image[y0:y1, x0:x1], np.ascontiguousarray(hole[y0:y1, x0:x1])
    if unknown.all():
        y0, x0, y1, x1 = 0, 0, *hole.shape
        part, unknown = image, hole
    clean = part.copy()
    clean[unknown] = 0
    smooth = interpolate_laplace(clean, unknown)
    marched = _telea(clean, unknown)
    out = image.copy()
    mean = 0.5 * (smooth + marched)
    out[y0:y1, x0:x1][unknown] = np.clip(mean[unknown], 0, 1)
    return out


def _telea(clean: Array, unknown: Bool) -> Array:
    h, w = unknown.shape
    scale = min(1.0, _LONGEST / max(h, w))
    if scale == 1:
        return _march(clean, unknown)
    size = max(2, round(w * scale)), max(2, round(h * scale))
    known = cv2.resize((~unknown).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small: Array = cv2.resize(clean, size, interpolation=cv2.INTER_AREA)
    small = small / (np.maximum(known, 1e-3) if clean.ndim == 2 else np.maximum(known, 1e-3)[..., None])
    return cv2.resize(_march(np.clip(small, 0, 1), known < 0.5), (w, h), interpolation=cv2.INTER_LINEAR)


def _march(image: Array, unknown: Bool) -> Array:
    eight = (image * 255 + 0.5).astype(np.uint8)
    filled: Array = cv2.inpaint(eight, unknown.view(np.uint8), 5, cv2.INPAINT_TELEA)
    return filled.astype(np.float32) / np.float32(255)
