import numpy as np
import pytest

from vrm.errors import UsageError
from vrm.motion.config import MotionConfig
from vrm.motion.propagation import propagate

from .shots import MadeShot, box_hole, hole_psnr, texture

SIZE = (72, 120)
FAST = MotionConfig(rounds=2, calibrate=False)
FULL = MotionConfig(rounds=2, nonlocal_frames=6)


def panning(n: int, dtype: type = np.uint8) -> MadeShot:
    """A camera that pans by 3 pixels a frame while the hole stays in the middle."""
    wide = texture(SIZE[0], SIZE[1] + 3 * n)
    wide = wide if dtype == np.uint8 else wide.astype(np.uint16) * 257
    return MadeShot(
        n, lambda t: wide[:, 3 * t : 3 * t + SIZE[1]].copy(), lambda t: box_hole(SIZE, 24, 48 + t % 3, 22, 24)
    )


def check(shot: MadeShot, found, frames: range) -> None:
    for t in frames:
        hole = shot.hole(t)
        if not hole.any():
            assert t not in found.fills
            continue
        fill = found.fills[t]
        np.testing.assert_array_equal(fill.index, np.flatnonzero(hole))
        n = fill.index.size
        assert fill.rgb.shape == (n, 3)
        assert fill.rgb.dtype == np.float32
        assert np.isfinite(fill.rgb).all()
        assert fill.rgb.min() >= 0
        assert fill.rgb.max() <= 1
        assert fill.seen.shape == fill.confidence.shape == (n,)
        assert (fill.confidence[~fill.seen] == 0).all()
        assert 0 <= fill.confidence.min() <= fill.confidence.max() <= 1
        assert fill.detail.shape == (n,)
        assert np.isfinite(fill.detail).all()
        assert (fill.source[~fill.seen] == -1).all()
        assert (fill.source[fill.seen] >= 0).all()


@pytest.mark.parametrize("config", [FAST, FULL])
def test_a_moving_camera_shows_what_is_behind(config):
    shot = panning(24)
    found = propagate(shot, range(24), range(24), config, nonlocal_frames=range(24))
    check(shot, found, range(24))
    assert hole_psnr(shot, found, range(24)) > 35
    assert found.coverage(12) > 0.99
    assert found.fills[12].confidence.mean() > 0.8


def test_sixteen_bits_come_out_like_eight():
    eight, sixteen = panning(10), panning(10, np.uint16)
    a, b = (propagate(s, range(2, 8), range(10), FAST) for s in (eight, sixteen))
    np.testing.assert_allclose(a.fills[5].rgb, b.fills[5].rgb, atol=0.04)


def test_equal_inputs_give_equal_bytes():
    a, b = (propagate(panning(8), range(8), range(8), FULL, nonlocal_frames=range(8)) for _ in range(2))
    for t in range(8):
        assert a.fills[t].rgb.tobytes() == b.fills[t].rgb.tobytes()


@pytest.mark.parametrize("others", [(), range(0, 110, 5)])
def test_what_stood_still_for_three_seconds_is_filled_from_after_it_left(others):
    """The object covers the same place for 90 frames, then walks off; the camera does not move."""
    still = texture(*SIZE)
    shot = MadeShot(110, lambda t: still, lambda t: box_hole(SIZE, 24, 40 + max(0, t - 90) * 4, 24, 20))
    config = MotionConfig(rounds=1, calibrate=False, nonlocal_frames=4 if others else 0)
    found = propagate(shot, range(6), range(110), config, nonlocal_frames=others)
    check(shot, found, range(6))
    assert hole_psnr(shot, found, range(6)) > 45
    assert found.coverage(0) == 1
    assert found.fills[0].source.min() >= 90


def test_only_as_much_context_is_read_as_is_needed():
    shot = panning(90)
    propagate(shot, range(40, 46), range(90), FAST)
    assert min(shot.asked) > 15
    assert max(shot.asked) < 75


def test_frames_without_a_hole_are_left_out():
    still = texture(*SIZE)
    shot = MadeShot(9, lambda t: still, lambda t: box_hole(SIZE, 20, 30, 20 if t in (3, 4) else 0, 20))
    found = propagate(shot, range(9), range(9), FULL, nonlocal_frames=range(9))
    check(shot, found, range(9))
    assert sorted(found.fills) == [3, 4]
    assert hole_psnr(shot, found, range(9)) > 45


def test_never_seen_is_said_and_filled_smoothly():
    still = texture(*SIZE)
    shot = MadeShot(6, lambda t: still, lambda t: box_hole(SIZE, 20, 30, 20, 20))
    found = propagate(shot, range(6), range(6), FULL, nonlocal_frames=range(6))
    check(shot, found, range(6))
    assert found.coverage(2) == 0


HOLES = {
    "touches the border": lambda t: box_hole(SIZE, 0, 0, 30, 30),
    "covers a whole side": lambda t: box_hole(SIZE, 0, 60 + 2 * t, SIZE[0], 80),
    "is the whole frame": lambda t: np.ones(SIZE, bool),
    "is the whole frame once": lambda t: np.ones(SIZE, bool) if t == 2 else box_hole(SIZE, 30, 10, 9, 9),
    "leaves a thin frame": lambda t: box_hole(SIZE, 1, 1, SIZE[0] - 2, SIZE[1] - 2),
    "is one pixel": lambda t: box_hole(SIZE, 5, 5, 1, 1),
    "is in two places": lambda t: box_hole(SIZE, 5, 5, 8, 8) | box_hole(SIZE, 60, 100, 12, 20),
    "jumps": lambda t: box_hole(SIZE, 40 * (t % 2), 70 * (t % 2), 30, 40),
}


@pytest.mark.parametrize("name", HOLES)
def test_any_hole(name):
    wide = texture(SIZE[0], SIZE[1] + 30)
    shot = MadeShot(5, lambda t: wide[:, 4 * t : 4 * t + SIZE[1]].copy(), HOLES[name])
    check(shot, propagate(shot, range(5), range(5), FULL, nonlocal_frames=range(5)), range(5))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_frames(value):
    shot = MadeShot(5, lambda t: np.full((*SIZE, 3), value, np.uint8), lambda t: box_hole(SIZE, 20, 30 + 5 * t, 20, 20))
    found = propagate(shot, range(5), range(5), FULL, nonlocal_frames=range(5))
    check(shot, found, range(5))
    np.testing.assert_allclose(found.fills[2].rgb, value / 255, atol=0.01)


@pytest.mark.parametrize("size", [(16, 16), (9, 200), (130, 17), (2, 2)])
def test_tiny_and_thin_frames(size):
    still = texture(*size)
    shot = MadeShot(4, lambda t: still, lambda t: box_hole(size, 0, t, max(1, size[0] // 3), max(1, size[1] // 3)))
    check(shot, propagate(shot, range(4), range(4), FULL, nonlocal_frames=range(4)), range(4))


def test_one_frame():
    shot = panning(4)
    check(shot, propagate(shot, range(2, 3), range(2, 3), FULL, nonlocal_frames=[2]), range(2, 3))
    check(shot, propagate(shot, range(2, 3), range(1, 4), FULL), range(2, 3))


def test_large_frames_are_followed_at_reduced_size_and_sampled_at_full():
    wide = texture(120, 400)
    size = (120, 200)
    shot = MadeShot(20, lambda t: wide[:, 6 * t : 6 * t + 200].copy(), lambda t: box_hole(size, 40, 80, 30, 40))
    found = propagate(shot, range(20), range(20), MotionConfig(rounds=2, longest=100, calibrate=False))
    check(shot, found, range(20))
    assert hole_psnr(shot, found, range(20)) > 30


def test_progress_reaches_its_end():
    told: list[tuple[str, int, int]] = []
    propagate(panning(6), range(1, 5), range(6), FAST, progress=lambda *a: told.append(a))
    assert [d for _, d, _ in told] == sorted(d for _, d, _ in told)
    assert told[-1][1] == told[-1][2]


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [("rounds", 0), ("longest", 10), ("max_error", 0), ("screening", -1), ("nonlocal_frames", -1)],
)
def test_wrong_settings_are_refused(setting, wrong):
    with pytest.raises(UsageError):
        MotionConfig(**{setting: wrong})


def test_presets():
    fast, balanced, best = (MotionConfig.for_preset(name) for name in ("fast", "balanced", "best"))
    assert fast.nonlocal_frames < balanced.nonlocal_frames < best.nonlocal_frames
    with pytest.raises(UsageError):
        MotionConfig.for_preset("swift")


def test_working_frames_are_halved_before_the_last_round_where_that_leaves_enough():
    assert MotionConfig(rounds=3, longest=960).sizes((1080, 1920)) == [480, 480, 960]
    assert MotionConfig(rounds=2, longest=960).sizes((480, 854)) == [427, 854]
    assert MotionConfig(rounds=2, longest=960).sizes((240, 432)) == [432, 432]
    assert MotionConfig(rounds=1, longest=960).sizes((1080, 1920)) == [960]


def test_with_keyframes_more_candidates_are_averaged():
    usual, given = FULL, FULL.with_keyframes()
    assert given.bidirectional
    assert given.nonlocal_candidates > usual.nonlocal_candidates
    assert given.sharpness < usual.sharpness
    same = ("rounds", "nonlocal_frames", "max_error")
    assert [getattr(given, name) for name in same] == [getattr(usual, name) for name in same]
