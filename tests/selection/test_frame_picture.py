"""``vrm frame``: the picture that places are counted on, and the grid that says where they are."""

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

import vrm
from vrm.cli.main import run
from vrm.errors import UsageError
from vrm.selection.frame_picture import ruled


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]


@pytest.fixture
def video(tmp_path, make_video, lossless):
    """Ten frames, one in five seconds; each of one grey, with a bright corner at the top left as stored."""

    def planes(t):
        luma = np.full((48, 64), 30 + 20 * t, np.uint8)
        luma[:8, :8] = 235
        return luma, np.full((24, 32), 128, np.uint8), np.full((24, 32), 128, np.uint8)

    def made(name="a.mp4", **more):
        return make_video(
            tmp_path / name, frames=10, size=(48, 64), rate=5, planes=planes, options=lossless["libx264"], **more
        )

    return made


def decoded(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize(("at", "t"), [((), 0), (("--at", "3f"), 3), (("--at", "0:01"), 5), (("--at", "1.95"), 9)])
def test_a_frame_by_number_or_time(video, tmp_path, at, t, capsys):
    source = video()
    assert run(["frame", str(source), *at, "-o", str(tmp_path / "f.png")]) == 0
    assert np.abs(read(tmp_path / "f.png").astype(int) - decoded(source)[t]).max() <= 2
    said, following = capsys.readouterr().out.splitlines()
    assert f"frame {t} at {t / 5:.2f} s, 64x48" in said
    assert following.startswith(f"next: vrm track {source} --box LEFT,TOP,RIGHT,BOTTOM{f'@{t}' if t else ''} ")


@pytest.mark.parametrize(("rotation", "corner"), [(90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_it_is_as_displayed(video, tmp_path, rotation, corner):
    report = vrm.save_frame(video(rotation=rotation), tmp_path / "f.png", at="2f")
    picture = read(tmp_path / "f.png")
    assert report.size == picture.shape[:2] == ((64, 48) if rotation != 180 else (48, 64))
    height, width = picture.shape[:2]
    bright = [(y, x) for y in (0, 1) for x in (0, 1) if picture[4 + y * (height - 9), 4 + x * (width - 9), 0] > 200]
    assert bright == [corner], "a player turns it clockwise"


def test_pixels_that_are_not_square_stay_as_they_are_counted(video, tmp_path, capsys):
    assert run(["frame", str(video(sample_aspect=Fraction(2))), "-o", str(tmp_path / "f.png")]) == 0
    assert read(tmp_path / "f.png").shape == (48, 64, 3)
    assert "places are counted in those of this picture" in capsys.readouterr().err


def test_a_deep_source_gives_a_deep_picture(make_video, tmp_path):
    source = make_video(tmp_path / "a.mkv", "ffv1", "yuv420p10le", frames=2)
    vrm.save_frame(source, tmp_path / "f.png")
    assert read(tmp_path / "f.png").dtype == np.uint16
    vrm.save_frame(source, tmp_path / "g.png", grid=True)
    assert read(tmp_path / "g.png").dtype == np.uint8


def test_the_lines_of_a_grid_are_where_their_labels_say():
    grey = np.full((360, 640, 3), 100, np.uint8)
    out = ruled(grey)
    assert out.shape == grey.shape
    lighter = (out[:, :, 0] > 150).mean(0) > 0.4  # columns; labels lie on some
    assert list(np.flatnonzero(lighter)) == list(range(50, 640, 50))
    lighter = (out[:, :, 0] > 150).mean(1) > 0.4
    assert list(np.flatnonzero(lighter)) == list(range(50, 360, 50))
    assert (out[51, 75] < grey[51, 75]).all(), "a darker line beside it shows on white"
    assert ruled(np.zeros((100, 40), np.uint16)).shape == (100, 40, 3)
    assert ruled(np.zeros((2160, 3840, 3), np.uint8))[200, 300, 0] > 0


def test_the_default_name_and_what_is_refused(video, tmp_path, capsys):
    source = video()
    assert run(["frame", str(source), "--at", "2f", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["report"]["frame"] == 2
    assert (tmp_path / "a-frame2.png").exists()
    for words, code, said in (
        (["--at", "2f"], 8, "exists. Choose another name or give --overwrite"),
        (["--at", "10f"], 2, "--at names frame 10, beyond the end of the video, which has 10 frames and lasts 2.00 s"),
        (["--at", "0:03"], 2, "--at names 3 s, beyond the end"),
        (["-o", str(tmp_path / "f.jpg")], 2, "does not end in .png"),
        (["--at", "x"], 2, "'x' is not a time"),
    ):
        assert run(["frame", str(source), *words]) == code
        assert said in capsys.readouterr().err
    folder = tmp_path / "frames"
    folder.mkdir()
    for t in range(3):
        cv2.imwrite(str(folder / f"{t}.png"), np.full((9, 9, 3), t, np.uint8))
    with pytest.raises(UsageError, match="would change the input"):
        vrm.save_frame(folder, folder / "look.png")
    vrm.save_frame(folder, at="2f")
    assert (read(tmp_path / "frames-frame2.png") == 2).all()
