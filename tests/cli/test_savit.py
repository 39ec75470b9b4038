"""``vrm remove --engine savit`` from end to end, on small random weights."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from vrm.cli.main import run
from vrm.engines.base import HasDebugViews
from vrm.engines.savit.engine import SavitSession
from vrm.media.read.stills import read_image
from vrm.media.write.png import write_png

sys.path.insert(0, str(Path(__file__).parents[1]))
from engines.savit_weights import LABELLED, small_savit

BOX = (10, 12, 30, 40)


@pytest.fixture
def clip(tmp_path, make_video):
    mask = np.zeros((48, 64), np.uint8)
    mask[BOX[0] : BOX[2], BOX[1] : BOX[3]] = 255
    write_png(tmp_path / "mask.png", mask)
    make_video(tmp_path / "clip.mp4", frames=8, pix_fmt="yuv444p")
    return tmp_path


def remove(clip, *words, weights=None):
    line = ["remove", clip / "clip.mp4", "--mask", clip / "mask.png", "--static-mask", "--engine", "savit"]
    line += ["--weights", weights or small_savit(), "--threads", "1", "--device", "cpu", *words]
    return run([str(w) for w in line])


@pytest.mark.parametrize("words", [["--preset", "fast"], ["--preset", "paper"], ["--no-prefill", "--dtype", "fp32"]])
def test_a_video_is_filled(clip, words, capsys):
    assert remove(clip, "-o", clip / "out", *words) != 0, "a folder has no ending"
    assert remove(clip, "-o", clip / "out.mkv", "--lossless", "--report", clip / "report.json", *words) == 0
    assert "8 frames in" in capsys.readouterr().out
    assert json.loads((clip / "report.json").read_text())["changed_outside"] == 0


def test_label_maps_reach_the_engine_and_its_routing_the_report(clip):
    (clip / "labels").mkdir()
    for t in range(8):
        write_png(clip / "labels" / f"{t:05d}.png", np.full((48, 64), 2, np.uint8))
    weights = small_savit(LABELLED)
    assert remove(clip, "-o", clip / "a.mkv", weights=weights) == 2, "labels are needed"
    assert issubclass(SavitSession, HasDebugViews)
    assert (
        remove(
            clip,
            "-o",
            clip / "a.mkv",
            "--report",
            clip / "a.html",
            "--no-prefill",
            "--labels",
            clip / "labels",
            weights=weights,
        )
        == 0
    )
    page = (clip / "a.html").read_text()
    assert page.count("routing: vehicle") >= 1


def test_labels_of_the_clean_video_are_an_oracle_and_named_so(clip, capsys):
    (clip / "labels").mkdir()
    known = np.full((48, 64), 2, np.uint8)
    hidden = known.copy()
    hidden[BOX[0] : BOX[2], BOX[1] : BOX[3]] = 0
    for t in range(8):
        write_png(clip / "labels" / f"{t:05d}.png", hidden)
    shown = {}
    for words in ([], ["--oracle-labels"]):
        out = clip / f"{len(words)}.mkv"
        words = ["--no-prefill", "--lossless", "--grow", "0", "--labels", clip / "labels", *words]
        assert remove(clip, "-o", out, *words, weights=small_savit(LABELLED, 8)) == 0
        shown[out.stem] = out.read_bytes(), "an oracle" in "".join(capsys.readouterr())
    assert shown["0"][0] != shown["1"][0], "what is hidden makes a difference"
    assert (shown["0"][1], shown["1"][1]) == (False, True)
    assert remove(clip, "-o", clip / "b.mkv", "--oracle-labels", weights=small_savit(LABELLED)) == 2


def test_missing_weights_end_with_five(clip, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert remove(clip, "-o", clip / "a.mkv", weights="auto") == 5
    assert remove(clip, "-o", clip / "a.mkv", weights="fuseformer") == 5
    assert remove(clip, "-o", clip / "a.mkv", weights=clip / "x.pth") == 5
    assert "vrm weights import" in capfd.readouterr().err
    assert not (clip / "a.mkv").exists()
    assert read_image(clip / "mask.png").shape == (48, 64)
