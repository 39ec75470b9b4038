import cv2
import numpy as np
import pytest

from vrm.train.data.masks import blob, holes


@pytest.mark.parametrize("seed", range(5))
def test_a_blob_is_one_smooth_piece_that_touches_its_sides(seed):
    shape = blob((60, 90), np.random.default_rng(seed))
    assert cv2.connectedComponents(shape.astype(np.uint8))[0] == 2
    assert shape[0].any()
    assert shape[-1].any()
    assert shape[:, 0].any()
    assert shape[:, -1].any()
    assert 0.2 < shape.mean() < 0.95


def test_half_rest_half_wander_and_none_leaves_the_frame():
    resting, areas, steps = 0, [], []
    for seed in range(200):
        masks = holes(5, (48, 72), np.random.default_rng(seed))
        area = masks.sum((1, 2))
        assert (area == area[0]).all(), "cut off at the border"
        rows, cols = np.flatnonzero(masks[0].any(1)), np.flatnonzero(masks[0].any(0))
        assert len(rows) >= 48 // 3
        assert len(cols) >= 72 // 3
        areas.append(masks[0].mean())
        if (masks == masks[0]).all():
            resting += 1
        else:
            starts = np.array([(np.flatnonzero(m.any(1))[0], np.flatnonzero(m.any(0))[0]) for m in masks], float)
            steps.append(np.linalg.norm(starts[1] - starts[0]))
    assert 70 < resting < 140
    assert 0.15 < np.mean(areas) < 0.6
    assert 0.5 < np.median(steps) < 3.5


def test_equal_seeds_give_equal_holes():
    first, again = (holes(4, (40, 60), np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)
