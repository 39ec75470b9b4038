import numpy as np
import pytest

from vrm.selection.labels.inside_hole import complete_frame, own_region


def naive(labels, unknown, k, scale):
    """Every cell of the coarse grid compared with every known one, in plain Python."""
    start = scale // 2
    rows, columns = range(start, labels.shape[0], scale), range(start, labels.shape[1], scale)
    cells = [(y, x) for y in rows for x in columns]
    known = [c for c in cells if not unknown[c]]
    coarse = {}
    for y, x in cells:
        if not unknown[y, x]:
            coarse[y, x] = {int(labels[y, x])}
            continue
        away = sorted(((y - b) ** 2 + (x - a) ** 2, labels[b, a]) for b, a in known)
        limit = away[k - 1][0]
        sure = [int(v) for d, v in away if d < limit]
        tied = [int(v) for d, v in away if d == limit]
        # Which of the equally far k-th neighbours is taken is free, so every majority they can give is allowed.
        coarse[y, x] = {
            v for v in set(sure) | set(tied)
            if sure.count(v) + min(tied.count(v), k - len(sure)) >= max(sure.count(w) for w in {*sure, v})
        }  # fmt: skip
    return coarse


@pytest.fixture
def scene():
    random = np.random.default_rng(0)
    labels = np.zeros((64, 96), np.uint8)
    labels[30:] = 3
    labels[:, 70:] = 5
    labels[random.random(labels.shape) < 0.02] = 7
    labels[20:44, 30:50] = 1
    hole = np.zeros(labels.shape, bool)
    hole[18:46, 28:52] = True
    return labels, hole


@pytest.mark.parametrize("k", [1, 5])
def test_against_a_naive_search(scene, k):
    labels, hole = scene
    out = complete_frame(labels, hole, k=k)
    for cell, allowed in naive(labels, hole | own_region(labels, hole), k, 4).items():
        if hole[cell]:
            assert out[cell] in allowed, cell
    assert np.array_equal(out[~hole], labels[~hole])
    assert set(np.unique(out[hole])) <= {0, 3, 5, 7}


def test_the_removed_object_is_no_source_even_where_its_rim_sticks_out(scene):
    labels, _ = scene
    hole = np.zeros(labels.shape, bool)
    hole[22:42, 32:48] = True
    out = complete_frame(labels, hole)
    assert 1 not in out
    far = np.ones(labels.shape, bool)
    far[20:44, 30:50] = False
    assert np.array_equal(out[far], labels[far])


def test_another_object_of_the_same_class_stays_and_is_a_source():
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 10:30] = labels[20:40, 50:70] = 1
    hole = np.zeros(labels.shape, bool)
    hole[18:42, 8:32] = True
    out = complete_frame(labels, hole)
    assert np.array_equal(out[20:40, 50:70], labels[20:40, 50:70])
    assert not out[hole].any()


def test_everything_hidden_and_nothing_hidden():
    labels = np.full((20, 20), 4, np.uint8)
    for hole in (np.zeros((20, 20), bool), np.ones((20, 20), bool)):
        assert np.array_equal(complete_frame(labels, hole), labels)
    tiny = np.array([[1, 2], [2, 2]], np.uint8)
    assert complete_frame(tiny, np.array([[True, False], [False, False]]))[0, 0] == 2
