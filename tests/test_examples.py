"""The example clip is what its script draws, and the example scripts run."""

from __future__ import annotations

import importlib
import runpy
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import av
import cv2
import numpy as np
import pytest

import vrm
from vrm import pipeline
from vrm.options.build import build_options

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``make_example`` as a module."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("make_example")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "examples").symlink_to(EXAMPLES, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def test_the_clip_is_what_it_is_said_to_be() -> None:
    info = vrm.info(EXAMPLES / "crab.mp4")
    assert (info.codec, info.width, info.height, info.n_frames, info.frame_rate) == ("h264", 640, 360, 100, 25)
    assert {stream.kind for stream in info.streams} == {"video", "audio"}
    assert (EXAMPLES / "crab.mp4").stat().st_size < 2_000_000


def test_the_clip_is_what_its_script_draws(script: ModuleType) -> None:
    drawn = next(script.frames())
    mask = cv2.imread(str(EXAMPLES / "crab.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask > 0, drawn.mask)
    with av.open(str(EXAMPLES / "crab.mp4")) as file:
        shown = next(file.decode(video=0)).to_ndarray(format="rgb24", src_colorspace="ITU709")
    assert psnr(shown, drawn.shown) > 33
    assert psnr(shown[~drawn.mask], drawn.clean[~drawn.mask]) > 33
    assert psnr(drawn.shown[drawn.mask], drawn.clean[drawn.mask]) < 15


def test_the_script_writes_clip_mask_and_truth(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    few = [
        script.Rendered(*rng.integers(0, 255, (2, 360, 640, 3), np.uint8), rng.random((360, 640)) > 0.5)
        for _ in range(2)
    ]
    monkeypatch.setattr(script, "frames", lambda: iter(few))
    monkeypatch.setattr("sys.argv", ["make_example.py", "--out", str(tmp_path), "--truth", str(tmp_path / "truth")])
    script.main()
    assert vrm.info(tmp_path / "crab.mp4").n_frames == 2
    clean = cv2.imread(str(tmp_path / "truth" / "clean" / "00001.png"))[..., ::-1]
    assert np.array_equal(clean, few[1].clean)
    mask = cv2.imread(str(tmp_path / "truth" / "masks" / "00000.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask > 0, few[0].mask)


def test_the_score_knows_good_from_bad(script: ModuleType) -> None:
    score = importlib.import_module("score_example").score
    found = score(EXAMPLES / "crab.mp4", limit=2)
    assert found["result"] == found["source"]
    assert found["source"][0] < 15 < 20 < found["telea"][0]
    assert found["source"][1] < found["telea"][1]


def test_the_api_example_runs(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, quick = pipeline.remove, build_options(preset="fast", end="10f")

    def remove(source, target, options, events):
        return real(source, target, replace(options, engine=quick.engine, end=quick.end), events)

    monkeypatch.setattr(pipeline, "remove", remove)
    runpy.run_path("examples/remove_api.py")
    assert "10 of 100 frames changed" in capsys.readouterr().out
    assert vrm.info("clean.mp4").n_frames == 100


@pytest.mark.slow
def test_the_crab_is_gone(script: ModuleType, workplace: Path) -> None:
    report = vrm.remove("examples/crab.mp4", "clean.mp4", mask="examples/crab.png", preset="fast", report="clean.html")
    assert report.changed_outside == 0
    assert report.masked_frames == 100
    assert "data:image/jpeg" in Path("clean.html").read_text(encoding="utf-8")
    found = importlib.import_module("score_example").score(Path("clean.mp4"))
    assert found["result"][0] > found["telea"][0] + 2
