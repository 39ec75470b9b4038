"""Masks are found by the name of their video."""

from __future__ import annotations

from pathlib import Path

import pytest

from vrm.batch.inputs import Source
from vrm.batch.match import match
from vrm.errors import MaskError


def masks(root: Path, *names: str) -> Path:
    for name in names:
        path = root / "masks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.touch()
    return root / "masks"


def found(folder: Path, *videos: str) -> list[str]:
    sources = [Source(Path("in") / video, Path(video).parent) for video in videos]
    return [path.relative_to(folder).as_posix() for path in match(folder, sources)]


def test_pictures_folders_and_videos(tmp_path: Path) -> None:
    folder = masks(tmp_path, "a.png", "b/", "c.mkv", "c.txt", "d.e.png")
    assert found(folder, "a.mp4", "b.mov", "c.mp4", "d.e.mp4") == ["a.png", "b", "c.mkv", "d.e.png"]


def test_the_whole_name_comes_before_the_stem(tmp_path: Path) -> None:
    folder = masks(tmp_path, "a.png", "a.mkv.png", "b.mp4/")
    assert found(folder, "a.mkv", "a.mp4", "b.mp4") == ["a.mkv.png", "a.png", "b.mp4"]


def test_the_same_sub_folder_comes_first(tmp_path: Path) -> None:
    folder = masks(tmp_path, "x/a.png", "a.png", "b.png")
    assert found(folder, "x/a.mp4", "a.mp4", "x/b.mp4") == ["x/a.png", "a.png", "b.png"]


def test_one_mask_is_not_shared_by_two_of_a_name_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"no mask for 2 of 2 videos: x/a, y/a\."):
        found(masks(tmp_path, "a.png"), "x/a.mp4", "y/a.mp4")


def test_two_masks_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"a\.mp4 has 2 masks"):
        found(masks(tmp_path, "a.png", "a/"), "a.mp4")


def test_all_that_are_missing_are_named_with_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(MaskError) as caught:
        found(masks(tmp_path, "a.png"), "a.mp4", "b.mp4", "c.mp4")
    assert "no mask for 2 of 3 videos: b, c." in caught.value.what
    assert "b.png" in caught.value.fix


def test_masks_beside_the_videos(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.png"):
        (tmp_path / name).touch()
    sources = [Source(tmp_path / "a.mp4"), Source(tmp_path / "a.mkv")]
    assert match(tmp_path, sources) == [tmp_path / "a.png"] * 2
