from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from vrm.errors import OutputError, VideoError
from vrm.media.read.stills import image_facts, read_image, read_index, read_mask
from vrm.media.write.png import write_png


def picture(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def write_palette(path, index):
    """An indexed PNG, written by FFmpeg."""
    frame = av.VideoFrame(index.shape[1], index.shape[0], "pal8")
    line = frame.planes[0].line_size
    np.frombuffer(frame.planes[0], np.uint8).reshape(-1, line)[: index.shape[0], : index.shape[1]] = index
    palette = np.zeros((256, 4), np.uint8)
    palette[:, 0], palette[:, 1], palette[:, 3] = np.arange(256), 255 - np.arange(256), 255
    np.frombuffer(frame.planes[1], np.uint8)[:1024] = palette.ravel()
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *index.shape[::-1], "pal8", Fraction(1, 25)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(13, 17), (13, 17, 3), (13, 17, 4)])
def test_png_round_trip(tmp_path, shape, dtype):
    want = picture(shape, dtype)
    write_png(tmp_path / "a.png", want)
    got = read_image(tmp_path / "a.png")
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, want)
    assert image_facts(tmp_path / "a.png") == (13, 17, 1 if len(shape) == 2 else shape[2], 8 * want.itemsize)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"], "no temporary file may stay"


def test_channels_are_red_green_blue(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 4, 3), (10, 20, 30), np.uint8))  # OpenCV: blue first
    assert (read_image(tmp_path / "a.png") == (30, 20, 10)).all()


@pytest.mark.parametrize("ending", [".jpg", ".tif", ".bmp", ".webp"])
def test_facts_without_decoding(tmp_path, ending):
    cv2.imwrite(str(tmp_path / f"a{ending}"), picture((13, 17, 3), np.uint8))
    assert image_facts(tmp_path / f"a{ending}") == (13, 17, 3, 8)
    assert read_image(tmp_path / f"a{ending}").shape == (13, 17, 3)


def test_sixteen_bit_tiff(tmp_path):
    want = picture((13, 17, 3), np.uint16)
    cv2.imwrite(str(tmp_path / "a.tif"), want[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), want)
    assert image_facts(tmp_path / "a.tif")[3] == 16


def test_palette_indices(tmp_path):
    want = picture((13, 17), np.uint8) % 7
    write_palette(tmp_path / "a.png", want)
    np.testing.assert_array_equal(read_index(tmp_path / "a.png"), want)
    index, indexed = read_mask(tmp_path / "a.png")
    assert indexed
    np.testing.assert_array_equal(index, want)
    assert (read_image(tmp_path / "a.png")[..., 1] == 255 - want).all()


def test_a_grey_mask_is_no_palette(tmp_path):
    write_png(tmp_path / "a.png", np.eye(9, dtype=np.uint8) * 255)
    levels, indexed = read_mask(tmp_path / "a.png")
    assert not indexed
    assert levels.shape == (9, 9)
    with pytest.raises(VideoError, match="palette"):
        read_index(tmp_path / "a.png")


@pytest.mark.parametrize("content", [None, b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=r"a\.png"):
        read_image(path)
    with pytest.raises(VideoError, match=r"a\.png"):
        read_mask(path)


def test_floating_point_pictures_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((4, 4, 3), np.float32))
    with pytest.raises(VideoError, match="float32"):
        read_image(tmp_path / "a.tif")


def test_a_frame_is_written_as_the_picture_it_is(tmp_path, make_frame):
    frame = make_frame("gbrap16le", seed=1)
    write_png(tmp_path / "a.png", frame)
    g, b, r, a = frame.planes
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.dstack([r, g, b, a]))
    grey = make_frame("gray", full=True, seed=1)
    write_png(tmp_path / "b.png", grey)
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), grey.planes[0])


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OutputError, match="missing"):
        write_png(tmp_path / "missing" / "a.png", np.zeros((4, 4), np.uint8))
