"""HDR pictures made to be looked at on a plain screen. For the eye alone: no result is made from them.

PQ and HLG (ITU-R BT.2100-2, tables 4 and 5) become light in units of reference white (203 cd/m2, BT.2408), brightness
above it is compressed (Reinhard et al. 2002, equation 4), and BT.2020 primaries become BT.709 (BT.2087).
"""

from __future__ import annotations

import numpy as np

from vrm.media.frame.linear_light import as_pixels
from vrm.types import U8, Array, Colour, Pixels, eight_bits

PQ, HLG = 16, 18
"""Transfer characteristics of H.273."""
_BT2020 = 9
_WHITE, _PEAK = 203.0, 1000.0
"""Light of reference white, and the brightest that is told apart, in cd/m2."""
_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])


def is_hdr(colour: Colour) -> bool:
    return colour.transfer in (PQ, HLG)


def for_the_eye(rgb: Pixels, colour: Colour) -> U8:
    """RGB ``(H, W, 3)`` with these tags as uint8 for a plain screen; what is not HDR keeps its values."""
    if not is_hdr(colour):
        return eight_bits(rgb)
    signal = rgb.astype(np.float64) / (255 if rgb.dtype == np.uint8 else 65535)
    light = (_pq(signal) if colour.transfer == PQ else _hlg(signal)) / _WHITE
    bright = np.maximum(light.max(-1, keepdims=True), 1e-6)
    light *= (1 + bright / (_PEAK / _WHITE) ** 2) / (1 + bright)
    if colour.primaries == _BT2020:
        light = light @ _TO_BT709.T
    return as_pixels(np.asarray(light, np.float32))


def _pq(signal: Array) -> Array:
    """cd/m2, by the EOTF."""
    root = np.power(signal, 1 / 78.84375)
    linear = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return np.asarray(10000 * np.power(linear, 1 / 0.1593017578125))


def _hlg(signal: Array) -> Array:
    """cd/m2 on a display of ``_PEAK``: the inverse OETF, then the OOTF with a gamma of 1.2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(_PEAK * scene * np.power(np.maximum(scene @ _LUMINANCE, 1e-9), 0.2)[..., None])
