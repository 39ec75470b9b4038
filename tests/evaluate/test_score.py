"""Scores of folders: the numbers, the JSON, and every way in which results do not fit their cases."""

from __future__ import annotations

import json
import math
import runpy
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from vrm.cli.main import run
from vrm.errors import MaskError, OutputError, UsageError, VideoError
from vrm.evaluate.commands import cases as make_cases
from vrm.evaluate.commands import score
from vrm.events import Events

from .made import read, write

TOOLS = Path(__file__).parents[3] / "shared" / "tools" / "score.py"
SHARED = ("hole_psnr", "psnr", "ssim", "dt", "sharp")


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def naive(case: Path, result: Path) -> dict[str, float]:
    """The formulas over whole arrays, float64."""
    x, m = read(case / "truth").astype(float), read(case / "masks")
    y = np.where(m[..., None], read(result), x)
    used = m.any((1, 2))
    d = (x - y) ** 2
    change = np.abs(np.diff(x, axis=0) - np.diff(y, axis=0))
    pairs = list(zip(x[used], y[used], strict=True))
    return {
        "hole_psnr": 10 * math.log10(255**2 / d[m].mean()),
        "psnr": float(np.mean(10 * np.log10(255**2 / d[used].mean((1, 2, 3))))),
        "ssim": float(np.mean([structural_similarity(a, b, channel_axis=2, data_range=255) for a, b in pairs])),
        "dt": float(change[m[1:] | m[:-1]].mean()),
    }


def test_json_has_one_object_per_folder(cases: Path, results: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(cases, tmp_path / "truths")
    for clip in (tmp_path / "truths").iterdir():
        for f in (clip / "truth").iterdir():
            shutil.copy(f, clip / f.name)
    assert run(["evaluate", "score", str(cases), str(results), str(tmp_path / "truths"), "--json"]) == 0
    telea, truth = objects(capsys.readouterr().out)
    assert telea["name"] == "telea"
    assert telea["clips"] == 2
    assert telea["frames"] == 8
    expected = [naive(cases / n, results / n) for n in ("ape", "bee")]
    for name in expected[0]:
        assert telea[name] == pytest.approx(np.mean([e[name] for e in expected]), abs=1e-9), name
        for clip, own in zip(("ape", "bee"), expected, strict=True):
            assert telea["per_clip"][clip][name] == pytest.approx(own[name], abs=1e-9)
    assert telea["spread"]["psnr"] == pytest.approx(np.std([e["psnr"] for e in expected], ddof=1))
    assert telea["outside_max"] == 0
    assert telea["flow"] == "DIS"
    assert 0 < telea["ewarp"] < 1
    for name in ("lpips", "fid", "vfid", "pvcs"):
        assert telea["needs"][name].startswith("needs ")
        assert name not in telea
    assert truth["psnr"] == truth["hole_psnr"] == "inf"
    assert truth["ssim"] == truth["sharp"] == 1
    assert truth["infinite"]["psnr"] == 8 + 2


@pytest.mark.skipif(not TOOLS.is_file(), reason="the other scorer is not here")
@pytest.mark.parametrize("skip", [0, 2])
def test_the_other_scorer_agrees(skip: int, cases: Path, results: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["score.py", str(cases), str(results), "--skip-every", str(skip)])
    theirs = runpy.run_path(str(TOOLS))["rows"]
    ours = score(cases, [results], Events(), skip_every=skip).results[0].clips
    assert ours.keys() == theirs.keys()
    for clip, values in theirs.items():
        for name, value in zip(SHARED, values, strict=False):
            assert ours[clip].values[name] == pytest.approx(float(value), abs=1e-6), (clip, name)
        assert ours[clip].outside_max == values[5]


def test_the_table_and_its_remarks(cases: Path, results: Path, capsys) -> None:
    assert run(["evaluate", "score", str(cases), str(results)]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["result", "clip", "frames"]
    assert lines[3].split()[1:3] == ["2", "clips"]
    assert "E_warp in percent, flow by DIS." in lines
    assert "vfid: needs I3D" in out


@pytest.mark.parametrize("ending", [".md", ".csv", ".json"])
def test_tables_are_written(ending: str, cases: Path, results: Path, tmp_path: Path) -> None:
    table = tmp_path / f"table{ending}"
    done = score(cases, [results], Events(), table=table)
    psnr = done.results[0].means()["psnr"].value
    assert psnr is not None
    text = table.read_text(encoding="utf-8")
    if ending == ".csv":
        rows = [line.split(",") for line in text.splitlines()]
        assert np.mean([float(row[rows[0].index("psnr")]) for row in rows[1:]]) == pytest.approx(psnr, abs=1e-12)
    elif ending == ".json":
        assert json.loads(text)[0]["psnr"] == pytest.approx(psnr)
    else:
        assert f"{psnr:.2f}" in text
    with pytest.raises(OutputError, match="exists"):
        score(cases, [results], Events(), table=table)


def test_measures_are_chosen(cases: Path, results: Path) -> None:
    values = score(cases, [results], Events(), measures="psnr,pcons").results[0].clips["ape"].values
    assert set(values) == {"psnr", "pcons"}
    everything = score(cases, [results], Events(), measures="all").results[0].clips["ape"].values
    assert {"ssim_65", "ssim_devil", "ewarp_own", "seam"} <= set(everything)
    with pytest.raises(UsageError, match="niceness"):
        score(cases, [results], Events(), measures="niceness")


def test_only_the_frames_of_the_protocol_count(cases: Path, results: Path) -> None:
    (cases / "protocol.json").write_text(json.dumps({"clips": {"ape": {"scored": [1]}}}))
    clips = score(cases, [results], Events()).results[0].clips
    assert clips["ape"].scored == 1
    assert clips["bee"].scored == 4


def test_no_truth(clips: Path, tmp_path: Path) -> None:
    make_cases(clips, tmp_path / "removal", Events(), protocol="removal")
    for clip in ("ape", "bee", "cat"):
        frames, masks = (read(tmp_path / "removal" / clip / kind) for kind in ("frames", "masks"))
        frames[masks] = 90
        write(tmp_path / "grey" / clip, frames)
    result = score(tmp_path / "removal", [tmp_path / "grey"], Events()).results[0]
    values = result.to_dict()
    with pytest.raises(UsageError, match="ape has no truth"):
        score(tmp_path / "removal", [tmp_path / "grey"], Events(), measures="psnr")
    assert values["clips"] == 3
    assert "psnr" not in values
    assert values["sharp_around"] < 0.1
    assert values["seam"] > 1
    assert values["ewarp_own"] > 0


def test_a_video_is_a_result_too(cases: Path, tmp_path: Path, make_video, lossless) -> None:
    (tmp_path / "films").mkdir()
    for name in ("ape", "bee"):
        make_video(tmp_path / "films" / f"{name}.mp4", frames=5, options=lossless["libx264"])
    result = score(cases, [tmp_path / "films"], Events()).results[0]
    assert len(result.clips) == 2
    assert result.clips["ape"].outside_max > 0
    assert any("outside the hole were changed in ape, bee" in line for line in _remarks(result))


def _remarks(result) -> list[str]:
    from vrm.evaluate.scoring.tables import ScoreTable

    return ScoreTable((result,)).remarks()


def test_missing_clips_are_listed_and_the_rest_is_scored(cases: Path, results: Path, capsys) -> None:
    shutil.rmtree(results / "bee")
    assert run(["evaluate", "score", str(cases), str(results)]) == 7
    done = capsys.readouterr()
    assert "1 clip " in done.out
    assert "telea: bee" in done.err
    assert run(["evaluate", "score", str(cases), str(results), "--clips", "ape", "--json"]) == 0
    assert objects(capsys.readouterr().out)[0]["clips"] == 1


def test_other_counts_are_refused(cases: Path, results: Path) -> None:
    (results / "bee" / "00004.png").unlink()
    with pytest.raises(VideoError, match=r"Clip bee: the result telea has 4 frames, the truth has 5"):
        score(cases, [results], Events())
    # Cut to what is there, it can be scored.
    assert score(cases, [results], Events(), frames=4).results[0].clips["bee"].frames == 4


def test_other_sizes_are_refused(cases: Path, results: Path) -> None:
    write(results / "ape", np.stack([cv2.resize(f, (32, 24)) for f in read(results / "ape")]))
    with pytest.raises(VideoError, match="Clip ape: the result telea is 32x24, the truth is 64x48"):
        score(cases, [results], Events())


def test_inverted_masks_are_found_out(cases: Path, results: Path) -> None:
    for name in ("ape", "bee"):
        masks = read(cases / name / "masks")
        write(cases / name / "masks", ~masks)
    with pytest.raises(MaskError, match="--invert-mask"):
        score(cases, [results], Events())
    assert score(cases, [results], Events(), invert_mask=True).results[0].clips["ape"].scored == 4


def test_masks_that_cover_more_than_half_are_doubted(cases: Path, results: Path, clips: Path, tmp_path: Path) -> None:
    masks = np.zeros((5, 48, 64), bool)
    masks[:, 10:] = True
    write(cases / "bee" / "masks", masks)
    notes = score(cases, [results], Events()).results[0].notes
    assert notes == [
        "Clip bee: 79% of the picture is masked. White was read as missing; if black is, change --invert-mask."
    ]
    # One that is refused ends the work before any clip is scored, also where it is the last.
    write(cases / "bee" / "masks", np.ones((5, 48, 64), bool))
    (results / "ape" / "00003.png").write_bytes(b"not looked at yet")
    with pytest.raises(MaskError, match="bee"):
        score(cases, [results], Events())


def test_masks_inside_out_are_found_by_what_was_given(cases: Path, results: Path) -> None:
    """A hole of an eighth, the wrong way round, is no longer nearly everything."""
    masks = np.zeros((5, 48, 64), bool)
    masks[:, 4:20, 8:40] = True
    truth = read(cases / "bee" / "truth")
    given = np.where(masks[..., None], 128, truth).astype(np.uint8)
    write(cases / "bee" / "frames", given)
    write(results / "bee", given)
    write(cases / "bee" / "masks", ~masks)
    with pytest.raises(MaskError, match="bee: most of the picture is masked, and what was given is the truth there"):
        score(cases, [results], Events())
    found = score(cases, [results], Events(), clips="bee", invert_mask=True).results[0]
    assert found.clips["bee"].outside_max == 0
    # A hole that is large indeed is none of these.
    write(cases / "bee" / "frames", np.where(masks[..., None], truth, 128).astype(np.uint8))
    assert score(cases, [results], Events(), clips="bee").results[0].clips["bee"].scored == 5


def test_a_case_without_masks_is_not_left_out_in_silence(cases: Path, results: Path) -> None:
    shutil.rmtree(cases / "bee" / "masks")
    with pytest.raises(MaskError, match=r"without masks in .*: bee"):
        score(cases, [results], Events())
    assert set(score(cases, [results], Events(), clips="ape").results[0].clips) == {"ape"}


def test_names_of_results_tell_them_apart(cases: Path, results: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "other" / "telea")
    found = score(cases, [results, tmp_path / "other" / "telea"], Events(), measures="psnr")
    names = [result.name for result in found.results]
    assert names[1] == "other/telea"
    assert names[0] != "other/telea"


@pytest.mark.parametrize("words", [["nowhere"], []])
def test_no_such_folder(words: list[str], cases: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError):
        score(cases if words else tmp_path / "nothing", [tmp_path / w for w in words or ["cases"]], Events())
