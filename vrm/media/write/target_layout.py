"""The samples that an output is to hold: the source's own, those that were asked for, or what players show."""

from __future__ import annotations

import difflib

from vrm.errors import UsageError
from vrm.media.frame.pixel_layout import PixelLayout, layout_of
from vrm.media.write.encoders import ENCODERS, pix_fmts
from vrm.types import VideoInfo


def asked_layout(pix_fmt: str | None, source: PixelLayout) -> PixelLayout:
    """The layout of ``--pix-fmt``, or the source's own.

    Raises UsageError: no encoder takes such a format; names near ones.
    """
    if pix_fmt is None:
        return source
    names = sorted({f for e in ENCODERS for f in pix_fmts(e)})
    if pix_fmt not in names:
        near = difflib.get_close_matches(pix_fmt, names, 4, 0.5)
        raise UsageError(
            f"There is no pixel format {pix_fmt}.", f"Did you mean {' or '.join(near)}?" if near else "Try yuv420p."
        )
    return layout_of("yuv" + pix_fmt[4:] if pix_fmt.startswith("yuvj") else pix_fmt)


def as_rgb(source: PixelLayout) -> PixelLayout:
    """YUV becomes the RGB that picture files hold."""
    if source.family != "yuv":
        return source
    return layout_of(f"gbr{'a' if source.alpha else ''}p" + ("16le" if source.depth > 8 else ""))


def for_players(source: PixelLayout, info: VideoInfo) -> PixelLayout:
    """RGB becomes the YUV format that players show."""
    if source.family != "rgb":
        return source
    depth = "10le" if source.depth > 8 else ""
    sub = "420" if info.width % 2 == 0 and info.height % 2 == 0 else "444"
    return layout_of(f"yuv{sub}p{depth}")
