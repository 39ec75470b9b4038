import numpy as np
import pytest

from vrm.engines.internal.training_masks import shift, translated
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
