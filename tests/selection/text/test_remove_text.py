"""``--text`` from end to end, with the networks that find and read text."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
import rapidocr  # noqa: F401 (without the extra this file is skipped)

import vrm
from vrm.errors import MaskError, UsageError
from vrm.types import U8

from .overlays import SIZE, drawn, film, ground, over, write

TEXT = drawn("Good night")
FIRST, LAST, N = 6, 17, 24
QUICK = {"preset": "fast", "threads": 1, "lossless": True, "overwrite": True}


def decoded(path: Path) -> list[U8]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def shown(t: int) -> float:
    return float(FIRST <= t <= LAST)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(film(N, shown, TEXT), tmp_path_factory.mktemp("text") / "clip.mkv")


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that stands still, with one line of its scene (top left) and one that comes and goes."""
    sign = drawn("EXIT 24", at=(50, 60))
    frames = [over(over(ground(0), sign[0]), TEXT[0], shown(t)) for t in range(N)]
    return write(frames, tmp_path_factory.mktemp("text") / "still.mkv")


def masks_in(folder: Path) -> list[np.ndarray]:
    from PIL import Image

    return [np.asarray(Image.open(path)) > 0 for path in sorted(folder.glob("*.png"))]


def test_text_goes_and_frames_without_it_pass_through(clip: Path, tmp_path: Path) -> None:
    out, srt = tmp_path / "out.mkv", tmp_path / "out.srt"
    report = vrm.remove(clip, out, text=True, srt=srt, **QUICK)
    assert report.changed_outside == 0
    assert report.masked_frames == LAST - FIRST + 1
    [line] = report.text_lines
    assert (line.first, line.last, line.kind, line.removed) == (FIRST, LAST, "overlay", True)
    assert line.text.replace(" ", "").lower() == "goodnight"
    before, after = decoded(clip), decoded(out)
    for t in (*range(FIRST), *range(LAST + 1, N)):
        assert np.array_equal(before[t], after[t])
    y0, x0, y1, x1 = TEXT[2]
    truth = [f[y0:y1, x0:x1].astype(float) for f in film(N, lambda t: 0.0, TEXT)]
    errors = [np.abs(after[t][y0:y1, x0:x1] - truth[t]).mean() for t in range(FIRST, LAST + 1)]
    covered = [np.abs(before[t][y0:y1, x0:x1] - truth[t]).mean() for t in range(FIRST, LAST + 1)]
    assert np.mean(errors) < 0.15 * np.mean(covered)
    assert srt.read_text().splitlines()[1] == "00:00:00,500 --> 00:00:01,500"


def test_masks_hold_the_strokes_and_the_lines_lie_beside(clip: Path, tmp_path: Path) -> None:
    vrm.track_masks(clip, tmp_path / "masks", text="overlays", threads=1)
    masks = masks_in(tmp_path / "masks")
    assert [t for t, mask in enumerate(masks) if mask.any()] == list(range(FIRST, LAST + 1))
    recall, ratio = masks[10][TEXT[1]].mean(), masks[10].sum() / TEXT[1].sum()
    assert recall >= 0.98
    assert ratio <= 1.9
    assert all(np.array_equal(masks[10], masks[t]) for t in range(FIRST, LAST + 1))  # one mask for its life
    [line] = json.loads((tmp_path / "masks" / "text.json").read_text())
    assert line["box"][0] <= TEXT[2][1] + 4
    assert line["box"][3] >= TEXT[2][2] - 4


def test_a_still_camera_keeps_what_stands_and_says_so(still: Path, tmp_path: Path) -> None:
    report = vrm.track_masks(still, tmp_path / "masks", text=True, threads=1)
    kinds = {line.text.replace(" ", ""): line.removed for line in report.text_lines}
    assert kinds == {"EXIT24": False, "Goodnight": True}
    assert any("camera stands still" in note for note in report.notes)
    assert any("kept" in note and "EXIT" in note for note in report.notes)
    everything = vrm.track_masks(still, tmp_path / "all", text="all", threads=1)
    assert all(line.removed for line in everything.text_lines)


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ({"text_match": "good"}, ["Goodnight"]),
        ({"text_keep": "night$"}, ["EXIT24"]),
        ({"text_area": "bottom"}, ["Goodnight"]),
        ({"text_area": "0,40,160,100"}, ["EXIT24"]),
    ],
)
def test_which_text_goes(still: Path, tmp_path: Path, words: dict[str, str], gone: list[str]) -> None:
    report = vrm.track_masks(still, tmp_path / "masks", text="all", threads=1, **words)
    found = [line for line in report.text_lines if line.removed]
    assert len(found) == len(gone)
    assert [line.text.replace(" ", "") for line in found] == gone


def test_without_text_the_video_passes_through(tmp_path: Path) -> None:
    plain = write([ground(t) for t in range(8)], tmp_path / "plain.mkv")
    report = vrm.remove(plain, tmp_path / "out.mkv", text=True, **QUICK)
    assert report.masked_frames == 0
    assert "No text was found." in report.notes
    assert all(map(np.array_equal, decoded(plain), decoded(tmp_path / "out.mkv")))


def test_text_and_a_thing_go_together(clip: Path, tmp_path: Path) -> None:
    report = vrm.remove(clip, tmp_path / "out.mkv", text=True, box=(20, 20, 60, 50), static_mask=True, effects="none",
                        save_masks=tmp_path / "masks", **QUICK)  # fmt: skip
    assert report.masked_frames == N
    mask = masks_in(tmp_path / "masks")
    assert mask[0][30, 40]
    assert not mask[0][TEXT[1]].any()
    assert mask[10][30, 40]
    assert mask[10][TEXT[1]].mean() > 0.98


def test_text_that_fills_the_picture_stays(tmp_path: Path) -> None:
    huge = drawn("HUGE", at=(4, 20), size=110)
    clip = write([over(ground(t), huge[0]) for t in range(14)], tmp_path / "huge.mkv")
    report = vrm.remove(clip, tmp_path / "out.mkv", text="all", **QUICK)
    assert report.masked_frames == 0
    assert any("too little of the picture" in note for note in report.notes)
    assert all(map(np.array_equal, decoded(clip), decoded(tmp_path / "out.mkv")))


def test_one_frame_and_a_tiny_one(tmp_path: Path) -> None:
    one = write([over(ground(0), TEXT[0])], tmp_path / "one.mkv")
    assert len(vrm.track_masks(one, tmp_path / "masks", text=True, threads=1).text_lines) == 1
    tiny = write([ground(t)[:36, :64] for t in range(3)], tmp_path / "tiny.mkv")
    assert vrm.track_masks(tiny, tmp_path / "none", text=True, threads=1).masked_frames == 0


def test_an_area_outside_the_picture_is_refused(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="outside the picture"):
        vrm.remove(clip, tmp_path / "out.mkv", text=True, text_area=f"{SIZE[1]},0,{SIZE[1] + 9},10")
    with pytest.raises(UsageError, match="no regular expression"):
        vrm.remove(clip, tmp_path / "out.mkv", text=True, text_match="(")
