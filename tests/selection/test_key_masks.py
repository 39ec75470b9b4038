"""Masks of some frames: which frame each belongs to, and that the object is followed from each of them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from vrm.cli.main import run
from vrm.errors import MaskError, UsageError
from vrm.options.build import build_options
from vrm.options.remove import MaskOptions
from vrm.options.values import Moment
from vrm.selection.masks.load import load

from .scene import Scene, similarity
from .test_source import Disk, info, truth

QUICK = ["--threads", "1"]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def masks_of(folder):
    return [cv2.imread(str(path), 0) > 0 for path in sorted(folder.glob("*.png"))]


def test_every_mask_names_its_frame():
    assert build_options(mask=["a.png@0", "b.png@30f", "c.png@0:04", "d@home.png"], mask_frame=7).mask.key_masks == (
        (Moment(frame=0), Path("a.png")),
        (Moment(frame=30), Path("b.png")),
        (Moment.parse("4"), Path("c.png")),
        (None, Path("d@home.png")),
    )
    assert build_options(mask={0: "a.png", "1.5": "b.png"}).mask.key_masks == (
        (Moment(frame=0), Path("a.png")),
        (Moment.parse("1.5"), Path("b.png")),
    )
    assert build_options(mask=["masks"]).mask.path == Path("masks")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"mask": ["a.png", "b.png"]}, "2 of them are for frame 0. Say which frame each belongs to"),
        ({"mask": ["a.png@3", "b.png"], "mask_frame": 3}, "2 of them are for frame 3"),
        ({"mask": ["a.png@3"], "mask_frame": 4}, "--mask-frame 4 means nothing"),
        ({"mask": ["a.png@3"], "static_mask": True}, "--static-mask goes on every frame, and --mask names frame 3"),
    ],
)
def test_a_second_mask_never_replaces_the_first(words, said):
    with pytest.raises(UsageError, match=said):
        build_options(**words)


def test_key_masks_are_on_their_frames(disk: Disk):
    one, other = (disk.still(name, np.uint8(255) * truth()[t]) for name, t in (("a.png", 1), ("b.png", 4)))
    loaded = load(MaskOptions(((Moment(frame=4), other), (None, one)), frame=1), info(), disk.readers)
    assert loaded.annotated == {1, 4}
    assert list(loaded.masks.frames()) == [1, 4]
    np.testing.assert_array_equal(loaded.masks[1], truth()[1])
    np.testing.assert_array_equal(loaded.masks[4], truth()[4])
    with pytest.raises(UsageError, match=r"b.png names frame 5, beyond the end .* 5 frames"):
        load(MaskOptions(((Moment(frame=5), other),)), info(), disk.readers)
    with pytest.raises(MaskError, match="is no picture, and only a picture is the mask of one frame"):
        load(MaskOptions(((Moment(frame=1), one.parent),)), info(), disk.readers)


def test_several_static_masks_are_united(disk: Disk):
    paths = [disk.still(f"{t}.png", np.uint8(255) * truth()[t]) for t in (0, 2)]
    loaded = load(MaskOptions(tuple((None, path) for path in paths), static=True), info(), disk.readers)
    assert loaded.annotated is None
    np.testing.assert_array_equal(loaded.masks[4], truth()[[0, 2]].any(0))


@pytest.mark.parametrize("names", [("00000", "00003", "00017"), ("m-0", "m-3", "m-17"), ("00007",)])
def test_a_folder_whose_names_are_frames(disk: Disk, names):
    for name in names:
        disk.still(f"keys/{name}.png", np.uint8(255) * truth()[1])
    loaded = load(MaskOptions(disk.folder / "keys"), info(n_frames=20), disk.readers)
    assert loaded.annotated == {int(name.removeprefix("m-")) for name in names}
    assert len(loaded.notes) == 1
    assert "by name" in loaded.notes[0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("0", "1", "2"), "3 pictures, the video has 20 frames"),  # perhaps counted from 1, perhaps the wrong folder
        (("1", "5", "20"), "number 9 is missing"),  # 20 is no frame
    ],
)
def test_a_folder_whose_names_may_be_no_frames(disk: Disk, names, said):
    for name in names:
        disk.still(f"keys/{name}.png", np.uint8(255) * truth()[1])
    with pytest.raises(MaskError, match=said):
        load(MaskOptions(disk.folder / "keys"), info(n_frames=20), disk.readers)


def test_key_masks_outside_the_range_are_left_out_of_a_folder(disk: Disk):
    for t in (0, 9, 15):
        disk.still(f"keys/{t:03d}.png", np.uint8(255) * truth()[1])
    loaded = load(MaskOptions(disk.folder / "keys"), info(n_frames=20), disk.readers, span=(5, 12))
    assert loaded.annotated == {9}


def test_the_object_is_followed_from_the_nearer_key_mask(tmp_path, capsys):
    scene = Scene(9, speed=3, second=True)
    source = scene.save(tmp_path / "clip")
    left, right = ([mask.copy() for mask in scene.masks] for _ in range(2))
    for t in range(9):
        left[t][:, 92:] = False
        right[t][:, :92] = False
    # The first key mask means the thing on the left, the second the one on the right: each goes half-way. (Where one
    # takes over from the other, the closing of drop-outs takes part in both.)
    cv2.imwrite(str(tmp_path / "a.png"), left[1].astype(np.uint8) * 255)
    cv2.imwrite(str(tmp_path / "b.png"), right[7].astype(np.uint8) * 255)
    masks = ["--mask", f"{tmp_path / 'a.png'}@1", "--mask", f"{tmp_path / 'b.png'}@7f"]
    assert run(["track", str(source), *masks, "-o", str(tmp_path / "m"), *QUICK]) == 0
    found = masks_of(tmp_path / "m")
    for t in (0, 1, 2, 3, 6, 7, 8):
        assert similarity(found[t], (left if t <= 4 else right)[t]) > 0.8, t
    assert "The masks of frames 1, 7 are followed" in capsys.readouterr().err


def test_an_empty_key_mask_says_that_the_object_is_gone(tmp_path):
    scene = Scene(9)
    source = scene.save(tmp_path / "clip")
    keys = tmp_path / "keys"
    keys.mkdir()
    cv2.imwrite(str(keys / "00000.png"), scene.masks[0].astype(np.uint8) * 255)
    cv2.imwrite(str(keys / "00008.png"), np.zeros_like(scene.masks[0], np.uint8))
    assert run(["track", str(source), "--mask", str(keys), "-o", str(tmp_path / "m"), *QUICK]) == 0
    assert [bool(mask.any()) for mask in masks_of(tmp_path / "m")] == [True] * 5 + [False] * 4


def test_key_masks_by_time_and_by_the_names_of_a_folder_of_frames(tmp_path, make_video):
    video = make_video(tmp_path / "a.mkv", frames=10, size=(48, 64))  # 25 per second
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 10:20] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    words = ["--mask", f"{tmp_path / 'm.png'}@0.24", "-o", str(tmp_path / "out"), *QUICK]
    assert run(["track", str(video), *words]) == 0
    np.testing.assert_array_equal(masks_of(tmp_path / "out")[6], mask > 0)
    frames, keys = tmp_path / "frames", tmp_path / "keys"
    frames.mkdir()
    keys.mkdir()
    for t in range(10):
        cv2.imwrite(str(frames / f"{100 + t}.png"), np.full((48, 64, 3), 20 * t, np.uint8))
    for t in (103, 107):
        cv2.imwrite(str(keys / f"{t}.png"), np.roll(mask, t, 1))
    assert run(["track", str(frames), "--mask", str(keys), "-o", str(tmp_path / "more"), *QUICK]) == 0
    found = masks_of(tmp_path / "more")
    assert similarity(found[3], np.roll(mask, 103, 1) > 0) > 0.9
    assert similarity(found[7], np.roll(mask, 107, 1) > 0) > 0.9
