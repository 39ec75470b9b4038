from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from vrm.shots.cuts import find_shots, small
from vrm.shots.windows import OVERLAP, plan_windows
from vrm.types import Masks


def holes(frames, n=400, size=(40, 60), side=10):
    masks = Masks(size, n)
    square = np.zeros(size, bool)
    square[5 : 5 + side, 5 : 5 + side] = True
    for t in frames:
        masks[t] = square
    return masks


@pytest.mark.parametrize("memory", [1, 400_000, 1 << 30])
@pytest.mark.parametrize("frames", [range(1), range(7, 300), [3, 4, 50, 51, 399], range(0, 400, 5)])
def test_every_hole_is_in_a_window_and_context_stays_in_the_shot(frames, memory):
    masks = holes(frames)
    windows = plan_windows(masks, 0, 400, Fraction(25), memory, 960)
    covered = {t for w in windows for t in range(w.start, w.stop)}
    assert covered >= set(frames)
    for w in windows:
        assert 0 <= w.context_start <= w.start < w.stop <= w.context_stop <= 400
    for a, b in pairwise(windows):
        assert b.start > a.start
        assert b.start >= a.stop or a.stop - b.start == OVERLAP


def test_windows_meet_at_frames_that_are_known_and_share_those_alone():
    split_points = list(range(0, 400, 20))
    masks = holes(range(5, 390))
    plan = partial(plan_windows, masks, 0, 400, Fraction(25))
    windows = plan(1 << 30, 960, split_points=split_points)
    assert len(windows) > 1
    assert windows[0].start == 5
    assert windows[-1].stop == 390
    for a, b in pairwise(windows):
        assert b.start in split_points
        assert a.stop == b.start + 1
    short = plan(1, 960, split_points=split_points)  # less memory than from one split point to the next
    assert {t for w in short for t in range(w.start, w.stop)} == set(range(5, 390))
    assert all(a.stop - b.start == (1 if b.start in split_points else OVERLAP) for a, b in pairwise(short))
    assert plan(1 << 30, 960, split_points=[200])[0].stop <= 201


def test_only_wanted_frames_are_in_windows_and_context_reaches_beyond_them():
    (window,) = plan_windows(holes(range(50, 150)), 0, 400, Fraction(25), 1 << 30, 960, within=range(100, 120))
    assert (window.start, window.stop) == (100, 120)
    assert window.context_start < 50
    assert window.context_stop > 150


def test_more_memory_makes_longer_windows_and_1080p_gets_long_ones():
    masks = Masks((1080, 1920), 200)
    hole = np.zeros((1080, 1920), bool)
    hole[300:800, 600:1000] = True
    masks[0] = hole
    for t in range(1, 200):
        masks.repeat(t, 0)
    lengths = [
        max(w.stop - w.start for w in plan_windows(masks, 0, 200, Fraction(25), memory, 960))
        for memory in (300 << 20, 450 << 20, 600 << 20)
    ]
    assert lengths == sorted(lengths)
    assert lengths[1] > 24


def test_frames_of_another_shot_are_left_out():
    assert plan_windows(holes([5, 6]), 100, 200, Fraction(25), 1 << 30, 960) == []


def test_three_seconds_after_an_object_left_are_in_reach():
    (window,) = plan_windows(holes([0]), 0, 400, Fraction(30), 1 << 30, 960)
    assert window.context_stop >= 91


def test_a_cut_between_two_pictures_is_found():
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 255, (2, 90, 160, 3)).astype(np.uint8)
    pictures = [(10 + i, small(scenes[int(i >= 20)] // 2 + np.uint8(i % 3))) for i in range(50)]
    assert find_shots(pictures) == [(10, 30), (30, 60)]


def test_no_pictures_no_shots():
    assert find_shots([]) == []
