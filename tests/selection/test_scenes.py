import numpy as np

from vrm.selection.tracking.scenes import Scene, find_scenes, in_words

from .scene import Scene as Made


def test_a_scene_that_comes_back_after_a_few_frames_is_one():
    made = Made(24)
    for t in (10, 11, 12):
        made.frames[t][:] = 0
    found = find_scenes([(0, 10), (10, 13), (13, 24)], made)
    assert found == [Scene(0, 24, ((10, 13),)), Scene(10, 13)]
    assert list(found[0]) == [*range(10), *range(13, 24)]
    assert 11 not in found[0]
    assert 11 in found[1]
    assert str(found[0]) == "frames 0 to 23 (without frames 10 to 12, which show something else)"
    assert found[0].within(range(14, 20)) == Scene(14, 20)


def test_another_scene_is_another():
    made, other = Made(24), np.random.default_rng(5).integers(0, 255, (11, 120, 176, 3)).astype(np.uint8)
    made.frames[13:] = list(other)
    shots = [(0, 10), (10, 13), (13, 24)]
    assert find_scenes(shots, made) == [Scene(*shot) for shot in shots]


def test_flat_pictures_are_no_scene_that_comes_back():
    frames = [np.full((120, 176, 3), 80, np.uint8)] * 24
    assert len(find_scenes([(0, 10), (10, 13), (13, 24)], frames.__getitem__)) == 3


def test_stretches_in_words():
    assert in_words([(3, 4), (5, 8), (9, 10)]) == "frame 3, frames 5 to 7 and frame 9"
