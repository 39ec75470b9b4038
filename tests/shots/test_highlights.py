import numpy as np

from vrm.shots.highlights import highlight_frames, highlight_range
from vrm.types import Masks


def masks(sizes):
    made = Masks((10, 20), len(sizes))
    for t, n in enumerate(sizes):
        m = np.zeros((10, 20), bool)
        m.flat[:n] = True
        made[t] = m
    return made


def test_the_stretch_with_most_removed_is_chosen():
    assert highlight_range(masks([0, 1, 0, 5, 9, 9, 2, 0]), 3) == (3, 6)
    assert highlight_range(masks([1, 2]), 75) == (0, 2)


def test_frames_hold_each_shots_largest_hole_and_only_masked_frames():
    made = masks([0, 1, 7, 1, 0, 2, 9, 3])
    frames = highlight_frames(made, [(0, 4), (4, 8)])
    assert {2, 6} <= set(frames)
    assert frames == sorted(frames)
    assert not {0, 4} & set(frames)
    assert highlight_frames(masks([0, 0]), [(0, 2)]) == []
