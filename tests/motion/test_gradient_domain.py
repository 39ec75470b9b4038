import numpy as np

from vrm.motion.frames import unit
from vrm.motion.fusion.gradient_domain import blend, own_differences, sample

from .shots import texture


def scene():
    image = unit(texture(60, 80))
    hole = np.zeros((60, 80), bool)
    hole[15:40, 20:55] = True
    rows, cols = np.nonzero(hole)
    return image, hole, np.stack([cols, rows], -1).astype(np.float32)


def test_right_colours_stay():
    image, hole, xy = scene()
    colour, differences = sample(image, xy)
    np.testing.assert_allclose(colour, image[hole], atol=1e-6)
    np.testing.assert_allclose(blend(image, hole, colour, differences, 0.01), image, atol=1e-5)


def test_a_brightness_step_disappears():
    image, hole, xy = scene()
    colour, differences = sample(image + np.float32(0.2), xy)
    out = blend(image, hole, colour, differences, 0.0, cycles=8)
    np.testing.assert_allclose(out, image, atol=5e-3)


def test_holes_at_the_border_of_the_picture():
    image, _, _ = scene()
    hole = np.zeros((60, 80), bool)
    hole[:30, :25] = True
    hole[50:, 60:] = True
    rows, cols = np.nonzero(hole)
    colour, differences = sample(image, np.stack([cols, rows], -1).astype(np.float32))
    np.testing.assert_allclose(blend(image, hole, colour, differences, 0.0, cycles=8), image, atol=5e-3)


def test_own_differences_are_what_sample_finds():
    image, hole, xy = scene()
    np.testing.assert_allclose(own_differences(image, hole), sample(image, xy)[1], atol=1e-5)
