"""A thing that moves as one piece is found by its visible half, without a chain, and doubted where it bends."""

import cv2
import numpy as np
import pytest

from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import WorkingFrames
from vrm.motion.trajectories.rigid import RigidAligner, RigidAlignment, _correlated, look_up_rigid

H, W, SIDE, LAST = 120, 200, 56, 6


def texture(h, w, seed):
    noise = np.random.default_rng(seed).random((h // 8 + 2, w // 8 + 2, 3)).astype(np.float32)
    return (cv2.resize(noise, (w, h), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)


def motion(t):
    """From the square as it is drawn to frame t: to the right, down, and larger."""
    return np.array([[1 + 0.02 * t, 0, 30 + 5 * t], [0, 1 + 0.02 * t, 24 + t]], np.float32)


class Passing:
    """A square that grows and moves 5 pixels a frame; its lower left is hidden in all but the first and last frame.

    Args:
        bent: the right part of the square is darker in the last frame.
    """

    start, stop, size = 0, LAST + 1, (H, W)

    def __init__(self, bent=False):
        background, square = texture(H, W, 5), texture(SIDE, SIDE, 6)
        last = square.copy()
        last[:, 44:] //= 2
        self.frames = []
        for t in range(LAST + 1):
            drawn = last if bent and t == LAST else square
            frame = background.copy()
            on = cv2.warpAffine(np.ones((SIDE, SIDE), np.uint8), motion(t), (W, H), flags=cv2.INTER_NEAREST) > 0
            frame[on] = cv2.warpAffine(drawn, motion(t), (W, H), borderMode=cv2.BORDER_REPLICATE)[on]
            self.frames.append(frame)

    def thing(self, t):
        return cv2.warpAffine(np.ones((SIDE, SIDE), np.uint8), motion(t), (W, H), flags=cv2.INTER_NEAREST) > 0

    def frame(self, t):
        return self.frames[t]

    def hole(self, t):
        hole = np.zeros((H, W), bool)
        hole[56:100, 20 + 5 * t : 60 + 5 * t] = 0 < t < LAST
        return hole


def aligned(shot, t, keyframes=(0, LAST)):
    rigid = RigidAligner(WorkingFrames(shot, 960), {k: shot.thing(k) for k in keyframes}, range(LAST + 1), DisFlow())
    return {one.source: one for one in rigid.align(t)}


def true_places(t, k, box):
    """Where the pixels of frame t's box lie in frame k."""
    ys, xs = np.mgrid[box[0] : box[2], box[1] : box[3]].astype(np.float32)
    back = cv2.invertAffineTransform(motion(t))
    drawn = np.stack([xs, ys], -1) @ back[:, :2].T + back[:, 2]
    return drawn @ motion(k)[:, :2].T + motion(k)[:, 2]


def hidden_part(shot, t, box):
    inside = cv2.erode((shot.thing(t) & shot.hole(t)).astype(np.uint8), np.ones((5, 5))) > 0
    return inside[box[0] : box[2], box[1] : box[3]]


@pytest.mark.parametrize("t", [1, 3, 5])
def test_the_hidden_part_is_where_the_visible_one_says(t):
    shot = Passing()
    found = aligned(shot, t)
    assert sorted(found) == [0, LAST]
    for k, one in found.items():
        hidden = hidden_part(shot, t, one.box)
        assert hidden.sum() > 300
        assert np.abs(one.xy - true_places(t, k, one.box))[hidden].mean() < 0.7
        assert one.shown[hidden].mean() > 0.95


def test_nothing_is_shown_beside_the_thing():
    shot = Passing()
    for one in aligned(shot, 3).values():
        y0, x0, y1, x1 = one.box
        away = ~cv2.dilate(shot.thing(3).astype(np.uint8), np.ones((25, 25))).astype(bool)[y0:y1, x0:x1]
        assert not one.shown[away].any()


def test_what_another_keyframe_shows_otherwise_is_doubted():
    stiff, bent = (aligned(Passing(bent), 5, (0, LAST))[0] for bent in (False, True))
    changed = np.zeros((SIDE, SIDE), np.uint8)
    changed[:, 48:] = 1
    y0, x0, y1, x1 = stiff.box
    at = cv2.warpAffine(changed, motion(5), (W, H), flags=cv2.INTER_NEAREST)[y0:y1, x0:x1] > 0
    assert bent.error[at].mean() > stiff.error[at].mean() + 0.04


def test_without_visible_pixels_nothing_is_aligned():
    class Hidden(Passing):
        def hole(self, t):
            return np.full((H, W), 0 < t < LAST)

    assert aligned(Hidden(), 3) == {}


def test_pictures_that_have_nothing_in_common_do_not_correlate():
    one, other = (cv2.cvtColor(texture(64, 64, seed), cv2.COLOR_RGB2GRAY) for seed in (1, 2))
    correlation, _ = _correlated(one, other, np.ones((64, 64), bool), np.eye(2, 3), (0, 0))
    assert correlation < 0.6


def test_motion_is_told_in_the_frames_own_pixels():
    picture = cv2.cvtColor(texture(90, 120, 3), cv2.COLOR_RGB2GRAY)
    moved = cv2.warpAffine(picture, np.array([[1, 0, 3], [0, 1, -2]], np.float32), (120, 90))
    part = np.ascontiguousarray(picture[20:70, 30:90])
    correlation, found = _correlated(part, moved, np.ones((90, 120), bool), np.eye(2, 3), (30, 20))
    assert correlation > 0.98
    assert np.allclose(found, [[1, 0, 3], [0, 1, -2]], atol=[[0.01, 0.01, 0.7]] * 2)


def test_the_nearer_keyframe_tells_what_is_in_front():
    box, xy = (0, 0, 4, 4), np.zeros((4, 4, 2), np.float32)
    error = np.full((4, 4), 0.02, np.float32)
    left, top = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    left[:, :2], top[:2] = True, True
    rows, cols = (a.ravel() for a in np.mgrid[:4, :4])
    alignments = [RigidAlignment(k, box, xy, shown, error) for k, shown in ((0, left), (20, top))]
    found = look_up_rigid(alignments, 4, rows, cols, {})
    before, after = (found[f"rigid {name}"].source.reshape(4, 4) for name in ("backward", "forward"))
    assert np.array_equal(before == 0, left)  # frame 0 is four frames away, frame 20 sixteen
    assert np.array_equal(after == 20, left & top)


def test_where_one_keyframe_is_not_aligned_trajectories_to_it_tell():
    box, xy, error = (0, 0, 1, 2), np.zeros((1, 2, 2), np.float32), np.zeros((1, 2), np.float32)
    far = [RigidAlignment(0, box, xy, np.ones((1, 2), bool), error)]
    leads = {20: np.array([True, False])}
    found = look_up_rigid(far, 12, np.array([0, 0]), np.array([0, 1]), leads)["rigid backward"]
    assert found.source.tolist() == [0, -1]  # frame 20 is nearer, and shows no thing at the second pixel
