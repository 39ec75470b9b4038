"""Clips in a folder: what counts as one, where its frames and masks lie, and what it is called."""

import pytest

from vrm.errors import VideoError
from vrm.media.read.clips import clip_paths, named_pictures


@pytest.fixture
def made(tmp_path):
    """``made("a/0.png", ...)`` makes empty files; a folder of clips."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def found(folder, bare=True):
    return {
        clip.name: None if clip.frames is None else str(clip.frames.relative_to(folder))
        for clip in clip_paths(folder, bare)
    }


def test_videos_and_folders_of_frames(made):
    folder = made(
        "a.mp4", "b/frames/0.png", "c/images.mkv", "d/only.mov", "d/mask.mov", "e/0.png", "note.txt", ".f.mp4"
    )
    expected = {"a": "a.mp4", "b": "b/frames", "c": "c/images.mkv", "d": "d/only.mov"}
    assert found(folder) == {**expected, "e": "e"}
    assert found(folder, bare=False) == {**expected, "e": None}


def test_two_videos_of_one_stem_keep_their_endings(made):
    assert list(found(made("a.mkv", "a.mp4", "b.mp4"))) == ["a.mkv", "a.mp4", "b"]


@pytest.mark.parametrize("place", ["train_all_frames", "train", "."])
@pytest.mark.parametrize("size", ["480p", "."])
def test_data_sets_keep_masks_beside_the_frames(made, place, size):
    frames = f"{place}/JPEGImages/{size}"
    folder = made(f"{frames}/a/0.jpg", f"{frames}/b/0.jpg", f"{place}/Annotations/{size}/a/0.png", "elsewhere.mp4")
    with_masks, without = clip_paths(folder, bare=False)
    assert (with_masks.name, without.name, without.masks) == ("a", "b", None)
    assert with_masks.masks == folder / place / "Annotations" / size / "a"
    assert with_masks.frames == with_masks.path


def test_a_folder_of_two_videos_says_what_is_wrong_with_it(made):
    (clip,) = clip_paths(made("a/one.mp4", "a/other.mp4"))
    assert clip.frames is None
    assert "several videos: one.mp4, other.mp4" in str(clip.error)


def test_pictures_of_a_name_may_be_a_folder_or_a_video(made):
    folder = made(
        "a/frames/clip.mp4", "b/frames.mp4", "c/frames/0.png", "c/frames/1.png", "d/frames.mp4", "d/frames.mkv"
    )
    assert named_pictures(folder / "a", "frames") == folder / "a" / "frames" / "clip.mp4"
    assert named_pictures(folder / "b", "frames") == folder / "b" / "frames.mp4"
    assert named_pictures(folder / "c", "images", "frames") == folder / "c" / "frames"
    assert named_pictures(folder / "c", "images") is None
    with pytest.raises(VideoError, match="frames more than once"):
        named_pictures(folder / "d", "frames")
