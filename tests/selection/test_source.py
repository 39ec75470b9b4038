"""Every form a user may hold a mask in says the same: one truth, many forms, the same Masks."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vrm.errors import MaskError, VideoError
from vrm.media.read.picture_tags import upright
from vrm.options.remove import MaskOptions
from vrm.selection.masks.levels import voc_colours
from vrm.selection.masks.load import load
from vrm.selection.masks.source import MaskReaders, mask_readers
from vrm.types import Colour, VideoInfo

SIZE = (36, 64)
FRAMES = 5


def info(size=SIZE, n_frames=FRAMES, rotation=0, aspect=Fraction(1)) -> VideoInfo:
    return VideoInfo(
        path=Path("clip.mp4"),
        container="mp4",
        stream=0,
        codec="h264",
        profile="",
        pix_fmt="yuv420p",
        height=size[0],
        width=size[1],
        rotation=rotation,
        sample_aspect=aspect,
        bit_depth=8,
        time_base=Fraction(1, 25),
        frame_rate=Fraction(25),
        n_frames=n_frames,
        duration=None,
        colour=Colour(),
    )


class Disk:
    """Files that hold arrays: the room is tested without codecs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stills: dict[Path, tuple[np.ndarray, bool]] = {}
        self.videos: dict[Path, list[np.ndarray]] = {}

    def still(self, name: str, pixels: np.ndarray, indexed: bool = False) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.stills[path] = pixels, indexed
        return path

    def video(self, name: str, frames: list[np.ndarray]) -> Path:
        path = self.folder / name
        path.touch()
        self.videos[path] = frames
        return path

    @property
    def readers(self) -> MaskReaders:
        return MaskReaders(self._open_still, self._open_video)

    def _open_still(self, path: Path) -> tuple[np.ndarray, bool]:
        if path not in self.stills:
            raise VideoError(f"{path} is damaged.")
        return self.stills[path]

    def _open_video(self, path: Path) -> Iterator[np.ndarray]:
        if path not in self.videos:
            raise VideoError(f"{path} is no video.")
        yield from self.videos[path]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def truth(n=FRAMES, size=SIZE) -> np.ndarray:
    """Two things; the second is missing on frame 0, and all are on frame 3."""
    masks = np.zeros((n, *size), bool)
    for t in range(n):
        masks[t, 5:15, 4 + 3 * t : 14 + 3 * t] = t != 3
        masks[t, 20:30, 40:50] = t not in (0, 3)
    return masks


def ids(masks: np.ndarray) -> np.ndarray:
    """1 for the thing above, 2 for the one below."""
    labels = masks.astype(np.uint8)
    labels[:, 18:][masks[:, 18:]] = 2
    return labels


def noisy(frame: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    grey = np.where(frame, 235, 20) + rng.integers(-20, 21, frame.shape)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, 2)


def soft(frame: np.ndarray) -> np.ndarray:
    """0/255 with soft grey levels on both sides of half."""
    rng = np.random.default_rng(1)
    grey = np.where(frame, rng.integers(128, 256, frame.shape), rng.integers(0, 128, frame.shape))
    grey[0, 0], grey[-1, -1] = 0, 127
    return grey.astype(np.uint8)


def cut_out(frame: np.ndarray) -> np.ndarray:
    picture = np.random.default_rng(2).integers(0, 256, (*frame.shape, 4)).astype(np.uint8)
    picture[..., 3] = 255 * frame
    return picture


def constant_alpha(frame: np.ndarray) -> np.ndarray:
    rgba = np.full((*frame.shape, 4), 255, np.uint8)
    rgba[..., :3] = 255 * frame[..., None]
    return rgba


def quadmask(frame: np.ndarray) -> np.ndarray:
    grey = np.where(frame, 0, 255).astype(np.uint8)
    grey[32:35] = 127
    grey[20:30][frame[20:30]] = 63
    return np.repeat(grey[..., None], 3, 2)


Maker = Callable[[np.ndarray], list[tuple[np.ndarray, bool]]]

FORMS: dict[str, tuple[Maker, dict]] = {
    "0/255": (lambda m: [(np.uint8(255) * f, False) for f in m], {}),
    "one bit": (lambda m: [(f, False) for f in m], {}),
    "0/1": (lambda m: [(f.astype(np.uint8), False) for f in m], {}),
    "0/127": (lambda m: [(np.uint8(127) * f, False) for f in m], {}),
    "16 bit": (lambda m: [(np.uint16(65535) * f, False) for f in m], {}),
    "0/255 in 16 bit": (lambda m: [(np.uint16(255) * f, False) for f in m], {}),
    "soft grey": (lambda m: [(soft(f), False) for f in m], {}),
    "ids in grey": (lambda m: [(f, False) for f in ids(m)], {}),
    "ids in grey with void": (lambda m: [(np.where(f == 2, 255, f).astype(np.uint8), False) for f in ids(m)], {}),
    "palette": (lambda m: [(f, True) for f in ids(m)], {}),
    "palette with index 255": (lambda m: [(np.uint8(255) * f, True) for f in m], {}),
    "palette, both ids": (lambda m: [(f, True) for f in ids(m)], {"objects": (1, 2)}),
    "grey, both ids": (lambda m: [(f, False) for f in ids(m)], {"objects": (1, 2)}),
    "colours": (lambda m: [(voc_colours()[f], False) for f in ids(m)], {}),
    "colours, both ids": (lambda m: [(voc_colours()[f], False) for f in ids(m)], {"objects": (1, 2)}),
    "grey RGB": (lambda m: [(np.repeat(np.uint8(255) * f[..., None], 3, 2), False) for f in m], {}),
    "inverted": (lambda m: [(np.uint8(255) * ~f, False) for f in m], {"invert": True}),
    "inverted one bit": (lambda m: [(~f, False) for f in m], {"invert": True}),
    "alpha of a cut-out": (lambda m: [(cut_out(f), False) for f in m], {}),
    "alpha that says nothing": (lambda m: [(constant_alpha(f), False) for f in m], {}),
    "quadmask": (lambda m: [(quadmask(f), False) for f in m], {"invert": True}),
}


@pytest.mark.parametrize("form", FORMS)
def test_folder_of_every_form(disk: Disk, form: str):
    make, options = FORMS[form]
    for t, (pixels, indexed) in enumerate(make(truth())):
        disk.still(f"m/{t:05d}.png", pixels, indexed)
    loaded = load(MaskOptions(disk.folder / "m", **options), info(), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth())
    assert loaded.annotated is None


@pytest.mark.parametrize("form", FORMS)
def test_single_picture_of_every_form(disk: Disk, form: str):
    make, options = FORMS[form]
    pixels, indexed = make(truth())[1]
    path = disk.still("m.png", pixels, indexed)
    loaded = load(MaskOptions(path, frame=2, **options), info(), disk.readers)
    assert list(loaded.masks.frames()) == [2]
    assert loaded.annotated == {2}
    np.testing.assert_array_equal(loaded.masks[2], truth()[1])
    still = load(MaskOptions(path, static=True, **options), info(), disk.readers)
    assert still.annotated is None
    for t in range(FRAMES):
        np.testing.assert_array_equal(still.masks[t], truth()[1])


@pytest.mark.parametrize("inverted", [False, True])
def test_mask_video_is_cut_at_half(disk: Disk, inverted: bool):
    path = disk.video("m.mp4", [noisy(f ^ inverted) for f in truth()])
    loaded = load(MaskOptions(path, invert=inverted), info(), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth())


def test_red_on_black_video_is_not_lost(disk: Disk):
    frames = [np.stack([np.uint8(230) * f, np.uint8(12) * f, np.uint8(9) * f], 2) for f in truth()]
    loaded = load(MaskOptions(disk.video("m.mp4", frames)), info(), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth())


def test_one_object_of_a_palette(disk: Disk):
    for t, labels in enumerate(ids(truth())):
        disk.still(f"m/{t}.png", labels, True)
    loaded = load(MaskOptions(disk.folder / "m", objects=(2, 9)), info(), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), ids(truth()) == 2)
    assert any("Object 9" in note for note in loaded.notes)


def test_object_that_is_not_there(disk: Disk):
    for t, labels in enumerate(ids(truth())):
        disk.still(f"m/{t}.png", labels, True)
    with pytest.raises(MaskError, match=r"--object 7 is nowhere.*ids are: 1, 2") as caught:
        load(MaskOptions(disk.folder / "m", objects=(7,)), info(), disk.readers)
    assert caught.value.exit_code == 4


def test_objects_of_a_mask_video(disk: Disk):
    path = disk.video("m.mp4", [noisy(f) for f in truth()])
    with pytest.raises(MaskError, match="lossy"):
        load(MaskOptions(path, objects=(1,)), info(), disk.readers)


def test_objects_from_unknown_colours(disk: Disk):
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[3:9, 3:9] = 255, 17, 99
    with pytest.raises(MaskError, match="in colour"):
        load(MaskOptions(disk.still("m.png", picture), objects=(1,)), info(), disk.readers)


def test_levels_below_half_are_named(disk: Disk):
    picture = np.zeros(SIZE, np.uint8)
    picture[:10], picture[10:20] = 85, 170
    loaded = load(MaskOptions(disk.still("m.png", picture), static=True), info(), disk.readers)
    assert loaded.masks[0].sum() == 10 * SIZE[1]
    assert any("85" in note for note in loaded.notes)


def test_numbers_count_not_letters(disk: Disk):
    for t, frame in enumerate(truth(12)):
        disk.still(f"m/mask_{t + 7}_id.png", np.uint8(255) * frame)
    (disk.folder / "m" / "Thumbs.db").touch()
    loaded = load(MaskOptions(disk.folder / "m"), info(n_frames=12), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, 12), truth(12))


def test_equal_steps_are_matched_by_order(disk: Disk):
    for t, frame in enumerate(truth()):
        disk.still(f"m/{t * 5:04d}.png", np.uint8(255) * frame)
    loaded = load(MaskOptions(disk.folder / "m"), info(), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth())


def test_gap_in_numbers(disk: Disk):
    for t in (0, 1, 2, 4, 5):
        disk.still(f"m/{t:03d}.png", np.uint8(255) * truth()[0])
    with pytest.raises(MaskError, match="number 3 is missing"):
        load(MaskOptions(disk.folder / "m"), info(), disk.readers)


@pytest.fixture
def frames(tmp_path: Path):
    """``frames(names)``: the facts of a folder of frames with these names."""

    def make(names: list[str], **about) -> VideoInfo:
        folder = tmp_path / "frames"
        folder.mkdir()
        for name in names:
            (folder / name).touch()
        return replace(info(n_frames=len(names)), path=folder, container="frames", **about)

    return make


@pytest.mark.parametrize("name", ["{:03d}.png", "mask{:d}.png"])
def test_frames_and_masks_with_the_same_gaps_are_paired(disk: Disk, frames, name: str):
    numbers = (0, 1, 9, 10, 12)
    for t, frame in zip(numbers, truth(), strict=True):
        disk.still("m/" + name.format(t), np.uint8(255) * frame)
    loaded = load(MaskOptions(disk.folder / "m"), frames([f"{t:03d}.jpg" for t in numbers]), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth())
    assert loaded.notes == ()


def test_masks_of_frames_that_were_deleted_are_left_out(disk: Disk, frames):
    for t, frame in enumerate(truth(8)):
        disk.still(f"m/{t}.png", np.uint8(255) * frame)
    kept = (0, 2, 3, 7)
    loaded = load(MaskOptions(disk.folder / "m"), frames([f"{t}.png" for t in kept]), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, 4), truth(8)[list(kept)])
    assert any("4 of the 8 pictures" in note for note in loaded.notes)


def test_masks_of_a_range_are_paired_by_name(disk: Disk, frames):
    numbers = [0, 1, 4, 5, 9, 10]
    for t, frame in zip(numbers[2:5], truth(3), strict=True):
        disk.still(f"m/{t}.png", np.uint8(255) * frame)
    loaded = load(MaskOptions(disk.folder / "m"), frames([f"{t}.png" for t in numbers]), disk.readers, span=(2, 5))
    np.testing.assert_array_equal(loaded.masks.window(2, 5), truth(3))


def test_masks_of_other_names_still_need_their_numbers(disk: Disk, frames):
    for t in (0, 1, 3):
        disk.still(f"m/{t}.png", np.uint8(255) * truth()[0])
    with pytest.raises(MaskError, match="number 2 is missing"):
        load(MaskOptions(disk.folder / "m"), frames([f"{t}.png" for t in (0, 1, 2)]), disk.readers)


def test_number_twice(disk: Disk):
    for name in ("1.png", "01.png", "2.png"):
        disk.still(f"m/{name}", np.uint8(255) * truth()[0])
    with pytest.raises(MaskError, match="number 1 twice"):
        load(MaskOptions(disk.folder / "m"), info(n_frames=3), disk.readers)


@pytest.mark.parametrize(("count", "text"), [(3, "without a mask is 3"), (8, "00005.png")])
def test_folder_of_another_length(disk: Disk, count: int, text: str):
    for t in range(count):
        disk.still(f"m/{t:05d}.png", np.uint8(255) * truth()[0])
    with pytest.raises(MaskError, match=f"{count} pictures, the video has 5 frames.*{text}") as caught:
        load(MaskOptions(disk.folder / "m"), info(), disk.readers)
    assert caught.value.exit_code == 4
    still = load(MaskOptions(disk.folder / "m", static=True), info(), disk.readers)
    np.testing.assert_array_equal(still.masks[4], truth()[0])


@pytest.mark.parametrize(("count", "text"), [(3, "without a mask is 3"), (8, "without a video frame is 5")])
def test_video_of_another_length(disk: Disk, count: int, text: str):
    path = disk.video("m.mp4", [noisy(truth()[0])] * count)
    with pytest.raises(MaskError, match=f"{count} frames, the video has 5 frames.*{text}"):
        load(MaskOptions(path), info(), disk.readers)


def test_masks_for_the_chosen_range_only(disk: Disk):
    for t, frame in enumerate(truth(3)):
        disk.still(f"m/{t}.png", np.uint8(255) * frame)
    loaded = load(MaskOptions(disk.folder / "m"), info(n_frames=20), disk.readers, span=(7, 10))
    np.testing.assert_array_equal(loaded.masks.window(7, 10), truth(3))
    assert loaded.masks.box(0) is None
    assert loaded.masks.n_frames == 20
    assert any("range" in note for note in loaded.notes)


def test_static_folder_is_united(disk: Disk):
    for t, frame in enumerate(truth()):
        disk.still(f"m/{t}.png", np.uint8(255) * frame)
    loaded = load(MaskOptions(disk.folder / "m", static=True), info(n_frames=9), disk.readers)
    np.testing.assert_array_equal(loaded.masks[8], truth().any(0))


def test_folder_with_one_picture(disk: Disk):
    disk.still("m/0000.png", np.uint8(255) * truth()[1])
    loaded = load(MaskOptions(disk.folder / "m", frame=3), info(), disk.readers)
    assert loaded.annotated == {3}
    assert any("one picture" in note for note in loaded.notes)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_masks_are_in_the_displayed_orientation(disk: Disk, rotation: int):
    video = info(rotation=rotation)
    # Oracle: a player turns the stored picture clockwise by the rotation.
    shown = [np.uint8(255) * np.rot90(frame, -(rotation // 90)) for frame in truth()]
    for t, frame in enumerate(shown):
        assert frame.shape == video.display_size
        disk.still(f"m/{t}.png", np.ascontiguousarray(frame))
    loaded = load(MaskOptions(disk.folder / "m"), video, disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth())
    assert loaded.notes == ()


@pytest.mark.parametrize("rotation", [90, 270])
def test_stored_orientation_is_taken_with_a_note(disk: Disk, rotation: int):
    path = disk.still("m.png", np.uint8(255) * truth()[1])
    loaded = load(MaskOptions(path), info(rotation=rotation), disk.readers)
    np.testing.assert_array_equal(loaded.masks[0], truth()[1])
    assert any("stored orientation" in note for note in loaded.notes)


@pytest.mark.parametrize("scale", [2, 3])
def test_larger_mask_is_scaled_with_one_note(disk: Disk, scale: int):
    for t, frame in enumerate(truth()):
        disk.still(f"m/{t}.png", np.kron(np.uint8(255) * frame, np.ones((scale, scale), np.uint8)))
    loaded = load(MaskOptions(disk.folder / "m"), info(), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth())
    assert [f"{64 * scale}x{36 * scale}" in note and "64x36" in note for note in loaded.notes] == [True]


def test_data_set_size_fits_its_original(disk: Disk):
    path = disk.still("m.png", np.full((240, 432), 255, np.uint8) * (np.arange(432) < 200).astype(np.uint8))
    loaded = load(MaskOptions(path), info(size=(480, 854)), disk.readers)
    assert abs(loaded.masks[0].mean() - 200 / 432) < 0.01


def test_mask_drawn_on_a_screenshot_of_wide_pixels(disk: Disk):
    path = disk.still("m.png", np.kron(np.uint8(255) * truth()[1], np.ones((1, 2), np.uint8)))
    loaded = load(MaskOptions(path), info(aspect=Fraction(2)), disk.readers)
    np.testing.assert_array_equal(loaded.masks[0], truth()[1])


def test_another_shape_is_refused_with_both_sizes(disk: Disk):
    path = disk.still("m.png", np.full((50, 64), 255, np.uint8))
    with pytest.raises(MaskError, match=r"64x50.*64x36") as caught:
        load(MaskOptions(path), info(), disk.readers)
    assert caught.value.exit_code == 4


def test_unreadable_picture_is_named(disk: Disk):
    for t in range(FRAMES):
        disk.still(f"m/{t}.png", np.uint8(255) * truth()[0])
    del disk.stills[disk.folder / "m" / "3.png"]
    with pytest.raises(MaskError, match=r"3\.png cannot be read") as caught:
        load(MaskOptions(disk.folder / "m"), info(), disk.readers)
    assert caught.value.exit_code == 4


def test_unreadable_video_is_named(disk: Disk):
    path = disk.folder / "m.mp4"
    path.touch()
    with pytest.raises(MaskError, match=r"m\.mp4 cannot be read"):
        load(MaskOptions(path), info(), disk.readers)


def test_nothing_there(disk: Disk):
    with pytest.raises(MaskError, match="does not exist"):
        load(MaskOptions(disk.folder / "no.png"), info(), disk.readers)
    disk.still("m/a/0.png", np.zeros(SIZE, np.uint8))
    with pytest.raises(MaskError, match=r"no pictures.*folders a do"):
        load(MaskOptions(disk.folder / "m"), info(), disk.readers)


def test_frame_past_the_end(disk: Disk):
    path = disk.still("m.png", np.uint8(255) * truth()[0])
    with pytest.raises(MaskError, match=r"--mask-frame 5 is past the end.*5 frames"):
        load(MaskOptions(path, frame=5), info(), disk.readers)


def test_everything_masked(disk: Disk):
    path = disk.still("m.png", np.full(SIZE, 255, np.uint8))
    with pytest.raises(MaskError, match=r"every pixel.*--invert-mask"):
        load(MaskOptions(path, static=True), info(), disk.readers)
    with pytest.raises(MaskError, match="every pixel"):
        load(MaskOptions(path), info(), disk.readers)


def test_the_other_polarity_is_suspected(disk: Disk):
    path = disk.still("m.png", np.uint8(255) * ~truth()[0])
    loaded = load(MaskOptions(path, static=True), info(), disk.readers)
    assert any("--invert-mask" in note for note in loaded.notes)


def test_empty_mask_passes_with_a_note(disk: Disk):
    path = disk.still("m.png", np.zeros(SIZE, np.uint8))
    loaded = load(MaskOptions(path, static=True), info(), disk.readers)
    assert loaded.masks.empty
    assert any("empty" in note for note in loaded.notes)


def test_no_mask_at_all(disk: Disk):
    with pytest.raises(MaskError, match="--mask"):
        load(MaskOptions(), info(), disk.readers)


@pytest.mark.parametrize("orientation", range(5, 9))
def test_masks_as_stored_of_pictures_that_are_turned_for_display(disk: Disk, orientation: int):
    shown = np.ascontiguousarray(upright(truth()[1], orientation))
    facts = replace(info(shown.shape, 1), orientation=orientation)
    for mask, notes in ((shown, 0), (truth()[1], 1)):
        loaded = load(MaskOptions(disk.still("m.png", np.uint8(255) * mask), static=True), facts, disk.readers)
        np.testing.assert_array_equal(loaded.masks[0], shown)
        assert len(loaded.notes) == notes


@pytest.mark.parametrize("invert", [False, True])
def test_a_black_that_is_not_quite_black(disk: Disk, invert: bool):
    for t, frame in enumerate(truth()):
        disk.still(f"m/{t}.png", np.where(frame, 255, 1).astype(np.uint8)[..., None].repeat(3, 2))
    loaded = load(MaskOptions(disk.folder / "m", invert=invert), info(), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth() ^ invert)


def test_ids_beside_a_void_of_white_stay_ids(disk: Disk):
    labels = ids(truth())
    for t, frame in enumerate(labels):
        frame[-1] = 255
        disk.still(f"m/{t}.png", frame)
    loaded = load(MaskOptions(disk.folder / "m"), info(), disk.readers)
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), labels > 0)
    one = load(MaskOptions(disk.folder / "m", objects=(1,)), info(), disk.readers)
    np.testing.assert_array_equal(one.masks.window(0, FRAMES), labels == 1)


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_an_animation_is_a_mask_video(tmp_path: Path, ending: str):
    first, *others = [Image.fromarray(np.uint8(255) * mask) for mask in truth()]
    first.save(tmp_path / f"m.{ending}", save_all=True, append_images=others, duration=40, lossless=True)
    loaded = load(MaskOptions(tmp_path / f"m.{ending}"), info(), mask_readers())
    np.testing.assert_array_equal(loaded.masks.window(0, FRAMES), truth())
