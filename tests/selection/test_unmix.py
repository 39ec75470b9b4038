"""Un-mixing against a made reflection: the ground that it lies on is known, and so is what was filled."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from vrm.selection.effects.mirror import FoundMirror, Mirror
from vrm.selection.effects.unmix import Unmixing
from vrm.types import Masks, Patch

SIZE = H, W = 120, 200
FRAMES, TOP, FOOT, WIDTH = 6, 10, 59, 30
"""The thing is 50 high and stands on row FOOT."""
HEIGHT = FOOT - TOP


@dataclass
class Shown:
    """A frame of a known picture."""

    picture: np.ndarray
    index: int

    @property
    def size(self):
        return self.picture.shape[:2]

    def rgb(self):
        return self.picture


def noise(seed, deviation):
    grain = np.random.default_rng(seed).normal(0, 1, (H, W, 1)).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), deviation)[..., None]
    return soft / soft.std()


def pixels(light, top=255):
    return np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * top).astype(np.uint8 if top == 255 else np.uint16)


class Shore:
    """A striped thing that walks over rough ground, and its reflection, which fades with depth to the share ``far``."""

    def __init__(self, opacity, top=255, fill=None, far=0.2):
        ground = np.float32([0.30, 0.33, 0.25]) * (1 + 0.4 * noise(3, 1.2)).clip(0.2, 2)
        self.truth = pixels(ground, top)
        self.fill = pixels(cv2.GaussianBlur(ground, (0, 0), 6) if fill is None else fill(ground), top)
        self.shown, self.reflections = [], []
        self.things, self.effects = Masks(SIZE, FRAMES), Masks(SIZE, FRAMES)
        for t in range(FRAMES):
            x = 20 + 20 * t
            thing, light = np.zeros(SIZE, bool), np.zeros((H, W, 3), np.float32)
            thing[TOP : FOOT + 1, x : x + WIDTH] = True
            light[TOP : FOOT + 1, x : x + WIDTH] = [0.8, 0.5, 0.1]
            light[TOP + 15 : TOP + 30, x : x + WIDTH] = [0.02, 0.05, 0.4]
            effect = np.zeros(SIZE, bool)
            effect[FOOT + 1 : FOOT + 1 + HEIGHT, x : x + WIDTH] = True
            share = np.zeros((H, W, 1), np.float32)
            share[FOOT + 1 : FOOT + 1 + HEIGHT, x : x + WIDTH, 0] = opacity * np.linspace(1, far, HEIGHT)[:, None]
            over = np.zeros_like(light)
            over[FOOT + 1 : FOOT + 1 + HEIGHT] = light[TOP:FOOT][::-1]
            mixed = ground * (1 - share) + share * over
            self.shown.append(pixels(np.where(thing[..., None], light, mixed), top))
            self.things[t] = thing
            self.reflections.append(effect)
            self.effects[t] = cv2.dilate(effect.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~thing

    def patch(self, t):
        return Patch((0, 0, H, W), np.where((self.things[t] | self.effects[t])[..., None], self.fill, self.shown[t]))

    def unmixed(self, gap=0.0, scale=1.0):
        mirrors = [FoundMirror(0, FRAMES, Mirror(gap, scale, 1.0))]
        unmixing = Unmixing(self.things, self.effects, mirrors)
        unmixing.measure(self.shown.__getitem__, {t: self.patch(t) for t in range(FRAMES)})
        return [unmixing(Shown(self.shown[t], t), self.patch(t)) for t in range(FRAMES)]

    def error(self, patches):
        """Root mean square over all reflections."""
        pairs = zip(self.reflections, patches, strict=True)
        parts = [one.rgb[where].astype(float) - self.truth[where] for where, one in pairs]
        return float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))

    @property
    def patches(self):
        return [self.patch(t) for t in range(FRAMES)]

    @property
    def left(self):
        return [Patch((0, 0, H, W), picture) for picture in self.shown]


def same(one, other):
    return all(np.array_equal(a.rgb, b.rgb) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("gap", "scale"), [(0.0, 1.0), (0.06, 0.92)])
def test_the_ground_below_a_reflection_comes_back(gap, scale):
    """Also where the mirror that was found lies a little off."""
    shore = Shore(0.35)
    error = shore.error(shore.unmixed(gap, scale))
    assert error < 0.65 * min(shore.error(shore.patches), shore.error(shore.left))


def test_nothing_outside_the_effects_changes():
    shore = Shore(0.35)
    for t, one in enumerate(shore.unmixed()):
        outside = ~shore.effects[t]
        assert np.array_equal(one.rgb[outside], shore.patch(t).rgb[outside])


def test_a_good_fill_stays():
    shore = Shore(0.35, fill=lambda ground: ground)
    assert shore.error(shore.unmixed()) < 2


@pytest.mark.parametrize("opacity", [0.0, 0.9])
def test_fills_stay_where_nothing_is_reflected_and_where_a_reflection_hides_the_ground(opacity):
    shore = Shore(opacity, far=0.9)
    assert same(shore.unmixed(), shore.patches)


def test_fills_stay_where_nothing_was_measured():
    shore = Shore(0.35)
    unmixing = Unmixing(shore.things, shore.effects, [FoundMirror(0, FRAMES, Mirror(0, 1, 1.0))])
    patch = shore.patch(2)
    assert unmixing(Shown(shore.shown[2], 2), patch) is patch


def test_deep_colour_comes_to_the_same():
    eight, sixteen = Shore(0.35).unmixed()[2].rgb, Shore(0.35, top=65535).unmixed()[2].rgb
    assert sixteen.dtype == np.uint16
    assert np.abs(sixteen / 257 - eight.astype(float)).max() < 4


def test_a_picture_that_is_stored_on_its_side_comes_to_the_same():
    upright = Shore(0.35)
    expected = upright.unmixed()[2].rgb
    things, effects = upright.things.turned(1), upright.effects.turned(1)
    patches = {t: Patch((0, 0, W, H), np.rot90(upright.patch(t).rgb).copy()) for t in range(FRAMES)}
    shown = [np.rot90(picture).copy() for picture in upright.shown]
    unmixing = Unmixing(things, effects, [FoundMirror(0, FRAMES, Mirror(0, 1, 1.0))], turns=1)
    unmixing.measure(shown.__getitem__, patches)
    assert np.array_equal(np.rot90(unmixing(Shown(shown[2], 2), patches[2]).rgb, -1), expected)
