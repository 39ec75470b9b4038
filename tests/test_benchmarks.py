"""The benchmarks run: a small clip through each, no times asserted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """One case of six small frames, and under ``results`` a result for it."""
    rng = np.random.default_rng(0)
    wide = (cv2.GaussianBlur(rng.random((64, 120, 3)), (0, 0), 2) * 255).astype(np.uint8)
    for t in range(6):
        truth = np.ascontiguousarray(wide[:, 3 * t : 3 * t + 80])
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
    return subprocess.run(command, check=True, capture_output=True, text=True, env=surroundings).stdout


def test_propagation(cases: Path) -> None:
    lines = output("propagation.py", str(cases), "--threads", "1").splitlines()
    assert len(lines) == 3
    numbers = [float(n) for n in re.findall(r"[-+]?\d+\.\d+", lines[-1])]
    assert len(numbers) == 7
    assert numbers[1] > 20


def test_evaluation(cases: Path) -> None:
    words = [str(cases), str(cases.parent / "results"), "--rounds", "1", "--lengths", "8", "--threads", "1"]
    lines = output("evaluation.py", *words).splitlines()
    assert [line[:5] for line in lines[2:5]] == ["plain", "ours,", "ours,"]
    assert re.fullmatch(r" +8 frames: peak \d+ MB", lines[5])


@pytest.mark.parametrize("script", sorted(p.name for p in BENCHMARKS.glob("*.py") if "argparse" in p.read_text()))
def test_each_says_how_it_is_used(script: str) -> None:
    assert "usage:" in output(script, "--help")
