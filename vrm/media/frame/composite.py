"""Composite a patch into a frame's own planes: only samples under the mask are written, the others keep every bit.

Where a mask touches a chroma sample's footprint (the luma samples it belongs to), the sample is replaced with the
largest alpha of the footprint, so that no removed colour shows through at the edge; its new colour is the mean of
the patch over the footprint, weighted with alpha. Reading repeats chroma over the same footprint, so that reading and
writing are each other's inverse wherever the encoder takes the chroma sample to be sited.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any, cast

import cv2
import numpy as np

from vrm.media.frame.colour import chroma_scale, luma_scale, rgb_to_yuv
from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import PixelLayout, Planes
from vrm.types import F32, Bool, Box, Patch, Pixels

_ALPHA_MARGIN = 8
"""Pixels around the hole that the opacity inside it is interpolated from."""


def composite(frame: Frame, patch: Patch, box: Box, alpha: F32) -> Frame:
    """The frame with a patch composited under ``alpha`` (float32 ``(h, w)`` in [0, 1]) in ``box``; checked.

    Raises RuntimeError: a sample outside the mask would have changed, which is a bug.
    """
    after = paste(frame, patch.part(box), alpha, box)
    changed = changed_outside(frame, after, alpha, box)
    if changed:
        raise RuntimeError(f"frame {frame.index}: {changed} samples outside the mask would have changed")
    return after


def side_by_side(before: Frame, after: Frame) -> Frame:
    """Both pictures in one of double width."""
    planes: list[Pixels] = []
    for one, other in zip(before.planes, after.planes, strict=True):
        double: Pixels = np.empty((one.shape[0], 2 * one.shape[1]), one.dtype.type)
        double[:, : one.shape[1]], double[:, one.shape[1] :] = one, other
        planes.append(double)
    return replace(after, native=None, template=None, replaced=tuple(planes))


def paste(frame: Frame, rgb: Pixels, alpha: F32, box: Box) -> Frame:
    """The frame, itself not changed, with a patch composited into its planes.

    An alpha plane is interpolated under the mask from the opacity around it: what is removed from an opaque picture
    leaves it opaque, what is removed from a transparent one leaves it transparent.

    Args:
        rgb: uint8 or uint16 (full scale) ``(h, w, 3)``, in the frame's own transfer and primaries.
        alpha: float32 ``(h, w)`` in [0, 1]: 1 replaces, 0 leaves the sample untouched.
        box: where ``rgb`` and ``alpha`` lie in the frame.

    Returns:
        A frame that differs at most where ``support`` is True; the frame itself if alpha is 0 throughout.

    Raises ValueError: shapes that do not fit.
    """
    y0, x0, y1, x1 = box
    height, width = frame.size
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise ValueError(f"box {box} does not lie in a frame of {width}x{height}")
    if rgb.shape != (y1 - y0, x1 - x0, 3) or alpha.shape != rgb.shape[:2]:
        raise ValueError(f"patch {rgb.shape} and alpha {alpha.shape} do not fill box {box}")
    if not alpha.any():
        return frame
    layout = frame.layout
    wide, aligned = _aligned(box, layout, height, width)
    pad = [(y0 - aligned[0], aligned[2] - y1), (x0 - aligned[1], aligned[3] - x1)]
    codes = _codes(frame, cast(Pixels, np.pad(rgb, [*pad, (0, 0)], mode="edge")))
    top = 2**layout.depth - 1
    soft = np.pad(alpha, pad).astype(np.float32, copy=False)
    planes = list(frame.planes)
    coarse = _chroma_alpha(soft, layout)
    for k, code in enumerate(codes):
        if layout.is_chroma(k):
            _blend(planes, k, _footprint_mean(code, soft, layout), coarse, wide, top)
        else:
            _blend(planes, k, code, soft, aligned, top)
    if layout.alpha:
        _paste_opacity(planes, soft, aligned, top)
    return frame.with_planes(cast(Planes, tuple(planes)))


def support(alpha: F32, box: Box, layout: PixelLayout, size: tuple[int, int]) -> tuple[Bool, ...]:
    """The samples of each plane that ``paste`` may change under ``alpha``, as bool arrays of the planes' sizes."""
    whole = np.zeros(size, np.bool_)
    whole[box[0] : box[2], box[1] : box[3]] = alpha > 0
    return tuple(_reduced(whole, layout) if layout.is_chroma(k) else whole for k in range(layout.n_planes))


def changed_outside(before: Frame, after: Frame, alpha: F32, box: Box) -> int:
    """Number of samples, over all planes, that differ outside the ``support`` of ``paste``."""
    if after is before:
        return 0
    layout, count = before.layout, 0
    height, width = before.size
    wide, aligned = _aligned(box, layout, height, width)
    masked = np.pad(alpha > 0, [(box[0] - aligned[0], aligned[2] - box[2]), (box[1] - aligned[1], aligned[3] - box[3])])
    for k, (old, new) in enumerate(zip(before.planes, after.planes, strict=True)):
        if old is new:
            continue
        count += int(np.count_nonzero(old != new))
        at = _slices(wide if layout.is_chroma(k) else aligned)
        inside = _reduced(masked, layout) if layout.is_chroma(k) else masked
        count -= int(np.count_nonzero((old[at] != new[at]) & inside))
    return count


def _aligned(box: Box, layout: PixelLayout, height: int, width: int) -> tuple[Box, Box]:
    """The box in chroma samples, and the same in luma samples: grown to whole footprints, cut at the frame."""
    y0, x0, y1, x1 = box
    sy, sx = layout.sub_y, layout.sub_x
    coarse = (y0 >> sy, x0 >> sx, -(-y1 >> sy), -(-x1 >> sx))
    fine = (coarse[0] << sy, coarse[1] << sx, min(height, coarse[2] << sy), min(width, coarse[3] << sx))
    return coarse, fine


def _slices(box: Box) -> tuple[slice, slice]:
    return slice(box[0], box[2]), slice(box[1], box[3])


def _codes(frame: Frame, rgb: Pixels) -> list[F32]:
    """The patch as unrounded code values of the frame's colour planes, all at full resolution, in plane order."""
    depth, full = frame.layout.depth, bool(frame.colour.full_range)
    value = rgb.astype(np.float32) / np.float32(np.iinfo(rgb.dtype).max)
    if frame.layout.family == "rgb":
        return [value[..., c] * np.float32(2**depth - 1) for c in (1, 2, 0)]
    scales = np.array([luma_scale(depth, full), *[chroma_scale(depth, full)] * 2])
    gain = rgb_to_yuv(frame.colour.matrix) * scales[:, :1]
    yuv: Any = cv2.transform(value, np.hstack([gain, scales[:, 1:]]))
    return [yuv[..., c] for c in range(1 if frame.layout.family == "gray" else 3)]


def _phases(array: np.ndarray[Any, Any], layout: PixelLayout) -> list[np.ndarray[Any, Any]]:
    """An ``(h, w)`` array as the first, second, ... samples of all footprints; beyond an odd edge they are 0."""
    fy, fx = 1 << layout.sub_y, 1 << layout.sub_x
    h, w = array.shape
    whole = np.pad(array, [(0, -h % fy), (0, -w % fx)]) if h % fy or w % fx else array
    return [whole[y::fy, x::fx] for y in range(fy) for x in range(fx)]


def _reduced(mask: Bool, layout: PixelLayout) -> Bool:
    return cast(Bool, reduce(np.logical_or, _phases(mask, layout)))


def _chroma_alpha(alpha: F32, layout: PixelLayout) -> F32:
    return cast(F32, reduce(np.maximum, _phases(alpha, layout)))


def _footprint_mean(code: F32, alpha: F32, layout: PixelLayout) -> F32:
    weights = _phases(alpha, layout)
    total = reduce(np.add, weights)
    weighted = reduce(np.add, (c * a for c, a in zip(_phases(code, layout), weights, strict=True)))
    return cast(F32, weighted / np.where(total > 0, total, 1))


def _blend(planes: list[Any], k: int, code: F32, alpha: F32, box: Box, top: int) -> None:
    """Replace planes[k] by a copy with ``code`` composited where alpha > 0, rounded to nearest."""
    plane = planes[k].copy()
    old = plane[_slices(box)]
    mixed = np.rint(old + alpha * (code - old))
    np.copyto(old, np.clip(mixed, 0, top).astype(plane.dtype), where=alpha > 0)
    planes[k] = plane


def _paste_opacity(planes: list[Any], alpha: F32, box: Box, top: int) -> None:
    plane = planes[-1]
    y0, x0, y1, x1 = box
    m = _ALPHA_MARGIN
    ty, tx = max(0, y0 - m), max(0, x0 - m)
    near = np.ascontiguousarray(plane[ty : y1 + m, tx : x1 + m])
    if near.min() == near.max():
        return
    hole = np.zeros(near.shape, np.uint8)
    hole[y0 - ty : y0 - ty + alpha.shape[0], x0 - tx : x0 - tx + alpha.shape[1]] = alpha > 0
    if hole.all():
        return
    filled = cv2.inpaint(near, hole, 3, cv2.INPAINT_TELEA)
    cut = filled[y0 - ty : y0 - ty + alpha.shape[0], x0 - tx : x0 - tx + alpha.shape[1]]
    _blend(planes, len(planes) - 1, cut.astype(np.float32), alpha, box, top)
