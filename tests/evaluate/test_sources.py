"""Where frames, masks and truth come from: depths, rotation, videos, composites, names that are there twice, damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from vrm.errors import UsageError, VideoError
from vrm.evaluate.cases.clips import find_clips
from vrm.evaluate.cases.sequence import ImageSequence, load_masks
from vrm.evaluate.commands import cases as make_cases
from vrm.evaluate.commands import score
from vrm.evaluate.runs.methods import FillTask, Method, fill
from vrm.events import Events
from vrm.metrics.clip import ClipMeter
from vrm.options.remove import EngineOptions

from .made import SIZE, read, scene, thing, write

MEASURES = ("hole_psnr", "psnr", "ssim", "hole_ssim", "dt", "sharp", "ewarp")


def deepen(folder: Path, by: int = 257) -> None:
    """ImageSequence of 8 bits become pictures of 16."""
    for path in sorted(folder.rglob("*.png")):
        if path.parent.name != "masks":
            cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.uint16) * by)


def values(cases: Path, results: Path) -> dict[str, float | None]:
    return score(cases, [results], Events(), clips="ape").results[0].clips["ape"].values


def test_deep_results_of_shallow_cases_are_rounded_and_said(cases: Path, results: Path) -> None:
    before = values(cases, results)
    deepen(results)
    done = score(cases, [results], Events(), clips="ape")
    assert done.results[0].clips["ape"].values == before
    assert done.results[0].clips["ape"].outside_max == 0
    assert "ape has 16 bits a sample and is judged at 8" in done.table()
    assert json.loads(done.lines())["notes"] == ["ape has 16 bits a sample and is judged at 8."]


def test_deep_cases_measure_the_same_as_shallow_ones(cases: Path, results: Path) -> None:
    before = values(cases, results)
    deepen(cases)
    shallow = values(cases, results)
    deepen(results)
    deep = values(cases, results)
    for name in MEASURES:
        assert shallow[name] == deep[name] == pytest.approx(before[name], rel=1e-6), name
    assert not score(cases, [results], Events(), clips="ape").results[0].notes


def test_a_meter_refuses_frames_that_differ() -> None:
    truth, mask = scene(0, 1)[0], thing(0, 1)[0]
    for other in (truth.astype(np.uint16), truth[:-1]):
        with pytest.raises(ValueError, match="frames uint"):
            ClipMeter().add(other, mask, truth)
        with pytest.raises(ValueError, match="frames uint"):
            ClipMeter(("seam",)).add(truth, mask, given=other)


def test_a_frame_of_another_size_is_named(cases: Path, results: Path) -> None:
    cv2.imwrite(str(results / "ape" / "00003.png"), np.zeros((24, 32, 3), np.uint8))
    with pytest.raises(VideoError, match=r"00003\.png is 32x24, those before it 64x48"):
        score(cases, [results], Events())


def test_a_rotated_video_is_upright(tmp_path: Path, make_video) -> None:
    (tmp_path / "clips").mkdir()
    stored = make_video(tmp_path / "clips" / "phone.mp4", frames=3, size=(48, 64), rotation=90)
    flat = make_video(tmp_path / "flat.mp4", frames=3, size=(48, 64))
    turned, plain = (list(ImageSequence(path).stream()) for path in (stored, flat))
    assert ImageSequence(stored).size == (64, 48)
    assert np.array_equal(turned[1], np.rot90(plain[1], -1))
    make_cases(tmp_path / "clips", tmp_path / "out", Events(), protocol="fixed", size="48x64")
    assert np.array_equal(read(tmp_path / "out" / "phone" / "truth"), np.stack(turned))
    # Masks are drawn upright, as the video is shown.
    upright = np.zeros((3, 64, 48), bool)
    upright[:, 10:20, 5:12] = True
    write(tmp_path / "masks", upright)
    masks = load_masks(ImageSequence(tmp_path / "masks"), ImageSequence(stored), "phone")
    assert np.array_equal(np.stack([masks[t] for t in range(3)]), upright)


@pytest.mark.parametrize("method", ["telea", "propagation", "motion"])
@pytest.mark.parametrize("rotation", [0, 90])
def test_cases_may_be_videos(method: str, rotation: int, tmp_path: Path, make_video) -> None:
    case = tmp_path / "cases" / "sea"
    case.mkdir(parents=True)
    make_video(case / "frames.mp4", frames=5, size=SIZE, rotation=rotation)
    given = np.stack(list(ImageSequence(case / "frames.mp4").stream()))
    holes = np.zeros(given.shape[:3], bool)
    holes[:, 20:30, 15:28] = True
    write(case / "masks", holes)
    write(case / "truth", given)
    engine = EngineOptions(preset="fast", threads=1)
    job = Method(method, "" if method == "motion" else method, engine)
    done = fill(FillTask(job, find_clips(tmp_path / "cases")[0], tmp_path / "results" / "sea", frames=4))
    filled = read(tmp_path / "results" / "sea")
    assert done["frames"] == 4
    assert filled.shape == given[:4].shape
    assert np.array_equal(filled[~holes[:4]], given[:4][~holes[:4]])
    found = score(tmp_path / "cases", [tmp_path / "results"], Events(), frames=4).results[0].clips["sea"]
    assert found.outside_max == 0
    assert found.scored == 4


def test_results_that_are_there_twice_are_refused(cases: Path, results: Path, tmp_path: Path, make_video) -> None:
    shutil.rmtree(results / "ape")
    for ending in ("mp4", "mkv"):
        make_video(results / f"ape.{ending}", frames=5, size=SIZE)
    with pytest.raises(VideoError, match=r"ape more than once: ape\.mp4, ape\.mkv|ape\.mkv, ape\.mp4"):
        score(cases, [results], Events())


def test_a_folder_of_two_videos_is_no_clip(tmp_path: Path, make_video) -> None:
    folder = tmp_path / "clips" / "two"
    folder.mkdir(parents=True)
    for name in ("one.mp4", "other.mp4"):
        make_video(folder / name, frames=2, size=SIZE)
    with pytest.raises(VideoError, match=r"several videos: one\.mp4, other\.mp4"):
        find_clips(tmp_path / "clips")
    (folder / "other.mp4").rename(folder / "quadmask_0.mp4")
    assert find_clips(tmp_path / "clips")[0].frames.path.name == "one.mp4"


def test_a_composite_has_another_clips_frames_as_truth(clips: Path, tmp_path: Path) -> None:
    made = clips / "pasted"
    frames = scene(0, 6)[1:5].copy()
    frames[thing(3, 4)] = 200
    write(made / "frames", frames)
    write(made / "masks", thing(3, 4))
    (made / "meta.json").write_text(json.dumps({"kind": "composite", "gt": "ape/frames", "bg_offset": 1}))
    out = tmp_path / "out"
    assert make_cases(clips, out, Events(), protocol="pairs", clips="pasted") == ["pasted"]
    assert np.array_equal(read(out / "pasted" / "truth"), scene(0, 6)[1:5])
    assert np.array_equal(read(out / "pasted" / "frames"), frames)
    (made / "meta.json").write_text(json.dumps({"gt": "nobody/frames"}))
    with pytest.raises(VideoError, match="nobody"):
        make_cases(clips, tmp_path / "out2", Events(), protocol="pairs", clips="pasted")
    (made / "meta.json").write_text("{")
    with pytest.raises(VideoError, match=r"meta\.json cannot be read"):
        find_clips(clips)
    assert len(find_clips(clips, ("ape",))) == 1


def test_a_damaged_result_is_named(cases: Path, results: Path) -> None:
    path = results / "bee" / "00002.png"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(VideoError, match=r"00002\.png"):
        score(cases, [results], Events())


def test_a_case_that_is_a_file_is_refused(cases: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VideoError, match="not a folder"):
        score(cases, [tmp_path / "file"], Events())
    with pytest.raises(VideoError, match="not a folder"):
        score(tmp_path / "file", [cases], Events())
    with pytest.raises(UsageError, match="cow"):
        score(cases, [cases], Events(), clips="cow")
