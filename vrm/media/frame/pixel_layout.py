"""Pixel formats: the planar layout that frames are worked on in, and the lossless conversion into it.

Frames are worked on as separate planes, one sample per array element. Formats that interleave, shift or index
their samples (nv12, p010, yuyv422, rgb24, pal8, ...) are rearranged into the planar format that holds exactly the
same values; formats whose values would change are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np

from vrm.errors import VideoError
from vrm.types import Pixels

Planes = tuple[Pixels, ...]
"""One unpadded array per component, uint8 (depth 8) or uint16: Y, U, V[, A] | G, B, R[, A] | Y."""

_SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "440": (0, 1), "411": (2, 0), "410": (2, 2)}
_NV = {"nv12": "420", "nv21": "420", "nv16": "422", "nv24": "444", "nv42": "444"}
_PACKED_422 = {"yuyv422": "YUYV", "uyvy422": "UYVY", "yvyu422": "YVYU", "y210": "YUYV", "y212": "YUYV", "y216": "YUYV"}
_VIA_RGB24 = re.compile(r"(rgb|bgr)(8|4_byte|444[bl]e|555[bl]e|565[bl]e)$")
_INTERLEAVED = re.compile(r"([rgba0]{3,4}|ya|ayuv|vuya|vuyx|vyu|uyva)(8|16|24|48|64|444)?(le|be)?$")


@dataclass(frozen=True)
class PixelLayout:
    """The planar working format.

    Attributes:
        name: FFmpeg's name of it (little endian): yuv420p, yuv422p10le, gray, gbrp10le, yuva420p, ...
        family: "yuv", "rgb" or "gray".
        depth: bits per sample, 8 to 16.
        sub_x, sub_y: log2 of the chroma subsampling.
        source: the format of the decoder's frames; equal to ``name`` unless they are rearranged.
    """

    name: str
    family: str
    depth: int
    sub_x: int = 0
    sub_y: int = 0
    alpha: bool = False
    source: str = ""

    @property
    def dtype(self) -> Any:
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def n_planes(self) -> int:
        """Alpha included."""
        return (1 if self.family == "gray" else 3) + int(self.alpha)

    def is_chroma(self, plane: int) -> bool:
        return self.family == "yuv" and plane in (1, 2)

    def plane_size(self, plane: int, height: int, width: int) -> tuple[int, int]:
        """``(height, width)`` of a plane of a picture of the given size (chroma rounds up)."""
        if not self.is_chroma(plane):
            return height, width
        return -(-height >> self.sub_y), -(-width >> self.sub_x)


def _yuv(sampling: str, depth: int, alpha: bool, source: str) -> PixelLayout:
    name = f"yuv{'a' if alpha else ''}{sampling}p" + (f"{depth}le" if depth > 8 else "")
    return PixelLayout(name, "yuv", depth, *_SUBSAMPLING[sampling], alpha, source)


def _rgb(depth: int, alpha: bool, source: str) -> PixelLayout:
    name = f"gbr{'a' if alpha else ''}p" + (f"{depth}le" if depth > 8 else "")
    return PixelLayout(name, "rgb", depth, 0, 0, alpha, source)


def _planar(fmt: str) -> PixelLayout | None:
    if m := re.fullmatch(r"yuv([aj]?)(4\d\d)p(\d+)?(?:[bl]e)?", fmt):
        return _yuv(m[2], int(m[3] or 8), m[1] == "a", fmt)
    if m := re.fullmatch(r"gbr(a?)p(\d+)?(?:[bl]e)?", fmt):
        return _rgb(int(m[2] or 8), bool(m[1]), fmt)
    if m := re.fullmatch(r"gray(\d+)?(?:[bl]e)?", fmt):
        depth = int(m[1] or 8)
        return PixelLayout("gray" if depth == 8 else f"gray{depth}le", "gray", depth, source=fmt)
    return None


def _rearranged(fmt: str) -> PixelLayout | None:
    base = re.sub(r"[bl]e$", "", fmt)
    if fmt in _NV:
        return _yuv(_NV[fmt], 8, False, fmt)
    if base == "nv20":
        return _yuv("422", 10, False, fmt)
    if m := re.fullmatch(r"p([024])(10|12|16)", base):
        return _yuv({"0": "420", "2": "422", "4": "444"}[m[1]], int(m[2]), False, fmt)
    if base in _PACKED_422:
        return _yuv("422", int(base[2:]) if base.startswith("y2") else 8, False, fmt)
    if base in ("x2rgb10", "x2bgr10"):
        return _rgb(10, False, fmt)
    if fmt in ("monow", "monob"):
        return PixelLayout("gray", "gray", 8, source=fmt)
    if _VIA_RGB24.fullmatch(fmt):
        return _rgb(8, False, fmt)
    if fmt == "pal8":
        return _rgb(8, True, fmt)
    if m := _INTERLEAVED.fullmatch(fmt):
        depth = 16 if m[2] in ("16", "48", "64") else 8
        alpha = "a" in m[1]
        return _yuv("444", depth, alpha, fmt) if "v" in m[1] else _rgb(depth, alpha, fmt)
    return None


def layout_of(pix_fmt: str) -> PixelLayout:
    """The planar layout that holds frames of an FFmpeg pixel format without loss.

    Raises:
        VideoError: the format cannot be worked on sample by sample (hardware surfaces, raw sensor data, floating
            point, more than 16 bits, XYZ).
    """
    layout = _planar(pix_fmt) or _rearranged(pix_fmt)
    if layout is None or layout.depth > 16:
        raise VideoError(
            f"Frames in the pixel format {pix_fmt or 'unknown'} cannot be worked on.",
            "Convert the video to a planar YUV, RGB or grey format of 8 to 16 bits first.",
        )
    return replace(layout, source=layout.name) if layout.name == pix_fmt else layout


def raw_plane(frame: av.VideoFrame, plane: int, dtype: str, columns: int) -> np.ndarray[Any, Any]:
    """A writable view ``(rows, columns)`` of a frame's plane without its padding; dtype with byte order."""
    p = frame.planes[plane]
    line = abs(p.line_size)
    flat = np.frombuffer(p, np.uint8)  # type: ignore[call-overload]  # Plane has the buffer protocol
    rows = flat.size // line
    view = flat[: rows * line].reshape(rows, line)
    kind = np.dtype(dtype)
    return np.ndarray((rows, columns), kind, view, strides=(line, kind.itemsize))


def _interleaved(frame: av.VideoFrame, layout: PixelLayout, dtype: str) -> Planes:
    m = _INTERLEAVED.fullmatch(layout.source)
    assert m is not None
    order = m[1]
    grid = raw_plane(frame, 0, dtype, frame.width * len(order))[: frame.height].reshape(frame.height, frame.width, -1)
    want = "yuv" if layout.family == "yuv" else ("yyy" if order == "ya" else "gbr")
    want += "a" if layout.alpha else ""
    return tuple(np.ascontiguousarray(grid[..., order.index(c)]).astype(layout.dtype, copy=False) for c in want)


def _packed_422(frame: av.VideoFrame, layout: PixelLayout, dtype: str, order: str, shift: int) -> Planes:
    h, w = frame.height, frame.width
    grid = raw_plane(frame, 0, dtype, 4 * (-(-w // 2)))[:h].reshape(h, -1, 4)
    luma = np.empty((h, grid.shape[1] * 2), layout.dtype)
    first = order.index("Y")
    luma[:, 0::2] = grid[..., first] >> shift
    luma[:, 1::2] = grid[..., first + 2] >> shift
    u, v = ((grid[..., order.index(c)] >> shift).astype(layout.dtype) for c in "UV")
    return np.ascontiguousarray(luma[:, :w]), u, v


def _semi_planar(frame: av.VideoFrame, layout: PixelLayout, dtype: str) -> Planes:
    h, w = frame.height, frame.width
    ch, cw = layout.plane_size(1, h, w)
    shift = 16 - layout.depth if layout.source.startswith("p") else 0
    luma = raw_plane(frame, 0, dtype, w)[:h] >> shift
    pairs = raw_plane(frame, 1, dtype, 2 * cw)[:ch].reshape(ch, cw, 2) >> shift
    a, b = (1, 0) if layout.source in ("nv21", "nv42") else (0, 1)
    return tuple(np.ascontiguousarray(p).astype(layout.dtype, copy=False) for p in (luma, pairs[..., a], pairs[..., b]))


def _word_rgb(frame: av.VideoFrame, layout: PixelLayout, big: bool) -> Planes:
    word = raw_plane(frame, 0, ">u4" if big else "<u4", frame.width)[: frame.height]
    high, mid, low = ((word >> s & 1023).astype(np.uint16) for s in (20, 10, 0))
    return (mid, low, high) if "rgb" in layout.source else (mid, high, low)


def unpack(frame: av.VideoFrame, layout: PixelLayout) -> Planes:
    """A decoded frame's samples as the planes of a layout: contiguous, unpadded copies."""
    fmt = layout.source
    big = fmt.endswith("be")
    dtype = "u1" if layout.depth == 8 else (">u2" if big else "<u2")
    base = re.sub(r"[bl]e$", "", fmt)
    if _planar(fmt) is not None:
        sizes = [layout.plane_size(k, frame.height, frame.width) for k in range(layout.n_planes)]
        raw = (raw_plane(frame, k, dtype, w)[:h] for k, (h, w) in enumerate(sizes))
        return tuple(np.array(p, layout.dtype) for p in raw)
    if base.startswith(("nv", "p0", "p2", "p4")):
        return _semi_planar(frame, layout, dtype)
    if base in _PACKED_422:
        return _packed_422(frame, layout, dtype, _PACKED_422[base], 16 - layout.depth if layout.depth > 8 else 0)
    if base in ("x2rgb10", "x2bgr10"):
        return _word_rgb(frame, layout, big)
    # One thread: with several, swscale now and then writes past the end of a narrow row into another thread's rows.
    if fmt in ("monow", "monob"):
        return unpack(frame.reformat(format="gray", dst_color_range=2, threads=1), layout_of("gray"))
    if fmt == "pal8":
        return unpack(frame.reformat(format="bgra", threads=1), layout_of("bgra"))
    if _VIA_RGB24.fullmatch(fmt):
        return unpack(frame.reformat(format="rgb24", threads=1), layout_of("rgb24"))
    return _interleaved(frame, layout, dtype)


def fill(frame: av.VideoFrame, planes: Planes, layout: PixelLayout) -> None:
    """Write planes into a frame whose format is the layout's."""
    for k, plane in enumerate(planes):
        raw_plane(frame, k, "u1" if layout.depth == 8 else "<u2", plane.shape[1])[: plane.shape[0]] = plane
