"""Frames as GIF holds them: a palette of 256 colours for each, one of them transparent."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from PIL import Image

from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import raw_plane
from vrm.types import eight_bits

_MOST = 256
_OPAQUE = 128
"""Alpha, of 255, from which on a pixel is opaque."""


def with_palette(frame: Frame) -> av.VideoFrame:
    """The frame in pal8.

    The colours that its decoded frame had stay exactly; those that are new, where something was filled, share what is
    left of the palette. Nothing is dithered: the pattern would flicker.
    """
    from scipy.spatial import cKDTree  # slow to import; most outputs are no GIF

    colours, opaque = _colours(frame)
    first = int(frame.layout.alpha)  # the encoder wants the transparent entry at one place in all frames: the first
    palette = np.unique(colours[opaque])
    if palette.size > _MOST - first:
        palette = _reduced(colours[opaque], _before(frame), _MOST - first)
    index = np.zeros(colours.shape, np.uint8)
    if palette.size:
        found, at = np.unique(colours[opaque], return_inverse=True)
        index[opaque] = (first + cKDTree(_rgb(palette)).query(_rgb(found))[1])[at]
    out = av.VideoFrame(index.shape[1], index.shape[0], "pal8")
    raw_plane(out, 0, "u1", index.shape[1])[: index.shape[0]] = index
    table = np.zeros(_MOST, np.uint32)
    table[first : first + palette.size] = palette | 0xFF000000
    np.frombuffer(out.planes[1], np.uint32)[:_MOST] = table  # type: ignore[call-overload]  # see ``raw_plane``
    return out


def _colours(frame: Frame) -> tuple[Any, Any]:
    """Each pixel as 0xRRGGBB, and whether it is opaque: ``(H, W)`` both."""
    rgb = eight_bits(frame.rgb()).astype(np.uint32)
    opaque = np.ones(rgb.shape[:2], np.bool_)
    if frame.layout.alpha:
        opaque = frame.planes[-1] >> (frame.layout.depth - 8) >= _OPAQUE
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2], opaque


def _before(frame: Frame) -> Any:
    """The decoded frame's colours as they are found, where something was filled in."""
    if frame.template is None or frame.native is not None:
        return np.zeros(0, np.uint32)
    colours, opaque = _colours(Frame.from_native(frame.template, frame.index, frame.time_base))
    return colours[opaque]


def _reduced(pixels: Any, before: Any, most: int) -> Any:
    """So many colours for pixels: those of ``before``, the frequent ones first, and a median cut of the rest."""
    kept, counts = np.unique(before[np.isin(before, pixels)], return_counts=True)
    if kept.size > _MOST:  # it was no GIF
        kept = kept[:0]
    kept = kept[np.argsort(-counts[: kept.size], kind="stable")[:most]]
    fresh = _rgb(pixels[~np.isin(pixels, kept)]).astype(np.uint8)
    if kept.size == most or not fresh.size:
        return kept
    cut: Any = Image.fromarray(fresh[None]).quantize(most - kept.size, Image.Quantize.MEDIANCUT).getpalette()
    made = np.reshape(cut, (-1, 3)).astype(np.uint32)[: most - kept.size]
    return np.union1d(kept, made[:, 0] << 16 | made[:, 1] << 8 | made[:, 2])


def _rgb(colours: Any) -> Any:
    return np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1)
