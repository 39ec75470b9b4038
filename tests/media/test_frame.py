import gc
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.format import names

from vrm.errors import VideoError
from vrm.media.frame.colour import resolve
from vrm.media.frame.frame import Frame, layout_of
from vrm.media.frame.pixel_layout import fill
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.types import Colour

KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}


def reference_rgb(planes, layout, matrix, full):
    """ITU-R BT.601, 709, 2020: Y'CbCr codes to R'G'B' in [0, 1], in double precision; chroma repeated."""
    kr, kb = KR_KB[matrix]
    h, w = planes[0].shape
    unit, top = 2 ** (layout.depth - 8), 2**layout.depth - 1
    y = planes[0].astype(float)
    cb, cr = (p.repeat(1 << layout.sub_y, 0).repeat(1 << layout.sub_x, 1)[:h, :w] - 128.0 * unit for p in planes[1:3])
    y, cb, cr = (
        (y / top, cb / top, cr / top)
        if full
        else ((y - 16 * unit) / (219 * unit), cb / (224 * unit), cr / (224 * unit))
    )
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.stack([r, g, b], -1), 0, 1)


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuva420p", "yuv420p10le", "yuv444p12le"]
)
@pytest.mark.parametrize("matrix", [1, 5, 6, 7, 9])
@pytest.mark.parametrize("full", [False, True])
def test_rgb_of_tagged_frames(make_frame, pix_fmt, matrix, full):
    frame = make_frame(pix_fmt, (35, 49), matrix=matrix, full=full)
    rgb = frame.rgb()
    depth, top = frame.layout.depth, np.iinfo(rgb.dtype).max
    assert rgb.dtype == (np.uint8 if depth == 8 else np.uint16)
    error = np.abs(rgb - top * reference_rgb(frame.planes, frame.layout, matrix, full))
    assert error.max() <= (1 if depth == 8 else 2)


@pytest.mark.parametrize(
    ("size", "matrix"), [((720, 1280), 1), ((480, 640), 6), ((576, 720), 5), ((608, 400), 1), ((96, 1280), 1)]
)
def test_untagged_frames_are_709_when_hd_and_601_below(make_frame, size, matrix):
    frame = make_frame("yuv420p", size, matrix=2, full=None)
    assert frame.colour.matrix == matrix
    assert frame.colour.full_range is False
    assert 2 not in (frame.colour.primaries, frame.colour.transfer)
    assert frame.tags == Colour()
    error = np.abs(frame.rgb() - 255 * reference_rgb(frame.planes, frame.layout, matrix, False))
    assert error.max() <= 1


def test_rgb_agrees_with_ffmpegs_own_conversion_where_tagged(make_frame):
    frame = make_frame("yuv444p", (64, 64), matrix=1)
    theirs = frame.native.reformat(
        format="rgb24", dst_color_range=2, interpolation=0x10 | 0xC0000, threads=1
    ).to_ndarray()
    assert np.abs(theirs.astype(int) - frame.rgb().astype(int)).max() <= 1


def test_resolving_colour():
    assert resolve(Colour(9, 16, 2, None), "yuv", 480, 640).matrix == 9, "primaries say more than the size"
    assert resolve(Colour(matrix=0), "yuv", 1080, 1920).matrix == 1, "YUV samples cannot be RGB"
    assert resolve(Colour(), "rgb", 1080, 1920) == Colour(1, 13, 0, True)
    assert resolve(Colour(1, 1, 1, True), "yuv", 100, 100) == Colour(1, 1, 1, True)
    assert resolve(Colour(), "gray", 100, 100).full_range is True


def test_full_range_by_name(make_frame):
    frame = make_frame("yuvj420p", full=None)
    assert frame.colour.full_range is True
    assert frame.layout.name == "yuv420p"
    assert frame.to_av().format.name == "yuv420p"
    assert frame.to_av().color_range == 2
    assert all(
        (a == b).all()
        for a, b in zip(frame.planes, Frame.from_native(frame.to_av(), 0, Fraction(1)).planes, strict=True)
    )


@pytest.mark.parametrize("seed", [0])
@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray16le"])
def test_grey_has_three_equal_channels(make_frame, pix_fmt, seed):
    frame = make_frame(pix_fmt, full=True, seed=seed)
    rgb = frame.rgb()
    assert (rgb == rgb[..., :1]).all()
    scale = np.iinfo(rgb.dtype).max / (2**frame.layout.depth - 1)
    assert np.abs(rgb[..., 0] - frame.planes[0] * scale).max() <= 0.5


@pytest.mark.parametrize("pix_fmt", ["gbrp", "gbrp10le", "gbrp16le", "gbrap"])
def test_rgb_planes_come_as_green_blue_red(make_frame, pix_fmt):
    frame = make_frame(pix_fmt, seed=1)
    g, b, r = frame.planes[:3]
    scale = np.iinfo(frame.rgb().dtype).max / (2**frame.layout.depth - 1)
    assert np.abs(frame.rgb() - np.stack([r, g, b], -1) * scale).max() <= 0.5


PACKED = [
    "nv12", "nv21", "nv16", "nv24", "p010le", "p010be", "p210le", "yuyv422", "uyvy422", "yvyu422", "y210le", "rgb24",
    "bgr24", "rgba", "bgra", "argb", "bgr0", "0rgb", "rgb48le", "rgb48be", "rgba64le", "x2rgb10le", "yuv420p10be",
    "gbrp10be", "gray16be", "vuya", "yuvj422p",
]  # fmt: skip


@pytest.mark.parametrize("pix_fmt", PACKED)
def test_packed_formats_are_rearranged_without_loss(pix_fmt):
    layout = layout_of(pix_fmt)
    assert layout.source == pix_fmt
    assert layout.name != pix_fmt
    rng = np.random.default_rng(0)
    planes = tuple(
        rng.integers(0, 2**layout.depth, layout.plane_size(k, 22, 36)).astype(layout.dtype)
        for k in range(layout.n_planes)
    )
    planar = av.VideoFrame(36, 22, layout.name)
    fill(planar, planes, layout)
    planar.color_range, planar.colorspace = 2, (0 if layout.family == "rgb" else 1)
    packed = planar.reformat(format=pix_fmt, dst_color_range=2, threads=1)  # FFmpeg's own rearranging is the oracle
    packed.pts = 0
    frame = Frame.from_native(packed, 0, Fraction(1, 25))
    for ours, theirs in zip(frame.planes, planes, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert frame.to_av().format.name == layout.name


@pytest.mark.parametrize("pix_fmt", ["bayer_rggb8", "cuda", "vaapi", "gbrpf32le", "gray32le", "xyz12le", ""])
def test_formats_that_cannot_be_worked_on_are_named(pix_fmt):
    with pytest.raises(VideoError, match=pix_fmt or "unknown"):
        layout_of(pix_fmt)


def test_every_format_is_either_laid_out_or_refused():
    for name in names:
        try:
            layout = layout_of(name)
        except VideoError:
            continue
        assert 8 <= layout.depth <= 16, name
        assert layout_of(layout.name) == replace(layout, source=layout.name), name


def test_an_untouched_frame_is_passed_through(make_frame):
    frame = make_frame("yuv420p10le")
    assert frame.to_av() is frame.native
    assert frame.native.pict_type == 0, "the encoder would repeat the source's picture types"


def test_replaced_planes_keep_times_and_tags(make_frame):
    frame = make_frame("yuv422p10le", (35, 49), matrix=9)
    planes = tuple(p + 1 for p in frame.planes)
    other = frame.with_planes(planes)
    out = other.to_av()
    assert other.native is None
    assert other.template is frame.native
    assert (out.pts, out.time_base, out.colorspace, out.color_range) == (7, Fraction(1, 25), 9, 1)
    for a, b in zip(Frame.from_native(out, 0, Fraction(1, 25)).planes, planes, strict=True):
        np.testing.assert_array_equal(a, b)
    assert all((a + 1 == b).all() for a, b in zip(frame.planes, planes, strict=True))


def test_side_data_survives_replaced_planes(make_video, tmp_path):
    source = make_video(tmp_path / "turned.mp4", rotation=90, size=(35, 49), pix_fmt="yuv444p")
    with av.open(str(source)) as container:
        native = next(container.decode(video=0))
    frame = Frame.from_native(native, 0, Fraction(1, 25))
    out = frame.with_planes(tuple(255 - p for p in frame.planes)).to_av()
    assert out.rotation == native.rotation == -90
    assert (out.width, out.height) == (49, 35)
    np.testing.assert_array_equal(Frame.from_native(out, 0, Fraction(1, 25)).planes[1], 255 - frame.planes[1])


def test_replaced_frames_leave_the_memory_with_their_last_use(make_video, tmp_path):
    info = probe(make_video(tmp_path / "in.mp4", frames=12))
    gc.collect()
    gc.disable()  # what refers to itself would stay, megabytes each, until it happens to be collected
    try:
        with Reader(info) as reader:
            for frame in reader.frames():
                frame.with_planes(tuple(plane.copy() for plane in frame.planes)).to_av()
        del frame
        alive = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
    finally:
        gc.enable()
    assert alive == 0


def test_wrong_planes_are_refused(make_frame):
    frame = make_frame("yuv420p")
    with pytest.raises(ValueError, match="plane 1"):
        frame.with_planes((frame.planes[0], frame.planes[0], frame.planes[2]))
