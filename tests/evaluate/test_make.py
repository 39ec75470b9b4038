"""Cases: each protocol's frames, holes and truth, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vrm.errors import MaskError, OutputError, UsageError, VideoError
from vrm.evaluate.cases.make import _donors
from vrm.evaluate.cases.protocols import DAVIS_50, PROTOCOLS
from vrm.evaluate.commands import cases as make
from vrm.events import Events

from .made import SIZE, read, scene, thing, write


class Heard(Events):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def record(out: Path) -> dict:
    return json.loads((out / "protocol.json").read_text())


def hidden(out: Path, name: str) -> None:
    """Frames are the truth with grey in the hole."""
    truth, frames, masks = (read(out / name / kind) for kind in ("truth", "frames", "masks"))
    assert (frames[masks] == 128).all()
    assert np.array_equal(frames[~masks], truth[~masks])


def test_the_fixed_box(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert make(clips, out, Events(), protocol="fixed") == ["ape", "bee", "cat"]
    masks = read(out / "ape" / "masks")
    assert masks.shape == (6, 240, 432)
    box = np.zeros((240, 432), bool)
    box[90:150, 162:270] = True
    assert all(np.array_equal(mask, box) for mask in masks)
    source = read(clips / "ape" / "frames")
    expected = cv2.resize(source[3], (432, 240), interpolation=cv2.INTER_AREA)
    assert np.array_equal(read(out / "ape" / "truth")[3], expected)
    hidden(out, "ape")
    assert record(out)["protocol"] == "fixed"
    assert record(out)["clips"]["bee"] == {"source": "frames", "frames": 5}


def test_object_masks_are_the_next_clips_grown(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(clips, out, Events(), protocol="object", size="64x48")
    assert [len(read(out / n / "masks")) for n in ("ape", "bee", "cat")] == [5, 5, 6]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    grown = cv2.dilate(thing(1, 5)[4].astype(np.uint8), kernel) > 0
    assert np.array_equal(read(out / "ape" / "masks")[4], grown)
    assert record(out)["clips"]["cat"]["holes"] == "ape"
    assert np.array_equal(read(out / "ape" / "truth"), scene(0, 6)[:5])
    hidden(out, "bee")


def test_a_seed_shuffles_and_nobody_gets_their_own() -> None:
    assert _donors(4, 0) == [1, 2, 3, 0]
    orders = {tuple(_donors(7, seed)) for seed in range(1, 20)}
    assert len(orders) > 10
    for order in orders:
        assert sorted(order) == list(range(7))
        assert all(donor != k for k, donor in enumerate(order))
    assert _donors(7, 5) == _donors(7, 5)


@pytest.mark.parametrize("protocol", ["freeform-still", "freeform-moving"])
def test_free_form_holes(protocol: str, clips: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        make(clips, tmp_path / out, Events(), protocol=protocol, seed=3)
    alone = tmp_path / "alone"
    make(clips, alone, Events(), protocol=protocol, seed=3, clips="cat")
    make(clips, tmp_path / "other", Events(), protocol=protocol, seed=4)
    masks = read(tmp_path / "one" / "cat" / "masks")
    assert 0.02 < masks.mean() < 0.9
    assert np.array_equal(masks, read(tmp_path / "two" / "cat" / "masks"))
    assert np.array_equal(masks, read(alone / "cat" / "masks")), "a clip's hole does not depend on the other clips"
    assert not np.array_equal(masks, read(tmp_path / "other" / "cat" / "masks"))
    assert np.array_equal(masks[0], masks[-1]) == (protocol == "freeform-still")


@pytest.mark.parametrize(("protocol", "share"), [("ratio-30", 0.3), ("ratio-60", 0.6)])
def test_holes_of_a_given_share(protocol: str, share: float, clips: Path, tmp_path: Path) -> None:
    for seed in range(3):
        make(clips, tmp_path / str(seed), Events(), protocol=protocol, seed=seed)
        masks = read(tmp_path / str(seed) / "cat" / "masks")
        assert masks.astype(bool).mean() == pytest.approx(share, abs=0.02)
        assert np.array_equal(masks[0], masks[-1])


def test_published_holes(clips: Path, tmp_path: Path) -> None:
    hole = np.zeros((1, 48, 64), bool)
    hole[:, 10:20, 10:20] = True
    for name in ("ape", "bee", "cat"):
        write(tmp_path / "holes" / name, hole)
    out = tmp_path / "out"
    make(clips, out, Events(), protocol="youtube-vos", clips="*", masks=tmp_path / "holes", size="64x48")
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    grown = cv2.dilate(hole[0].astype(np.uint8), cross, iterations=4) > 0
    assert all(np.array_equal(mask, grown) for mask in read(out / "bee" / "masks"))
    with pytest.raises(MaskError, match="no folder"):
        make(clips, tmp_path / "not", Events(), protocol="youtube-vos", clips="*", masks=clips / "ape")
    with pytest.raises(UsageError):
        make(clips, tmp_path / "not", Events(), protocol="fixed", masks=tmp_path / "holes")


def test_sttn_takes_its_fifty_clips_from_the_davis_layout(tmp_path: Path) -> None:
    davis = tmp_path / "DAVIS"
    for k, name in enumerate(("bear", "zebra")):
        write(davis / "JPEGImages" / "480p" / name, scene(k, 2))
        write(davis / "Annotations" / "480p" / name, thing(k, 2))
    assert len(DAVIS_50) == len(set(DAVIS_50)) == 50
    with pytest.raises(VideoError, match="49 of the 50") as error:
        make(davis, tmp_path / "out", Events(), protocol="sttn")
    assert "train" in str(error.value)
    assert not (tmp_path / "out").exists()
    make(davis, tmp_path / "out", Events(), protocol="sttn", clips="bear")
    expected = Image.fromarray(scene(0, 2)[1]).resize((432, 240), Image.Resampling.BICUBIC)
    assert np.array_equal(read(tmp_path / "out" / "bear" / "truth")[1], np.asarray(expected))


def test_youtube_vos_has_a_list_too(tmp_path: Path) -> None:
    names = PROTOCOLS["youtube-vos"].clips
    assert len(names) == len(set(names)) == 508
    assert all(re.fullmatch("[0-9a-f]{10}", name) for name in names)
    folder = tmp_path / "test_all_frames"
    write(folder / "JPEGImages" / names[0], scene(0, 2))
    with pytest.raises(VideoError, match="507 of the 508"):
        make(folder, tmp_path / "out", Events(), protocol="youtube-vos")
    assert make(folder, tmp_path / "out", Events(), protocol="youtube-vos", clips=names[0]) == [names[0]]


def test_devil(tmp_path: Path) -> None:
    folder = tmp_path / "devil" / "river"
    write(folder, scene(0, 3, (60, 120)), "frame_{:04d}_gt.png")
    write(folder, ~thing(0, 3, (60, 120)), "frame_{:04d}_mask.png")
    out = tmp_path / "out"
    make(tmp_path / "devil", out, Events(), protocol="devil", size="64x48")
    masks, truth = read(out / "river" / "masks"), read(out / "river" / "truth")
    assert masks.shape == (3, 48, 64)
    assert 0 < masks.mean() < 0.3, "black is what is missing"
    # 60x120 covers 48x64 at .8 of its size; the middle 64 of 96 columns are kept.
    whole = np.asarray(Image.fromarray(scene(0, 3, (60, 120))[1]).resize((96, 48), Image.Resampling.BICUBIC))
    assert np.array_equal(truth[1], whole[:, 16:80])
    hidden(out, "river")


def test_guided_images(tmp_path: Path) -> None:
    write(tmp_path / "images", scene(0, 2, (300, 400)), "picture{}.png")
    out = tmp_path / "out"
    assert make(tmp_path / "images", out, Events(), protocol="guided") == ["picture0", "picture1"]
    truth, masks = read(out / "picture0" / "truth"), read(out / "picture0" / "masks")
    assert truth.shape == (5, 256, 256, 3)
    assert masks.any((1, 2)).all()
    assert not np.array_equal(truth[0], truth[1])
    assert record(out)["clips"]["picture0"]["scored"] == [0]
    hidden(out, "picture1")


def test_removal_keeps_the_object_in_the_frames(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(clips, out, Events(), protocol="removal", clips="ape")
    assert not (out / "ape" / "truth").exists()
    assert np.array_equal(read(out / "ape" / "frames"), scene(0, 6))
    assert np.array_equal(read(out / "ape" / "masks"), thing(0, 6))


def test_pairs_of_your_own(clips: Path, tmp_path: Path) -> None:
    write(clips / "ape" / "truth", scene(7, 6))
    out, heard = tmp_path / "out", Heard()
    assert make(clips, out, heard, protocol="pairs") == ["ape"]
    assert "bee" in " ".join(heard.notes)
    assert np.array_equal(read(out / "ape" / "frames"), scene(0, 6))
    assert np.array_equal(read(out / "ape" / "truth"), scene(7, 6))


def test_videos_and_first_frames(tmp_path: Path, make_video) -> None:
    (tmp_path / "clips").mkdir()
    make_video(tmp_path / "clips" / "sea.mp4", frames=9, size=SIZE)
    out = tmp_path / "out"
    make(tmp_path / "clips", out, Events(), protocol="fixed", frames=4)
    assert read(out / "sea" / "truth").shape == (4, 240, 432, 3)


def test_what_lacks_masks_is_named(clips: Path, tmp_path: Path) -> None:
    (clips / "bee" / "masks" / "00004.png").unlink()
    write(clips / "dog" / "frames", scene(5, 4))
    heard = Heard()
    assert make(clips, tmp_path / "out", heard, protocol="object") == ["ape", "cat"]
    said = " ".join(heard.notes)
    assert "Left out. Clip bee: The mask masks has 4 pictures, the video has 5 frames." in said
    assert "dog" in said


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        ({"clips": "ape,cow"}, UsageError, "cow"),
        ({"protocol": "boxes"}, UsageError, "fixed"),
        ({"frames": 0}, UsageError, "--frames"),
        ({"size": "432"}, UsageError, "432x240"),
        ({"size": "432x15"}, UsageError, "smaller than 16"),
        ({"keyframes": 17}, UsageError, "1..16"),
        ({"seed": -1}, UsageError, "--seed"),
        ({"invert_mask": True}, MaskError, "--invert-mask"),
        ({"clips": "ape"}, VideoError, "two clips"),
    ],
)
def test_what_is_refused(words: dict, kind: type, says: str, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(kind, match=says):
        make(clips, tmp_path / "out", Events(), **words)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips"], "nothing half-written"


def test_an_inverted_mask_is_found_out(clips: Path, tmp_path: Path) -> None:
    y, x = np.mgrid[:48, :64]
    write(clips / "bee" / "masks", np.stack([~(np.hypot(y - 20, x - 15) < 6)] * 5))
    with pytest.raises(MaskError, match=r"bee: 9\d% of the picture"):
        make(clips, tmp_path / "out", Events(), protocol="object", clips="ape,bee")
    heard = Heard()
    assert make(clips, tmp_path / "out", heard, protocol="object") == ["ape", "cat"]
    assert "--invert-mask" in heard.notes[0]


def test_masks_of_the_other_convention_are_doubted(clips: Path, tmp_path: Path) -> None:
    masks = np.zeros((6, 48, 64), bool)
    masks[:, :12] = True
    write(clips / "ape" / "masks", masks)
    heard = Heard()
    make(clips, tmp_path / "out", heard, protocol="devil", clips="ape", size="64x48")
    assert any("Clip ape: 75% of the picture is masked. Black was read as missing" in note for note in heard.notes)
    heard = Heard()
    make(clips, tmp_path / "right", heard, protocol="devil", clips="ape", size="64x48", invert_mask=True)
    assert not any("masked" in note for note in heard.notes)


def test_existing_cases_stay(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(clips, out, Events(), protocol="fixed", frames=2)
    with pytest.raises(OutputError, match="exists"):
        make(clips, out, Events(), protocol="fixed")
    assert len(read(out / "ape" / "frames")) == 2
    make(clips, out, Events(), protocol="fixed", frames=3, overwrite=True)
    assert len(read(out / "ape" / "frames")) == 3


def test_only_cases_are_ever_replaced(clips: Path) -> None:
    with pytest.raises(OutputError, match="not replaced"):
        make(clips, clips, Events(), protocol="fixed", overwrite=True)
    assert len(read(clips / "ape" / "frames")) == 6


def test_protocols_say_who_published_them() -> None:
    assert all(p.what and p.source for p in PROTOCOLS.values())
