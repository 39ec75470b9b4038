import numpy as np
import pytest

from vrm.engines import motion as prefill
from vrm.engines.internal import engine as internal
from vrm.engines.internal import fit as memorise
from vrm.engines.registry import create_engine
from vrm.errors import UsageError
from vrm.events import no_progress
from vrm.motion.refinement.detail import restore_detail
from vrm.options.remove import EngineOptions

from .shots import CASES, SmallShot


def options(engine="internal", **more):
    return EngineOptions(engine=engine, device="cpu", threads=1, **more)


@pytest.mark.parametrize("engine", ["motion", "internal"])
def test_fast_hands_on_what_motion_found_with_its_detail_restored(engine, monkeypatch):
    monkeypatch.setattr(prefill, "synthesise_never_seen", lambda shot, found, patches: None)
    shot = SmallShot(CASES["plain"]())
    window = shot.windows()[0]
    patches = create_engine(options(engine, preset="fast")).prepare(shot, no_progress).fill(window)
    fill = shot.propagation(window).fills[101]
    y0, x0, y1, x1 = patches[101].box
    inside = shot.hole(101)[y0:y1, x0:x1]
    wanted = restore_detail(fill, fill.rgb, shot.size)
    assert np.array_equal(patches[101].rgb[inside], np.rint(wanted * 255).astype(np.uint8))


def test_motion_says_that_a_device_makes_no_difference():
    engine = create_engine(EngineOptions(device="cuda"))
    assert "--device cuda" in engine.prepare(SmallShot(CASES["plain"]()), no_progress).notes[0]
    assert not create_engine(EngineOptions()).prepare(SmallShot(CASES["plain"]()), no_progress).notes


def test_paper_never_asks_motion(monkeypatch):
    monkeypatch.setattr(internal, "MEMORY_STEPS", {"paper": 3})
    monkeypatch.setattr(internal, "MEMORY_WIDTH", {"paper": 8})
    shot = SmallShot(CASES["plain"]())
    shot.propagation = None  # calling it would raise
    session = create_engine(options(preset="paper")).prepare(shot, no_progress)
    assert session.fill(shot.windows()[0])


def test_paper_learns_the_known_pixels(monkeypatch):
    monkeypatch.setattr(internal, "MEMORY_STEPS", {"paper": 60})
    monkeypatch.setattr(memorise, "SECOND_STAGE", 0.0)
    monkeypatch.setattr(internal, "MEMORY_WIDTH", {"paper": 8})
    shot = SmallShot(CASES["plain"](), pan=0)
    session = create_engine(options(preset="paper", dtype="fp32")).prepare(shot, no_progress)
    values = list(session.levels[0].history.train.values())
    assert np.isfinite(values).all()
    assert np.mean(values[-3:]) < np.mean(values[:3])


def test_without_prefill_motion_is_not_asked(monkeypatch):
    monkeypatch.setattr(internal, "MEMORY_STEPS", {"balanced": 2})
    monkeypatch.setattr(internal, "MEMORY_WIDTH", {"balanced": 8})
    shot = SmallShot(CASES["plain"]())
    session = create_engine(options(preset="balanced", prefill=False)).prepare(shot, no_progress)
    session.fill(shot.windows()[0])
    assert shot.asked == 0


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError, match="magic"):
        create_engine(options("magic"))
