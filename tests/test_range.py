"""A range is filled from frames around it, which stay as they are; following says where it ends."""

import cv2
import numpy as np
import pytest
from motion.shots import texture

from vrm.engines.shot import ShotView
from vrm.events import Events
from vrm.options.remove import EngineOptions, MaskOptions, RemoveOptions
from vrm.options.values import BoxPrompt, Moment
from vrm.pipeline import remove
from vrm.selection.resolve import track

SIZE = (72, 128)
COUNT = 24
CAPTION = np.s_[50:62, 30:90]
RANGE = range(9, 15)


def clip(folder, hidden=range(COUNT)):
    """A pan under a white caption on the frames ``hidden``; the frames without it."""
    wide = texture(SIZE[0], SIZE[1] + 4 * COUNT)
    truth = [wide[:, 4 * t : 4 * t + SIZE[1]] for t in range(COUNT)]
    folder.mkdir()
    for t, frame in enumerate(truth):
        shown = frame.copy()
        if t in hidden:
            shown[CAPTION] = 255
        cv2.imwrite(str(folder / f"{t:03d}.png"), shown)
    return truth


def mask(hidden=True) -> np.ndarray:
    out = np.zeros(SIZE, np.uint8)
    out[CAPTION] = 255 * hidden
    return out


def run(tmp_path, name, path=None, engine="motion", first=RANGE.start, last=RANGE.stop, **more):
    options = RemoveOptions(
        mask=MaskOptions(path=path, grow=2, **more),
        engine=EngineOptions(engine=engine, preset="fast", threads=1),
        start=Moment(frame=first), end=Moment(frame=last),
    )  # fmt: skip
    report = remove(tmp_path / "in", tmp_path / name, options, Events())
    return report, [cv2.imread(str(path)) for path in sorted((tmp_path / name).iterdir())]


def psnr(frames, truth) -> float:
    error = np.mean([np.square(frames[t][CAPTION].astype(float) - truth[t][CAPTION]).mean() for t in RANGE])
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def outside_untouched(tmp_path, frames) -> bool:
    there = [cv2.imread(str(path)) for path in sorted((tmp_path / "in").iterdir())]
    return len(frames) == COUNT and all(np.array_equal(frames[t], there[t]) for t in range(COUNT) if t not in RANGE)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_masks_of_all_frames_tell_what_frames_around_the_range_hide(tmp_path, elsewhere):
    truth = clip(tmp_path / "in", range(COUNT) if elsewhere else RANGE)
    (tmp_path / "masks").mkdir()
    for t in range(COUNT):
        cv2.imwrite(str(tmp_path / "masks" / f"{t:03d}.png"), mask(elsewhere or t in RANGE))
    report, part = run(tmp_path, "part", tmp_path / "masks")
    whole, full = run(tmp_path, "whole", tmp_path / "masks", first=0, last=COUNT)
    assert outside_untouched(tmp_path, part)
    assert report.masked_frames == len(RANGE)
    assert whole.masked_frames == (COUNT if elsewhere else len(RANGE))
    assert psnr(part, truth) > psnr(full, truth) - 1.5
    assert report.coverage > 0.9
    assert [(s.start, s.stop) for s in report.shots] == [(RANGE.start, RANGE.stop)]


def test_a_mask_that_never_moves_counts_as_hidden_around_the_range(tmp_path):
    truth = clip(tmp_path / "in", RANGE)
    cv2.imwrite(str(tmp_path / "mask.png"), mask())
    report, frames = run(tmp_path, "out", tmp_path / "mask.png", static=True)
    assert outside_untouched(tmp_path, frames)
    # The caption is 60 wide and the pan 4 a frame: with 9 frames on either side more than half of it comes out.
    assert report.coverage > 0.5
    assert psnr(frames, truth) > 20
    assert any("hidden outside the range too" in note for note in report.notes)


def test_masks_of_the_range_alone_say_nothing_of_other_frames(tmp_path, monkeypatch):
    clip(tmp_path / "in")
    (tmp_path / "masks").mkdir()
    for t in RANGE:
        cv2.imwrite(str(tmp_path / "masks" / f"{t:03d}.png"), mask())
    asked = set()
    frame = ShotView.frame
    monkeypatch.setattr(ShotView, "frame", lambda self, t: (asked.add(t), frame(self, t))[1])
    report, frames = run(tmp_path, "out", tmp_path / "masks")
    assert outside_untouched(tmp_path, frames)
    assert asked == set(RANGE)
    assert any("No other frames" in note for note in report.notes)


def thing(tmp_path, black=()):
    """A red square that moves over a still ground; its true masks."""
    ground, masks = texture(*SIZE), []
    (tmp_path / "in").mkdir()
    for t in range(COUNT):
        shown, where = ground.copy(), np.zeros(SIZE, np.uint8)
        where[20:44, 10 + 3 * t : 34 + 3 * t] = 255
        shown[where > 0] = texture(24, 24, 3).reshape(-1, 3) // 3 + (20, 20, 150)
        cv2.imwrite(str(tmp_path / "in" / f"{t:03d}.png"), shown * (t not in black))
        masks.append(where)
    return ground, masks


def test_one_mask_is_followed_beyond_the_range_to_see_behind_it(tmp_path):
    ground, masks = thing(tmp_path)
    cv2.imwrite(str(tmp_path / "mask.png"), masks[11])
    report, frames = run(tmp_path, "out", tmp_path / "mask.png", frame=11, save_to=tmp_path / "used")
    assert outside_untouched(tmp_path, frames)
    assert report.coverage > 0.95, "within the range the square does not leave its place"
    error = [np.abs(frames[t].astype(int) - ground)[masks[t] > 0].mean() for t in RANGE]
    assert max(error) < 8
    used = [cv2.imread(str(path), 0).any() for path in sorted((tmp_path / "used").iterdir())]
    assert [t for t, any_ in enumerate(used) if any_] == list(RANGE)
    assert any(f"frames {RANGE.start} to {RANGE.stop - 1}" in note for note in report.notes)


@pytest.mark.parametrize("pointed", [False, True])
def test_following_goes_on_behind_black_frames_and_says_so(tmp_path, pointed):
    _, masks = thing(tmp_path, black=(10, 11, 12))
    cv2.imwrite(str(tmp_path / "mask.png"), masks[0])
    said = {"boxes": (BoxPrompt(8, 18, 36, 46),)} if pointed else {"path": tmp_path / "mask.png"}
    report = track(tmp_path / "in", tmp_path / "out", RemoveOptions(mask=MaskOptions(**said)), Events())
    found = [cv2.imread(str(path), 0) > 0 for path in sorted((tmp_path / "out").iterdir())]
    for t, mask_ in enumerate(found):
        if t in (10, 11, 12):
            assert not mask_.any()
        else:
            assert (mask_ & (masks[t] > 0)).sum() > 0.7 * (mask_ | (masks[t] > 0)).sum(), t
    assert any("without frames 10 to 12" in note for note in report.notes)
    assert not any("Nothing is removed" in note for note in report.notes)


def test_where_following_ends_at_a_cut_it_is_said(tmp_path):
    _, masks = thing(tmp_path)
    for t in (*range(8), *range(18, COUNT)):
        cv2.imwrite(str(tmp_path / "in" / f"{t:03d}.png"), texture(*SIZE, seed=20 + (t > 9)))
    cv2.imwrite(str(tmp_path / "mask.png"), masks[12])
    options = RemoveOptions(mask=MaskOptions(path=tmp_path / "mask.png", frame=12))
    report = track(tmp_path / "in", tmp_path / "out", options, Events())
    assert any("Nothing is removed before frame 8 and from frame 18 on" in note for note in report.notes), report.notes
