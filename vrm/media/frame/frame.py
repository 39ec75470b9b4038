"""One decoded picture: the decoder's own frame while nothing is changed, separate planes once something is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, cast

import av
import cv2
import numpy as np

from vrm.media.frame.colour import chroma_scale, luma_scale, resolve, rgb_to_yuv
from vrm.media.frame.pixel_layout import PixelLayout, Planes, fill, layout_of, unpack
from vrm.media.frame.side_data import side_data
from vrm.types import Colour, Pixels

_POINT = 0x10
"""swscale's cheapest filter."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded picture with its times, as read or with replaced planes.

    Attributes:
        index: number of the frame in the video, from 0.
        pts, duration: in units of time_base; duration is 0 when unknown.
        time_base: seconds per unit.
        layout: the planar format of ``planes``.
        colour: how its samples are to be read; nothing in it is left unspecified.
        tags: what the frame itself states about its colour; ``to_av`` passes it on unchanged.
        native: the decoder's own frame while no plane was replaced, else None.
        template: the decoder's own frame, kept for its side data (captions, HDR) after planes were replaced.
        key, interlaced: flags of the coded picture.
    """

    index: int
    pts: int
    duration: int
    time_base: Fraction
    layout: PixelLayout
    colour: Colour
    tags: Colour = field(default_factory=Colour)
    native: av.VideoFrame | None = None
    template: av.VideoFrame | None = None
    key: bool = False
    interlaced: bool = False
    replaced: Planes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.native is None and self.replaced is None:
            raise ValueError("a frame needs the decoder's frame or its planes")

    @classmethod
    def from_native(cls, native: av.VideoFrame, index: int, time_base: Fraction) -> Frame:
        """Wrap a decoded frame that has a pts. Raises VideoError: its pixel format cannot be worked on."""
        layout = layout_of(native.format.name)
        tags = frame_tags(native)
        colour = resolve(tags, layout.family, native.height, native.width)
        pts = native.pts if native.pts is not None else 0
        key, interlaced = bool(native.key_frame), bool(native.interlaced_frame)
        # An encoder would repeat the source's picture types, which fits neither its own order nor its quality.
        native.pict_type = 0
        return cls(index, pts, native.duration or 0, time_base, layout, colour, tags, native, native, key, interlaced)

    @classmethod
    def from_planes(
        cls, planes: Planes, layout: PixelLayout, index: int, pts: int, duration: int, time_base: Fraction
    ) -> Frame:
        """A frame without a decoder's frame behind it (a still picture)."""
        full = Colour(full_range=True)
        height, width = planes[0].shape
        colour = resolve(full, layout.family, height, width)
        return cls(index, pts, duration, time_base, layout, colour, full, key=True, replaced=planes)

    @property
    def size(self) -> tuple[int, int]:
        """Stored ``(height, width)``."""
        if self.native is not None:
            return self.native.height, self.native.width
        height, width = self.planes[0].shape
        return height, width

    @cached_property
    def planes(self) -> Planes:
        """Unpadded copies, uint8 or uint16: Y, U, V[, A] | G, B, R[, A] | Y. Not to be written to."""
        if self.replaced is not None:
            return self.replaced
        assert self.native is not None
        return unpack(self.native, self.layout)

    def with_planes(self, planes: Planes) -> Frame:
        """The same frame with other samples; ``template`` still is the decoder's frame."""
        for k, (new, old) in enumerate(zip(planes, self.planes, strict=True)):
            if new.shape != old.shape or new.dtype != old.dtype:
                raise ValueError(f"plane {k} is {new.dtype} {new.shape}, expected {old.dtype} {old.shape}")
        return replace(self, native=None, replaced=tuple(planes))

    def to_av(self) -> av.VideoFrame:
        """The frame an encoder takes, in ``layout.name`` with pts, duration, time base and the frame's own tags.

        The decoder's own frame if nothing was changed and its format is the layout's; else a new one with the decoded
        frame's side data.
        """
        if self.native is not None and self.native.format.name == self.layout.name:
            return self.native
        height, width = self.size
        out = _blank(self.template, self.layout.name, height, width)
        fill(out, self.planes, self.layout)
        out.pts, out.duration, out.time_base = self.pts, self.duration, self.time_base
        out.pict_type = 0
        out.color_primaries, out.color_trc = self.tags.primaries, self.tags.transfer
        out.colorspace = 0 if self.layout.family == "rgb" else self.tags.matrix
        out.color_range = {None: 0, False: 1, True: 2}[self.tags.full_range]
        return out

    def rgb(self) -> Pixels:
        """The picture as RGB ``(H, W, 3)`` in its own transfer and primaries.

        uint8 for a depth of 8, else uint16 scaled to the full 16 bits. Chroma is repeated, not interpolated, so that
        ``paste`` of the same colours gives the same samples back.
        """
        if self.layout.family == "rgb":
            g, b, r = self.planes[:3]
            return widen(cast(Pixels, np.stack([r, g, b], -1)), self.layout.depth)
        if self.layout.family == "gray":
            return cast(Pixels, np.repeat(self._grey()[..., None], 3, 2))
        return self._from_yuv()

    def _grey(self) -> Pixels:
        scale, offset = luma_scale(self.layout.depth, bool(self.colour.full_range))
        top = 255 if self.layout.depth == 8 else 65535
        codes = np.arange(2**self.layout.depth, dtype=np.float64)
        table = np.rint(np.clip((codes - offset) / scale, 0, 1) * top)
        grey: Pixels = table.astype(self.layout.dtype)[self.planes[0]]
        return grey

    def _from_yuv(self) -> Pixels:
        depth, full = self.layout.depth, bool(self.colour.full_range)
        height, width = self.size
        scales = np.array([luma_scale(depth, full), *[chroma_scale(depth, full)] * 2])
        # One affine map from codes to codes: rgb = top * M^-1 ((code - offset) / scale).
        gain = np.linalg.inv(rgb_to_yuv(self.colour.matrix)) * (255 if depth == 8 else 65535) / scales[:, 0]
        affine = np.hstack([gain, -gain @ scales[:, 1:]])
        fx, fy = 1 << self.layout.sub_x, 1 << self.layout.sub_y
        yuv: list[Any] = list(self.planes[:3])
        if fx * fy > 1:
            for k in (1, 2):
                repeated = cv2.resize(yuv[k], None, fx=fx, fy=fy, interpolation=cv2.INTER_NEAREST)
                yuv[k] = repeated[:height, :width]
        return cast(Pixels, cv2.transform(cv2.merge(yuv), affine))


def frame_tags(native: av.VideoFrame) -> Colour:
    """The colour tags a decoded frame carries; the yuvj formats are full range by their name."""
    ranges: dict[int, bool | None] = {1: False, 2: True}
    full = True if native.format.name.startswith("yuvj") else ranges.get(int(native.color_range))
    return Colour(int(native.color_primaries), int(native.color_trc), int(native.colorspace), full)


def widen(samples: Pixels, depth: int) -> Pixels:
    """Full-range samples of 9 to 15 bits scaled to 16; others as they are."""
    if depth in (8, 16):
        return samples
    top = 2**depth - 1
    return cast(Pixels, ((samples.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16))


def _blank(template: av.VideoFrame | None, name: str, height: int, width: int) -> av.VideoFrame:
    """A new frame with the template's side data and fields, which PyAV copies only when it converts a frame."""
    if template is None or not (template.interlaced_frame or side_data(template)):
        return av.VideoFrame(width, height, name)
    small = template.reformat(width=16, height=16, format="gray", interpolation=_POINT, threads=1)
    return small.reformat(width=width, height=height, format=name, interpolation=_POINT, threads=1)
