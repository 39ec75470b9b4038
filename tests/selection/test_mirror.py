from functools import cached_property

import cv2
import numpy as np
import pytest

from vrm.media.frame.linear_light import linear_light
from vrm.selection.effects.mirror import find_mirror, looked_at, reflection
from vrm.selection.effects.plates import plate
from vrm.selection.effects.working_frames import EffectFrames
from vrm.types import Masks

from .scene import texture

SIZE = (140, 200)
FOOT = 70
"""The row that the object stands on; it is 50 high."""
GAP, SCALE = 0.1, 0.8
FRAMES = 22


def figure() -> np.ndarray:
    """A body on two legs with a head to one side, bool (50, 44)."""
    shape = np.zeros((50, 44), np.uint8)
    cv2.ellipse(shape, (20, 22), (18, 11), 0, 0, 360, 1, -1)
    cv2.circle(shape, (35, 8), 7, 1, -1)
    for x in (8, 26):
        shape[22:, x : x + 6] = 1
    return shape > 0


def turned_over(picture: np.ndarray) -> np.ndarray:
    """What a mirror shows: the foot at FOOT + GAP heights, SCALE as high."""
    line = FOOT + GAP * 50
    matrix = np.array([[1, 0, 0], [0, -SCALE, line + SCALE * FOOT]])
    return cv2.warpAffine(picture, matrix, SIZE[::-1], flags=cv2.INTER_LINEAR)


class Shore:
    """An object that walks over a textured ground, ``speed`` pixels a frame, and how much its reflection covers."""

    def __init__(self, opacity: float, speed: float = 4.0, colour=(200, 90, 60)) -> None:
        ground = linear_light(texture(0, SIZE, (100, 120, 110)))
        thing, shape = linear_light(texture(2, (50, 44), colour)), figure()
        self.frames, self.masks, self.effects = [], [], []
        for t in range(FRAMES):
            x = round(30 + speed * t)
            alone, mask = np.zeros((*SIZE, 3), np.float32), np.zeros(SIZE, bool)
            part = slice(FOOT - 49, FOOT + 1), slice(x, x + 44)
            alone[part], mask[part] = thing * shape[..., None], shape
            fade = np.clip(1.2 - 0.7 * np.arange(SIZE[0]) / FOOT / 2, 0, 1)[:, None]
            effect = opacity * fade * turned_over(mask.astype(np.float32)) * ~mask
            light = ground * (1 - effect[..., None]) + opacity * fade[..., None] * turned_over(alone)
            light = np.where(mask[..., None], alone, light)
            self.frames.append((255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8))
            self.masks.append(mask)
            self.effects.append(effect)
        self.seen = EffectFrames(self.frames.__getitem__, Masks.from_frames(self.masks, SIZE), 0, FRAMES)

    @cached_property
    def mirror(self):
        times = range(FRAMES)
        return find_mirror(self.seen, {t: plate(self.seen, t) for t in looked_at(self.seen, times)}, times)

    def overlap(self, mirror) -> float:
        """Intersection over union of what is found and what is there, all frames."""
        pairs = [(reflection(mirror, self.seen, t), self.effects[t] > 0.1) for t in range(FRAMES)]
        return sum((a & b).sum() for a, b in pairs) / sum((a | b).sum() for a, b in pairs)


@pytest.fixture(scope="module")
def walking():
    return Shore(0.35)


def test_the_reflection_of_what_moves_is_found_where_it_lies(walking):
    mirror = walking.mirror
    assert mirror is not None
    assert not mirror.still
    assert mirror.gap == pytest.approx(GAP, abs=0.05)
    assert mirror.scale == pytest.approx(SCALE, abs=0.08)
    assert walking.overlap(mirror) > 0.6


def test_the_object_itself_is_no_reflection(walking):
    mirror = walking.mirror
    for t in (0, FRAMES - 1):
        assert not (reflection(mirror, walking.seen, t) & walking.masks[t]).any()


def test_the_reflection_of_what_stays_is_found_without_plates():
    shore = Shore(0.8, speed=0.0)
    mirror = shore.mirror
    assert mirror is not None
    assert mirror.still
    assert mirror.gap == pytest.approx(GAP, abs=0.06)
    assert mirror.scale == pytest.approx(SCALE, abs=0.1)
    assert shore.overlap(mirror) > 0.6


@pytest.mark.parametrize("speed", [4.0, 0.0])
def test_nothing_is_found_where_nothing_is_reflected(speed):
    assert Shore(0.0, speed).mirror is None


def test_a_shadow_is_no_reflection():
    """A dark copy below takes light from the ground, whatever the object looks like."""
    dark = Shore(0.6, colour=(60, 60, 60))
    light = Shore(0.0, colour=(200, 90, 60))
    shadowed = [
        np.where(mask[..., None], plain, (plain * (1 - effect[..., None])).astype(np.uint8))
        for plain, mask, effect in zip(light.frames, light.masks, dark.effects, strict=True)
    ]
    light.seen = EffectFrames(shadowed.__getitem__, Masks.from_frames(light.masks, SIZE), 0, FRAMES)
    assert light.mirror is None


def test_frames_without_the_object_are_not_looked_at(walking):
    masks = [mask if t % 3 == 0 else np.zeros(SIZE, bool) for t, mask in enumerate(walking.masks)]
    frames = EffectFrames(walking.frames.__getitem__, Masks.from_frames(masks, SIZE), 0, FRAMES)
    assert looked_at(frames, range(FRAMES)) == list(range(0, FRAMES, 3))
    assert looked_at(frames, [1, 2]) == []


@pytest.mark.parametrize("mask", [np.ones(SIZE, bool), np.zeros(SIZE, bool), np.eye(*SIZE, dtype=bool)])
def test_one_frame_of_which_nothing_can_be_said(mask):
    frames = EffectFrames(lambda t: texture(0, SIZE, (90, 90, 90)), Masks.from_frames([mask], SIZE), 0, 1)
    assert find_mirror(frames, {0: plate(frames, 0)}, [0]) is None
    assert find_mirror(frames, {}, []) is None


@pytest.mark.parametrize("corner", [(slice(0, 30), slice(0, 20)), (slice(110, 140), slice(180, 200))])
def test_an_object_at_the_border(walking, corner):
    mask = np.zeros(SIZE, bool)
    mask[corner] = True
    frames = EffectFrames(walking.frames.__getitem__, Masks.from_frames([mask] * FRAMES, SIZE), 0, FRAMES)
    assert find_mirror(frames, {}, range(FRAMES)) is None
    mirror = walking.mirror
    assert reflection(mirror, frames, 0).shape == SIZE
