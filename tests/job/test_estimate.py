"""How long work should take grows with what there is to do; whether it is right in seconds, only a clock can say."""

from __future__ import annotations

import numpy as np
import pytest

from vrm.job.estimate import planned, shot_pieces
from vrm.media.read.probe import probe
from vrm.options.remove import EngineOptions
from vrm.shots.windows import Window
from vrm.types import Masks

WINDOWS = [Window(0, 10, 0, 20), Window(10, 20, 0, 20)]


@pytest.fixture
def info(make_video, tmp_path):
    return probe(make_video(tmp_path / "in.mp4", frames=20, size=(48, 64)))


def masks(side, frames=20):
    out = Masks((48, 64), 20)
    for t in range(frames):
        mask = np.zeros((48, 64), np.bool_)
        mask[:side, :side] = True
        out[t] = mask
    return out


def seconds(info, side=8, at_once=1, on_cpu=True, prepared=None, **engine):
    options = EngineOptions(**{"preset": "fast", "threads": 1} | engine)
    pieces = shot_pieces(info, options, on_cpu, masks(side), WINDOWS, 1, prepared, at_once)
    return [piece.seconds for piece in pieces]


def test_it_grows_with_the_work(info):
    fast = sum(seconds(info))
    assert sum(seconds(info, side=40)) > 1.5 * fast
    assert sum(seconds(info, preset="balanced")) > 2 * fast, "the calibration of each window counts, too"
    assert sum(seconds(info, threads=4)) < 0.5 * fast
    assert sum(seconds(info, at_once=2)) == pytest.approx(fast / 2)


def test_windows_are_named_so_that_each_can_begin(info):
    options = EngineOptions(engine="internal", preset="paper", threads=1)
    fit, *windows = shot_pieces(info, options, True, masks(8), WINDOWS, 3, 0)
    assert (fit.key, list(fit.stages)) == (0, ["fit"])
    assert [piece.key for piece in windows] == WINDOWS
    assert {piece.shot for piece in (fit, *windows)} == {3}


def test_networks_are_quicker_on_a_gpu(info):
    paper = {"engine": "internal", "preset": "paper", "prepared": 0}
    assert seconds(info, on_cpu=False, **paper)[0] < seconds(info, **paper)[0] / 5


def test_the_plan_counts_what_is_to_be_filled():
    plan = planned(masks(12, frames=5), range(2, 20), 20, 7.0)
    assert (plan.frames, plan.masked_frames, plan.seconds) == (20, 3, 7.0)
    assert plan.hole == plan.largest_hole == pytest.approx(144 / (48 * 64))
    nothing = planned(Masks((48, 64), 20), range(20), 20, 1.0)
    assert nothing.text() == "20 frames, nothing to fill"
