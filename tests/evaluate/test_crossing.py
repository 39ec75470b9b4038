"""Cases whose holes pass over the clip's own object, and what is scored inside it, against naive formulas."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vrm.errors import MaskError
from vrm.evaluate.commands import cases as make
from vrm.evaluate.commands import score
from vrm.events import Events

from .made import SIZE, read, scene, write


def masks_of(folder: Path) -> np.ndarray:
    return np.stack([cv2.imread(str(f), cv2.IMREAD_GRAYSCALE) > 127 for f in sorted(folder.glob("*.png"))])


def clip(folder: Path, seed: int, box: tuple[int, int, int, int], frames: int = 6) -> None:
    """A clip with a box-shaped thing that goes to the right by a pixel a frame."""
    masks = np.zeros((frames, *SIZE), bool)
    for t in range(frames):
        masks[t, box[0] : box[2], box[1] + t : box[3] + t] = True
    write(folder / "frames", scene(seed, frames))
    write(folder / "masks", masks)


@pytest.fixture
def crossing(tmp_path: Path) -> Path:
    clip(tmp_path / "clips" / "ape", 1, (10, 12, 40, 42))
    clip(tmp_path / "clips" / "bee", 2, (5, 5, 45, 20))
    make(tmp_path / "clips", tmp_path / "crossing", Events(), protocol="crossing", size="64x48")
    return tmp_path / "crossing"


@pytest.mark.parametrize("name", ["ape", "bee"])
def test_the_holes_pass_over_the_thing_and_hide_part_of_it(crossing: Path, tmp_path: Path, name: str) -> None:
    own = masks_of(tmp_path / "clips" / name / "masks")
    holes, things = masks_of(crossing / name / "masks"), masks_of(crossing / name / "thing")
    assert np.array_equal(things, holes & own)
    assert things.sum() >= 0.3 * holes.sum()
    middles = [np.nonzero(hole)[1].mean() - np.nonzero(thing)[1].mean() for hole, thing in zip(holes, own, strict=True)]
    assert (np.diff(middles) > 0).all(), "from its left to its right"
    given, truth = read(crossing / name / "frames"), read(crossing / name / "truth")
    assert np.array_equal(given[~holes], truth[~holes])
    assert (given[holes] == 128).all()


def test_a_thing_all_over_the_frame_has_its_middle_in_the_middle(tmp_path: Path) -> None:
    clip(tmp_path / "clips" / "ape", 1, (2, 2, 46, 50))
    clip(tmp_path / "clips" / "bee", 2, (5, 5, 45, 20))
    cv2.imwrite(str(sorted((tmp_path / "clips" / "ape" / "masks").glob("*.png"))[3]), np.full(SIZE, 255, np.uint8))
    make(tmp_path / "clips", tmp_path / "crossing", Events(), protocol="crossing", size="64x48")
    rows = np.nonzero(masks_of(tmp_path / "crossing" / "ape" / "masks")[3])[0]
    assert abs((rows.min() + rows.max()) / 2 - (SIZE[0] - 1) / 2) <= 1


def test_the_error_inside_the_thing_is_that_of_all_its_hidden_pixels(crossing: Path, tmp_path: Path) -> None:
    squares = []
    for name in ("ape", "bee"):
        truth, things = read(crossing / name / "truth"), masks_of(crossing / name / "thing")
        filled = read(crossing / name / "frames")
        write(tmp_path / "mine" / name, filled)
        squares.append(np.square(filled[things].astype(float) - truth[things]).mean())
    means = score(crossing, [tmp_path / "mine"], Events()).results[0].means()
    assert means["thing_psnr"].value == pytest.approx(np.mean([10 * np.log10(255**2 / s) for s in squares]))


def test_a_clip_without_a_thing_is_refused(tmp_path: Path) -> None:
    clip(tmp_path / "clips" / "ape", 1, (10, 12, 40, 42))
    clip(tmp_path / "clips" / "bee", 2, (0, 0, 0, 0))
    with pytest.raises(MaskError):
        make(tmp_path / "clips", tmp_path / "out", Events(), protocol="crossing", size="64x48")
