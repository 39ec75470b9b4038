"""Colour tags (ITU-T H.273), and the matrices between RGB and YUV that they stand for."""

from __future__ import annotations

import numpy as np

from vrm.types import F32, Colour

UNSPECIFIED = 2
_HD_WIDTH, _SD_HEIGHT = 1280, 576
_KR_KB = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_YCGCO = 8
_LIKE_2020 = (10, 14)
_BY_PRIMARIES = {1: 1, 5: 5, 6: 6, 7: 7, 9: 9}


def resolve(tags: Colour, family: str, height: int, width: int) -> Colour:
    """The colour to read a frame with; what its tags leave open is filled in as players do.

    Untagged material is BT.709 for HD (width >= 1280 or height > 576) and BT.601 below; the range is limited unless
    tagged (RGB and grey: full). A matrix of 0 (RGB) on YUV samples is taken as untagged.
    """
    full = tags.full_range if tags.full_range is not None else family != "yuv"
    if family == "rgb":
        return Colour(_or(tags.primaries, 1), _or(tags.transfer, 13), 0, True)
    sd = 5 if height == _SD_HEIGHT else 6
    default = 1 if width >= _HD_WIDTH or height > _SD_HEIGHT else sd
    matrix = tags.matrix
    if matrix not in _KR_KB and matrix != _YCGCO:
        matrix = 9 if matrix in _LIKE_2020 else _BY_PRIMARIES.get(tags.primaries, default)
    primaries = _or(tags.primaries, matrix if matrix in _BY_PRIMARIES else default)
    return Colour(primaries, _or(tags.transfer, 1 if default == 1 else 6), matrix, full)


def _or(value: int, default: int) -> int:
    return default if value in (0, UNSPECIFIED, 3) else value


def rgb_to_yuv(matrix: int) -> F32:
    """The 3x3 matrix from R, G, B in [0, 1] to Y in [0, 1] and U, V in [-0.5, 0.5] (H.273, 8.3).

    Raises KeyError: the matrix code is not one that ``resolve`` gives for YUV.
    """
    if matrix == _YCGCO:
        return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0, -0.5]], np.float32)
    kr, kb = _KR_KB[matrix]
    kg = 1 - kr - kb
    cb, cr = 2 * (1 - kb), 2 * (1 - kr)
    rows = [[kr, kg, kb], [-kr / cb, -kg / cb, 0.5], [0.5, -kg / cr, -kb / cr]]
    return np.array(rows, np.float32)


def luma_scale(depth: int, full_range: bool) -> tuple[float, float]:
    """``(scale, offset)``: code = value * scale + offset for Y, R, G, B in [0, 1]."""
    return (float(2**depth - 1), 0.0) if full_range else (219.0 * 2 ** (depth - 8), 16.0 * 2 ** (depth - 8))


def chroma_scale(depth: int, full_range: bool) -> tuple[float, float]:
    """``(scale, offset)``: code = value * scale + offset for U, V in [-0.5, 0.5]."""
    return (float(2**depth - 1) if full_range else 224.0 * 2 ** (depth - 8)), float(2 ** (depth - 1))
