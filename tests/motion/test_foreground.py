"""A thing that moves by itself, half hidden, between two keyframes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vrm.engines.shot import KeyframedShot
from vrm.motion.candidates.nonlocal_frames import Aligner
from vrm.motion.config import MotionConfig
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import WorkingFrames
from vrm.motion.fusion.candidate import Correspondences
from vrm.motion.propagation import propagate
from vrm.motion.trajectories.bidirectional import refine_bidirectional
from vrm.motion.trajectories.foreground import ForegroundTrajectories, _touching
from vrm.motion.trajectories.tracker import TrajectoryTracker
from vrm.motion.trajectories.trajectory import Trajectories

N, H, W, SIDE, SPEED = 11, 96, 160, 40, 4
CONFIG = replace(MotionConfig.for_preset("fast"), rounds=2, filter_strength=0.0)


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


def foreground_of(view):
    tracker = TrajectoryTracker(WorkingFrames(view, 960), CONFIG, DisFlow(), range(N), range(N))
    for _ in range(1, CONFIG.rounds):
        tracker.refine()
    return ForegroundTrajectories(tracker, view.filled(range(N)), range(N))


def error(shot, found, t):
    out = shot.frame(t).astype(np.float32)
    out.reshape(-1, 3)[found.fills[t].index] = 255 * found.fills[t].rgb
    where = shot.inside(t)
    return np.abs(out[where] - shot.frame(t)[where]).mean()


def test_a_hidden_thing_is_followed_to_the_keyframes(shot, view):
    followed = propagate(view, range(N), range(N), replace(CONFIG, bidirectional=True), keyframes=view.filled(range(N)))
    without = propagate(view, range(N), range(N), CONFIG)
    ours = np.mean([error(shot, followed, t) for t in range(2, N - 2)])
    theirs = np.mean([error(shot, without, t) for t in range(2, N - 2)])
    assert ours < 0.5 * theirs
    assert ours < 20
    assert (followed.fills[5].source[shot.inside(5)[shot.hole(5)]] == 0).any()


def test_what_is_in_front_is_told_from_the_background(shot, view):
    foreground = foreground_of(view)
    t = 5
    foreground.refine(t)
    rows, cols = np.nonzero(shot.hole(t))
    places = np.stack([cols, rows], -1).astype(np.float32)
    background = Correspondences("trajectory", np.full(len(rows), 4), places, np.zeros(len(rows), np.float32))
    split = foreground.split(t, rows, cols, {"background": background})
    square = shot.inside(t)[rows, cols]
    x = 20 + SPEED * t
    clear = (cols < x - 12) | (cols > x + SIDE + 12)
    in_front = np.any([one.source >= 0 for name, one in split.items() if name != "background"], axis=0)
    assert in_front[square].mean() > 0.7
    assert in_front[clear].mean() < 0.1
    kept = split["background"].source >= 0
    assert kept[clear].mean() > 0.9
    rigid = split["rigid backward"]
    found = square & (rigid.source == 0)
    assert found.sum() > 0.5 * square.sum()
    assert not kept[rigid.source >= 0].any()
    assert np.abs(rigid.xy - np.stack([cols - SPEED * t, rows], -1))[found].mean() < 1.5


def test_where_the_split_leaves_nothing_all_is_kept_and_doubted(view):
    foreground = foreground_of(view)
    rows, cols = np.array([60]), np.array([44])
    places, zero = np.array([[44, 60]], np.float32), np.zeros(1, np.float32)
    foreground._foreground[4] = foreground._rim[4] = np.ones((H, W), bool)  # all of frame 4 is foreground
    for name in ("backward", "forward"):
        getattr(foreground, name).clear()
    foreground._rigid.align = lambda t: []
    given = {"background": Correspondences("trajectory", np.array([4]), places, zero)}
    split = foreground.split(5, rows, cols, given)
    assert split["background"].source.tolist() == [4]
    assert split["background"].penalty > 0
    other = {**given, "other": Correspondences("trajectory", np.array([6]), places, zero)}
    foreground._rim[6] = np.zeros((H, W), bool)
    split = foreground.split(5, rows, cols, other)
    assert [one.source.tolist() for one in split.values() if (one.source >= 0).any()] == [[6]]
    assert split["other"].penalty == 0


def test_directions_that_drift_apart_meet_in_the_middle():
    picture = texture(64, 96, 3)

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

    def trajectories(source, shift):
        xy = np.stack([xs + shift, ys], -1)
        return Trajectories(box, inside, np.full(xs.shape, source, np.int32), xy, np.full(xs.shape, 1.0, np.float32))

    def refined(backward, forward):
        sides = {1: backward}, {1: forward}
        refine_bidirectional(frames, 1, *sides, 8.0, DisFlow())
        return [side[1] for side in sides]

    # Both are two pixels off, in opposite directions.
    middle = np.s_[8:20, 12:28]
    for one in refined(trajectories(0, -2.0), trajectories(2, 2.0)):
        assert np.abs(one.xy[middle][..., 0] - xs[middle]).mean() < 0.5
        assert np.abs(one.xy[middle][..., 1] - ys[middle]).mean() < 0.3
    same = trajectories(0, 0.0), trajectories(2, 0.0)
    for one, other in zip(refined(*same), same, strict=True):
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


def test_a_keyframe_is_also_aligned_directly(view, monkeypatch):
    aligned, best = [], Aligner.best
    monkeypatch.setattr(Aligner, "best", lambda self, t, *args: aligned.append((t, *args[0])) or best(self, t, *args))
    propagate(view, range(4, 7), range(N), CONFIG)
    assert not aligned
    propagate(view, range(4, 7), range(N), CONFIG, keyframes=view.filled(range(N)))
    assert sorted(aligned) == [(t, 0, N - 1) for t in (4, 5, 6)]


def test_a_thing_that_the_next_keyframe_does_not_show_is_doubted_half_way(shot, view):
    foreground = foreground_of(view)
    ys, xs = np.nonzero(shot.inside(N - 1) & shot.hole(N - 1))
    xy = np.stack([xs, ys], -1).astype(np.float32)

    def leading_to(source):
        return Correspondences("trajectory", np.full(len(ys), source), xy, np.zeros(len(ys), np.float32))

    alone = {"backward": leading_to(N - 1), "forward": leading_to(-1)}
    # The first keyframe shows the square as well: it stays.
    assert foreground._may_have_left(0, alone).mean() < 0.2
    foreground._lasts[N - 1][:] = 5
    assert foreground._may_have_left(N - 1 - 6, alone).all()
    assert not foreground._may_have_left(N - 1 - 5, alone).any()
    both = {**alone, "forward": leading_to(0)}
    assert not foreground._may_have_left(N - 1 - 6, both).any()
