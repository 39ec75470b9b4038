"""Relighting against a made ground: what a shadow lies on is known, and so is what was filled."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from vrm.selection.effects.relight import Relighting
from vrm.selection.masks.morphology import ShapedMasks
from vrm.types import Masks, Patch

SIZE = H, W = 120, 200
THING = slice(20, 60), slice(80, 110)
SHADOW = slice(64, 104), slice(40, 160)


@dataclass
class Shown:
    """A frame of a known picture."""

    picture: np.ndarray
    index: int = 0

    def rgb(self):
        return self.picture


def ground():
    rng = np.random.default_rng(3)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (H, W, 1)).astype(np.float32), (0, 0), 1.2)
    return np.float32([0.30, 0.33, 0.25]) * (1 + 0.5 * noise[..., None] / noise.std()).clip(0.2, 2)


def pixels(light, top=255):
    return np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * top).astype(np.uint8 if top == 255 else np.uint16)


def blurred(light):
    """What a fill looks like that knows how bright the ground is, but not its texture."""
    return cv2.GaussianBlur(light, (0, 0), 6)


def relit(shown, filled, effect=True):
    objects, holes, effects = (Masks(SIZE, 1) for _ in range(3))
    thing, shadow = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    thing[THING] = True
    shadow[SHADOW] = effect
    objects[0] = thing | shadow
    holes[0] = cv2.dilate(objects[0].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    effects[0] = shadow
    patch = Patch((0, 0, H, W), filled)
    return Relighting(ShapedMasks(objects, holes, 2, 1), effects, [(0, 1)])(Shown(shown), patch), patch


def error(one, truth, part=SHADOW):
    return float(np.sqrt(np.mean((one[part].astype(float) - truth[part]) ** 2)))


def shaded(light, factor):
    out = light.copy()
    out[SHADOW] *= np.float32(factor)
    return out


@pytest.mark.parametrize("factor", [[0.42, 0.34, 0.30], [0.7, 0.7, 0.7]])
def test_shaded_ground_gets_its_texture_back(factor):
    light = ground()
    truth = pixels(light)
    out, filled = relit(pixels(shaded(light, factor)), pixels(blurred(light)))
    assert error(out.rgb, truth) < 0.6 * error(filled.rgb, truth)


def test_a_reflection_does_not_come_back():
    """What is brighter than the ground is another thing's picture, not the ground's texture."""
    light = ground()
    shown = light.copy()
    shown[SHADOW] = 0.7 * light[SHADOW] + 0.3 * np.float32([0.9, 0.8, 0.7])
    out, filled = relit(pixels(shown), pixels(blurred(light)))
    assert (out.rgb == filled.rgb).all()


def test_a_fill_that_is_right_stays_nearly_so():
    light = ground()
    out, filled = relit(pixels(shaded(light, [0.4] * 3)), pixels(light))
    assert error(out.rgb, filled.rgb) < 6


def test_nothing_else_changes_and_the_patch_is_not_written_to():
    light = ground()
    before = pixels(blurred(light))
    out, patch = relit(pixels(shaded(light, [0.4] * 3)), before.copy())
    changed = (out.rgb != before).any(-1)
    near = np.zeros(SIZE, bool)
    near[62:106, 38:162] = True  # the shadow and the 2 pixels that its mask was grown by
    assert changed[SHADOW].mean() > 0.5
    assert not (changed & ~near).any()
    assert not changed[THING].any()
    assert (patch.rgb == before).all()


def test_where_no_light_is_left_the_fill_stays():
    light = ground()
    out, patch = relit(pixels(shaded(light, [0.01] * 3)), pixels(blurred(light)))
    core = slice(72, 96), slice(48, 152)
    assert error(out.rgb, patch.rgb, core) < 1


def test_without_an_effect_the_patch_is_the_same():
    light = ground()
    out, patch = relit(pixels(light), pixels(blurred(light)), effect=False)
    assert out is patch


def test_sixteen_bits_are_as_good():
    light = ground()
    out, _ = relit(pixels(shaded(light, [0.4] * 3)), pixels(blurred(light)))
    deep, _ = relit(pixels(shaded(light, [0.4] * 3), 65535), pixels(blurred(light), 65535))
    assert deep.rgb.dtype == np.uint16
    assert np.abs(deep.rgb / 257.0 - out.rgb).max() < 8
