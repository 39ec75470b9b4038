import dataclasses

import numpy as np
import pytest
import torch

from vrm.engines import internal, memorise, prefill
from vrm.engines.base import no_progress
from vrm.engines.internal import FusedSession, PrefillSession, stretches, take_lessons
from vrm.engines.registry import create_engine
from vrm.engines.trust import Trust
from vrm.errors import UsageError
from vrm.motion.detail import restore_detail
from vrm.nets.fuser import Fuser
from vrm.options import EngineOptions
from vrm.train.device import choose
from vrm.train.fit import Budget, History
from vrm.train.inputs import CANDIDATES, CHANNELS

from .shots import CASES, SmallShot, box_holes


def options(**more):
    return EngineOptions(device="cpu", threads=1, **more)


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


def test_fast_hands_on_what_motion_found_with_its_detail_restored(monkeypatch):
    monkeypatch.setattr(prefill, "complete_unseen", lambda shot, found, patches: None)
    shot = SmallShot(CASES["plain"]())
    window = shot.windows()[0]
    patches = create_engine(options(preset="fast", prior="none")).prepare(shot, no_progress).fill(window)
    fill = shot.propagation(window).fills[101]
    y0, x0, y1, x1 = patches[101].box
    inside = shot.hole(101)[y0:y1, x0:x1]
    wanted = restore_detail(fill, fill.rgb, shot.size)
    assert np.array_equal(patches[101].rgb[inside], np.rint(wanted * 255).astype(np.uint8))


def test_fitting_does_better_than_the_prefill_where_the_truth_is_known():
    holes = box_holes(8, 64, 96, (20, 30, 40, 54))
    shot = SmallShot(holes, pan=0)  # a static camera: nothing is ever seen behind the hole
    plan = dataclasses.replace(
        internal.PLANS["balanced"], budget=Budget(100, 3e-3, check_every=10), width=8, crops=2, side=48
    )
    # In bf16 the few steps of a test get anywhere on some processors only.
    engine = create_engine(options(preset="balanced", prior="none", dtype="fp32"))
    lessons = take_lessons(shot, plan, 0, no_progress)
    torch.manual_seed(0)
    net = internal.Fuser(internal.CHANNELS, internal.CANDIDATES, 8)
    history, trust = internal.fit_fuser(net, lessons, plan, plan.budget, engine.compute, 0, no_progress)
    assert history.held[history.best_step] < history.held[0]
    errors = dict(trust.errors)
    assert trust.network == (errors["network"] < errors["prefill"])


def test_lessons_hide_known_pixels_only_and_know_their_truth():
    shot = SmallShot(CASES["plain"]())
    plan = internal.PLANS["balanced"]
    lessons = take_lessons(shot, plan, 0, no_progress)
    assert len(lessons.fitted) == 6
    assert len(lessons.held) == 2
    for times, found in ((range(100, 106), lessons.fitted), ((101, 105), lessons.held)):
        for t, one in zip(times, found, strict=True):
            y0, x0, y1, x1 = one.box
            assert one.where.any()
            assert not (one.where & shot.hole(t)[y0:y1, x0:x1]).any()
            assert np.array_equal(one.frame[one.where], shot.truth[t - 100][y0:y1, x0:x1][one.where])


def test_a_fit_is_judged_elsewhere_in_the_picture():
    shot = SmallShot(CASES["plain"]())
    lessons = take_lessons(shot, internal.PLANS["balanced"], 0, no_progress)
    fitted, held = (np.zeros(shot.size, int) for _ in range(2))
    for total, found in ((fitted, lessons.fitted), (held, lessons.held)):
        for one in found[1:6:4] if found is lessons.fitted else found:  # the frames both have
            y0, x0, y1, x1 = one.box
            total[y0:y1, x0:x1] += one.where
    assert fitted.any()
    assert held.any()
    assert not (fitted.astype(bool) & held.astype(bool)).any()


def test_one_copy_alone_is_shared_out_by_frames():
    shot = SmallShot(CASES["plain"]())
    plan = dataclasses.replace(internal.PLANS["balanced"], copies=1)
    lessons = take_lessons(shot, plan, 0, no_progress)
    assert (len(lessons.fitted), len(lessons.held)) == (4, 2)


def test_where_nothing_can_be_hidden_the_prefill_is_used():
    shot = SmallShot(CASES["everything"]())
    session = create_engine(options(preset="balanced", prior="none")).prepare(shot, no_progress)
    assert isinstance(session, PrefillSession)


def test_lessons_come_from_bounded_stretches():
    shot = SmallShot(box_holes(300, 16, 16, (4, 4, 9, 9)))
    plan = internal.PLANS["best"]
    found = stretches(shot, plan)
    assert len(found) == plan.stretches
    for window in found:
        assert window.stop - window.start == plan.stretch
        assert window.context_stop - window.context_start <= 2 * plan.stretch
    assert found[0].stop <= found[1].start


def test_large_holes_make_shorter_stretches():
    shot = SmallShot(box_holes(60, 64, 96, (4, 4, 60, 92)))
    plan = internal.PLANS["balanced"]
    (window,) = stretches(shot, plan, pixels=10 * (1 + plan.copies) * 56 * 88)
    assert window.stop - window.start == 10
    (window,) = stretches(shot, plan, pixels=1)
    assert window.stop - window.start == 3


def test_without_prefill_motion_is_not_asked(monkeypatch):
    monkeypatch.setattr(internal, "MEMORY_STEPS", {"balanced": 2})
    monkeypatch.setattr(internal, "MEMORY_WIDTH", {"balanced": 8})
    shot = SmallShot(CASES["plain"]())
    session = create_engine(options(preset="balanced", prefill=False)).prepare(shot, no_progress)
    session.fill(shot.windows()[0])
    assert shot.asked == 0


def test_an_unknown_engine_is_refused():
    broken = options()
    object.__setattr__(broken, "engine", "magic")
    with pytest.raises(UsageError, match="magic"):
        create_engine(broken)


def test_where_nothing_can_be_hidden_the_prefill_is_handed_on(monkeypatch):
    monkeypatch.setattr(internal, "take_lessons", lambda *_: internal.Lessons([], []))
    shot = SmallShot(CASES["plain"]())
    (window,) = shot.windows()
    patches = create_engine(options(preset="balanced")).prepare(shot, no_progress).fill(window)
    wanted = PrefillSession(shot).fill(window)
    assert sorted(patches) == [t for t in range(window.start, window.stop) if shot.hole(t).any()]
    for t, patch in patches.items():
        np.testing.assert_array_equal(patch.rgb, wanted[t].rgb)


def test_what_is_taken_of_the_network_is_what_is_shown(monkeypatch):
    for module in (internal, prefill):
        monkeypatch.setattr(module, "restore_detail", lambda fill, rgb, size: rgb)
        monkeypatch.setattr(module, "complete_unseen", lambda shot, found, patches: None)
    shot = SmallShot(CASES["plain"]())
    (window,) = shot.windows()
    compute = choose(options(dtype="fp32"))
    net = Fuser(CHANNELS, CANDIDATES, 8)
    torch.nn.init.normal_(net.head.conv.weight, std=0.5)
    compute.place(net.eval())
    asked = []

    def third(prefill, network, index, size):
        asked.append((index, np.abs(network - prefill).max()))
        return prefill + (network - prefill) / 3

    def fill(trust):
        return FusedSession(shot, net, trust, compute, History()).fill(window)

    monkeypatch.setattr(internal, "take", third)
    part = fill(Trust(1, 1))
    assert [index.size for index, _ in asked] == [shot.hole(t).sum() for t in sorted(part)]
    assert max(change for _, change in asked) > 0.02
    monkeypatch.setattr(internal, "take", lambda prefill, network, index, size: network)
    whole = fill(Trust(1, 1))
    none = fill(Trust(0, 0))
    for t, patch in none.items():
        far = whole[t].rgb - patch.rgb.astype(float)
        clipped = (whole[t].rgb == 0) | (whole[t].rgb == 255)
        np.testing.assert_allclose((part[t].rgb - patch.rgb.astype(float))[~clipped], far[~clipped] / 3, atol=1.1)
