"""Averaging over time: by how much, by confidence."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vrm.motion.config import MotionConfig
from vrm.motion.flow.pairs import FlowPair
from vrm.motion.refinement.temporal_filter import temporal_filter
from vrm.motion.result import HoleFill, Propagation

H, W = 40, 48
HOLE = np.zeros((H, W), bool)
HOLE[8:32, 8:40] = True


class Still:
    start, stop, size = 0, 2, (H, W)

    def frame(self, t):
        return np.full((H, W, 3), 128, np.uint8)

    def hole(self, t):
        return HOLE


def filled(confidence, power):
    """Two frames of a still shot, filled with 0.2 and 0.6, averaged: the first one's middle."""
    n = int(HOLE.sum())
    fills = {
        t: HoleFill(
            np.flatnonzero(HOLE), np.full((n, 3), value, np.float32), np.ones(n, bool),
            np.full(n, confidence, np.float32), np.zeros(n, np.float32),
        )
        for t, value in ((0, 0.2), (1, 0.6))
    }  # fmt: skip
    pair = FlowPair((0, 0, H, W), np.zeros((H, W, 2), np.float16), np.zeros((H, W), np.float16))
    tracker = SimpleNamespace(flow=lambda t, neighbour: pair, frames=SimpleNamespace(scale=1.0))
    found = Propagation((H, W), fills)
    temporal_filter(found, Still(), tracker, MotionConfig(filter_power=power))
    out = np.zeros((H, W), np.float32)
    out[HOLE] = found.fills[0].rgb[:, 0]
    return out[20, 24]


@pytest.mark.parametrize("power", [1.0, 0.25])
def test_what_is_sure_stays(power):
    assert filled(1.0, power) == pytest.approx(0.2)


@pytest.mark.parametrize("power", [1.0, 0.25])
def test_what_nothing_is_known_of_is_averaged(power):
    # One of the two directions brings 0.85 of the neighbour, the other nothing.
    assert filled(0.0, power) == pytest.approx(0.2 + 0.5 * 0.85 * 0.4, rel=1e-3)


def test_a_low_power_averages_what_is_rather_sure():
    assert filled(0.9, 1.0) == pytest.approx(0.2 + 0.5 * 0.85 * 0.1 * 0.4, rel=1e-3)
    assert filled(0.9, 0.25) == pytest.approx(0.2 + 0.5 * 0.85 * 0.1**0.25 * 0.4, rel=1e-3)


def test_a_keyframe_is_where_the_averaging_begins():
    class Keyframed(Still):
        def hole(self, t):
            return HOLE & (t == 1)

    n = int(HOLE.sum())
    unsure = HoleFill(
        np.flatnonzero(HOLE), np.full((n, 3), 0.2, np.float32), np.ones(n, bool), *np.zeros((2, n), np.float32)
    )
    other = replace(unsure, rgb=unsure.rgb.copy())
    pairs = {(1, 0): FlowPair((0, 0, H, W), np.zeros((H, W, 2), np.float16), np.zeros((H, W), np.float16))}
    tracker = SimpleNamespace(flow=lambda t, neighbour: pairs.get((t, neighbour)), frames=SimpleNamespace(scale=1.0))
    found = Propagation((H, W), {1: unsure, 2: other})
    temporal_filter(found, Keyframed(), tracker, MotionConfig(), [0])
    out = np.zeros((H, W), np.float32)
    out[HOLE] = found.fills[1].rgb[:, 0]
    assert out[20, 24] == pytest.approx(0.2 + 0.5 * 0.85 * (128 / 255 - 0.2), rel=1e-3)
    assert np.array_equal(found.fills[2].rgb, np.full((n, 3), 0.2, np.float32))
