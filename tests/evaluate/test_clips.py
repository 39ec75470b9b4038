"""Clips are found whole: none hides another."""

from __future__ import annotations

from pathlib import Path

import pytest

from vrm.errors import VideoError
from vrm.evaluate.cases.clips import find_clips


def test_two_videos_of_one_stem_are_two_clips(tmp_path: Path) -> None:
    for name in ("a.mkv", "a.mp4", "b.mp4", "note.txt", ".c.mp4"):
        (tmp_path / name).touch()
    assert [clip.name for clip in find_clips(tmp_path)] == ["a.mkv", "a.mp4", "b"]
    assert [clip.frames.path.name for clip in find_clips(tmp_path, ("a.mp4",))] == ["a.mp4"]


def test_a_folder_and_a_video_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    (tmp_path / "a" / "frames").mkdir(parents=True)
    (tmp_path / "a" / "frames" / "0.png").touch()
    (tmp_path / "a.mp4").touch()
    with pytest.raises(VideoError, match=r"clips of one name: a/frames, a.mp4"):
        find_clips(tmp_path)
