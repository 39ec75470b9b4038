"""The encoders, set up for visually lossless quality, and the form in which they take a frame."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import cv2
from av.container import OutputContainer
from av.video.stream import VideoStream

from vrm.errors import UsageError, VideoError
from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import PixelLayout, layout_of
from vrm.media.read.source_facts import Mastering
from vrm.media.write.hdr import add_carrier
from vrm.media.write.palette import with_palette
from vrm.system.process import ordinary_priority
from vrm.types import Colour

# SVT-AV1 writes its settings to stderr; only this variable, read when an encoder is opened, keeps it to errors.
os.environ.setdefault("SVT_LOG", "1")


@dataclass(frozen=True)
class VideoEncoder:
    """One of FFmpeg's video encoders, and how it is used here.

    Attributes:
        quality: the option for its quality, "" if it has none ("qscale": a fixed quantiser).
        default, worst: its visually lossless value, and its largest.
        lossless: options that make it bit-exact; None = it cannot; {} = it always is.
        params: the option that takes the codec library's own ``key=value:...`` settings.
        exact_times: takes any time base; others are given a plain count, and their packets get the times afterwards.
        pix_fmt: the one that it is used with, whatever the source has; empty = as the source asks for.
    """

    name: str
    codec: str
    label: str
    quality: str = ""
    default: int = 0
    worst: int = 0
    options: dict[str, str] = field(default_factory=dict)
    lossless: dict[str, str] | None = None
    params: str = ""
    exact_times: bool = False
    pix_fmt: str = ""


_X264 = {"preset": "medium"}
ENCODERS: tuple[VideoEncoder, ...] = (
    VideoEncoder("libx264", "h264", "H.264", "crf", 16, 51, _X264, {"qp": "0"}, "x264-params", True),
    VideoEncoder("libx264rgb", "h264", "H.264 RGB", "crf", 14, 51, _X264, {"qp": "0"}, "x264-params", True),
    VideoEncoder("libx265", "hevc", "HEVC", "crf", 16, 51, {"preset": "fast"}, {}, "x265-params", True),
    VideoEncoder("libsvtav1", "av1", "AV1", "crf", 18, 63, {"preset": "8"}, None, "svtav1-params", True),
    VideoEncoder(
        "libvpx-vp9",
        "vp9",
        "VP9",
        "crf",
        18,
        63,
        {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1", "tile-columns": "2"},
        {"lossless": "1"},
        exact_times=True,
    ),
    VideoEncoder(
        "libvpx",
        "vp8",
        "VP8",
        "crf",
        6,
        63,
        {"b": "40M", "deadline": "good", "cpu-used": "4", "threads": "1"},  # they spin while they wait for one another
        exact_times=True,
    ),
    VideoEncoder("prores_ks", "prores", "ProRes", options={"vendor": "apl0"}),
    VideoEncoder("ffv1", "ffv1", "FFV1", options={"level": "3", "slices": "16", "slicecrc": "1"}, lossless={}),
    VideoEncoder("dnxhd", "dnxhd", "DNxHR"),
    VideoEncoder("mpeg4", "mpeg4", "MPEG-4", "qscale", 2, 31, {"mbd": "rd"}),
    VideoEncoder("mpeg2video", "mpeg2video", "MPEG-2", "qscale", 2, 31, {"mbd": "rd", "strict": "unofficial"}),
    VideoEncoder("mjpeg", "mjpeg", "Motion JPEG", "qscale", 2, 31, {"huffman": "optimal"}),
    VideoEncoder("utvideo", "utvideo", "Ut Video", lossless={}),
    VideoEncoder("ffvhuff", "ffvhuff", "FFVHuff", lossless={}),
    VideoEncoder("huffyuv", "huffyuv", "HuffYUV", lossless={}),
    VideoEncoder("magicyuv", "magicyuv", "MagicYUV", lossless={}),
    VideoEncoder("png", "png", "PNG", lossless={}),
    VideoEncoder("qtrle", "qtrle", "QuickTime Animation", lossless={}),
    VideoEncoder("cfhd", "cfhd", "CineForm", options={"quality": "film3+"}),
    VideoEncoder("gif", "gif", "GIF", pix_fmt="pal8", exact_times=True),
    VideoEncoder("apng", "apng", "APNG", lossless={}, exact_times=True),
    VideoEncoder("libwebp", "webp", "WebP", options={"lossless": "1"}, lossless={}, pix_fmt="bgra", exact_times=True),
    VideoEncoder("rawvideo", "rawvideo", "raw video", lossless={}),
)
_AVX512 = 256
"""OpenCV's CPU_AVX512_SKX, which its Python module does not name."""
_WITHOUT_AVX512 = "asm=MMX2,SSE2Fast,SSSE3,SSE4.2,AVX,LZCNT,FMA3,BMI1,BMI2,AVX2"
"""x264's AVX-512 code for macroblock trees reads memory that it never wrote where a picture is not a multiple of 128
wide: equal runs would give different files. AVX2, which every processor with AVX-512 has, is as fast."""
_ALIASES = {"x264": "h264", "avc": "h264", "x265": "hevc", "h265": "hevc", "prores_aw": "prores", "svtav1": "av1"}
_PRORES = {"Proxy": "proxy", "LT": "lt", "Standard": "standard", "HQ": "hq", "4444": "4444", "XQ": "4444xq"}
_H264 = {"Constrained Baseline": "baseline", "Baseline": "baseline", "Main": "main", "High": "high"}


def encoders_of(name: str) -> tuple[VideoEncoder, ...]:
    """The encoders that a codec's or an encoder's name stands for. Raises UsageError, with the nearest names."""
    wanted = _ALIASES.get(name.lower(), name.lower())
    exact = tuple(e for e in ENCODERS if e.name == wanted)
    found = exact or tuple(e for e in ENCODERS if e.codec == wanted)
    if not found:
        known = sorted({e.name for e in ENCODERS} | {e.codec for e in ENCODERS})
        near = difflib.get_close_matches(wanted, known, 3, 0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Choose from: {', '.join(known)}."
        raise UsageError(f"There is no encoder for --codec {name}.", hint)
    return found


def pix_fmts(encoder: VideoEncoder) -> tuple[str, ...]:
    """The pixel formats the encoder takes; empty = all (raw video)."""
    if encoder.pix_fmt:
        return (encoder.pix_fmt,)
    return tuple(f.name for f in av.Codec(encoder.name, "w").video_formats or ())


def same_samples(layout: PixelLayout, formats: Sequence[str]) -> str | None:
    """The format that holds the layout's samples unchanged: the layout's own where it is there, else the first."""
    if not formats or layout.name in formats:
        return layout.name
    for name in formats:
        if not name.startswith("yuvj") and _layout_name(name) == layout.name:
            return name
    if layout.name == "gbrp":  # bgr0 has an unused byte where bgra has its alpha
        return next((f for f in ("bgr0", "rgb24", "bgr24") if f in formats), None)
    return None


def _layout_name(pix_fmt: str) -> str:
    try:
        return layout_of(pix_fmt).name
    except VideoError:
        return ""


def quality_options(encoder: VideoEncoder, crf: int | None, lossless: bool) -> dict[str, str]:
    """The encoder's options for a quality; ``crf`` None = visually lossless.

    Raises UsageError: the encoder has no such setting, or it is out of its range.
    """
    if lossless:
        if encoder.lossless is None:
            able = ", ".join(e.codec for e in ENCODERS if e.lossless is not None)
            raise UsageError(f"{encoder.label} cannot be lossless here.", f"Use --codec with one of: {able}.")
        return {**encoder.options, **encoder.lossless}
    if not encoder.quality:
        if crf is not None:
            raise UsageError(f"{encoder.label} has no --crf.", "Leave it out: its quality is set by its profile.")
        return dict(encoder.options)
    value = encoder.default if crf is None else crf
    if value > encoder.worst:
        raise UsageError(f"--crf {value} is too large for {encoder.label}.", f"Its range is 0..{encoder.worst}.")
    if encoder.quality == "qscale":
        return {**encoder.options, "flags": "+qscale", "global_quality": str(118 * max(1, value))}
    return {**encoder.options, encoder.quality: str(value)}


def profile_options(encoder: VideoEncoder, profile: str, layout: PixelLayout, lossless: bool) -> dict[str, str]:
    """The options for the source's own profile, or for the one that its samples need."""
    if encoder.codec == "prores":
        name = _PRORES.get(profile, "hq")
        if layout.family != "yuv" or (layout.sub_x, layout.sub_y) == (0, 0):
            name = "4444xq" if name == "4444xq" else "4444"
        elif name.startswith("4444"):
            name = "hq"
        return {"profile": name}
    if encoder.codec == "dnxhd":
        if (layout.sub_x, layout.sub_y) == (0, 0):
            return {"profile": "dnxhr_444"}
        wanted = profile.lower().replace(" ", "_")
        fits = ("dnxhr_lb", "dnxhr_sq", "dnxhr_hq") if layout.depth == 8 else ("dnxhr_hqx",)
        return {"profile": wanted if wanted in fits else fits[-1]}
    if encoder.name == "libx264" and not lossless and layout.name == "yuv420p" and profile in _H264:
        return {"profile": _H264[profile]}
    return {}


def library_params(
    encoder: VideoEncoder, mastering: Mastering | None, *, lossless: bool, constant_rate: bool, bottom_first: bool
) -> dict[str, str]:
    """Settings that only the codec's own library takes: HDR static metadata, rate, order of the fields, silence."""
    params: list[str] = []
    if encoder.params == "x264-params" and bottom_first:
        params.append("bff=1")
    if encoder.params == "x264-params" and constant_rate:
        params.append("force-cfr=1")  # states the frame rate in the stream instead of the time base; times stay
    if encoder.params == "x264-params" and cv2.checkHardwareSupport(_AVX512):
        params.append(_WITHOUT_AVX512)
    if encoder.name == "libx265":
        params += ["log-level=none"] + (["lossless=1"] if lossless else [])
    if mastering is not None and encoder.params:
        if mastering.display:
            params.append(_mastering_display(encoder, mastering))
        if mastering.light:
            key = {"libx265": "max-cll", "libsvtav1": "content-light"}.get(encoder.name, "cll")
            params.append(f"{key}={mastering.light[0]},{mastering.light[1]}")
    return {encoder.params: ":".join(params)} if params else {}


def _mastering_display(encoder: VideoEncoder, mastering: Mastering) -> str:
    """The mastering display as the libraries take it: G, B, R, white point, then brightest and darkest."""
    rx, ry, gx, gy, bx, by, wx, wy = mastering.primaries
    dark, bright = mastering.luminance
    pairs = zip("GBR", ((gx, gy), (bx, by), (rx, ry)), strict=True)
    if encoder.name == "libsvtav1":
        text = "".join(f"{c}({float(x):.5f},{float(y):.5f})" for c, (x, y) in pairs)
        return f"mastering-display={text}WP({float(wx):.5f},{float(wy):.5f})L({float(bright):.4f},{float(dark):.4f})"
    text = "".join(f"{c}({round(x * 50000)},{round(y * 50000)})" for c, (x, y) in pairs)
    key = "master-display" if encoder.name == "libx265" else "mastering-display"
    return f"{key}={text}WP({round(wx * 50000)},{round(wy * 50000)})L({round(bright * 10000)},{round(dark * 10000)})"


@dataclass(frozen=True)
class PictureFormat:
    """The frames that an encoder is opened for.

    Attributes:
        size: ``(height, width)``.
        colour: tags that are written; 2 and None mean that nothing is stated.
        sample_aspect: width over height of a pixel.
        rate: nominal frames per second.
        time_base: of their pts.
        field_order: FFmpeg's AVFieldOrder.
        tag: four characters for the container, or empty.
        mastering: HDR static metadata for the container, where the codec's own stream does not state it.
    """

    size: tuple[int, int]
    pix_fmt: str
    colour: Colour
    sample_aspect: Fraction
    rate: Fraction
    time_base: Fraction
    field_order: int = 0
    tag: str = ""
    mastering: Mastering | None = None


def add_encoder(out: OutputContainer, encoder: str, picture: PictureFormat, options: dict[str, str]) -> VideoStream:
    """Add a video stream to ``out``, its encoder set up and open.

    Raises av.error.FFmpegError, ValueError: the encoder or the container refuses.
    """
    if picture.mastering is not None:
        stream = add_carrier(out, encoder, picture.mastering)
    else:
        added = out.add_stream(encoder, rate=picture.rate)
        assert isinstance(added, VideoStream)
        stream = added
    context = stream.codec_context
    context.height, context.width = picture.size
    context.pix_fmt = picture.pix_fmt
    context.time_base = picture.time_base
    context.framerate = picture.rate
    context.sample_aspect_ratio = picture.sample_aspect
    context.color_primaries, context.color_trc = picture.colour.primaries, picture.colour.transfer
    context.colorspace = picture.colour.matrix
    context.color_range = {None: 0, False: 1, True: 2}[picture.colour.full_range]
    context.field_order = picture.field_order
    if picture.tag:
        context.codec_tag = picture.tag
    flags = "+frame_duration" + options.get("flags", "")
    context.options = {"threads": "auto", **options, "flags": flags}
    context.thread_type = "AUTO"  # PyAV's default makes x264 cut pictures into slices, and wait at their ends
    with ordinary_priority():
        context.open()
    return stream


_SWS = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""H.273 matrix to swscale's colour space number."""


def for_encoder(frame: Frame, pix_fmt: str, target: Colour) -> av.VideoFrame:
    """The frame in the encoder's pixel format: the decoder's own frame where nothing was changed and the format fits.

    Samples are converted only into a format other than the frame's own (``--pix-fmt``, or RGB for a YUV codec), with
    the frame's matrix and range unless ``target`` names others.
    """
    if frame.native is not None and frame.native.format.name == pix_fmt:
        return frame.native
    if pix_fmt == "pal8":
        return with_palette(frame)
    picture = frame.to_av()
    if picture.format.name == pix_fmt:
        return picture
    matrix = _SWS.get(frame.colour.matrix, 1)
    full = 2 if frame.colour.full_range else 1
    wide = full if target.full_range is None else 2 if target.full_range else 1
    return picture.reformat(
        format=pix_fmt,
        src_colorspace=matrix,
        dst_colorspace=_SWS.get(target.matrix, matrix),
        src_color_range=full,
        dst_color_range=wide,
        interpolation="BICUBIC",
        threads=1,  # see vrm.media.frame.pixel_layout
    )
