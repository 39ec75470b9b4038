"""Keyframes of the user: read, checked, turned, scaled."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vrm.engines.keyframe.user_keyframes import check_shots, judge_keyframe, load_keyframes
from vrm.errors import UsageError, VideoError, WeightsError
from vrm.media.read.probe import probe
from vrm.media.write.png import write_png
from vrm.shots.highlights import export_times
from vrm.types import Masks


@pytest.fixture
def info(make_video, tmp_path):
    return probe(make_video(tmp_path / "clip.mp4", frames=10, size=(48, 64)))


def picture(path, h=48, w=64, kind=np.uint8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(kind).max, (h, w, 3)).astype(kind)
    write_png(path, pixels)
    return pixels


def holes(*frames):
    masks = Masks((48, 64), 10)
    mask = np.zeros((48, 64), bool)
    mask[10:20, 10:20] = True
    for t in frames:
        masks[t] = mask
    return masks


def test_a_keyframe_comes_as_it_is(info, tmp_path):
    pixels = picture(tmp_path / "a.png")
    loaded = load_keyframes([(3, tmp_path / "a.png")], info, 8)
    assert np.array_equal(loaded.images[3], pixels)
    assert not loaded.notes
    deep = load_keyframes([(3, tmp_path / "a.png")], info, 16).images[3]
    assert deep.dtype == np.uint16
    assert np.array_equal(deep >> 8, pixels)
    wide = picture(tmp_path / "deep.png", kind=np.uint16)
    assert np.abs(load_keyframes([(0, tmp_path / "deep.png")], info, 8).images[0] - wide / 257).max() <= 0.5


def test_it_is_turned_to_the_stored_orientation(info, tmp_path):
    pixels = picture(tmp_path / "tall.png", 64, 48)
    loaded = load_keyframes([(0, tmp_path / "tall.png")], replace(info, rotation=90), 8)
    assert loaded.images[0].shape == (48, 64, 3)
    assert np.array_equal(np.rot90(loaded.images[0], -1), pixels)


def test_another_size_is_scaled_only_if_the_shape_agrees(info, tmp_path):
    pixels = picture(tmp_path / "big.png", 96, 128)
    loaded = load_keyframes([(0, tmp_path / "big.png")], info, 8)
    assert np.array_equal(loaded.images[0], cv2.resize(pixels, (64, 48), interpolation=cv2.INTER_AREA))
    assert "scaled" in loaded.notes[0]
    picture(tmp_path / "square.png", 64, 64)
    with pytest.raises(UsageError, match="another shape"):
        load_keyframes([(0, tmp_path / "square.png")], info, 8)


def test_numbers_and_files_that_are_not_there(info, tmp_path):
    with pytest.raises(UsageError, match="10 frames, 0 to 9"):
        load_keyframes([(10, tmp_path / "a.png")], info, 8)
    with pytest.raises(VideoError, match="--keyframe"):
        load_keyframes([(0, tmp_path / "a.png")], info, 8)


def test_a_wrong_frame_is_noticed_with_the_difference():
    frame = np.full((48, 64, 3), 100, np.uint8)
    hole = holes(0)[0]
    same = frame.copy()
    same[hole] = 255
    assert judge_keyframe(4, same, frame, hole) is None
    assert "40 of 255" in judge_keyframe(4, frame + 40, frame, hole)
    deep, other = frame.astype(np.uint16) * 257, (frame + 40).astype(np.uint16) * 257
    assert "40 of 255" in judge_keyframe(4, other, deep, hole)
    assert "not used" in judge_keyframe(4, same, frame, np.zeros_like(hole))


def test_a_shot_without_a_keyframe_is_named():
    masks = holes(1, 2, 7, 8)
    shots = [(0, 5), (5, 10)]
    image = np.zeros((48, 64, 3), np.uint8)
    check_shots(shots, masks, {1: image, 7: image}, False)
    check_shots(shots, masks, {}, True)
    with pytest.raises(UsageError, match="frames 5 to 9"):
        check_shots(shots, masks, {1: image}, False)
    with pytest.raises(UsageError, match="frames 0 to 4"):
        check_shots(shots, masks, {0: image, 7: image}, False)  # nothing is removed on frame 0
    with pytest.raises(WeightsError, match="frames 0 to 4"):
        check_shots(shots, masks, {}, False)


def test_what_is_exported():
    masks = holes(*range(10))
    assert export_times([(0, 10)], masks, {}, 4) == [0, 4, 8]
    assert export_times([(0, 10)], masks, {3: np.zeros(1)}, 4) == [0, 3, 4, 8]
    assert export_times([(0, 10)], holes(5, 6, 7), {}, 20) == [6]
