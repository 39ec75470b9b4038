"""``--text`` on what is unusual: lists, interruptions, things that go as well, odd sizes and directions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rapidocr  # noqa: F401 (without the extra this file is skipped)

import vrm
from vrm.cli.main import run
from vrm.shots.patch_store import PatchStore
from vrm.types import U8

from .overlays import SIZE, drawn, film, ground, over, write
from .test_remove_text import FIRST, LAST, QUICK, TEXT, N, decoded, masks_in, shown


@pytest.fixture(scope="module")
def frames() -> list[U8]:
    return film(N, shown, TEXT)


@pytest.fixture(scope="module")
def clip(frames: list[U8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(frames, tmp_path_factory.mktemp("inputs") / "clip.mkv")


def test_a_list_says_for_each_video_which_text_goes(clip: Path, tmp_path: Path) -> None:
    rows = [
        {"input": str(clip), "output": "all.mkv", "text": "overlays", "srt": "all.srt"},
        {"input": str(clip), "output": "kept.mkv", "text": "overlays", "text_keep": "night"},
    ]
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "out"
    words = ["--preset", "fast", "--lossless", "--threads", "1"]
    assert run(["remove", "--manifest", str(jobs), "-o", str(out), *words]) == 0
    before, gone, kept = decoded(clip), decoded(out / "all.mkv"), decoded(out / "kept.mkv")
    assert np.abs(before[10][TEXT[1]].astype(int) - gone[10][TEXT[1]]).mean() > 30
    assert all(map(np.array_equal, before, kept))
    assert "night" in (out / "all.srt").read_text()


class Stop(BaseException):
    """As sudden as Ctrl-C."""


def test_an_interrupted_run_takes_the_lines_over(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain = vrm.remove(clip, tmp_path / "plain.mkv", text=True, **QUICK)

    def stop(*_: object) -> None:
        raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(PatchStore, "add", stop)
        with pytest.raises(Stop):
            vrm.remove(clip, tmp_path / "out.mkv", text=True, resume=True, **QUICK)
    assert not (tmp_path / "out.mkv").exists()
    monkeypatch.setattr("vrm.selection.resolve.select_text", stop)  # nothing is looked for again
    report = vrm.remove(clip, tmp_path / "out.mkv", text=True, resume=True, **QUICK)
    assert report.text_lines == plain.text_lines
    assert (tmp_path / "out.mkv").read_bytes() == (tmp_path / "plain.mkv").read_bytes()


def test_text_and_a_thing_that_is_followed(frames: list[U8], tmp_path: Path) -> None:
    thing = []
    for t, frame in enumerate(frames):
        thing.append(frame.copy())
        thing[-1][24:54, 40 + 4 * t : 70 + 4 * t] = (220, 40, 30)
    clip = write(thing, tmp_path / "thing.mkv")
    vrm.track_masks(clip, tmp_path / "masks", text=True, box="40,24,70,54", effects="none", threads=1)
    masks = masks_in(tmp_path / "masks")
    for t in (0, 8, 16, 23):
        assert masks[t][28:50, 44 + 4 * t : 66 + 4 * t].mean() > 0.9
        assert (masks[t][TEXT[1]].mean() > 0.98) == (FIRST <= t <= LAST)


def test_text_from_top_to_bottom(frames: list[U8], tmp_path: Path) -> None:
    clip = write([np.ascontiguousarray(np.rot90(frame)) for frame in frames], tmp_path / "upright.mkv")
    report = vrm.track_masks(clip, tmp_path / "masks", text=True, threads=1)
    [line] = report.text_lines
    assert (line.first, line.last, line.removed) == (FIRST, LAST, True)
    assert masks_in(tmp_path / "masks")[10][np.rot90(TEXT[1])].mean() > 0.98


@pytest.mark.parametrize("times", [0.5, 12])
def test_small_and_large_pictures(times: float, tmp_path: Path) -> None:
    """160x90, and 3840x2160."""
    import cv2

    large = drawn("NIGHT", at=(60, 110), size=44)

    def sized(frame: U8) -> U8:
        return np.asarray(cv2.resize(frame, None, fx=times, fy=times, interpolation=cv2.INTER_AREA))

    n = 24 if times < 1 else 3
    clip = write([sized(over(ground(t), large[0])) for t in range(n)], tmp_path / "clip.mkv")
    report = vrm.track_masks(clip, tmp_path / "masks", text="all", threads=1)
    [line] = [line for line in report.text_lines if line.removed]
    assert (line.first, line.last) == (0, n - 1)
    mask, truth = masks_in(tmp_path / "masks")[n // 2], sized(large[1].astype(np.uint8) * np.uint8(255)) > 127
    assert mask.shape == tuple(round(side * times) for side in SIZE)
    assert mask[truth].mean() > 0.95
    assert mask.sum() < 3 * truth.sum()


def test_one_frame(tmp_path: Path) -> None:
    """Nothing tells but the place: low and central goes, elsewhere it stays, and that is said."""
    low, high = drawn("Good night", at=(120, 155), size=14), drawn("Good night", at=(120, 60), size=14)
    for n, (text, masked) in enumerate(((low, 1), (high, 0))):
        clip = write([over(ground(0), text[0])], tmp_path / f"{n}.mkv")
        report = vrm.remove(clip, tmp_path / f"{n}-out.mkv", text=True, **QUICK)
        assert (report.masked_frames, report.changed_outside) == (masked, 0)
        assert any("camera stands still" in note if masked else "kept" in note for note in report.notes)
        [before], [after], truth = decoded(clip), decoded(tmp_path / f"{n}-out.mkv"), ground(0).astype(float)
        errors = [np.abs(frame[text[1]] - truth[text[1]]).mean() for frame in (before, after)]
        assert errors[1] < 0.4 * errors[0] if masked else np.array_equal(before, after)
