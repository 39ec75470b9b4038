"""The engine savit: equal to the plain published inference, and what it adds and refuses."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from vrm.engines.registry import create_engine
from vrm.engines.savit.engine import load_network
from vrm.engines.savit.region import CropRegion, region_around
from vrm.engines.savit.schedule import SCHEDULES, FrameSchedule
from vrm.errors import UsageError, WeightsError
from vrm.events import no_progress
from vrm.options.remove import EngineOptions
from vrm.shots.windows import Window

from .savit_weights import GUIDED, LABELLED, PLAIN, small_savit
from .shots import SmallShot, box_holes

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZE = (48, 72)


def plain():
    spec = importlib.util.spec_from_file_location("plain_savit", BENCHMARKS / "plain_savit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def engine(preset="paper", config=PLAIN, **words):
    words = {"dtype": "fp32", "device": "cpu", "threads": 1, **words}
    return create_engine(EngineOptions(engine="savit", preset=preset, weights=small_savit(config), **words))


def moving(n, size=SIZE, skip=()):
    holes = np.zeros((n, *size), bool)
    for t in range(n):
        if t not in skip:
            holes[t, 10 + t % 7 : 30 + t % 5, 5 + t : 25 + t] = True
    return holes


def labelled(shot, labels):
    shot.labels = lambda t: labels[t - shot.start]
    return shot


def filled(shot, session, windows=None):
    out = shot.frames.copy()
    for window in windows or shot.windows():
        for t, patch in session.fill(window).items():
            y0, x0, y1, x1 = patch.box
            out[t - shot.start, y0:y1, x0:x1] = patch.rgb
    return out


@pytest.mark.parametrize("config", [PLAIN, LABELLED, GUIDED], ids=["label-free", "labelled", "e2fgvi"])
def test_the_paper_preset_is_the_published_inference(config):
    shot = SmallShot(moving(33, skip=(4, 5, 6, 20)), depth=16)
    labels = np.random.default_rng(0).integers(0, 8, (33, *SIZE)).astype(np.uint8)
    if config.experts:
        labelled(shot, labels)
    made = engine(config=config)
    found = filled(shot, made.prepare(shot, no_progress)) / 65535
    frames = (shot.frames / 65535).astype(np.float32)
    expected = plain().inpaint(
        load_network(small_savit(config)), frames, shot.holes, labels if config.experts else None
    )
    assert expected[shot.holes].std() > 0.02
    assert np.abs(found - expected).max() <= 1e-4


@pytest.mark.parametrize("preset", ["fast", "balanced", "paper"])
def test_windows_in_any_order_and_cut_anywhere_give_the_same(preset):
    shot = SmallShot(moving(24), depth=16)
    whole = filled(shot, engine(preset, prefill=False).prepare(shot, no_progress))
    cuts = [Window(115, 124, 100, 124), Window(100, 109, 100, 124), Window(109, 115, 100, 124)]
    again = filled(shot, engine(preset, prefill=False).prepare(shot, no_progress), cuts)
    assert np.array_equal(whole, again)


@pytest.mark.parametrize("config", [PLAIN, LABELLED, GUIDED], ids=["label-free", "labelled", "e2fgvi"])
@pytest.mark.parametrize("preset", ["fast", "balanced", "paper"])
def test_single_frames_and_holes_over_the_whole_frame_are_filled(preset, config):
    for count, whole in ((1, [0]), (1, []), (3, [0, 1, 2]), (13, [4, 5])):
        holes = np.zeros((count, *SIZE), bool)
        holes[:, 3:5, 4:9] = True
        holes[whole] = True
        shot = labelled(SmallShot(holes, depth=16), np.zeros((count, *SIZE), np.uint8))
        made = engine(preset, config, prefill=False).prepare(shot, no_progress)
        patches = made.fill(shot.windows()[0])
        assert sorted(patches) == list(range(shot.start, shot.stop))
        assert np.array_equal(filled(shot, made)[~holes], shot.frames[~holes])


def test_the_second_backbone_fills_in_half_precision_too():
    shot = SmallShot(moving(9), depth=16)
    exact, half = (
        filled(shot, engine("fast", GUIDED, dtype=dtype, prefill=False).prepare(shot, no_progress)) / 65535
        for dtype in ("fp32", "bf16")
    )
    assert np.abs(exact - half)[shot.holes].mean() < 0.1
    assert np.array_equal(exact[~shot.holes], half[~shot.holes])


def test_frames_are_encoded_once(monkeypatch):
    shot = SmallShot(moving(40))
    made = engine()
    calls = []
    real = made.net.encode
    monkeypatch.setattr(made.net, "encode", lambda *a: calls.append(1) or real(*a))
    filled(shot, made.prepare(shot, no_progress))
    assert len(calls) == 40


def test_what_is_kept_is_bounded():
    shot = SmallShot(moving(40))
    session = engine().prepare(shot, no_progress)
    session._cache_bytes = 1
    filled(shot, session)
    most = 2 * 5 + 1 + len(SCHEDULES["paper"].references_of(120, 100, 140))
    assert len(session._encoded) <= most
    assert len(session._runs) <= 6


def test_motion_fills_first_what_it_is_sure_of():
    shot = SmallShot(box_holes(12, 64, 96, (20, 30, 44, 50)), pan=4)
    with_motion = filled(shot, engine("balanced").prepare(shot, no_progress)).astype(float)
    without = filled(shot, engine("balanced", prefill=False).prepare(shot, no_progress)).astype(float)
    error = [np.abs(x - shot.truth)[shot.holes].mean() for x in (with_motion, without)]
    assert error[0] < error[1] / 3
    assert shot.asked > 0


def test_the_paper_preset_never_asks_motion():
    shot = SmallShot(moving(12))
    filled(shot, engine().prepare(shot, no_progress))
    assert shot.asked == 0


def test_the_shares_of_the_runs():
    paper = SCHEDULES["paper"]
    assert paper.weights(20, 0, 80) == {15: 0.25, 20: 0.25, 25: 0.5}
    assert paper.weights(22, 0, 80) == {20: 0.5, 25: 0.5}
    assert paper.weights(0, 0, 1) == {0: 1.0}
    for schedule in SCHEDULES.values():
        for start, stop in ((0, 1), (100, 102), (100, 118), (7, 200)):
            for t in range(start, stop):
                shares = schedule.weights(t, start, stop)
                assert sum(shares.values()) == pytest.approx(1)
                assert all(t in schedule.neighbours(c, start, stop) for c in shares)


def test_references_are_every_tenth_frame_of_the_shot_and_bounded():
    schedule = FrameSchedule(references=4)
    assert schedule.references_of(120, 100, 200) == [100, 110, 130, 140]
    assert SCHEDULES["paper"].references_of(20, 0, 80) == [0, 10, 30, 40, 50, 60, 70]
    assert len(SCHEDULES["paper"].references_of(5000, 0, 10_000)) == 24


@pytest.mark.parametrize("size", [(480, 854), (61, 83), (1080, 1920)])
@pytest.mark.parametrize("pixels", [5000.0, 100_000.0, 1e9])
def test_fields_hold_the_hole_and_keep_to_their_size(size, pixels):
    hole = np.zeros(size, bool)
    hole[size[0] // 3 : size[0] // 2, size[1] // 4 : size[1] // 3] = True
    field = region_around([hole], size, pixels)
    y0, x0, y1, x1 = field.box
    assert hole[y0:y1, x0:x1].sum() == hole.sum()
    assert field.size[0] % 4 == field.size[1] % 4 == 0
    assert field.size[0] * field.size[1] <= pixels * 1.2
    assert field.mask(hole).any()
    assert field.image(np.zeros((*size, 3), np.uint8)).shape == (*field.size, 3)


def test_no_hole_pixel_is_lost_in_reducing():
    rng = np.random.default_rng(0)
    for _ in range(20):
        hole = np.zeros((97, 131), bool)
        hole[rng.integers(97), rng.integers(131)] = True
        for size in ((24, 32), (48, 200), (240, 432), (200, 64)):
            assert CropRegion((0, 0, 97, 131), size).mask(hole).any()


def test_a_smooth_image_comes_back_from_a_reduced_field():
    y, x = np.mgrid[:120, :160].astype(np.float32)
    frame = np.stack([y / 120, x / 160, (x + y) / 280], -1)
    field = CropRegion((10, 20, 110, 140), (48, 60))
    at = field.to_network((40, 50, 90, 120))
    small = field.image((frame * 65535).astype(np.uint16))[at[0] : at[2], at[1] : at[3]]
    back = field.to_frame(small, at, (40, 50, 90, 120))
    assert np.abs(back - frame[40:90, 50:120]).max() < 2e-3


def test_routing_is_shown_where_there_is_one():
    shot = labelled(SmallShot(moving(3)), np.full((3, *SIZE), 6, np.uint8))
    session = engine(config=LABELLED).prepare(shot, no_progress)
    session.fill(shot.windows()[0])
    views = dict(session.views(101))
    assert list(views)[:2] == ["routing: person", "routing: animal"]
    assert len(views) == 8
    assert max(views, key=lambda name: views[name].mean()) == "routing: patterned"
    plain_session = engine().prepare(shot, no_progress)
    plain_session.fill(shot.windows()[0])
    assert plain_session.views(101) == []


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"vrm train savit.*vrm weights import fuseformer"):
        create_engine(EngineOptions(engine="savit"))
    with pytest.raises(WeightsError, match="no weights named 'nothing'"):
        create_engine(EngineOptions(engine="savit", weights="nothing"))
    with pytest.raises(UsageError, match="takes no --weights"):
        EngineOptions(weights="nothing")


def test_labels_that_are_missing_or_wrong_are_refused_before_work():
    shot = SmallShot(moving(3))
    made = engine(config=LABELLED)
    with pytest.raises(UsageError, match="--labels DIR"):
        made.prepare(shot, no_progress)
    with pytest.raises(UsageError, match="are 71x48, the video is 72x48"):
        made.prepare(labelled(shot, np.zeros((3, 48, 71), np.uint8)), no_progress)
    with pytest.raises(UsageError, match="hold 9"):
        made.prepare(labelled(shot, np.full((3, *SIZE), 9, np.uint8)), no_progress)


def test_large_frames_are_worked_on_at_a_bounded_size_and_it_is_said(monkeypatch):
    monkeypatch.setitem(SCHEDULES, "balanced", FrameSchedule(area=1.0))
    shot = SmallShot(box_holes(2, 200, 300, (20, 30, 180, 270)))
    session = engine("balanced", prefill=False).prepare(shot, no_progress)
    assert "enlarged" in session.notes[0]
    out = filled(shot, session)
    assert np.array_equal(out[~shot.holes], shot.frames[~shot.holes])
