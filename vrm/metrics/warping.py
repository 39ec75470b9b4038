"""Consistency along motion: the warping error of Lai et al. ("Learning Blind Video Temporal Consistency", 2018).

With the flow F from frame t to t + 1 and B back, both estimated on the *original* frames:

- a pixel counts unless it is occluded: ``|w(B) + F|^2 > .01 (|w(B)|^2 + |F|^2) + .5``, or on a motion boundary:
  ``|grad F|^2 > .01 |F|^2 + .002`` (all magnitudes squared; Ruder et al. 2016);
- the error of a pair is ``sum noc (w(I_{t+1}, F) - I_t)^2 / sum noc`` over pixels and channels, values in [0, 1];
- a video's is the mean over its pairs. Papers print it times 100 ("E_warp (%)").

``w`` is bilinear, coordinates are clamped to the frame. The authors' flow is FlowNet2; here any estimator's,
whose name belongs beside the number.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from vrm.types import U8, Array, Bool, FlowEstimator, Pixels, eight_bits


class Motion(NamedTuple):
    """Between two frames: float32 ``(H, W, 2)`` flow from the first to the second, and where it is reliable."""

    flow: Array
    visible: Bool


def warp(frame: Array, flow: Array) -> Array:
    """``frame(p + flow(p))``, bilinear, clamped at the borders; float32, the shape of the frame."""
    h, w = flow.shape[:2]
    x = np.arange(w, dtype=np.float32)[None] + flow[..., 0]
    y = np.arange(h, dtype=np.float32)[:, None] + flow[..., 1]
    source = frame.astype(np.float32, copy=False)
    # With two channels OpenCV 5 rounds coordinates to 1/32 pixel; with one or three it does not.
    planes = cv2.split(source) if source.ndim == 3 and source.shape[2] == 2 else [source]
    warped = [cv2.remap(p, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for p in planes]
    return np.asarray(warped[0] if len(warped) == 1 else cv2.merge(warped))


def visible(forward: Array, backward: Array) -> Bool:
    """Bool ``(H, W)``: pixels of the first frame that are neither occluded in the second nor on a motion boundary."""
    back = warp(backward, forward)
    length = _length(forward)
    apart = _length(back + forward) > 0.01 * (_length(back) + length) + 0.5
    steps = np.zeros_like(length)
    for plane in cv2.split(forward):
        down, across = plane[1:] - plane[:-1], plane[:, 1:] - plane[:, :-1]
        steps[:-1] += down * down
        steps[:, :-1] += across * across
    edge = steps > 0.01 * length + 0.002
    return np.asarray(~(apart | edge))


def motion(first: Pixels, second: Pixels, estimator: FlowEstimator) -> Motion:
    """The motion from one original frame ``(H, W, 3)`` to the next."""
    a, b = grey(first), grey(second)
    forward, backward = estimator(a, b), estimator(b, a)
    return Motion(forward, visible(forward, backward))


def warp_difference(first: Pixels, second: Pixels, flow: Array) -> Array:
    """``w(I_{t+1}, F) - I_t``, float32 ``(H, W, 3)`` in levels; frames uint8 or uint16 ``(H, W, 3)``."""
    # OpenCV's subtraction: NumPy's of mixed types takes several times as long.
    return np.asarray(cv2.subtract(warp(second, flow), first.astype(np.float32)))


def warp_error(difference: Array, where: Bool, peak: float) -> tuple[float, int]:
    """The sum of squared errors of one pair where ``where`` ``(H, W)`` is True, and how many values that are.

    ``difference`` (see ``warp_difference``) is divided by ``peak``, 255 or 65535: errors are of values in [0, 1].
    """
    total = cv2.norm(difference, cv2.NORM_L2SQR, where.view(np.uint8))
    return total / peak**2, int(np.count_nonzero(where)) * difference.shape[2]


def label_changes(first: U8, second: U8, found: Motion) -> tuple[int, int]:
    """How many pixels change their label along the motion, of how many: label flicker is their quotient.

    ``first``, ``second``: uint8 ``(H, W)``, class or object ids of frames t and t + 1.
    """
    h, w = first.shape
    x = np.arange(w, dtype=np.float32)[None] + found.flow[..., 0]
    y = np.arange(h, dtype=np.float32)[:, None] + found.flow[..., 1]
    inside = (x > -0.5) & (x < w - 0.5) & (y > -0.5) & (y < h - 0.5) & found.visible
    columns = np.clip(np.rint(x), 0, w - 1).astype(np.intp)
    rows = np.clip(np.rint(y), 0, h - 1).astype(np.intp)
    changed = (second[rows, columns] != first) & inside
    return int(np.count_nonzero(changed)), int(np.count_nonzero(inside))


def grey(frame: Pixels) -> U8:
    """Luma, for flow estimators: uint8 ``(H, W)``."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(eight_bits(frame)), cv2.COLOR_RGB2GRAY), np.uint8)


def _length(field: Array) -> Array:
    """Squared length of vectors ``(H, W, 2)``."""
    x, y = cv2.split(field)
    x *= x
    y *= y
    x += y
    return x
