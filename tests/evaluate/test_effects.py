"""Cases with a made shadow or reflection, and what is scored over them, against naive formulas."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from vrm.cli.main import run
from vrm.errors import MaskError, UsageError, VideoError
from vrm.evaluate.cases.effects import CastShadow, Laid, ObjectPlacement, Reflection, draw_effect
from vrm.evaluate.commands import cases as make
from vrm.evaluate.commands import run as evaluate_run
from vrm.evaluate.commands import score
from vrm.events import Events
from vrm.media.frame.linear_light import as_pixels, linear_light

from .made import SIZE, read, scene, write

BOTH = ("shadows", "reflections")


def levels(case: Path) -> np.ndarray:
    return np.stack([cv2.imread(str(f), cv2.IMREAD_UNCHANGED) for f in sorted((case / "effect").glob("*.png"))])


def light(pixels: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, float64."""
    x = pixels / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def pixels(light: np.ndarray) -> np.ndarray:
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.fixture
def walkers(tmp_path: Path) -> Path:
    """Three clips with a bright post that walks, 30 pixels high, with a head; what is around it is as bright."""
    for k, (name, frames) in enumerate((("ape", 5), ("bee", 4), ("cat", 5))):
        masks = np.zeros((frames, *SIZE), bool)
        for t in range(frames):
            masks[t, 10:40, 24 + t : 30 + t] = True
            masks[t, 10:18, 20 + t : 34 + t] = True
        glow = np.stack([cv2.dilate(mask.astype(np.uint8), np.ones((7, 7))) > 0 for mask in masks])
        write(tmp_path / "clips" / name / "frames", np.where(glow[..., None], 230, scene(k, frames)))
        write(tmp_path / "clips" / name / "masks", masks)
    return tmp_path / "clips"


@pytest.fixture
def shadows(walkers: Path, tmp_path: Path) -> Path:
    make(walkers, tmp_path / "shadows", Events(), protocol="shadows", size="64x48")
    return tmp_path / "shadows"


def test_light_and_back_is_the_same_pixel() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    assert np.array_equal(as_pixels(linear_light(every)), every)
    assert linear_light(every) == pytest.approx(light(every), abs=1e-6)


@pytest.mark.parametrize("protocol", BOTH)
def test_outside_object_and_effect_frames_are_the_truth(protocol: str, walkers: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert make(walkers, out, Events(), protocol=protocol, size="64x48") == ["ape", "bee", "cat"]
    for name, count in (("ape", 4), ("bee", 4), ("cat", 5)):
        frames, masks, truth = (read(out / name / kind) for kind in ("frames", "masks", "truth"))
        effect = levels(out / name)
        assert frames.shape == truth.shape == (count, *SIZE, 3)
        assert np.array_equal(truth, read(walkers / name / "frames")[:count])
        assert masks.any((1, 2)).all()
        assert (effect > 25).any((1, 2)).all()
        assert not effect[masks].any()
        untouched = ~masks & (effect == 0)
        assert untouched.mean() > 0.5
        assert np.array_equal(frames[untouched], truth[untouched])
    about = json.loads((out / "protocol.json").read_text())["clips"]
    assert [about[name]["object"] for name in ("ape", "bee", "cat")] == ["bee", "cat", "ape"], "the next clip's"


def test_the_object_stands_where_it_should(shadows: Path) -> None:
    masks = read(shadows / "ape" / "masks")
    feet = [np.argwhere(mask).max(0)[0] for mask in masks]
    assert np.median(feet) == pytest.approx(0.8 * 48, abs=1)
    columns = [np.nonzero(mask[foot])[0].mean() for mask, foot in zip(masks, feet, strict=True)]
    assert np.median(columns) == pytest.approx(32, abs=1)
    assert masks[0].any(1).sum() == pytest.approx(0.6 * 30, abs=1)


def test_a_shadow_takes_light_as_the_sky_leaves_it(shadows: Path) -> None:
    frames, masks, truth = (read(shadows / "cat" / kind) for kind in ("frames", "masks", "truth"))
    left = 1 - levels(shadows / "cat")[..., None] / 255 * (1 - np.array([0.30, 0.34, 0.42]))
    assert left.min() < 0.6
    expected = pixels(light(truth) * left)
    assert np.abs(frames - expected)[~masks].max() <= 0.51, "rounded to whole levels"


def test_a_reflection_covers_a_third_at_most(walkers: Path, tmp_path: Path) -> None:
    make(walkers, tmp_path / "out", Events(), protocol="reflections", size="64x48", clips="ape,bee")
    frames, masks, truth = (read(tmp_path / "out" / "ape" / kind).astype(int) for kind in ("frames", "masks", "truth"))
    effect = levels(tmp_path / "out" / "ape")
    assert 60 < effect.max() <= round(0.35 * 255)
    below = np.argwhere(effect > 0)[:, 1].min()
    assert below >= np.argwhere(masks[0])[:, 0].max()
    strong = effect > 60
    cover = effect[strong][:, None] / 255
    expected = pixels(light(truth[strong]) * (1 - cover) + light(np.array(230)) * cover)
    assert np.abs(frames[strong] - expected).max() <= 2, "the post, all of one colour"


def test_shadow_and_reflection_of_a_post() -> None:
    """A post 20 high on row 30: where its top is cast, and where its mirror image ends."""
    cover = np.zeros((64, 96), np.float32)
    cover[11:31, 40:44] = 1
    laid = Laid(np.full((64, 96, 3), 0.8, np.float32), cover, (41.5, 30))
    ground = np.full((64, 96, 3), 0.5, np.float32)
    share, instead = CastShadow(1.0, 0.4)(0, ground, laid)
    assert instead[0, 0] == pytest.approx([0.15, 0.17, 0.21])
    tops = np.argwhere(share > 0.3)
    assert tops[:, 0].min() == pytest.approx(30 - 0.4 * 19, abs=1.5)
    assert tops[:, 1].max() == pytest.approx(43 + 19, abs=2)
    down, _ = CastShadow(-1.0, -0.4)(0, ground, laid)
    assert np.argwhere(down > 0.3)[:, 0].max() == pytest.approx(30 + 0.4 * 19, abs=1.5)
    assert np.argwhere(down > 0.3)[:, 1].min() == pytest.approx(40 - 19, abs=2)
    share, _ = Reflection()(0, ground, laid)
    assert not share[:31].any()
    assert share[31, 41:43] == pytest.approx(0.34, abs=0.02)
    assert share[52:].max() == 0, "faded"


def test_one_sun_for_each_clip(walkers: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        make(walkers, tmp_path / out, Events(), protocol="shadows", size="64x48", seed=3)
    assert np.array_equal(levels(tmp_path / "one" / "ape"), levels(tmp_path / "two" / "ape"))
    suns = [draw_effect("shadow", np.random.default_rng(k)) for k in range(200)]
    shears, squashes = (np.array([getattr(sun, name) for sun in suns]) for name in ("shear", "squash"))
    for values, least, most in ((shears, 0.7, 1.3), (squashes, 0.25, 0.5)):
        assert least <= np.abs(values).min()
        assert np.abs(values).max() <= most
        assert 50 < (values < 0).sum() < 150


def test_clips_without_masks_are_refused(walkers: Path, tmp_path: Path) -> None:
    write(walkers / "dog" / "frames", scene(5, 4))
    with pytest.raises(MaskError, match="dog has no masks"):
        make(walkers, tmp_path / "out", Events(), protocol="shadows", clips="ape,dog")
    with pytest.raises(VideoError, match="two clips"):
        make(walkers, tmp_path / "out", Events(), protocol="reflections", clips="ape")
    with pytest.raises(UsageError, match="--masks"):
        make(walkers, tmp_path / "out", Events(), protocol="shadows", masks=walkers)
    with pytest.raises(MaskError, match="ape: there is no object"):
        ObjectPlacement([np.zeros(SIZE, bool)] * 2, SIZE, "ape")
    assert not (tmp_path / "out").exists()


def naive(case: Path, result: Path, saved: Path) -> dict[str, float]:
    """The formulas over whole arrays, float64."""
    given, masks, truth = (read(case / kind) for kind in ("frames", "masks", "truth"))
    filled, flagged = read(result), read(saved)[..., 0] > 127
    effect = (levels(case) > 25) & ~masks
    y, x = np.mgrid[-8:9, -8:9]
    disk = (np.hypot(x, y) <= 8).astype(np.uint8)
    near = np.stack([cv2.dilate((m | e).astype(np.uint8), disk) > 0 for m, e in zip(masks, effect, strict=True)])
    left, doing_nothing = (
        10 * math.log10(255**2 / ((frames.astype(float) - truth) ** 2)[effect].mean()) for frames in (filled, given)
    )
    return {
        "effect_psnr": left,
        "effect_input": doing_nothing,
        "effect_gain": left - doing_nothing,
        "effect_recall": (flagged & effect).sum() / effect.sum(),
        "effect_extra": (flagged & ~near).mean(),
    }


@pytest.fixture
def results(shadows: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Results with half of the effect left, and masks that hold some of it and a corner."""
    for name in ("ape", "bee", "cat"):
        given, masks, truth = (read(shadows / name / kind).astype(int) for kind in ("frames", "masks", "truth"))
        write(tmp_path / "mine" / name, (given + truth) // 2)
        flagged = (masks > 0) | (levels(shadows / name) > 90)
        flagged[1:, :6, :6] = True
        write(tmp_path / "found" / name, flagged)
    return tmp_path / "mine", tmp_path / "found"


def test_scores_over_the_effect(shadows: Path, results: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    mine, found = results
    assert run(["evaluate", "score", str(shadows), str(mine), "--masks", str(found), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    for name in ("ape", "bee", "cat"):
        for measure, value in naive(shadows / name, mine / name, found / name).items():
            assert told["per_clip"][name][measure] == pytest.approx(value, abs=1e-9), measure
    assert told["effect_gain"] > 4
    assert 0 < told["effect_recall"] < 1
    assert told["effect_extra"] > 0


def test_what_does_nothing_gains_nothing(shadows: Path, cases: Path, results: tuple[Path, Path]) -> None:
    for name in ("ape", "bee", "cat"):
        write(results[0] / name, read(shadows / name / "frames"))
    means = score(shadows, [results[0]], Events(), measures="all").results[0].means()
    assert means["effect_gain"].value == 0
    assert "effect_recall" not in means


def test_cases_without_an_effect_have_no_such_measures(cases: Path, results: tuple[Path, Path]) -> None:
    for name in ("ape", "bee"):
        write(results[0] / name, read(cases / name / "truth"))
    measures = score(cases, [results[0]], Events(), measures="all").results[0].means()
    assert not any(name.startswith("effect") for name in measures)
    with pytest.raises(UsageError, match="no case has an effect"):
        score(cases, [results[0]], Events(), masks=results[1])


def test_masks_that_do_not_belong_are_refused(shadows: Path, results: tuple[Path, Path]) -> None:
    mine, found = results
    with pytest.raises(UsageError, match="2 folders, for 1 of results"):
        score(shadows, [mine], Events(), masks=[found, found])
    with pytest.raises(MaskError, match="no masks of ape"):
        score(shadows, [mine], Events(), masks=mine.parent / "clips" / "ape")
    write(found / "bee", np.zeros((5, *SIZE), bool))
    with pytest.raises(VideoError, match="Clip bee: the saved mask"):
        score(shadows, [mine], Events(), masks=found)


def test_engines_run_on_them_as_on_any_cases(shadows: Path, tmp_path: Path) -> None:
    done = evaluate_run([shadows], tmp_path / "out", Events(), clips="ape", presets="fast", threads=1)
    rows = {row.method: row for row in done.rows}
    assert not any(row.error for row in done.rows)
    assert rows["motion-fast"].value("effect_gain") == 0, "it is given the object alone"
    assert rows["motion-fast"].score is not None
    assert rows["motion-fast"].score.outside_max == 0
    assert "effect gain" in (tmp_path / "out" / "table.md").read_text()
