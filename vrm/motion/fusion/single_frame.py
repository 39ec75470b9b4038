"""Single-frame inpainting: the hole from its own frame alone, smooth and without smears."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.motion.poisson import interpolate_laplace
from vrm.types import Array, Bool, bounding_box, grow_box

_LONGEST = 240
"""Longer side at which holes are inpainted: the result has low frequencies only, so larger ones are shrunk first."""


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
    if hole[y0:y1, x0:x1].all():
        y0, x0, y1, x1 = 0, 0, *hole.shape
    part, unknown = image[y0:y1, x0:x1], np.ascontiguousarray(hole[y0:y1, x0:x1])
    out = image.copy()
    out[y0:y1, x0:x1][unknown] = np.clip(_smooth(part, unknown)[unknown], 0, 1)
    return out


def _smooth(part: Array, unknown: Bool) -> Array:
    """What is unknown, from what is around; at a reduced size, since it has low frequencies only."""
    h, w = unknown.shape
    scale = min(1.0, _LONGEST / max(h, w))
    size = max(2, round(w * scale)), max(2, round(h * scale))
    known: Array = (~unknown).astype(np.float32)
    clean: Array = part * (known if part.ndim == 2 else known[..., None])
    if scale < 1:
        known = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
        share = np.maximum(known, 1e-3)
        clean = cv2.resize(clean, size, interpolation=cv2.INTER_AREA) / (share if part.ndim == 2 else share[..., None])
    missing = known < 0.5
    mean: Array = 0.5 * (interpolate_laplace(clean, missing) + _march(np.clip(clean, 0, 1), missing))
    return mean if scale == 1 else cv2.resize(mean, (w, h), interpolation=cv2.INTER_LINEAR)


def _march(image: Array, unknown: Bool) -> Array:
    eight = (image * 255 + 0.5).astype(np.uint8)
    filled: Array = cv2.inpaint(eight, unknown.view(np.uint8), 5, cv2.INPAINT_TELEA)
    return filled.astype(np.float32) / np.float32(255)
