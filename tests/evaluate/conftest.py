"""Small clips in the layouts people keep them in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from .made import read, scene, thing, write


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Three clips of 6, 5 and 6 frames with object masks: NAME/{frames,masks}."""
    for k, (name, frames) in enumerate((("ape", 6), ("bee", 5), ("cat", 6))):
        write(tmp_path / "clips" / name / "frames", scene(k, frames))
        write(tmp_path / "clips" / name / "masks", thing(k, frames))
    return tmp_path / "clips"


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Two cases with truth, made by hand, and nothing of ours: NAME/{frames,masks,truth}."""
    for k, name in enumerate(("ape", "bee")):
        truth, masks = scene(k, 5), thing(k, 5)
        masks[2] = False
        given = truth.copy()
        given[masks] = 128
        for kind, pictures in (("truth", truth), ("frames", given), ("masks", masks)):
            write(tmp_path / "cases" / name / kind, pictures)
    return tmp_path / "cases"


@pytest.fixture
def results(tmp_path: Path, cases: Path) -> Path:
    """The cases filled with Telea."""
    for case in sorted(cases.iterdir()):
        pairs = zip(read(case / "frames"), read(case / "masks"), strict=True)
        filled = [cv2.inpaint(np.ascontiguousarray(f), m.astype(np.uint8), 5, cv2.INPAINT_TELEA) for f, m in pairs]
        write(tmp_path / "telea" / case.name, np.stack(filled))
    return tmp_path / "telea"
