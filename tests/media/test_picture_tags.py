"""Pictures, alone and in folders: what they state comes back with them, and they are taken as viewers show them."""

import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from vrm.errors import UsageError
from vrm.media.read.picture_tags import png_with, read_tags, upright
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.stills import image_facts, read_image
from vrm.media.write.plan import plan_output
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions
from vrm.types import Colour

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DISPLAY_P3 = bytes((12, 13, 0, 1))
"""cICP: primaries, transfer, matrix, full range."""


def picture(seed=0, size=(12, 20)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def exif(orientation=1) -> Image.Exif:
    made = Image.Exif()
    made[0x0112], made[0x010F] = orientation, "A camera"
    return made


def chunks(path) -> dict[bytes, bytes]:
    """Every chunk of a PNG, read by the letter of the specification; their checksums are right."""
    data, at, found = path.read_bytes(), 8, {}
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(name + content)
        found[name] = content
        at += 12 + size
    return found


def rewritten(source, target, **options):
    info = probe(source)
    plan = plan_output(info, target, OutputOptions(**options))
    with Reader(info) as reader:
        write_video(plan, reader.frames())
    return plan


@pytest.mark.parametrize(("ending", "about"), [("png", {}), ("jpg", {}), ("tif", {}), ("webp", {"lossless": True})])
def test_profiles_and_exif_of_a_folder_come_back(tmp_path, ending, about):
    (tmp_path / "in").mkdir()
    for k in range(2):
        Image.fromarray(picture(k)).save(tmp_path / f"in/{k}.{ending}", icc_profile=ICC, exif=exif(), **about)
    plan = rewritten(tmp_path / "in", tmp_path / "out")
    assert {"ICC profile", "EXIF"} <= set(plan.kept)
    assert plan.lost == ()
    for k in range(2):
        with Image.open(tmp_path / f"out/{k}.png") as made:
            assert made.info["icc_profile"] == ICC
            assert made.getexif()[0x010F] == "A camera"
            np.testing.assert_array_equal(np.array(made), read_image(tmp_path / f"in/{k}.{ending}"))


def test_colour_chunks_of_a_png_come_back(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(picture()).save(tmp_path / "0.png")
    stated = [(b"cICP", DISPLAY_P3), (b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0Shore")]
    (tmp_path / "in/0.png").write_bytes(png_with((tmp_path / "0.png").read_bytes(), stated))
    plan = rewritten(tmp_path / "in", tmp_path / "out")
    assert {"colour tags (cICP)", "gamma", "text"} <= set(plan.kept)
    assert dict(stated).items() <= chunks(tmp_path / "out/0.png").items()
    assert probe(tmp_path / "in").colour == Colour(12, 13, full_range=True)
    video = plan_output(probe(tmp_path / "in"), tmp_path / "out.mp4", OutputOptions())
    assert (video.colour.primaries, video.colour.matrix) == (12, 1)
    assert "gamma" in video.lost
    assert "colour tags (cICP)" not in video.lost


def test_a_profile_that_does_not_fit_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / "in/0.jpg", icc_profile=ICC[:16] + b"CMYK" + ICC[20:])
    plan = rewritten(tmp_path / "in", tmp_path / "out")
    assert plan.lost == ("ICC profile",)
    assert b"iCCP" not in chunks(tmp_path / "out/0.png")


def test_further_pictures_of_a_file_are_named(tmp_path):
    (tmp_path / "in").mkdir()
    pages = [Image.fromarray(picture(k)) for k in range(2)]
    pages[0].save(tmp_path / "in/0.tif", save_all=True, append_images=pages[1:])
    assert rewritten(tmp_path / "in", tmp_path / "out").lost == ("further pictures in a file",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_viewers_show_them(tmp_path, orientation):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/0.png"
    Image.fromarray(picture()).save(path, exif=exif(orientation))
    with Image.open(path) as stored:
        shown = np.array(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(read_image(path), shown)
    np.testing.assert_array_equal(upright(picture(), orientation), shown)
    assert image_facts(path)[:2] == shown.shape[:2]
    info = probe(tmp_path / "in")
    assert (info.display_size, info.orientation) == (shown.shape[:2], orientation)
    rewritten(tmp_path / "in", tmp_path / "out")
    with Image.open(tmp_path / "out/0.png") as made:
        np.testing.assert_array_equal(np.array(ImageOps.exif_transpose(made)), shown)
        assert made.getexif().get(0x0112, 1) == 1
        assert made.getexif()[0x010F] == "A camera"


def test_a_single_picture_is_one_frame_and_becomes_a_picture(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "photo.jpg", quality=95, exif=exif(6), icc_profile=ICC)
    info = probe(tmp_path / "photo.jpg")
    assert (info.n_frames, info.size, info.codec) == (1, (20, 12), "jpg")
    plan = rewritten(tmp_path / "photo.jpg", tmp_path / "clean.png")
    assert plan.lost == ()
    np.testing.assert_array_equal(read_image(tmp_path / "clean.png"), read_image(tmp_path / "photo.jpg"))
    assert read_tags(tmp_path / "clean.png").orientation == 1
    assert "ICC profile" in plan_output(info, tmp_path / "clean.mkv", OutputOptions()).lost


@pytest.mark.parametrize("mode", ["P", "RGB"])
def test_transparent_colours_are_an_alpha_plane(tmp_path, mode):
    (tmp_path / "in").mkdir()
    drawn = Image.fromarray(picture()).quantize(8).convert(mode)
    path = tmp_path / "in/0.png"
    drawn.save(path, transparency=3 if mode == "P" else drawn.getpixel((0, 0)))
    with Image.open(path) as stored:
        want = np.array(stored.convert("RGBA"))
    rewritten(tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(read_image(tmp_path / "out/0.png")[..., 3], want[..., 3])
    assert image_facts(path)[2] == 4


def test_a_folder_with_alpha_becomes_a_video_that_holds_it(tmp_path):
    (tmp_path / "in").mkdir()
    rgba = np.random.default_rng(0).integers(0, 256, (16, 24, 4)).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "in/0.png")
    for ending, codec in (("mkv", "ffv1"), ("webm", "vp9"), ("mov", "prores")):
        plan = plan_output(probe(tmp_path / "in"), tmp_path / f"a.{ending}", OutputOptions())
        assert plan.codec == codec
        assert "the alpha plane" in plan.kept
    assert "the alpha plane" in plan_output(probe(tmp_path / "in"), tmp_path / "a.mp4", OutputOptions()).lost


def test_a_folder_is_shown_at_the_rate_that_is_asked_for(tmp_path, make_video):
    (tmp_path / "in").mkdir()
    for k in range(3):
        Image.fromarray(picture(k)).save(tmp_path / f"in/{k}.png")
    info = probe(tmp_path / "in", rate=Fraction(30000, 1001))
    assert (info.frame_rate, info.time_base, info.duration) == (
        Fraction(30000, 1001), Fraction(1001, 30000), Fraction(3003, 30000),
    )  # fmt: skip
    plan = plan_output(info, tmp_path / "a.mp4", OutputOptions())
    with Reader(info) as reader:
        write_video(plan, reader.frames())
    assert probe(tmp_path / "a.mp4").frame_rate == Fraction(30000, 1001)
    assert not any("--fps" in note for note in plan.notes)
    assert any("--fps" in n for n in plan_output(probe(tmp_path / "in"), tmp_path / "b.mp4", OutputOptions()).notes)
    with pytest.raises(UsageError, match="--fps is for folders of pictures"):
        probe(make_video(tmp_path / "v.mp4", frames=2), rate=Fraction(24))
