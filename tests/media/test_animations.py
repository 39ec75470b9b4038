"""GIF, APNG and animated WebP: read and written with their alpha, their uneven delays and how often they play."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from PIL import Image

from vrm.errors import OutputError, UsageError
from vrm.media.frame.composite import composite
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.times import timestamps
from vrm.media.write.plan import plan_output
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions
from vrm.types import Patch

DELAYS = [100, 40, 300, 700, 100]
BOX = (2, 30, 10, 40)
ENDINGS = ("gif", "png", "webp")


def pictures() -> list[np.ndarray]:
    """A disc that moves over nothing, and a red sign; the same colours on each frame."""
    y, x = np.mgrid[:30, :48]
    frames = []
    for t in range(len(DELAYS)):
        frame = np.zeros((30, 48, 4), np.uint8)
        frame[np.hypot(y - 21, x - 10 - 5 * t) < 7] = (30, 120, 220, 255)
        frame[3:9, 31:39] = (250, 40, 40, 255)
        frames.append(frame)
    return frames


def animation(path, plays=3):
    first, *others = [Image.fromarray(frame) for frame in pictures()]
    about = {"gif": {"disposal": 2, "loop": plays - 1}, "webp": {"lossless": True}}.get(path.suffix[1:], {})
    first.save(path, save_all=True, append_images=others, duration=DELAYS, **{"loop": plays} | about)
    return path


def seen(path) -> tuple[list[np.ndarray], list[int], int]:
    """Frames, delays in milliseconds and the number of plays, as Pillow reads them."""
    frames, delays = [], []
    with Image.open(path) as file:
        for t in range(file.n_frames):
            file.seek(t)
            file.load()
            frames.append(np.array(file.convert("RGBA")))
            delays.append(round(file.info["duration"]))
        loop = file.info.get("loop")
        return frames, delays, 1 if loop is None else loop and loop + (file.format == "GIF")


def cleaned(source, target):
    """Write the animation with black in place of its sign; what was kept and lost."""
    info = probe(source)
    plan = plan_output(info, target, OutputOptions())
    y0, x0, y1, x1 = BOX
    patch = Patch(BOX, np.zeros((y1 - y0, x1 - x0, 3), np.uint8))
    alpha = np.ones(patch.rgb.shape[:2], np.float32)
    with Reader(info) as reader:
        return write_video(plan, (composite(frame, patch, BOX, alpha) for frame in reader.frames()))


def without_sign(frame: np.ndarray) -> np.ndarray:
    frame = frame.copy()
    frame[BOX[0] : BOX[2], BOX[1] : BOX[3]] = 0
    return frame


def assert_same_picture(one: np.ndarray, other: np.ndarray) -> None:
    """Equal where anything is to be seen."""
    np.testing.assert_array_equal(one[..., 3], other[..., 3])
    np.testing.assert_array_equal(one[one[..., 3] > 0], other[one[..., 3] > 0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_animations_are_read(tmp_path, ending):
    info = probe(animation(tmp_path / f"a.{ending}"))
    assert (info.size, info.n_frames, info.has_alpha, info.duration) == ((30, 48), 5, True, Fraction(sum(DELAYS), 1000))
    starts = [t * info.time_base * 1000 for t in timestamps(info)]
    assert starts == [0, 100, 140, 440, 1140]
    with Reader(info) as reader:
        for frame, want in zip(reader.frames(), pictures(), strict=True):
            assert_same_picture(np.dstack([frame.rgb(), frame.planes[3]]), want)
    with Reader(info) as reader:
        assert [frame.index for frame in reader.frames(2, 4)] == [2, 3]


@pytest.mark.parametrize(("source", "target"), list(product(ENDINGS, repeat=2)))
def test_animations_are_written(tmp_path, source, target):
    written = cleaned(animation(tmp_path / f"a.{source}"), tmp_path / f"b.{target}")
    frames, delays, plays = seen(tmp_path / f"b.{target}")
    assert (delays, plays) == (DELAYS, 3)
    assert "the alpha plane" in written.kept
    assert bool(written.lost) == (target == "gif" != source)  # it has no half-transparent pixels
    for frame, want in zip(frames, pictures(), strict=True):
        assert frame[BOX[0] : BOX[2], BOX[1] : BOX[3], 3].max() < 16, "as transparent as what lies around it"
        assert_same_picture(without_sign(frame), without_sign(want))


@pytest.mark.parametrize("source", ENDINGS)
@pytest.mark.parametrize(
    ("ending", "codec", "pix_fmt"),
    [("mkv", "ffv1", "bgra"), ("webm", "vp9", "yuva420p"), ("mov", "prores", "yuva444p10le")],
)
def test_the_codec_that_is_chosen_holds_the_alpha(tmp_path, source, ending, codec, pix_fmt):
    written = cleaned(animation(tmp_path / f"a.{source}"), tmp_path / f"b.{ending}")
    info = probe(tmp_path / f"b.{ending}")
    assert (info.codec, info.has_alpha, info.n_frames) == (codec, True, 5)
    assert "the alpha plane" in written.kept
    assert "that it plays 3 times" in written.lost
    starts = [t * info.time_base * 1000 for t in timestamps(info)]
    assert [t - starts[0] for t in starts] == [0, 100, 140, 440, 1140]
    with Reader(info) as reader:
        for frame, want in zip(reader.frames(), pictures(), strict=True):
            opacity = frame.planes[3].astype(float) / (2**frame.layout.depth - 1) * 255
            assert np.abs(opacity - without_sign(want)[..., 3]).mean() < 3
    assert plan_output(probe(tmp_path / f"a.{source}"), tmp_path / f"c.{ending}", OutputOptions()).pix_fmt == pix_fmt


def test_a_codec_that_is_asked_for_holds_the_alpha_where_it_can(tmp_path):
    info = probe(animation(tmp_path / "a.gif"))
    for codec, pix_fmt in (("vp9", "yuva420p"), ("prores", "yuva444p10le"), ("ffv1", "bgra")):
        plan = plan_output(info, tmp_path / "b.mkv", OutputOptions(codec=codec))
        assert (plan.codec, plan.pix_fmt) == (codec, pix_fmt)
        assert "the alpha plane" in plan.kept
    plan = plan_output(info, tmp_path / "b.mp4", OutputOptions(codec="av1"))
    assert plan.pix_fmt == "yuv420p"
    assert "the alpha plane" in plan.lost
    with pytest.raises(OutputError, match=r"VP9.*cannot be written into QuickTime"):
        plan_output(info, tmp_path / "b.mov", OutputOptions(codec="vp9"))


def test_what_mp4_cannot_hold_of_an_animation_is_named(tmp_path):
    plan = plan_output(probe(animation(tmp_path / "a.gif")), tmp_path / "b.mp4", OutputOptions())
    assert (plan.codec, plan.pix_fmt) == ("h264", "yuv420p"), "what browsers play"
    assert {"the alpha plane", "that it plays 3 times"} <= set(plan.lost)
    assert plan.notes[0] == "MP4 does not hold GIF. Written as H.264."


def test_colours_of_a_gif_stay_where_a_fill_brings_more_than_fit(tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (250, 3), np.uint8)
    index = rng.integers(0, 250, (40, 50))
    index.flat[:250] = np.arange(250)
    still = Image.fromarray(index.astype(np.uint8), "P")
    still.putpalette(colours.tobytes())
    other = Image.fromarray(np.roll(index, 9, 0).astype(np.uint8), "P")
    other.putpalette(colours.tobytes())
    still.save(tmp_path / "a.gif", save_all=True, append_images=[other], duration=50)
    info = probe(tmp_path / "a.gif")
    patch = Patch((25, 10, 35, 30), rng.integers(0, 256, (10, 20, 3), np.uint8))
    plan = plan_output(info, tmp_path / "b.gif", OutputOptions())
    with Reader(info) as reader:
        before = [frame.rgb() for frame in reader.frames()]
        ones = np.ones((10, 20), np.float32)
        write_video(plan, (composite(frame, patch, patch.box, ones) for frame in reader.frames()))
    outside = np.ones((40, 50), bool)
    outside[25:35, 10:30] = False
    for after, want in zip(seen(tmp_path / "b.gif")[0], before, strict=True):
        np.testing.assert_array_equal(after[..., :3][outside], want[outside])


def test_a_video_becomes_an_animation(tmp_path, make_video):
    source = make_video(tmp_path / "a.mp4", audio=1, frames=6, rate=25)
    for ending in ENDINGS:
        plan = plan_output(probe(source), tmp_path / f"b.{ending}", OutputOptions())
        assert any("sound 1" in word for word in plan.lost)
        with Reader(probe(source)) as reader:
            write_video(plan, reader.frames())
        frames, delays, plays = seen(tmp_path / f"b.{ending}")
        assert (len(frames), delays) == (6, [40] * 6)
        assert plays == 0, "without end"


def test_lossless_is_of_the_animations_own_kind(tmp_path):
    source = animation(tmp_path / "a.webp")
    assert plan_output(probe(source), tmp_path / "b.webp", OutputOptions(lossless=True)).codec == "webp"
    with pytest.raises(UsageError, match="GIF cannot be lossless"):
        plan_output(probe(source), tmp_path / "b.gif", OutputOptions(lossless=True))
