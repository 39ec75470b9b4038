"""What is said of a video, seen on one frame at once; and what is noticed before any work."""

import json

import av
import cv2
import numpy as np
import pytest

import vrm
from vrm.cli.main import run
from vrm.errors import MaskError
from vrm.selection.prompts import prompted_masks

from .scene import SIZE, Scene, similarity

QUICK = ["--threads", "1"]


@pytest.fixture
def clip(tmp_path):
    scene = Scene(8)
    return scene, scene.save(tmp_path / "clip"), tmp_path


def read(path):
    return cv2.imread(str(path))[..., ::-1].astype(int)


def masks_of(folder):
    return [cv2.imread(str(path), 0) > 0 for path in sorted(folder.glob("*.png"))]


def test_one_frame_shows_the_mask_the_box_and_the_clicks(clip, capsys):
    scene, source, home = clip
    y0, x0, y1, x1 = scene.box(3)
    said = ["--box", f"{x0 - 4},{y0 - 4},{x1 + 4},{y1 + 4}@3", "--not-point", "9,110@3"]
    assert run(["track", str(source), *said, "--overlay", str(home / "look.png"), *QUICK]) == 0
    picture, frame = read(home / "look.png"), scene.frames[3].astype(int)
    assert picture.shape == frame.shape
    inner = cv2.erode(scene.masks[3].astype(np.uint8), np.ones((9, 9))) > 0
    assert np.abs(picture - (frame + np.array([220, 40, 60])) / 2)[inner].mean() < 3
    assert np.abs(picture[y0 - 4, x0 + 5 : x1 - 5] - [255, 210, 0]).max() < 3, "the upper side of the box is yellow"
    assert np.abs(picture[110, 9] - [80, 170, 255]).max() < 3, "the cross"
    untouched = np.ones(SIZE, bool)
    untouched[y0 - 8 : y1 + 8, x0 - 8 : x1 + 8] = untouched[100:, :20] = False
    assert (picture == frame)[untouched].all()
    assert not (home / "masks").exists()
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{home / 'look.png'}: frame 3, 176x120; the mask covers ")
    assert out[-1] == " ".join(["next: vrm remove", str(source), *said[2:], *said[:2]]), "in the order of the help page"


def test_the_line_after_masks_removes_with_them(clip, capsys):
    scene, source, home = clip
    labels = scene.save_labels(home / "labels")
    words = ["track", str(source), "--class", "dog", "--labels", str(labels), *QUICK]
    look = home / "look.png"
    assert run([*words, "-o", str(home / "m"), "--grow", "2", "--overlay", str(look)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"next: vrm remove {source} --mask {home / 'm'} --grow 0"
    assert len(masks_of(home / "m")) == 8
    assert (np.abs(read(look) - scene.frames[0]).sum(2) > 0)[scene.masks[0]].mean() > 0.9
    assert run([*words, "-o", str(home / "n"), "--json"]) == 0
    assert all(json.loads(line) for line in capsys.readouterr().out.splitlines())


def test_a_mask_and_a_class_are_shown_too(clip):
    scene, source, home = clip
    cv2.imwrite(str(home / "m.png"), scene.masks[5].astype(np.uint8) * 255)
    report = vrm.preview_mask(source, home / "a.png", mask=f"{home / 'm.png'}@5", threads=1)
    assert (report.frame, report.size, report.unsure) == (5, SIZE, False)
    assert report.masked == pytest.approx(scene.masks[5].mean())
    labels = scene.save_labels(home / "labels")
    assert vrm.preview_mask(source, home / "b.png", class_="dog", labels=labels).masked > 0.05
    with pytest.raises(vrm.VrmError, match="is a video, which needs the masks of all frames"):
        vrm.preview_mask(source, home / "b.mp4", class_="dog", labels=labels)


def test_an_overlay_as_a_video_shows_boxes_too(clip):
    _, source, home = clip
    words = ["track", str(source), "--static-mask", "--box", "100,10,140,30", "-o", str(home / "m"), *QUICK]
    assert run([*words, "--overlay", str(home / "look.mp4")]) == 0
    with av.open(str(home / "look.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    for picture in shown:
        red, _, blue = picture[10, 105:135].mean(0)
        assert red > blue + 40, "yellow"


def test_a_static_box_is_a_rectangle_on_every_frame(clip, capsys):
    _, source, home = clip
    words = ["track", str(source), "--static-mask", *QUICK]
    boxes = ["--box", "100,10,140,30", "--box", "160,100,190,130"]
    assert run([*words, *boxes, "--start", "2f", "--end", "9f", "-o", str(home / "m")]) == 0
    expected = np.zeros(SIZE, bool)
    expected[10:30, 100:140] = expected[100:, 160:] = True
    for t, mask in enumerate(masks_of(home / "m")):
        np.testing.assert_array_equal(mask, expected if t >= 2 else np.zeros_like(expected), str(t))
    err = capsys.readouterr().err
    assert "--box 160,100,190,130@0 reaches beyond the picture, which is 176x120, and is cut off there." in err
    assert "--end (frame 9) lies beyond the end of the video, which has 8 frames" in err
    cv2.imwrite(str(home / "logo.png"), np.pad(np.full((9, 9), 255, np.uint8), ((0, 111), (0, 167))))
    assert run([*words, *boxes[:2], "--mask", str(home / "logo.png"), "-o", str(home / "both")]) == 0
    both = masks_of(home / "both")[7]
    assert both[:9, :9].all()
    assert both[10:30, 100:140].all()
    assert int(both.sum()) == 81 + 800


def test_removing_a_static_box_changes_nothing_else(clip):
    scene, source, home = clip
    words = ["--box", "100,10,140,30", "--static-mask", "--grow", "0", "--preset", "fast", *QUICK]
    assert run(["remove", str(source), *words, "-o", str(home / "out")]) == 0
    for t in range(8):
        changed = (read(home / "out" / f"{t:05d}.png") != scene.frames[t]).any(2)
        assert changed[10:30, 100:140].any()
        changed[10:30, 100:140] = False
        assert not changed.any()


def test_a_turned_video_is_shown_as_displayed(tmp_path, make_video):
    source = make_video(tmp_path / "a.mp4", frames=4, size=(48, 64), rotation=90)  # shown 48 wide, 64 high
    report = vrm.preview_mask(source, tmp_path / "a.png", box="4,50,20,60", static_mask=True)
    assert report.size == (64, 48)
    box = read(tmp_path / "a.png")[50, 6:18]
    assert (box[:, 0] > 200).all()
    assert (box[:, 2] < 40).all()


@pytest.mark.parametrize(("sure", "share"), [(0.5, 0.02), (0.9, 0.2)])
def test_a_click_that_is_unsure_stops_with_what_to_do(clip, capsys, monkeypatch, sure, share):
    _, source, home = clip
    mask = np.zeros(SIZE, bool)
    mask[: round(share * SIZE[0])] = True
    outline = prompted_masks.Outline(mask, sure)
    monkeypatch.setattr("vrm.selection.prompts.registry.ColourAndMotion.outline", lambda *_: outline)
    words = [str(source), "--point", "50,70", *QUICK]
    assert run(["remove", *words, "-o", str(home / "out")]) == 4
    err = capsys.readouterr().err
    for text in ("--point 50,70@0: ", "Draw a box", "--overlay look.png", "go on with --yes"):
        assert text in err
    assert not (home / "out").exists()
    look = str(home / "look.png")
    assert run(["track", *words, "--overlay", look]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"next: vrm frame {source} --at 0f --grid", "from which a box can be read"
    assert run(["track", *words, "-o", str(home / "m")]) == 4
    assert run(["track", *words, "-o", str(home / "m"), "--yes"]) == 0
    with pytest.raises(MaskError):
        vrm.track_masks(source, home / "n", point=(50, 70), threads=1)


def test_a_box_in_which_nothing_stands_out_offers_a_static_mask(clip, capsys, monkeypatch):
    _, source, home = clip
    outlines = [prompted_masks.Outline(np.zeros(SIZE, bool), 0.1), prompted_masks.Outline(np.ones(SIZE, bool), 0.1)]
    monkeypatch.setattr("vrm.selection.prompts.registry.ColourAndMotion.outline", lambda *_: outlines.pop(0))
    words = ["track", str(source), "--box", "1,2,30,40", "--overlay", str(home / "look.png"), *QUICK]
    assert run(words) == 4
    assert "on every frame (a logo, a date), add --static-mask" in capsys.readouterr().err
    assert run(words) == 0
    assert "on every frame (a logo, a date), add --static-mask" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--box", "0.1,0.25,.5,0.75"], 4, "in shares of the picture. Places are counted in pixels; on these 176x120"),
        (["--box", "0.1,0.25,.5,0.75"], 4, "that would be --box 18,30,88,90"),
        (["--point", "0.5,0.5"], 4, "that would be --point 88,60"),
        (["--box", "10,", "20,", "30,", "40"], 2, "Write it as one word: --box 10,20,30,40"),
        (["--box", "10", "20", "30", "40", "@3"], 2, "Write it as one word: --box 10,20,30,40@3"),
        (["--point", "10,", "20@3"], 2, "Write it as one word: --point 10,20@3"),
        (["--box", "10,20,30"], 2, "cannot be read. Write X0,Y0,X1,Y1"),
        (["--point", "10,20", "--static-mask"], 2, "has no size that --static-mask could put on every frame"),
        (["--point", "10,20@9:59"], 2, "--point names 599 s, beyond the end of the video"),
        (["--class", "dog", "--labels", "plain"], 4, "plain has no labels.json"),
        (["--box", "10,20,30,40", "--labels", "plain"], 4, "and there is no labels.json beside it"),
    ],
)
def test_what_is_refused_before_work(clip, capsys, monkeypatch, words, code, said):
    scene, source, home = clip
    monkeypatch.chdir(home)
    scene.save_labels(home / "plain")
    (home / "plain" / "labels.json").unlink()
    if "--class" in words:
        for t in range(8):
            cv2.imwrite(str(home / "plain" / "classes" / f"{t:05d}.png"), np.full(SIZE, 3, np.uint8))
    assert run(["track", str(source), "-o", str(home / "m"), *words]) == code
    assert said in capsys.readouterr().err
    assert not (home / "m").exists()


def test_label_maps_without_a_word_are_of_super_categories(clip, capsys):
    scene, source, home = clip
    (home / "plain").mkdir()
    for t in range(8):
        cv2.imwrite(str(home / "plain" / f"{t:05d}.png"), np.where(scene.masks[t], 1, 5).astype(np.uint8))
    words = ["--class", "animal", "--labels", str(home / "plain"), "-o", str(home / "m"), *QUICK]
    assert run(["track", str(source), *words]) == 0
    assert "has no labels.json, so its values are taken for the super-categories" in capsys.readouterr().err
    assert similarity(masks_of(home / "m")[4], scene.masks[4]) == 1


def test_a_mask_of_more_than_half_of_the_frame_is_asked_about(clip, capsys):
    _, source, home = clip
    for share, asked in ((0.6, True), (0.4, False)):
        mask = np.zeros(SIZE, np.uint8)
        mask[:, : round(share * SIZE[1])] = 255
        cv2.imwrite(str(home / "m.png"), mask)
        words = ["--mask", str(home / "m.png"), "--overlay", str(home / f"{share}.png")]
        assert run(["track", str(source), *words]) == 0
        said = (
            "The mask covers 60% of the picture, which is seldom meant. If black marks the object, add --invert-mask."
        )
        assert (said in capsys.readouterr().err) is asked
