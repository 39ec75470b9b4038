"""What every engine and preset must do, whatever it is inside."""

import numpy as np
import pytest

from vrm.engines.internal import engine as internal
from vrm.engines.registry import ENGINES, create_engine
from vrm.events import no_progress
from vrm.options.remove import PRESETS, EngineOptions
from vrm.shots.windows import Window

from .savit_weights import small_savit
from .shots import CASES, SmallShot

SETUPS = [(engine, preset) for engine in ENGINES for preset in PRESETS if (engine, preset) != ("motion", "paper")]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small networks and few steps."""
    monkeypatch.setattr(internal, "STEPS", dict.fromkeys(PRESETS, 2))
    monkeypatch.setattr(internal, "WIDTH", dict.fromkeys(PRESETS, 8))


WEIGHTS = {"savit": small_savit}
"""Engines that need weights: a function that writes small random ones, and gives their path."""


def make(engine, preset, fits=None):
    weights = WEIGHTS[engine]() if engine in WEIGHTS else "auto"
    return create_engine(
        EngineOptions(engine=engine, preset=preset, device="cpu", threads=1, fits=fits, weights=weights)
    )


def check(shot, window, patches):
    wanted = {t for t in range(window.start, window.stop) if shot.hole(t).any()}
    assert set(patches) == wanted
    for t, patch in patches.items():
        y0, x0, y1, x1 = patch.box
        inside = np.zeros(shot.size, bool)
        inside[y0:y1, x0:x1] = True
        assert not (shot.hole(t) & ~inside).any(), "the patch does not cover the hole"
        assert patch.rgb.dtype == shot.frame(t).dtype
        known = ~shot.hole(t)[y0:y1, x0:x1]
        assert np.array_equal(patch.rgb[known], shot.frame(t)[y0:y1, x0:x1][known]), "known pixels were changed"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("engine", "preset"), SETUPS)
def test_every_shot_is_filled_and_nothing_else_is_touched(engine, preset, case):
    shot = SmallShot(CASES[case](), keyframes=engine == "keyframe")
    session = make(engine, preset).prepare(shot, no_progress)
    for window in shot.windows() or [Window(100, 101, 100, 101)]:
        check(shot, window, session.fill(window))


@pytest.mark.parametrize(("engine", "preset"), SETUPS)
def test_fill_is_pure_and_a_second_run_gives_the_same_bytes(engine, preset):
    results = []
    for _ in range(2):
        shot = SmallShot(CASES["plain"](), keyframes=engine == "keyframe")
        session = make(engine, preset).prepare(shot, no_progress)
        window = shot.windows()[0]
        results += [session.fill(window), session.fill(window)]
    for other in results[1:]:
        assert all(np.array_equal(results[0][t].rgb, other[t].rgb) for t in results[0])


@pytest.mark.parametrize(("engine", "preset"), SETUPS)
def test_sixteen_bits_come_out_as_sixteen_bits(engine, preset):
    shot = SmallShot(CASES["plain"](), depth=16, keyframes=engine == "keyframe")
    session = make(engine, preset).prepare(shot, no_progress)
    check(shot, shot.windows()[0], session.fill(shot.windows()[0]))


@pytest.mark.parametrize(("engine", "preset"), SETUPS)
def test_overlapping_windows_in_any_order(engine, preset):
    windows = [Window(100, 104, 100, 106), Window(102, 106, 100, 106)]
    shot = SmallShot(CASES["plain"](), windows=windows, keyframes=engine == "keyframe")
    session = make(engine, preset).prepare(shot, no_progress)
    for window in reversed(windows):
        check(shot, window, session.fill(window))


@pytest.mark.parametrize(("engine", "preset"), SETUPS)
def test_progress_is_told(engine, preset):
    told = []
    make(engine, preset).prepare(
        SmallShot(CASES["plain"](), keyframes=engine == "keyframe"),
        lambda stage, done, total: told.append((done, total)),
    )
    assert all(0 <= done <= total for done, total in told)


@pytest.mark.parametrize(("engine", "preset"), SETUPS)
def test_a_kept_fit_gives_the_same_bytes_without_fitting(engine, preset, tmp_path):
    shot = SmallShot(CASES["plain"](), keyframes=engine == "keyframe")
    window = shot.windows()[0]
    first = make(engine, preset, tmp_path).prepare(shot, no_progress).fill(window)
    told = []
    session = make(engine, preset, tmp_path).prepare(shot, lambda *step: told.append(step))
    assert not told
    again = session.fill(window)
    assert all(np.array_equal(first[t].rgb, again[t].rgb) for t in first)


@pytest.mark.parametrize(("engine", "preset"), SETUPS)
def test_a_kept_fit_serves_another_range(engine, preset, tmp_path):
    make(engine, preset, tmp_path).prepare(SmallShot(CASES["plain"](), keyframes=engine == "keyframe"), no_progress)
    other = SmallShot(CASES["odd size"](), keyframes=engine == "keyframe")
    session = make(engine, preset, tmp_path).prepare(other, no_progress)
    check(other, other.windows()[0], session.fill(other.windows()[0]))
