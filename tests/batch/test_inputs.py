"""Which videos are meant by what stands on the command line, and which masks are theirs."""

from __future__ import annotations

import io
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from vrm.batch.inputs import Source, find_sources, match_masks, read_list
from vrm.batch.naming import default_output, is_folder, output_in
from vrm.batch.run import plan, stands_for_many
from vrm.errors import MaskError, UsageError, VideoError
from vrm.events import Events
from vrm.media.write.containers import distinct_names
from vrm.options.batch import BatchOptions
from vrm.options.build import build_options

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """``tree("a/b.mp4", ...)`` makes empty files; finding never opens one."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def names(sources: list[Source]) -> list[str]:
    return [f"{source.below.as_posix()}:{source.path.name}" for source in sources]


def test_files_come_in_the_order_given_and_a_folder_by_number(tree: Tree) -> None:
    root = tree("z.mp4", "clips/c10.mp4", "clips/c9.MOV", "clips/.hidden.mp4", "clips/note.txt", "odd.ending")
    found, notes = find_sources([root / "z.mp4", root / "clips", root / "odd.ending"])
    assert names(found) == [".:z.mp4", ".:c9.MOV", ".:c10.mp4", ".:odd.ending"]
    assert notes == []


def test_a_folder_of_numbered_frames_is_one_input(tree: Tree) -> None:
    root = tree("shot/0001.png", "shot/0002.png")
    assert names(find_sources([root / "shot"])[0]) == [".:shot"]
    assert names(find_sources([root / "shot"], recursive=True)[0]) == [".:shot"]
    assert not stands_for_many(str(root / "shot"))


def test_a_folder_of_videos_stands_for_many_and_pictures_of_their_names_are_theirs(tree: Tree) -> None:
    root = tree("clips/1.mp4", "clips/2.mp4", "clips/1.png", "clips/2.png", "clips/poster.png")
    assert stands_for_many(str(root / "clips"))
    assert names(find_sources([root / "clips"])[0]) == [".:1.mp4", ".:2.mp4"]
    assert stands_for_many("-")
    assert not stands_for_many(str(root / "clips" / "1.mp4"))


def test_videos_and_frames_in_one_folder_are_not_guessed_at(tree: Tree) -> None:
    root = tree("mix/0001.png", "mix/0002.png", "mix/preview.mp4")
    with pytest.raises(UsageError, match=r"preview\.mp4.*0001\.png"):
        find_sources([root / "mix"])


def test_sub_folders_only_when_asked_and_never_where_results_lie(tree: Tree) -> None:
    root = tree("in/a.mp4", "in/x/b.mp4", "in/x/y/c.mp4", "in/out/a.mp4", "in/plate/f1.png", "in/plate/f2.png")
    assert names(find_sources([root / "in"])[0]) == [".:a.mp4"]
    found, _ = find_sources([root / "in"], recursive=True, leave=[root / "in" / "out"])
    assert names(found) == [".:a.mp4", ".:plate", "x:b.mp4", "x/y:c.mp4"]


def test_a_link_that_leads_back_ends(tree: Tree) -> None:
    root = tree("in/a.mp4")
    (root / "in" / "again").symlink_to(root / "in", target_is_directory=True)
    assert names(find_sources([root / "in"], recursive=True)[0]) == [".:a.mp4"]


def test_each_once_and_results_of_an_earlier_run_left_out(tree: Tree) -> None:
    root = tree("in/a.mp4", "in/a-clean.mp4", "in/a-preview.mp4", "in/b-clean.mp4")
    found, notes = find_sources([root / "in", root / "in" / "a.mp4"], results=True)
    assert names(found) == [".:a.mp4", ".:b-clean.mp4"]
    assert [note.split(": ")[1] for note in notes] == [
        "given twice, worked on once.",
        "taken for a result of an earlier run, and left out.",
    ]
    assert len(find_sources([root / "in"])[0]) == 4


def test_what_is_missing_or_empty_is_named(tree: Tree) -> None:
    root = tree("empty/sub/a.mp4")
    with pytest.raises(VideoError, match=r"b\.mp4, .*c\.mp4 cannot be found"):
        find_sources([root / "b.mp4", root / "c.mp4"])
    with pytest.raises(VideoError, match=r"holds no videos\. Add --recursive"):
        find_sources([root / "empty"])


def test_what_is_neither_file_nor_folder_is_left_out_with_a_word(tree: Tree) -> None:
    root = tree("in/a.mp4", "in/b.mp4")
    (root / "in" / "gone.mp4").symlink_to("nothing.mp4")
    os.mkfifo(root / "in" / "pipe.mp4")
    found, notes = find_sources([root / "in"])
    assert names(found) == [".:a.mp4", ".:b.mp4"]
    assert len(notes) == 1
    assert "gone.mp4" in notes[0]
    assert "pipe.mp4" in notes[0]
    assert find_sources([root / "in" / "a.mp4", root / "in" / "b.mp4"])[1] == []


def test_a_list_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vrm.batch.inputs.MOST_BYTES", 1000)
    with Path("/dev/zero").open("rb") as endless:
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=endless))
        with pytest.raises(UsageError, match="list on standard input is longer"):
            plan(["-"], "out", {"mask": "m.png"}, BatchOptions(), Events())


def test_lists_have_lines_or_zero_bytes() -> None:
    def listed(data: bytes) -> list[Path]:
        return read_list(io.BytesIO(data))

    assert listed("a\u2028b.mp4\r\nc\x0bd.mp4".encode()) == [Path("a\u2028b.mp4"), Path("c\x0bd.mp4")]
    assert listed(b"a.mp4\n\nb c.mp4\r\n") == [Path("a.mp4"), Path("b c.mp4")]
    assert listed(b"a\nb.mp4\0c.mp4\0") == [Path("a\nb.mp4"), Path("c.mp4")]
    assert listed(b"") == []
    assert listed(b"\xff.mp4\n") == [Path("\udcff.mp4")]


def test_names_of_one_stem_are_told_apart() -> None:
    assert distinct_names([Path("a.mp4"), Path("a.mkv"), Path("b.mp4"), Path("x/a.mp4")]) == [
        "a.mp4",
        "a.mkv",
        "b",
        "a",
    ]


def test_where_results_go(tree: Tree) -> None:
    root = tree("a.wmv", "f/1.png", "f/2.png")
    usual, lossless = build_options(), build_options(lossless=True)
    assert output_in(Path("out"), root / "a.wmv", usual) == Path("out/a.mkv")
    assert output_in(Path("out"), Path("a.mp4"), lossless) == Path("out/a.mkv")
    assert output_in(Path("out"), root / "f", usual) == Path("out/f")
    assert default_output(root / "f", usual) == root / "f-clean"
    preview = build_options(mask="m.png", preview=True)
    assert default_output(Path("x/a.mp4"), preview) == Path("x/a-preview.mp4")
    assert output_in(Path("out"), Path("a.mp4"), preview) == Path("out/a-preview.mp4")
    assert output_in(Path("out"), root / "f", preview) == Path("out/f-preview")
    assert is_folder("new/")
    assert is_folder(root)
    assert not is_folder(root / "new")


# --- masks -------------------------------------------------------------------------------------------------------


def masks(root: Path, *names: str) -> Path:
    for name in names:
        path = root / "masks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.touch()
    return root / "masks"


def found(folder: Path, *videos: str) -> list[str]:
    sources = [Source(Path("in") / video, Path(video).parent) for video in videos]
    return [path.relative_to(folder).as_posix() for path in match_masks(folder, sources)]


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
    with pytest.raises(MaskError, match=r"no mask for any of 2 videos: x/a, y/a\."):
        found(masks(tmp_path, "a.png"), "x/a.mp4", "y/a.mp4")


def test_two_masks_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"a\.mp4 has 2 masks"):
        found(masks(tmp_path, "a.png", "a/"), "a.mp4")


def test_one_that_is_missing_costs_no_other_its_mask(tmp_path: Path) -> None:
    sources = [Source(Path(name)) for name in ("a.mp4", "b.mp4")]
    folder = masks(tmp_path, "a.png")
    first, second = match_masks(folder, sources)
    assert first == folder / "a.png"
    assert isinstance(second, MaskError)
    assert second.what == f"{folder} holds no mask for b.mp4."
    assert "b.png" in second.fix


def test_where_all_are_missing_the_folder_is_the_wrong_one(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"no mask for any of 3 videos: b, c, d\.") as caught:
        found(masks(tmp_path, "a.png"), "b.mp4", "c.mp4", "d.mp4")
    assert "b.png" in caught.value.fix


def test_masks_beside_the_videos(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.png"):
        (tmp_path / name).touch()
    sources = [Source(tmp_path / "a.mp4"), Source(tmp_path / "a.mkv")]
    assert match_masks(tmp_path, sources) == [tmp_path / "a.png"] * 2
