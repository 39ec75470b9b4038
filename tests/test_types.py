import numpy as np
import pytest

from vrm.types import Masks, Patch, bounding_box, grow_box, union_box


def random_masks(n=20, size=(37, 53)):
    rng = np.random.default_rng(3)
    return [rng.random(size) > rng.choice([0.2, 0.99, 1.1]) for _ in range(n)], size


def test_masks_come_back_as_they_went_in():
    frames, size = random_masks()
    packed = Masks.from_frames(frames, size)
    assert len(packed) == len(frames)
    for t, mask in enumerate(frames):
        assert np.array_equal(packed[t], mask)
        assert packed.box(t) == bounding_box(mask)
    assert np.array_equal(packed.window(3, 9), np.stack(frames[3:9]))
    assert list(packed.frames()) == [t for t, m in enumerate(frames) if m.any()]


def test_an_object_mask_takes_little():
    packed = Masks((1080, 1920), 300)
    y, x = np.mgrid[:1080, :1920]
    for t in range(300):
        packed[t] = (y - 500) ** 2 + (x - 3 * t - 300) ** 2 < 150**2
    assert sum(len(data) for _, data in packed._packed.values()) < 300 * 3000


def test_clearing_a_mask_empties_it():
    packed = Masks((4, 4), 2)
    packed[1] = np.ones((4, 4), bool)
    packed[1] = np.zeros((4, 4), bool)
    assert packed.empty
    assert packed.box(1) is None


@pytest.mark.parametrize("bad", [np.ones((4, 5), bool), np.ones((4, 4), np.uint8)])
def test_wrong_masks_are_refused(bad):
    with pytest.raises(ValueError, match="expected bool"):
        Masks((4, 4), 2)[0] = bad


def test_frames_outside_are_refused():
    with pytest.raises(IndexError):
        Masks((4, 4), 2)[2]


@pytest.mark.parametrize("turns", [-1, 0, 1, 2])
def test_masks_turn_as_pictures_do(turns):
    masks = Masks((4, 6), 3)
    masks[1] = np.arange(24).reshape(4, 6) % 5 == 0
    turned = masks.turned(turns)
    assert np.array_equal(turned[1], np.rot90(masks[1], turns))
    assert list(turned.frames()) == [1]
    assert np.array_equal(turned.turned(-turns)[1], masks[1])


def test_boxes():
    mask = np.zeros((9, 9), bool)
    assert bounding_box(mask) is None
    mask[2, 3] = mask[5, 1] = True
    assert bounding_box(mask) == (2, 1, 6, 4)
    assert union_box([None, (1, 2, 3, 4), (0, 3, 2, 9)]) == (0, 2, 3, 9)
    assert union_box([None]) is None
    assert grow_box((1, 1, 3, 4), 2, (4, 9)) == (0, 0, 4, 6)


def test_a_patch_fills_its_box():
    with pytest.raises(ValueError, match="box"):
        Patch((0, 0, 2, 2), np.zeros((2, 3, 3), np.uint8))


def test_a_part_of_a_patch_lies_within_it():
    rgb = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    patch = Patch((10, 20, 15, 26), rgb)
    assert np.array_equal(patch.part((11, 22, 13, 25)), rgb[1:3, 2:5])
    with pytest.raises(ValueError, match="does not hold"):
        patch.part((9, 22, 13, 25))
