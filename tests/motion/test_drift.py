"""Drift of a half hidden thing is measured on its visible half and taken out of the hidden one."""

import cv2
import numpy as np
import pytest

from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import WorkingFrames
from vrm.motion.trajectories.drift import correct_drift
from vrm.motion.trajectories.foreground_flow import _continued
from vrm.motion.trajectories.trajectory import Trajectories

H, W, SIDE, MOVED = 96, 160, 48, 24


def texture(h, w, seed):
    noise = np.random.default_rng(seed).random((h // 4 + 2, w // 4 + 2, 3)).astype(np.float32)
    return (cv2.resize(noise, (w, h), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)


class Passing:
    """A square of 48 pixels 24 further right in frame 1, its lower half hidden there; frame 0 is a keyframe."""

    start, stop, size = 0, 2, (H, W)

    def __init__(self):
        background, square = texture(H, W, 5), texture(SIDE, SIDE, 6)
        self.frames = []
        for x in (20, 20 + MOVED):
            frame = background.copy()
            frame[24 : 24 + SIDE, x : x + SIDE] = square
            self.frames.append(frame)

    def frame(self, t):
        return self.frames[t]

    def hole(self, t):
        hole = np.zeros((H, W), bool)
        hole[52:72, 36:100] = t == 1
        return hole


THING = np.zeros((H, W), bool)
THING[24 : 24 + SIDE, 20 : 20 + SIDE] = True


def drifted(by):
    box = (50, 34, 74, 102)
    ys, xs = np.mgrid[50:74, 34:102].astype(np.float32)
    inside = cv2.dilate(Passing().hole(1).astype(np.uint8), np.ones((5, 5)))[50:74, 34:102] > 0
    xy = np.stack([xs - MOVED + by[0], ys + by[1]], -1)
    return Trajectories(box, inside, np.zeros(xs.shape, np.int32), xy, np.full(xs.shape, 1.0, np.float32))


@pytest.mark.parametrize("by", [(4.0, 0.0), (-3.0, 2.0)])
def test_drift_is_taken_out(by):
    found = drifted(by)
    out = correct_drift(WorkingFrames(Passing(), 960), 1, found, 0, THING, 8.0, DisFlow())
    true = drifted((0.0, 0.0)).xy
    hidden = np.s_[4:20, 14:54]  # the square's hidden half, in the trajectories' box
    assert np.abs(out.xy - true)[hidden].mean() < 0.5
    assert np.array_equal(out.source, found.source)


def test_trajectories_that_are_right_stay():
    found = drifted((0.0, 0.0))
    out = correct_drift(WorkingFrames(Passing(), 960), 1, found, 0, THING, 8.0, DisFlow())
    assert np.abs(out.xy - found.xy).max() < 0.1


def test_what_is_not_seen_beside_the_hole_is_left_alone():
    found = drifted((4.0, 0.0))
    hidden = THING.copy()
    hidden[:54] = False  # of the thing only what the hole covers
    assert correct_drift(WorkingFrames(Passing(), 960), 1, found, 0, hidden, 8.0, DisFlow()) is found


def test_motion_goes_on_as_that_of_one_rigid_thing():
    ys, xs = np.mgrid[:60, :100].astype(np.float32)
    turning = np.stack([-0.05 * (ys - 30) + 2, 0.05 * (xs - 50)], -1)
    near = np.zeros((60, 100), bool)
    near[10:50, 5:45] = True
    flow = turning + np.random.default_rng(0).normal(0, 0.05, turning.shape).astype(np.float32)
    flow[12:18, 8:40] = (-6, 5)  # something else
    spread = _continued(flow.astype(np.float32), near, 1.0)
    assert np.abs(spread - turning)[20:40, 60:90].mean() < 0.3


def test_motion_without_a_rigid_part_is_smooth():
    flow = np.random.default_rng(1).normal(0, 5, (40, 40, 2)).astype(np.float32)
    near = np.zeros((40, 40), bool)
    near[:, :20] = True
    spread = _continued(flow, near, 1.0)
    assert np.isfinite(spread).all()
    assert np.abs(spread[:, 30:]).max() < 5
