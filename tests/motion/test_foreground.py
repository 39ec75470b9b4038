"""A thing that moves by itself, half hidden, between two frames that are known whole."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vrm.engines.shot import KeyframedShot
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import WorkingFrames
from vrm.motion.propagation import MotionConfig, propagate
from vrm.motion.trajectories.bidirectional import meet
from vrm.motion.trajectories.foreground import Things, _touching
from vrm.motion.trajectories.tracker import Tracks
from vrm.motion.trajectories.trajectory import Trail

N, H, W, SIDE, SPEED = 11, 96, 160, 40, 4
CONFIG = replace(MotionConfig.for_preset("fast"), rounds=2, steady=0.0)


def texture(h, w, seed):
    noise = np.random.default_rng(seed).random((h // 4 + 2, w // 4 + 2, 3)).astype(np.float32)
    return (cv2.resize(noise, (w, h), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)


class MovingShot:
    """A camera that stands still; a textured square passes, its lower half behind the hole."""

    def __init__(self):
        background, square = texture(H, W, 0), texture(SIDE, SIDE, 1)
        self.frames = []
        for t in range(N):
            frame = background.copy()
            x = 20 + SPEED * t
            frame[24 : 24 + SIDE, x : x + SIDE] = square
            self.frames.append(frame)
        self.holes = np.zeros((N, H, W), bool)
        self.holes[:, 48:72, 16:120] = True
        self.start, self.stop, self.size = 0, N, (H, W)

    def frame(self, t):
        return self.frames[t]

    def hole(self, t):
        return self.holes[t]

    def inside(self, t):
        """Where the square is hidden, without its rim."""
        mask = np.zeros((H, W), bool)
        x = 20 + SPEED * t
        mask[50:62, x + 4 : x + SIDE - 4] = True
        return mask


@pytest.fixture(scope="module")
def shot():
    return MovingShot()


@pytest.fixture(scope="module")
def view(shot):
    return KeyframedShot(shot, {0: shot.frames[0], N - 1: shot.frames[-1]})


def error(shot, found, t):
    out = shot.frame(t).astype(np.float32)
    out.reshape(-1, 3)[found.fills[t].index] = 255 * found.fills[t].rgb
    where = shot.inside(t)
    return np.abs(out[where] - shot.frame(t)[where]).mean()


def test_a_hidden_thing_is_followed_to_the_keyframes(shot, view):
    with_things = propagate(view, 0, N, 0, N, replace(CONFIG, meet=True), whole=view.filled(range(N)))
    without = propagate(view, 0, N, 0, N, CONFIG)
    ours = np.mean([error(shot, with_things, t) for t in range(2, N - 2)])
    theirs = np.mean([error(shot, without, t) for t in range(2, N - 2)])
    assert ours < 0.5 * theirs
    assert ours < 20
    assert (with_things.fills[5].source[shot.inside(5)[shot.hole(5)]] == 0).any()


def test_what_is_in_front_is_told_from_the_background(shot, view):
    frames = WorkingFrames(view, 960)
    tracks = Tracks(frames, CONFIG, DisFlow())
    tracks.run(range(N), range(N), lambda n: None)
    things = Things(tracks, view.filled(range(N)), range(N))
    t = 5
    things.meet(t, CONFIG.bound)
    rows, cols = np.nonzero(shot.hole(t))
    told = things.sort(t, rows, cols, CONFIG.bound)
    square = shot.inside(t)[rows, cols]
    x = 20 + SPEED * t
    clear = (cols < x - 12) | (cols > x + SIDE + 12)
    assert told.behind[square].mean() > 0.7
    assert told.behind[clear].mean() < 0.1
    source, places, _ = told.held["held by earlier"]
    found = square & (source == 0)
    assert found.sum() > 0.5 * square.sum()
    assert np.abs(places - np.stack([cols - SPEED * t, rows], -1))[found].mean() < 1.5
    source = np.full(len(rows), 0)
    assert (told.background(source, np.stack([cols, rows], -1).astype(np.float32))[told.behind] == -1).all()


def test_trails_that_drift_apart_meet_in_the_middle():
    picture = texture(64, 96, 3)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)

    class Still:
        start, stop, size = 0, 3, (64, 96)

        def frame(self, t):
            return picture

        def hole(self, t):
            hole = np.zeros((64, 96), bool)
            hole[20:44, 30:66] = t == 1
            return hole

    frames = WorkingFrames(Still(), 960)
    box = (18, 28, 46, 68)
    ys, xs = np.mgrid[18:46, 28:68].astype(np.float32)
    inside = cv2.dilate(Still().hole(1).astype(np.uint8), np.ones((5, 5)))[18:46, 28:68] > 0

    def trail(source, shift):
        xy = np.stack([xs + shift, ys], -1)
        return Trail(box, inside, np.full(xs.shape, source, np.int32), xy, np.full(xs.shape, 1.0, np.float32))

    # Both sides are two pixels off, in opposite directions.
    backward, forward = meet(frames, 1, trail(0, -2.0), trail(2, 2.0), 8.0, DisFlow())
    middle = np.s_[8:20, 12:28]
    for one in (backward, forward):
        assert np.abs(one.xy[middle][..., 0] - xs[middle]).mean() < 0.5
        assert np.abs(one.xy[middle][..., 1] - ys[middle]).mean() < 0.3
    assert grey.dtype == np.uint8
    same = trail(0, 0.0), trail(2, 0.0)
    for one, other in zip(meet(frames, 1, *same, 8.0, DisFlow()), same, strict=True):
        assert np.array_equal(one.xy, other.xy)


def test_only_what_hangs_together_with_something_seen_to_move_is_a_thing():
    found = np.zeros((20, 30), bool)
    found[2:8, 2:8] = found[12:18, 20:28] = True
    seeds = np.zeros_like(found)
    seeds[7, 7] = seeds[0, 29] = True
    kept = _touching(found, seeds)
    assert kept[2:8, 2:8].all()
    assert kept.sum() == 36
    assert not _touching(found, np.zeros_like(found)).any()


def test_a_keyframe_is_also_looked_at_directly(shot, view):
    config = replace(CONFIG, meet=True)
    with_keys = propagate(view, 4, 7, 0, N, config, whole=view.filled(range(N)))
    without = propagate(view, 4, 7, 0, N, config)
    assert np.isin(with_keys.fills[5].source, (0, N - 1)).any()
    assert not np.isin(without.fills[5].source, (0, N - 1)).any()


def test_a_thing_that_the_next_keyframe_does_not_show_is_doubted_half_way(shot, view):
    frames = WorkingFrames(view, 960)
    tracks = Tracks(frames, CONFIG, DisFlow())
    tracks.run(range(N), range(N), lambda n: None)
    things = Things(tracks, view.filled(range(N)), range(N))
    ys, xs = np.nonzero(shot.inside(N - 1) & shot.hole(N - 1))
    xy = np.stack([xs, ys], -1).astype(np.float32)
    last, none = np.full(len(ys), N - 1), np.full(len(ys), -1)
    nowhere = np.zeros_like(xy)
    alone = {"moving backward": (last, xy, nowhere), "moving forward": (none, nowhere, nowhere)}
    # The first keyframe shows the square as well: it stays.
    assert things._passed(0, alone).mean() < 0.2
    things._lasts[N - 1][:] = 5
    assert things._passed(N - 1 - 6, alone).all()
    assert not things._passed(N - 1 - 5, alone).any()
    both = {**alone, "moving forward": (np.zeros(len(ys), int), xy, nowhere)}
    assert not things._passed(N - 1 - 6, both).any()
