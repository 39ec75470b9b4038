"""``vrm train internal`` on three tiny clips: videos and frame folders, weights that remove then takes."""

import cv2
import numpy as np
import pytest

import vrm
from vrm.engines.internal import load_prior
from vrm.errors import OutputError, UsageError, WeightsError
from vrm.options import EngineOptions
from vrm.train.clips import find_clips
from vrm.train.teach import TeachOptions, teach
from vrm.weights import cards

TINY = {"steps": 2, "snippets": 1, "frames": 3, "width": 8}


@pytest.fixture
def data(tmp_path, make_video):
    folder = tmp_path / "data"
    folder.mkdir()
    make_video(folder / "one.mp4", frames=6, size=(96, 128))
    make_video(folder / "two.mkv", frames=6, size=(96, 128), pix_fmt="yuv420p10le", codec="libx265")
    frames = folder / "three"
    frames.mkdir()
    rng = np.random.default_rng(0)
    for t in range(4):
        cv2.imwrite(str(frames / f"{t}.png"), rng.integers(100, 140, (90, 120, 3), dtype=np.uint8))
    (folder / "notes.txt").write_text("not a clip")
    (folder / "empty").mkdir()
    return folder


def test_clips_are_videos_and_folders_of_frames(data):
    clips = dict(find_clips(data))
    assert sorted(clips) == ["one", "three", "two"]
    for read in clips.values():
        frames = read()
        assert len(frames) >= 4
        assert all(f.dtype == np.uint8 and f.shape == frames[0].shape for f in frames)


def test_weights_and_card_come_out_and_are_taken_by_path(data, tmp_path):
    options = TeachOptions("mine", "CC0-1.0", held=("two",), engine=EngineOptions(device="cpu", threads=1), **TINY)
    card, history = teach(data, tmp_path / "w", options, lambda *_: None)
    assert cards(tmp_path / "w") == [card]
    assert history.steps == 2
    assert "one, three" in card.data
    assert "two" in card.training
    net = load_prior(str(tmp_path / "w" / "mine.safetensors"))
    assert net.width == 8
    with pytest.raises(OutputError, match="already"):
        teach(data, tmp_path / "w", options, lambda *_: None)


def test_lessons_that_are_kept_are_not_made_again(data, tmp_path):
    words = dict(TINY, lessons=tmp_path / "lessons", device="cpu", threads=1)
    vrm.train_internal(data, tmp_path / "a", name="a", licence="CC0-1.0", **words)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "lessons").iterdir()}
    vrm.train_internal(data, tmp_path / "b", name="b", licence="CC0-1.0", **words)
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "lessons").iterdir()} == before


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"licence": ""}, "licence"),
        ({"name": "a/b"}, "not a name"),
        ({"steps": 0}, "at least one"),
        ({"width": 10}, "multiple of 4"),
    ],
)
def test_what_cannot_be_is_refused(given, why):
    with pytest.raises(UsageError, match=why):
        TeachOptions(**{"name": "x", "licence": "CC0-1.0", **given})


def test_folders_without_clips_and_unknown_names_are_refused(data, tmp_path):
    with pytest.raises(UsageError, match="holds no clips"):
        find_clips(data / "empty")
    with pytest.raises(UsageError, match="not a folder"):
        find_clips(tmp_path / "none")
    with pytest.raises(UsageError, match="'four'"):
        teach(data, tmp_path, TeachOptions("x", "CC0-1.0", held=("four",)), lambda *_: None)
    with pytest.raises(UsageError, match="nothing is left"):
        teach(data, tmp_path, TeachOptions("x", "CC0-1.0", held=("one", "two", "three")), lambda *_: None)


def test_a_prior_that_is_not_there_is_refused_before_the_work(tmp_path, make_video):
    clip = make_video(tmp_path / "clip.mp4")
    mask = tmp_path / "mask.png"
    cv2.imwrite(str(mask), np.full((48, 64), 255, np.uint8) * (np.arange(64) < 20).astype(np.uint8))
    with pytest.raises(WeightsError, match=r"none\.json"):
        vrm.remove(clip, mask=mask, static_mask=True, prior=tmp_path / "none.safetensors")
