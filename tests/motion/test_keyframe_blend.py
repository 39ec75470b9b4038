"""Keyframes blended into the fills near them, against made shots whose truth is known."""

import cv2
import numpy as np
import pytest

from vrm.engines.runner import motion_config
from vrm.engines.shot import KeyframedShot
from vrm.errors import UsageError
from vrm.motion.config import MotionConfig
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.propagation import propagate
from vrm.motion.refinement.keyframe_blend import blend_keyframes
from vrm.motion.result import HoleFill, Propagation
from vrm.options.remove import EngineOptions

from .shots import MadeShot, box_hole, hole_psnr, texture

N, SIZE, SPEED = 16, (96, 160), 1
WIDE = texture(SIZE[0], SIZE[1] + SPEED * N)
HOLE = box_hole(SIZE, 30, 50, 36, 56)


class Panned(MadeShot):
    """A camera that pans over a texture; frame 0 is a keyframe."""

    def __init__(self, truth=lambda t: WIDE[:, SPEED * t : SPEED * t + SIZE[1]]):
        super().__init__(N, truth, lambda t: HOLE & (t > 0))


def blurred(shot):
    """Fills in the right place, but without the fine detail."""
    fills = {}
    for t in range(1, N):
        soft = cv2.GaussianBlur(shot.truths[t], (0, 0), 3).astype(np.float32)[HOLE] / 255
        index, n = np.flatnonzero(HOLE), int(HOLE.sum())
        fills[t] = HoleFill(
            index,
            soft,
            np.zeros(n, bool),
            *np.zeros((2, n), np.float32),
            np.full(n, -1, np.int32),
            np.zeros(n, np.int32),
        )
    return Propagation(SIZE, fills)


def test_frames_come_closer_to_the_truth_the_nearer_they_are_to_a_keyframe():
    shot = Panned()
    before, after = blurred(shot), blurred(shot)
    blend_keyframes(after, shot, [0], 0.9, DisFlow())
    gain = {t: hole_psnr(shot, after, [t]) - hole_psnr(shot, before, [t]) for t in (1, 4, 8, 12, 13)}
    assert gain[1] > 6
    assert gain[1] > gain[4] > gain[8] > gain[12] > 0
    assert np.array_equal(after.fills[13].rgb, before.fills[13].rgb)


def test_what_is_mostly_the_keyframe_s_is_said_to_be():
    shot = Panned()
    found = blurred(shot)
    blend_keyframes(found, shot, [0], 0.9, DisFlow())
    fill = found.fills[1]
    middle = np.zeros(SIZE, bool)
    middle[38:58, 58:98] = True
    inner = middle.reshape(-1)[fill.index]
    assert (fill.source[inner] == 0).mean() > 0.9
    told = inner & (fill.source == 0)
    assert fill.seen[told].all()
    # Frame 1 shows at x what frame 0 showed one pixel further right.
    off = fill.place[told] - (fill.index[told] + SPEED)
    assert np.median(np.abs(off)) == 0
    assert (found.fills[12].source == -1).all()


def test_what_only_the_keyframe_shows_makes_no_ghost():
    def truth(t):
        picture = WIDE[:, SPEED * t : SPEED * t + SIZE[1]].copy()
        if t == 0:
            picture[40:56, 70:86] = 255
        return picture

    shot = Panned(truth)
    before, found = blurred(shot), blurred(shot)
    blend_keyframes(found, shot, [0], 0.9, DisFlow())
    patch = np.zeros(SIZE, bool)
    patch[36:60, 62:90] = True
    at = patch.reshape(-1)[found.fills[1].index]
    assert np.abs(found.fills[1].rgb - before.fills[1].rgb)[at].mean() < 0.02


def test_a_keyframe_of_another_light_does_not_change_the_light():
    darker = Panned(lambda t: WIDE[:, SPEED * t : SPEED * t + SIZE[1]] // 2 + (60 if t == 0 else 20))
    before, after = blurred(darker), blurred(darker)
    blend_keyframes(after, darker, [0], 0.9, DisFlow())
    assert abs(float(after.fills[1].rgb.mean() - before.fills[1].rgb.mean())) < 0.01
    assert hole_psnr(darker, after, [1]) > hole_psnr(darker, before, [1]) + 3


def test_two_keyframes_beside_one_another_are_shared():
    class Two(Panned):
        def hole(self, t):
            return HOLE & (t == 1)

    shot = Two()
    found = Propagation(SIZE, {1: blurred(shot).fills[1]})
    blend_keyframes(found, shot, [0, 2], 1.0, DisFlow())
    assert hole_psnr(shot, found, [1]) > hole_psnr(shot, blurred(shot), [1]) + 6


def test_flow_may_be_estimated_on_smaller_pictures():
    shot = Panned()
    found = blurred(shot)
    blend_keyframes(found, shot, [0], 0.9, DisFlow(), 0.5)
    assert hole_psnr(shot, found, [1]) > hole_psnr(shot, blurred(shot), [1]) + 3


@pytest.mark.parametrize(("keyframes", "strength"), [([], 0.9), ([0], 0.0), ([N + 20], 0.9)])
def test_nothing_is_done_without_a_keyframe_near(keyframes, strength):
    shot = Panned()
    before, after = blurred(shot), blurred(shot)
    blend_keyframes(after, shot, keyframes, strength, DisFlow())
    assert all(np.array_equal(after.fills[t].rgb, before.fills[t].rgb) for t in before.fills)


def still(keyframes):
    """A shot as motion sees it: a hole that never moves before a camera that pans, some frames given."""
    shot = MadeShot(7, lambda t: WIDE[:, SPEED * t : SPEED * t + SIZE[1]], lambda t: HOLE)
    return shot, KeyframedShot(shot, {t: shot.truths[t] for t in keyframes})


def test_a_keyframe_just_outside_of_the_window_is_blended_in():
    _, view = still([0])
    configs = [MotionConfig(rounds=1, keyframe_blend=share) for share in (0.0, 0.9)]
    fills = [propagate(view, range(1, 4), range(7), config, keyframes={0: HOLE}).fills for config in configs]
    assert not np.array_equal(fills[0][1].rgb, fills[1][1].rgb)


def test_without_keyframes_the_share_changes_nothing():
    shot, _ = still([])
    configs = [MotionConfig(rounds=1, keyframe_blend=share) for share in (0.0, 0.9)]
    fills = [propagate(shot, range(3), range(7), config).fills for config in configs]
    assert all(np.array_equal(fills[0][t].rgb, fills[1][t].rgb) for t in range(3))


def test_the_paper_s_way_does_not_blend():
    shares = {}
    for preset in ("paper", "fast"):
        shares[preset] = motion_config(EngineOptions(engine="keyframe", preset=preset)).with_keyframes().keyframe_blend
    assert shares["paper"] == 0 < shares["fast"]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_between_nothing_and_all(share):
    with pytest.raises(UsageError):
        MotionConfig(keyframe_blend=share)
