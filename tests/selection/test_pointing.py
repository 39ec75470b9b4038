"""From the command line to masks and clean videos."""

import importlib
import itertools
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from vrm.cli.main import run
from vrm.errors import MaskError, UsageError
from vrm.media.read.probe import probe
from vrm.media.write.png import write_png
from vrm.options.build import build_options
from vrm.options.values import BoxPrompt, Point
from vrm.selection.labels.maps import LabelMaps
from vrm.selection.prompts.places import stored

from .scene import SIZE, Scene, similarity

QUICK = ["--threads", "1"]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def clip(tmp_path):
    scene = Scene(8)
    return scene, scene.save(tmp_path / "clip"), tmp_path


def masks_of(folder):
    return [cv2.imread(str(path), 0) > 0 for path in sorted(folder.glob("*.png"))]


def test_words():
    assert Point.parse("3,4.5@12") == Point(3, 4.5, 12)
    assert Point.parse("3, 4@12f", keep=True) == Point(3, 4, 12, True)
    assert BoxPrompt.parse("1,2,30,40") == BoxPrompt(1, 2, 30, 40, 0)
    assert build_options(box=(1, 2.5, 30, 40)).mask.boxes == (BoxPrompt(1, 2.5, 30, 40),)
    two = np.array([[1, 2, 30, 40], [5, 6, 7, 1000000]])
    assert build_options(box=two).mask.boxes == (BoxPrompt(1, 2, 30, 40), BoxPrompt(5, 6, 7, 1000000))
    assert build_options(point=["1 2@0:04", (3, 4)]).mask.points == (Point(1, 2, seconds=Fraction(4)), Point(3, 4))
    for bad in ("3", "3;4", "3,4@x", "-1,4", "1,2,3"):
        with pytest.raises(UsageError, match="--point"):
            Point.parse(bad)
    with pytest.raises(UsageError, match="left, top"):
        BoxPrompt.parse("30,2,1,40")
    built = build_options(point=["1,2", "3,4@5"], not_point="6,7", box="1,2,3,4", class_=None)
    assert built.mask.points == (Point(1, 2), Point(3, 4, 5), Point(6, 7, 0, True))
    assert build_options(class_="person, car").mask.classes == ("person", "car")
    for wrong in (
        {"mask": "m.png", "class_": "car"},
        {"labels": "d", "segmenter": "m"},
        {"sam": "x"},
        {"class_": "a,"},
    ):
        with pytest.raises(UsageError):
            build_options(**wrong)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_places_turn_with_the_picture(rotation):
    whole = np.zeros((6, 9), np.uint8)
    whole[1, 7] = 1
    shown = np.rot90(whole, -rotation // 90)
    y, x = np.argwhere(shown)[0]
    back = stored(x + 0.5, y + 0.5, rotation, shown.shape)
    assert (int(back[0]), int(back[1])) == (7, 1)


def test_removing_a_class_in_one_command(clip):
    scene, source, home = clip
    scene.labels[4][scene.masks[4]] = Scene.GRASS
    labels = scene.save_labels(home / "labels")
    words = ["--labels", str(labels), "--preset", "fast", *QUICK]
    used = home / "used"
    out = home / "clean"
    assert run(["remove", str(source), "--class", "dog", "-o", str(out), "--save-masks", str(used), *words]) == 0
    for t, mask in enumerate(masks_of(used)):
        assert similarity(mask, scene.masks[t]) > 0.8, t
    before, after = (cv2.imread(str(home / d / "00004.png")).astype(int) for d in ("clip", "clean"))
    changed = np.abs(before - after).sum(2)
    assert changed[scene.masks[4]].mean() > 30
    grown = cv2.dilate(scene.masks[4].astype(np.uint8), np.ones((25, 25))) > 0
    assert not changed[~grown].any()


def test_the_two_step_way(clip):
    scene, source, home = clip
    labels = scene.save_labels(home / "labels")
    assert run(["track", str(source), "--class", "animal", "--labels", str(labels), "-o", str(home / "m"), *QUICK]) == 0
    for t, mask in enumerate(masks_of(home / "m")):
        assert np.array_equal(mask, scene.masks[t])
    edited = cv2.imread(str(home / "m" / "00002.png"), 0)
    edited[100:110, 5:15] = 255
    cv2.imwrite(str(home / "m" / "00002.png"), edited)
    assert run(["track", str(source), "--mask", str(home / "m"), "-o", str(home / "again"), *QUICK]) == 0
    assert masks_of(home / "again")[2][105, 10]


def test_a_box_is_followed(clip, capsys):
    scene, source, home = clip
    y0, x0, y1, x1 = scene.box(3)
    assert run(["track", str(source), "--box", f"{x0},{y0},{x1},{y1}@3", "-o", str(home / "m"), *QUICK]) == 0
    for t, mask in enumerate(masks_of(home / "m")):
        assert similarity(mask, scene.masks[t]) > 0.8, t
    assert "followed from frame 3" in capsys.readouterr().err


def test_an_overlay_shows_what_goes(clip, capsys):
    scene, source, home = clip
    labels = scene.save_labels(home / "labels")
    words = ["track", str(source), "--class", "dog", "--labels", str(labels), *QUICK, "-o", str(home / "m")]
    (home / "file").touch()
    assert run([*words, "--overlay", str(home / "file" / "look.mp4")]) == 8
    assert not (home / "m").exists(), "nothing is done before what can be refused is"
    assert run([*words, "--overlay", str(home / "look.mp4")]) == 0
    with av.open(str(home / "look.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert len(shown) == 8
    for t in (0, 7):
        inner = cv2.erode(scene.masks[t].astype(np.uint8), np.ones((9, 9))) > 0
        away = cv2.dilate(scene.masks[t].astype(np.uint8), np.ones((9, 9))) == 0
        expected = 0.5 * scene.frames[t] + 0.5 * np.array([220, 40, 60])
        assert np.abs(shown[t] - expected)[inner].mean() < 12
        assert np.abs(shown[t] - scene.frames[t])[away].mean() < 12
    assert run([*words, "--overlay", str(home / "look.mp4")]) == 8
    assert "exists" in capsys.readouterr().err


def test_a_class_that_is_everything_is_refused_as_a_mask_of_everything_is(clip, capsys):
    scene, source, home = clip
    for plane in scene.labels:
        plane[:] = Scene.DOG
    labels = scene.save_labels(home / "labels")
    words = ["--class", "dog", "--labels", str(labels), *QUICK]
    for command in ("track", "remove"):
        assert run([command, str(source), "-o", str(home / "out"), *words]) == 4
        assert "covers every pixel of every frame" in capsys.readouterr().err
        assert not (home / "out").exists()


def test_the_example_in_one_command(tmp_path, monkeypatch):
    """A real file, with sound, and labels of our own: the crab goes."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    drawn = list(itertools.islice(importlib.import_module("make_example").frames(), 4))
    (tmp_path / "labels").mkdir()
    for t, one in enumerate(drawn):
        write_png(tmp_path / "labels" / f"{t}.png", one.mask.astype(np.uint8))
    (tmp_path / "labels" / "labels.json").write_text('{"classes": ["beach", "crab"]}')
    out = tmp_path / "out.mp4"
    words = ["--class", "crab", "--labels", str(tmp_path / "labels"), "--end", "4f", "--preset", "fast", *QUICK]
    assert run(["remove", str(EXAMPLES / "crab.mp4"), "-o", str(out), *words]) == 0
    before, after = probe(EXAMPLES / "crab.mp4"), probe(out)
    assert (after.n_frames, [s.codec for s in after.streams]) == (before.n_frames, [s.codec for s in before.streams])
    with av.open(str(out)) as container:
        cleaned = next(container.decode(video=0)).to_ndarray(format="rgb24", src_colorspace="ITU709")
    first = drawn[0]
    was, left = (np.abs(p.astype(int) - first.clean)[first.mask].mean() for p in (first.shown, cleaned))
    assert left < 0.5 * was


def test_points_correct_masks_on_other_frames(clip):
    scene, source, home = clip
    wrong = scene.masks[0].copy()
    wrong[60:80, 60:100] = True
    cv2.imwrite(str(home / "first.png"), wrong.astype(np.uint8) * 255)
    plain = ["track", str(source), "--mask", str(home / "first.png"), *QUICK]
    assert run([*plain, "-o", str(home / "without")]) == 0
    x = (50 + 3 * 2) + 38
    assert run([*plain, "--not-point", f"{x},70@2", "-o", str(home / "with")]) == 0
    before, after = (similarity(masks_of(home / d)[2], scene.masks[2]) for d in ("without", "with"))
    assert after > before + 0.05


def test_points_correct_masks_of_all_frames(clip):
    home = clip[2]
    two = Scene(6, speed=1, second=True)
    source = two.save(home / "two")
    one = [mask.copy() for mask in two.masks]
    (home / "given").mkdir()
    for t, mask in enumerate(one):
        mask[:, 92:] = False
        cv2.imwrite(str(home / "given" / f"{t:05d}.png"), mask.astype(np.uint8) * 255)
    words = ["track", str(source), "--mask", str(home / "given"), *QUICK]
    assert run([*words, "--box", "112,44,153,98@2", "-o", str(home / "more")]) == 0
    assert min(similarity(m, two.masks[t]) for t, m in enumerate(masks_of(home / "more"))) > 0.8
    words[3] = str(home / "more")
    assert run([*words, "--not-point", "130,70@0", "-o", str(home / "less")]) == 0
    assert min(similarity(m, one[t]) for t, m in enumerate(masks_of(home / "less"))) > 0.85


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--point", "900,20"], 4, "lies outside the frame. The video is shown at 176x120"),
        (["--point=-5,20"], 2, "--point -5,20 lies outside the frame. Pixels are counted from 0"),
        (["--box", "300,20,400,60"], 4, "lies outside the frame"),
        (["--box=-30,20,0,60"], 4, "lies outside the frame"),
        (["--point", "20,20@77"], 4, "is on frame 77, but the frames are 0 to 7"),
        (["--not-point", "20,20"], 2, "Nothing says what to follow"),
        (["--point", "20"], 2, "cannot be read. Write X,Y"),
        (["--class", "dog"], 2, "Nothing says how to label the video"),
        (["--class", "dgo", "--labels", "labels"], 2, "Nearest: dog"),
        (["--class", "dog", "--labels", "nowhere"], 4, "nowhere does not exist"),
        (["--point", "50,70", "--sam", "nowhere.pth"], 5, "nowhere.pth does not exist"),
        (["--class", "dog", "--segmenter", "nothing-like-it"], 5, "neither a file or folder nor the name"),
    ],
)
def test_bad_input(clip, capsys, monkeypatch, words, code, said):
    scene, source, home = clip
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    scene.save_labels(home / "labels")
    assert run(["track", str(source), "-o", str(home / "m"), *words]) == code
    assert said in capsys.readouterr().err
    assert not (home / "m").exists()


def test_a_class_that_is_nowhere_passes_through(clip, capsys):
    scene, source, home = clip
    labels = scene.save_labels(home / "labels")
    assert run(["remove", str(source), "--class", "boat", "--labels", str(labels), "-o", str(home / "out")]) == 0
    assert "On it are: dog, sky-other-merged, grass-merged" in capsys.readouterr().err
    assert probe(home / "out").n_frames == 8


def test_labels_of_a_range(clip):
    scene, source, home = clip
    labels = scene.save_labels(home / "labels")
    part = ["--start", "2f", "--end", "6f"]
    assert run(["segment", str(source), "--labels", str(labels), "-o", str(home / "part"), *part, *QUICK]) == 0
    about = json.loads((home / "part" / "labels.json").read_text())
    assert (about["first_frame"], about["frames"]) == (2, 4)
    words = ["--class", "dog", "--labels", str(home / "part"), *part, *QUICK]
    assert run(["track", str(source), "-o", str(home / "m"), *words]) == 0
    found = masks_of(home / "m")
    assert [bool(mask.any()) for mask in found] == [False, False, True, True, True, True, False, False]
    assert similarity(found[4], scene.masks[4]) > 0.9
    assert found[0].shape == SIZE


def test_labels_of_a_video_with_a_damaged_frame_fit_it(clip, make_video, capsys):
    scene, _, home = clip
    options = {"preset": "ultrafast", "g": "1", "slices": "1"}
    source = make_video(home / "a.mkv", frames=8, size=SIZE, options=options)
    with av.open(str(source)) as container:
        packet = bytes([p for p in container.demux(video=0) if p.size][5])
    data = source.read_bytes()
    at = data.index(packet)
    source.write_bytes(data[: at + 4] + bytes(len(packet) - 4) + data[at + len(packet) :])
    labels = scene.save_labels(home / "labels")
    assert run(["segment", str(source), "--labels", str(labels), "-o", str(home / "seven"), *QUICK]) == 0
    assert json.loads((home / "seven" / "labels.json").read_text())["missing"] == [7]
    words = ["--class", "dog", "--labels", str(home / "seven"), *QUICK]
    assert run(["track", str(source), "-o", str(home / "m"), *words]) == 0
    dog = np.asarray(Image.open(home / "seven" / "classes" / "00006.png")) == Scene.DOG
    assert dog.any()
    assert np.array_equal(masks_of(home / "m")[6], dog)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_label_video_in_either_orientation(clip, rotation):
    scene, _, home = clip
    info = replace(probe(home / "clip"), rotation=rotation)
    for shown in (False, True) if rotation in (90, 270) else (False,):
        folder = home / f"labels-{shown}"
        folder.mkdir()
        planes = [np.rot90(m, -rotation // 90) if shown else m for m in scene.labels]
        with av.open(str(folder / "classes.mkv"), "w") as container:
            stream = container.add_stream("ffv1", 25)
            stream.height, stream.width, stream.pix_fmt = *planes[0].shape, "gray"
            for plane in planes:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(plane), "gray")))
            container.mux(stream.encode())
        (folder / "labels.json").write_text('{"taxonomy": "coco-panoptic"}')
        maps = LabelMaps(folder, info)
        for t in (0, 5, 2):
            assert np.array_equal(maps(t), scene.labels[t])


def test_a_label_video_of_more_than_8_bits_is_refused(clip, make_video):
    _, source, home = clip
    (home / "deep").mkdir()
    make_video(home / "deep" / "classes.mkv", "ffv1", frames=8, size=SIZE, pix_fmt="gray10le")
    with pytest.raises(MaskError, match="10 bits"):
        LabelMaps(home / "deep", probe(source))


def test_classes_are_printed(capsys):
    assert run(["segment", "--classes", "coco-stuff"]) == 0
    assert "coco-stuff: 171 classes" in capsys.readouterr().out
    assert run(["segment", "--classes"]) == 0
    assert capsys.readouterr().out.count(" classes") == 3
    assert run(["segment", "--classes", "mine"]) == 2
    assert run(["segment"]) == 2


def test_segment_replaces_only_what_it_made_itself(tmp_path, make_video, capsys):
    (tmp_path / "in").mkdir()
    source = make_video(tmp_path / "in" / "clip.mp4", frames=3, size=(48, 64))
    labels = tmp_path / "maps"
    labels.mkdir()
    for t in range(3):
        write_png(labels / f"{t:05d}.png", np.full((48, 64), 3, np.uint8))
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "only-copy.mov").write_text("footage")

    def segment(out, *words):
        return run(["segment", str(source), "-o", str(out), "--labels", str(labels), *words])

    for out in (tmp_path / "holiday", source.parent, labels):
        assert segment(out, "--overwrite") == 8
        assert "not overwritten" in capsys.readouterr().err
    assert (tmp_path / "holiday" / "only-copy.mov").read_text() == "footage"
    assert source.exists()
    assert segment(tmp_path / "out") == 0
    assert segment(tmp_path / "out") == 8
    assert segment(tmp_path / "out", "--overwrite") == 0
