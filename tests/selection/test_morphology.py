import math

import numpy as np
import pytest

from vrm.options.remove import MaskOptions
from vrm.selection.masks.morphology import default_grow, grown, shape
from vrm.types import Masks

SIZE = (40, 60)


def naive_distance(mask: np.ndarray) -> np.ndarray:
    """Distance from every pixel to the nearest masked one, by looking at all of them."""
    ys, xs = np.nonzero(mask)
    yy, xx = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return np.sqrt(((yy[..., None] - ys) ** 2 + (xx[..., None] - xs) ** 2).min(-1))


def blobs(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros(SIZE, bool)
    for _ in range(3):
        y, x = rng.integers(0, 36), rng.integers(0, 54)
        mask[y : y + rng.integers(1, 9), x : x + rng.integers(1, 9)] = True
    return mask


def sequence(*frames: np.ndarray) -> Masks:
    return Masks.from_frames(frames, frames[0].shape)


def square(x: int, y: int = 10, side: int = 10, size=SIZE) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[y : y + side, x : x + side] = True
    return mask


EMPTY = np.zeros(SIZE, bool)
UNGROWN = MaskOptions(grow=0)


@pytest.mark.parametrize(("size", "grow"), [((240, 432), 2), ((480, 854), 4), ((1080, 1920), 8), ((2160, 3840), 16)])
def test_default_grow(size, grow):
    assert default_grow(size) == grow
    assert default_grow(size[::-1]) == grow


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("by", [0, 1, 3, 5, 12])
def test_grown_is_euclidean(seed: int, by: int):
    mask = blobs(seed)
    np.testing.assert_array_equal(grown(mask, by), naive_distance(mask) <= by)


def test_grown_of_nothing_and_of_everything():
    assert not grown(EMPTY, 5).any()
    assert grown(~EMPTY, 5).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("grow", "feather"), [(0, 0), (1, 0), (1, 1), (4, 2), (6, 6), (9, 3)])
def test_ramp_lies_in_the_ring_only(seed: int, grow: int, feather: int):
    mask = blobs(seed)
    shaped = shape(sequence(mask), [(0, 1)], MaskOptions(grow=grow, feather=feather))
    (y0, x0, y1, x1), ramp = shaped.alpha(0)
    alpha = np.zeros(SIZE, np.float32)
    alpha[y0:y1, x0:x1] = ramp
    distance = naive_distance(mask)
    expected = np.where(distance <= grow, np.clip((grow + 1 - distance) / (feather + 1), 0, 1), 0)
    np.testing.assert_allclose(alpha, expected, atol=1e-5)
    assert ramp.dtype == np.float32
    assert (alpha[mask] == 1).all()
    assert (alpha[distance <= grow - feather] == 1).all()
    assert ((alpha > 0) == shaped.holes[0]).all()


def test_nothing_removed_has_no_alpha():
    assert shape(sequence(EMPTY), [(0, 1)], MaskOptions()).alpha(0) is None


def test_feather_alone_widens_the_ring():
    shaped = shape(sequence(square(20)), [(0, 1)], MaskOptions(feather=7))
    assert (shaped.grow, shaped.feather) == (7, 7)


def test_frame_without_its_mask_is_filled():
    shaped = shape(sequence(square(20), EMPTY, square(20)), [(0, 3)], UNGROWN)
    np.testing.assert_array_equal(shaped.objects[1], square(20))


def test_moving_object_does_not_flash_back():
    truth = [square(4 + 8 * t) for t in range(5)]
    given = [*truth[:2], EMPTY, *truth[3:]]
    shaped = shape(sequence(*given), [(0, 5)], UNGROWN)
    assert shaped.objects[2][truth[2]].all()
    assert shaped.objects[2].sum() < 1.5 * truth[2].sum()
    for t in (0, 1, 3, 4):
        assert shaped.objects[t][truth[t]].all()


def test_one_of_two_objects_drops_out():
    fixed = square(45, 25)
    truth = [square(2 + 12 * t, 2) | fixed for t in range(3)]
    given = [truth[0], fixed, truth[2]]
    shaped = shape(sequence(*given), [(0, 3)], UNGROWN)
    assert shaped.objects[1][truth[1]].all()


def test_half_an_object_drops_out():
    whole = square(20, 10, 14)
    half = whole.copy()
    half[:, 27:] = False
    shaped = shape(sequence(whole, half, whole), [(0, 3)], UNGROWN)
    np.testing.assert_array_equal(shaped.objects[1], whole)


def test_exact_masks_are_left_alone():
    truth = [square(4 + 8 * t) for t in range(5)]
    given = [*truth[:2], EMPTY, *truth[3:]]
    shaped = shape(sequence(*given), [(0, 5)], UNGROWN, exact=True)
    for t, mask in enumerate(given):
        np.testing.assert_array_equal(shaped.objects[t], mask)
    assert shaped.closed == 0
    assert shape(sequence(*given), [(0, 5)], UNGROWN).closed == 1


def test_two_empty_frames_stay_empty():
    shaped = shape(sequence(square(20), EMPTY, EMPTY, square(20)), [(0, 4)], MaskOptions())
    assert list(shaped.objects.frames()) == [0, 3]
    assert list(shaped.holes.frames()) == [0, 3]


def test_flicker_on_every_other_frame_is_closed():
    shaped = shape(sequence(*[square(20), EMPTY] * 3, square(20)), [(0, 7)], UNGROWN)
    assert list(shaped.objects.frames()) == list(range(7))


def test_masks_do_not_leak_across_a_cut():
    frames = [square(20), EMPTY, square(20), EMPTY, square(20)]
    shaped = shape(sequence(*frames), [(0, 2), (2, 5)], UNGROWN)
    assert list(shaped.objects.frames()) == [0, 2, 3, 4]


def test_frames_outside_the_shots_are_dropped():
    shaped = shape(sequence(*[square(20)] * 6), [(2, 4)], MaskOptions())
    assert list(shaped.holes.frames()) == [2, 3]


def test_steady_motion_is_left_alone():
    truth = [square(4 + 8 * t) for t in range(5)]
    shaped = shape(sequence(*truth), [(0, 5)], UNGROWN)
    for t, mask in enumerate(truth):
        np.testing.assert_array_equal(shaped.objects[t], mask)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_given_is_ever_lost(seed: int):
    """Random sequences with repeats: every given pixel stays, and what both neighbours have is there."""
    rng = np.random.default_rng(seed)
    frames: list[np.ndarray] = []
    for t in range(12):
        frames.append(frames[-1] if frames and rng.random() < 0.5 else blobs(100 * seed + t))
    shaped = shape(sequence(*frames), [(0, 7), (7, 12)], MaskOptions(grow=2))
    for t, mask in enumerate(frames):
        assert shaped.objects[t][mask].all()
        if t not in (0, 6, 7, 11):
            assert shaped.objects[t][frames[t - 1] & frames[t + 1]].all()
        np.testing.assert_array_equal(shaped.holes[t], naive_distance(shaped.objects[t]) <= 2)


def test_still_mask_of_many_frames_is_shaped_once(monkeypatch: pytest.MonkeyPatch):
    import vrm.selection.masks.morphology as room

    calls: list[int] = []
    monkeypatch.setattr(room, "grown", lambda mask, by: (calls.append(by), grown(mask, by))[1])
    masks = sequence(square(20))
    masks.n_frames = 10_000
    for t in range(1, 10_000):
        masks.repeat(t, 0)
    shaped = shape(masks, [(0, 10_000)], MaskOptions())
    assert len(calls) <= 3
    assert shaped.holes.same(0, 9_999)
    assert math.isclose(shaped.alpha(9_999)[1].max(), 1.0)
