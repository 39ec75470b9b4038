import dataclasses

import numpy as np
import pytest

from vrm.motion.fusion.candidate import Candidate
from vrm.motion.refinement.detail import detail_energy, restore_detail
from vrm.motion.result import HoleFill

SIZE = (96, 128)
HOLE = np.zeros(SIZE, bool)
HOLE[24:72, 32:96] = True
INNER = np.s_[34:62, 42:86]


def noise(seed):
    return np.random.default_rng(seed).normal(0.5, 0.08, (*SIZE, 3)).astype(np.float32)


def fill_of(*pictures, errors=None):
    n = HOLE.sum()
    errors = errors or [0.05] * len(pictures)
    some, none = np.ones(n, bool), np.zeros(0, np.float32)
    candidates = [
        Candidate("nonlocal", p[HOLE], none, some, none, np.full(n, e, np.float32))
        for p, e in zip(pictures, errors, strict=True)
    ]
    rgb = np.mean([p[HOLE] for p in pictures], 0)
    index = np.flatnonzero(HOLE)
    return HoleFill(index, rgb, some, np.ones(n, np.float32), detail_energy(candidates, index, SIZE))


def restored(fill):
    out = np.full((*SIZE, 3), 0.5, np.float32)
    out[HOLE] = restore_detail(fill, fill.rgb, SIZE)
    return out


def test_the_mean_of_two_textures_gets_the_energy_of_one_back():
    fill = fill_of(noise(1), noise(2))
    before = np.full((*SIZE, 3), 0.5, np.float32)
    before[HOLE] = fill.rgb
    after = restored(fill)
    assert before[INNER].std() == pytest.approx(0.08 / np.sqrt(2), rel=0.05)
    assert after[INNER].std() == pytest.approx(0.08, rel=0.05)


def test_what_has_its_detail_stays_as_it_is():
    fill = fill_of(noise(1))
    assert np.abs(restored(fill)[HOLE] - fill.rgb).max() < 2e-3


def test_nothing_is_made_up_where_no_candidate_has_detail():
    flat = np.full((*SIZE, 3), 0.4, np.float32)
    fill = fill_of(flat, flat)
    assert np.abs(restored(fill)[HOLE] - 0.4).max() < 1e-3


def test_the_low_frequencies_stay():
    ramp = np.linspace(0.2, 0.8, SIZE[1], dtype=np.float32)[None, :, None]
    one, other = (noise(k) - 0.5 + ramp for k in (1, 2))
    after = restored(fill_of(one, other))
    columns = after[INNER].mean((0, 2))
    assert np.abs(np.convolve(columns - ramp[0, 42:86, 0], np.ones(9) / 9, "valid")).max() < 0.01


def test_an_unlikely_candidate_counts_little():
    fill = fill_of(noise(1), noise(2) * 0, errors=[0.5, 0.01])
    fill = dataclasses.replace(fill, rgb=np.zeros_like(fill.rgb) + 0.3)
    assert np.abs(restored(fill)[HOLE] - 0.3).max() < 0.01


def test_detail_is_strengthened_twice_at_most():
    fill = fill_of(noise(1))
    weak = 0.5 + 0.1 * (fill.rgb - 0.5)
    out = restored(dataclasses.replace(fill, rgb=weak))
    assert out[INNER].std() == pytest.approx(0.008 * 2, rel=0.05)


def test_the_most_that_detail_is_strengthened_can_be_less():
    fill = fill_of(noise(1))
    weak = 0.5 + 0.1 * (fill.rgb - 0.5)
    out = restore_detail(fill, weak, SIZE, 1.25)
    assert (out - 0.5).std() == pytest.approx(0.008 * 1.25, rel=0.05)
