"""J, F and label flicker from the command line, on masks and maps made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vrm.cli.main import run
from vrm.errors import MaskError, UsageError, VideoError
from vrm.evaluate.commands import labels, masks
from vrm.events import Events

from .made import scene, thing, write


def iou(one: np.ndarray, two: np.ndarray) -> float:
    """Over whole arrays, frame by frame."""
    return float(np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(one, two, strict=True)]))


def palette(folder: Path, maps: np.ndarray) -> None:
    """Maps as palette PNGs."""
    folder.mkdir(parents=True, exist_ok=True)
    for t, plane in enumerate(maps):
        image = Image.fromarray(plane.astype(np.uint8), "P")
        image.putpalette([v for k in range(256) for v in (k, 255 - k, k // 2)])
        image.save(folder / f"{t:05d}.png")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    """True masks NAME/00000.png, and others that are two pixels off."""
    true = thing(0, 5)
    found = np.roll(true, 2, axis=2)
    write(tmp_path / "truth" / "ape", true)
    write(tmp_path / "mine" / "ape", found)
    return tmp_path / "truth", tmp_path / "mine", true, found


def test_j_is_intersection_over_union(pair, capsys) -> None:
    truth, mine, true, found = pair
    assert run(["evaluate", "masks", str(truth), str(mine), str(truth), "--json"]) == 0
    ours, same = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert ours["name"] == "mine"
    assert ours["clips"] == 1
    assert ours["j"] == pytest.approx(iou(found, true))
    assert 0 < ours["f"] < 1
    assert ours["jf"] == pytest.approx((ours["j"] + ours["f"]) / 2)
    assert (same["j"], same["f"]) == (1, 1)
    assert run(["evaluate", "masks", str(truth), str(mine), "--skip", "0,-1"]) == 0
    line = capsys.readouterr().out.splitlines()[1].split()
    assert line[:4] == ["mine", "ape", "3", "1"]
    assert float(line[4]) == pytest.approx(iou(found[1:4], true[1:4]), abs=6e-4)


def test_palette_masks_are_compared_id_by_id(tmp_path: Path) -> None:
    true = np.where(thing(0, 4), 2, 0)
    true[:, 40:46, 50:60] = 5
    true[:, :3] = 255
    found = np.where(true == 2, 2, 0)
    found[:, 40:46, 50:55] = 5
    palette(tmp_path / "truth" / "ape", true)
    palette(tmp_path / "mine" / "ape", found)
    result = masks(tmp_path / "truth", [tmp_path / "mine"], Events()).results[0]
    objects = result.clips["ape"].objects
    assert set(objects) == {2, 5}, "255 is void"
    assert objects[2] == (1, 1)
    assert objects[5][0] == pytest.approx(0.5)
    assert result.to_dict()["over_objects"]["j"] == pytest.approx(0.75)
    # Against masks without ids, everything is one object.
    write(tmp_path / "plain" / "ape", true > 0)
    assert masks(tmp_path / "truth", [tmp_path / "plain"], Events()).results[0].clips["ape"].means == (1, 1)


def test_truth_may_be_clips(clips: Path, capsys) -> None:
    assert run(["evaluate", "masks", str(clips), str(clips), "--clips", "ape,cat", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["clips"] == 2
    assert found["j"] == 1


def test_masks_that_do_not_fit(pair, capsys) -> None:
    truth, mine, true, _ = pair
    write(truth / "bee", true)
    assert run(["evaluate", "masks", str(truth), str(mine)]) == 7
    assert "mine: bee" in capsys.readouterr().err
    write(mine / "bee", true[:4])
    with pytest.raises(VideoError, match="bee: the result mine has 4 frames, the truth has 5"):
        masks(truth, [mine], Events())
    write(mine / "bee", np.stack([cv2.resize(m.astype(np.uint8), (32, 24)) > 0 for m in true]))
    with pytest.raises(VideoError, match="32x24"):
        masks(truth, [mine], Events())
    write(mine / "bee", ~true)
    with pytest.raises(MaskError, match=r"bee: 9\d% of the result is masked"):
        masks(truth, [mine], Events())
    with pytest.raises(UsageError, match="--skip"):
        masks(truth, [mine], Events(), skip="first")
    with pytest.raises(MaskError, match="left out"):
        masks(truth, [mine], Events(), clips="ape", skip="0,1,2,3,4")


def test_label_flicker(tmp_path: Path, capsys) -> None:
    frames = scene(0, 4)
    write(tmp_path / "video", frames)
    steady = np.zeros(frames.shape[:3], np.uint8)
    jumping = steady.copy()
    jumping[1::2] = 3
    palette(tmp_path / "steady", steady)
    palette(tmp_path / "jumping" / "classes", jumping)
    words = ["evaluate", "labels", str(tmp_path / "video"), str(tmp_path / "steady"), str(tmp_path / "jumping")]
    assert run([*words, "--json"]) == 0
    one, two = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (one["name"], one["flicker"]) == ("steady", 0)
    assert (two["name"], two["flicker"]) == ("jumping", 1)
    assert run(words) == 0
    assert "100.000" in capsys.readouterr().out
    (tmp_path / "steady" / "00003.png").unlink()
    with pytest.raises(MaskError, match="holds 3 label maps"):
        labels(tmp_path / "video", [tmp_path / "steady"], Events())


@pytest.mark.parametrize("layout", ["{0}", "{0}/masks", "{0}/mask", "Annotations/480p/{0}", "Annotations/{0}"])
def test_masks_are_taken_in_the_layouts_that_clips_have(tmp_path: Path, layout: str) -> None:
    """Both as the truth and as a result; ``vrm evaluate cases`` writes NAME/{frames,masks,truth}."""
    true, pictures = thing(0, 5), scene(0, 5)
    for side, shift in (("truth", 0), ("mine", 2)):
        write(tmp_path / side / layout.format("ape"), np.roll(true, shift, axis=2))
        if layout.startswith("Annotations"):
            write(tmp_path / side / layout.replace("Annotations", "JPEGImages").format("ape"), pictures)
        elif layout != "{0}":
            write(tmp_path / side / "ape" / "frames", pictures)
            write(tmp_path / side / "ape" / "truth", pictures)
    found = masks(tmp_path / "truth", [tmp_path / "mine"], Events())
    assert found.results[0].clips["ape"].means[0] == pytest.approx(iou(np.roll(true, 2, axis=2), true))
