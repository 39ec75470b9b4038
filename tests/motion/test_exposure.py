"""Light that jumps: found against the gain and offset that made it, and taken out of what fills a hole."""

import numpy as np
import pytest

from vrm.motion.config import MotionConfig
from vrm.motion.exposure import EvenExposure
from vrm.motion.propagation import propagate
from vrm.types import Patch

from .shots import MadeShot, box_hole, hole_psnr, texture

SIZE = (72, 120)
FAST = MotionConfig(rounds=2, calibrate=False)


def lit(n: int, light, dtype: type = np.uint8) -> MadeShot:
    """A panning camera and a hole that crosses the picture; ``light(t)`` gives gain and offset (of 1)."""
    wide = texture(SIZE[0], SIZE[1] + 2 * n).astype(np.float32) / 255 * 0.7 + 0.05
    top = np.iinfo(dtype).max

    def truth(t: int) -> np.ndarray:
        gain, offset = light(t)
        picture = wide[:, 2 * t : 2 * t + SIZE[1]] * gain + offset
        return np.clip(picture * top + 0.5, 0, top).astype(dtype)

    return MadeShot(n, truth, lambda t: box_hole(SIZE, 24, 20 + 5 * t, 22, 18))


PLAIN = (1.0, 0.0)
FLASHES = [(0.25, 0.7), (1.3, 0.05), (0.4, 0.0)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("flash", FLASHES)
def test_gain_and_offset_of_a_flash(flash, dtype):
    even = EvenExposure(lit(14, lambda t: flash if t in (6, 7) else PLAIN, dtype), range(14))
    for t in range(14):
        found = even.exposure(t)
        if t not in (6, 7):
            assert found is None
            continue
        np.testing.assert_allclose(found.gain, flash[0], rtol=0.06)
        np.testing.assert_allclose(found.offset, flash[1], atol=0.03)


def test_without_a_jump_frames_are_exactly_as_they_are():
    shot = lit(30, lambda t: (1 - 0.02 * t, 0.0))  # a fade
    even = EvenExposure(shot, range(10, 20))
    for t in (0, 12, 29):
        assert even.exposure(t) is None
        np.testing.assert_array_equal(even.frame(t), shot.frame(t))
        colours = np.random.default_rng(0).random((5, 3)).astype(np.float32)
        assert even.restored(t, colours) is colours


def test_the_usual_light_is_the_reference_and_what_is_evened_can_be_put_back():
    shot = lit(14, lambda t: FLASHES[1] if t % 3 == 0 else PLAIN)
    even = EvenExposure(shot, range(14))
    assert {t for t in range(14) if even.exposure(t) is not None} == set(range(0, 14, 3))
    back = even.restored(3, even.frame(3).astype(np.float32) / 255)
    known = ~shot.hole(3)
    assert np.abs(back - shot.frame(3) / 255)[known].mean() < 0.01


def test_another_scene_is_no_light():
    shot = lit(12, lambda t: PLAIN)
    other = texture(*SIZE, seed=9)
    for t in range(6, 12):
        shot.truths[t] = (other * 0.3 + 170).astype(np.uint8)
    even = EvenExposure(shot, range(12))
    assert all(even.exposure(t) is None for t in range(12))


@pytest.mark.parametrize("flash", FLASHES)
def test_a_flash_is_filled_with_its_own_contrast_and_harms_no_neighbour(flash):
    shot = lit(14, lambda t: flash if t == 7 else PLAIN)
    found = propagate(shot, range(14), range(14), FAST)
    for t in (6, 7, 8):
        assert hole_psnr(shot, found, range(t, t + 1)) > 45


def test_what_was_never_seen_follows_a_flash():
    from vrm.engines.motion import to_patch
    from vrm.motion.synthesis.never_seen import synthesise_never_seen

    still = texture(*SIZE).astype(np.float32) / 255 * 0.7 + 0.05
    light = [(0.25, 0.7) if t == 4 else PLAIN for t in range(8)]
    hole = box_hole(SIZE, 20, 40, 24, 30)
    shot = MadeShot(8, lambda t: ((still * light[t][0] + light[t][1]) * 255).astype(np.uint8), lambda t: hole)
    found = propagate(shot, range(8), range(8), FAST)
    patches: dict[int, Patch] = {t: to_patch(shot.frame(t), fill.index, fill.rgb) for t, fill in found.fills.items()}
    synthesise_never_seen(shot, found, patches)
    usual, flash = (patches[t].rgb.astype(float) / 255 for t in (3, 4))
    np.testing.assert_allclose(flash, usual * 0.25 + 0.7, atol=0.04)
