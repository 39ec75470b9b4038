import numpy as np
import pytest

from vrm.train.holes import Copy, held_back, shift, translated
from vrm.types import bounding_box


def disc(h, w, y, x, r):
    rows, cols = np.ogrid[:h, :w]
    return (rows - y) ** 2 + (cols - x) ** 2 <= r * r


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (3, -5), (-40, 2), (100, 0)])
def test_shift_moves_without_wrapping(dy, dx):
    mask = np.random.default_rng(0).random((20, 30)) < 0.3
    naive = np.zeros_like(mask)
    for y in range(20):
        for x in range(30):
            if 0 <= y + dy < 20 and 0 <= x + dx < 30:
                naive[y + dy, x + dx] = mask[y, x]
    assert np.array_equal(shift(mask, dy, dx), naive)


def test_translated_masks_are_five_times_likelier_near_the_hole():
    h, w = 96, 171
    mask = disc(h, w, 40, 60, 5)
    box = bounding_box(mask)
    rng = np.random.default_rng(0)
    near_y, near_x = round(45 / 480 * h), round(80 / 854 * w)
    near = np.zeros((h, w), bool)
    near[box[0] - near_y : box[2] + near_y, box[1] - near_x : box[3] + near_x] = True
    hits = 0
    for _ in range(2000):
        moved = bounding_box(translated(mask, box, rng))
        hits += near[min((moved[0] + moved[2]) // 2, h - 1), min((moved[1] + moved[3]) // 2, w - 1)]
    share = 5 * near.sum() / (5 * near.sum() + (~near).sum())
    assert abs(hits / 2000 - share) < 0.06


def test_translating_nothing_gives_nothing():
    assert not translated(np.zeros((8, 8), bool), None, np.random.default_rng(0)).any()


def test_held_back_holes_move_as_the_real_ones_and_lie_outside_them():
    masks = [disc(120, 200, 60, 60 + 3 * t, 14) for t in range(20)]
    copies = held_back(masks, seed=0)
    assert copies == held_back(masks, seed=0)
    assert 1 <= len(copies) <= 2
    for copy in copies:
        hidden = [copy.of(m) for m in masks]
        assert np.array_equal(hidden[7], shift(masks[7], copy.dy, copy.dx))
        fresh = np.mean([(h & ~m).sum() / m.sum() for h, m in zip(hidden, masks, strict=True)])
        assert fresh > 0.45


def test_masks_too_large_to_move_are_shrunk():
    mask = np.zeros((100, 160), bool)
    mask[15:85, 20:140] = True
    copies = held_back([mask] * 5, seed=1)
    assert copies
    assert all(c.shrink > 1 for c in copies)
    assert (copies[0].of(mask) & ~mask).any()


@pytest.mark.parametrize("masks", [[], [np.zeros((40, 40), bool)] * 3, [np.ones((40, 40), bool)] * 3])
def test_nothing_masked_or_nothing_known_gives_no_copies(masks):
    assert held_back(masks, seed=0) == ()


def test_a_copy_of_an_empty_mask_is_empty():
    assert not Copy(3, 4, 2).of(np.zeros((10, 10), bool)).any()
