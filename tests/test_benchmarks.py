"""The benchmarks run: a small clip through each, no times asserted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")  # half of them need it, and who runs them has it
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """One case of six small frames, and under ``results`` a result for it."""
    rng = np.random.default_rng(0)
    wide = (cv2.GaussianBlur(rng.random((64, 120, 3)), (0, 0), 2) * 255).astype(np.uint8)
    for t in range(6):
        grain = rng.integers(-2, 3, (64, 80, 3))  # so that no two frames are the same along the motion
        truth = np.clip(wide[:, 3 * t : 3 * t + 80] + grain, 0, 255).astype(np.uint8)
        mask = np.zeros((64, 80), np.uint8)
        mask[20:40, 30:50] = 255
        given = np.where(mask[..., None] > 0, 128, truth).astype(np.uint8)
        for kind, picture in (("truth", truth), ("frames", given), ("masks", mask), ("result", given)):
            folder = tmp_path / "results" / "clip" if kind == "result" else tmp_path / "cases" / "clip" / kind
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{t:05d}.png"), picture)
    return tmp_path / "cases"


def output(script: str, *words: str) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *words]
    surroundings = os.environ | {"PYTHONPATH": str(BENCHMARKS.parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(line: str) -> list[float]:
    return [float(n) for n in re.findall(r"[-+]?\d+\.\d+", line)]


RATIO = r"\d+\.\d+ \(\d+\.\d+ to \d+\.\d+\)"
"""Median of the rounds, smallest, largest."""
SPREAD = r"[-+]?\d+\.\d+ ± \d+\.\d+ \([-+]?\d+\.\d+ to [-+]?\d+\.\d+; \d+\)"
"""Mean over clips, standard deviation, smallest, largest, how many."""


def on_a_machine(line: str) -> bool:
    return bool(re.search(r"processor .+; cores \d+; .*date \d{4}-\d\d-\d\d; vrm .*torch", line))


def test_propagation(cases: Path) -> None:
    lines = output("propagation.py", str(cases), "--threads", "1").splitlines()
    assert len(lines) == 5
    found = numbers(lines[2])
    assert len(found) == 7
    assert found[1] > 20
    assert re.fullmatch(f"gain over Telea {SPREAD} dB, in {SPREAD} times its time", lines[3])
    assert on_a_machine(lines[4])


def test_evaluation(cases: Path) -> None:
    words = [str(cases), str(cases.parent / "results"), "--rounds", "2", "--lengths", "8", "--threads", "1"]
    lines = output("evaluation.py", *words).splitlines()
    assert [line[:5] for line in lines[2:5]] == ["plain", "ours,", "ours,"]
    assert on_a_machine(lines[0])
    assert re.search(r"1\.00 \(1\.00 to 1\.00\)", lines[2]), "the plain way is what ratios are of"
    assert all(re.search(RATIO, line) for line in lines[3:5])
    assert re.fullmatch(r" +8 frames: peak \d+ MB", lines[5])


def test_removal(cases: Path) -> None:
    lines = output("removal.py", str(cases), "--frames", "3", "--options=--threads 1").splitlines()
    assert [line.split()[0] for line in lines[-4:-2]] == ["clip", "mean"]
    assert min(numbers(lines[-3])[:2]) > 15
    assert re.fullmatch(f"gain over Telea {SPREAD} dB; {SPREAD} s/frame", lines[-2])
    assert on_a_machine(lines[-1])


def test_keyframes_and_borders(cases: Path, tmp_path: Path) -> None:
    words = [str(cases), str(tmp_path / "out"), "--preset", "fast", "--every", "3", "--threads", "1"]
    said = output("keyframes.py", *words)
    assert re.search(f"mean gain {SPREAD} dB, better on 1 of 1 clips", said)
    assert on_a_machine(said.splitlines()[-1])
    lines = output("borders.py", str(cases), str(tmp_path / "out" / "fast"), "--every", "3").splitlines()
    assert lines[-3].startswith("mean")
    assert numbers(lines[-3])[0] > 0
    assert re.search(SPREAD, lines[-2])
    assert on_a_machine(lines[-1])


@pytest.mark.slow
def test_tracking_and_pointing(cases: Path) -> None:
    for script, least in (("tracking.py", 0.3), ("pointing.py", 0.5)):
        lines = output(script, str(cases), "clip").splitlines()
        assert lines[-3].startswith("mean")
        assert numbers(lines[-3])[0] > least
        assert len(re.findall(SPREAD, lines[-2])) == 2, "quality and time, against the plain way"
        assert on_a_machine(lines[-1])


def test_outline(cases: Path) -> None:
    lines = output("outline.py", str(cases), "clip", "--frames", "2", "--clicks", "1").splitlines()
    assert lines[0].split()[:3] == ["clip", "J0", "J1"]
    assert lines[-3].startswith("mean")
    by_box, clicked, sure = numbers(lines[-3])[:3]
    assert by_box > 0.5
    assert clicked > by_box - 0.05
    assert 0 < sure < 1
    assert lines[-2].startswith("mean of |said - J|")
    assert on_a_machine(lines[-1])


def test_savit() -> None:
    words = ["--frames", "27", "--size", "32x48", "--threads", "1", "--rows", "paper-fp32", "--rounds", "1"]
    for more, made in (([], 5), (["--whole"], 6)):
        lines = output("savit.py", *words, *more).splitlines()
        assert on_a_machine(lines[0])
        assert [line.split()[0] for line in lines[2:4]] == ["plain", "paper-fp32"]
        counts = [(int(n), int(all_)) for n, all_ in re.findall(r"(\d+) of (\d+) with", lines[2])]
        assert [sum(column) for column in zip(*counts, strict=True)] == [made, 6], "at least one run of each kind"
        assert min(n for n, _ in counts) > 0
        largest = float(re.findall(r"most ([\d.e+-]+)", lines[3])[0])
        assert largest <= 1e-4, "both ways give the same picture"
        assert len(re.findall(RATIO, lines[3])) == 2


def test_generator() -> None:
    words = ["--threads", "1", "--targets", "1", "--keys", "2", "--sizes", "64x64"]
    lines = output("generator.py", *words).splitlines()
    row = next(line for line in lines if line.startswith("64x64"))
    assert row.split()[1] == "fp32"
    assert float(row.split()[-1]) < 1e-5
    assert re.search(RATIO, row)
    assert on_a_machine(lines[1])


@pytest.mark.slow
def test_labelling(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    pytest.importorskip("transformers")
    from selection.models import mask2former

    video = make_video(tmp_path / "clip.mp4", frames=3, size=(64, 96))
    model = mask2former(tmp_path / "model")
    lines = output("labelling.py", str(video), "--frames", "3", "--folder", str(model)).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["network", "all", "flicker"]
    assert re.search(RATIO, lines[2])
    assert on_a_machine(lines[-1])
    if shutil.which("ffmpeg") is None:
        return
    words = ["--folder", str(model), "--lengths", "2,4", "--size", "96x64"]
    rows = [line.split() for line in output("labelling.py", str(video), *words).splitlines()[1:-1]]
    assert [row[:2] for row in rows] == [["2", "96x64"], ["4", "96x64"]]
    assert all(float(row[2]) > 50 for row in rows)


def test_labelling_of_annotations(cases: Path) -> None:
    lines = output("labelling.py", str(cases), "--annotated", "clip", "--frames", "4").splitlines()
    assert [line.split()[0] for line in lines] == ["clip", "clip", "mean"]
    assert lines[1].split()[1] == "4"
    assert numbers(lines[1])[-1] > 0.8


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compared with ffmpeg, which is not here")
def test_passthrough_and_long_video(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    video = make_video(tmp_path / "clip.mp4", frames=8, size=(64, 96))
    lines = output("passthrough.py", str(video), "--rounds", "1").splitlines()
    rows = [line for line in lines if line[:2] == "| "]
    assert all(len(re.findall(RATIO, row)) == 2 for row in rows[-3:])
    assert on_a_machine(lines[-1])
    assert [row.split(" | ")[0] for row in rows[-3:]] == ["| vrm remove", "| vrm, reading and writing", "| ffmpeg"]
    lines = output("long_video.py", str(video), "--frames", "4,8", "--repeat").splitlines()
    assert re.match(r" +4 frames, a box gone +\d+ +\d+", lines[1])
    assert re.fullmatch(f"8 frames take {RATIO} times the memory of 4", lines[3])
    assert on_a_machine(lines[-1])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg cuts the clips")
def test_batch(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    video = make_video(tmp_path / "clip.mp4", frames=6, size=(64, 96))
    words = ["--clips", "2", "--frames", "2", "--rounds", "1", "--rows", "loop,one,jobs", "--threads", "2"]
    lines = output("batch.py", str(video), *words).splitlines()
    assert on_a_machine(lines[0])
    assert [line[:6] for line in lines[2:]] == ["loop o", "--jobs", "--jobs"]
    assert all(len(re.findall(RATIO, line)) == 2 for line in lines[2:])


@pytest.mark.slow
def test_results(cases: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    for name in ("one", "two"):
        shutil.copytree(cases / "clip" / "truth", clips / name / "frames")
        shutil.copytree(cases / "clip" / "masks", clips / name / "masks")
    words = [
        str(clips),
        str(tmp_path / "out"),
        "--clips",
        "*",
        "--frames",
        "2",
        "--engines",
        "savit",
        "--presets",
        "fast",
    ]
    words += ["--threads", "1", "--no-page", "--only", "*=one"]
    text = output("results.py", *words)
    assert "savit-fast       needs weights" in text
    table = (tmp_path / "out" / "bench" / "table.md").read_text()
    assert "--only '*=one'" in table
    assert str(tmp_path) not in table
    assert table.count("| telea | 1 |") == 2, "both protocols"
    records = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "bench").rglob("telea/*.json")}
    assert output("results.py", *words) == text
    assert {path: path.stat().st_mtime_ns for path in records} == records, "nothing is done twice"
    words[words.index("2")] = "3"
    with pytest.raises(AssertionError, match="choose another OUT"):
        output("results.py", *words)


@pytest.mark.parametrize("script", sorted(p.name for p in BENCHMARKS.glob("*.py") if "argparse" in p.read_text()))
def test_each_says_how_it_is_used(script: str) -> None:
    assert "usage:" in output(script, "--help")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_page() -> None:
    pytest.importorskip("uvicorn")
    lines = output("page.py", str(BENCHMARKS.parent / "examples" / "crab.mp4"), "--box", "50,126,216,274").splitlines()
    assert on_a_machine(lines[0])
    assert lines[3] == "640x360, 100 frames, h264"
    assert len(lines) == 14
    assert all(numbers(line) for line in (*lines[1:3], *lines[4:6], *lines[7:13]))
