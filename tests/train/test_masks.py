import cv2
import numpy as np
import pytest

from vrm.train.data.masks import free_form_masks, free_form_shape, strokes_or_boxes


@pytest.mark.parametrize("seed", range(5))
def test_a_shape_is_one_smooth_piece(seed):
    shape = free_form_shape((60, 90), np.random.default_rng(seed))
    assert cv2.connectedComponents(shape.astype(np.uint8))[0] == 2
    assert 0.2 < shape.mean() < 0.95


@pytest.mark.parametrize("seed", range(5))
def test_in_training_a_shape_fills_its_box(seed):
    rng = np.random.default_rng(seed)
    box = free_form_shape((60, 90), np.random.default_rng(seed)).shape
    mask = free_form_masks(1, (60, 90), rng)[0]
    assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 2
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (rows[-1] - rows[0] + 1, cols[-1] - cols[0] + 1) == box
    assert 0.2 < mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].mean() < 0.95


def test_half_rest_half_wander_and_none_leaves_the_frame():
    resting, areas, steps = 0, [], []
    for seed in range(200):
        masks = free_form_masks(5, (48, 72), np.random.default_rng(seed))
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
    first, again = (free_form_masks(4, (40, 60), np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)


def test_strokes_and_boxes_are_of_all_sizes_and_never_everything():
    rng = np.random.default_rng(0)
    shares = [strokes_or_boxes(64, rng).mean() for _ in range(40)]
    assert 0.025 <= min(shares) < 0.15
    assert 0.3 < max(shares) <= 0.5
