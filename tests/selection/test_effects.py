"""Effects against made scenes whose truth is known: a ground that pans, a thing that walks over it, its shadow."""

import cv2
import numpy as np
import pytest

from vrm.selection.effects import find
from vrm.selection.effects.association import associated
from vrm.selection.effects.cast_shadow import STEADY, Light, cast_shadow, find_light, laid_down
from vrm.selection.effects.evidence import Evidence, evidence
from vrm.selection.effects.find import find_effects
from vrm.selection.effects.plates import Plate, plate
from vrm.selection.effects.stance import Stance, own_motion, stances
from vrm.selection.effects.working_frames import EffectFrames
from vrm.selection.tracking.features import linear_light
from vrm.types import Masks

H, W, FRAMES = 144, 256, 32
SHEAR, SQUASH, FACTOR = 1.0, 0.4, 0.35


def codes(light):
    """Linear light, 0..1, as 8-bit sRGB."""
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)
    return np.clip(np.round(255 * curve), 0, 255).astype(np.uint8)


def texture(rng, sigma, size):
    """Noise of mean 0 and deviation 1, float32 ``(h, w, 3)``, the same in all channels but for a tenth."""
    noise = rng.normal(0, 1, (*size, 1)) + 0.1 * rng.normal(0, 1, (*size, 3))
    soft = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), sigma)
    return (soft - soft.mean()) / soft.std()


class Scene:
    """A textured ground seen by a camera that moves right; a block walks over it, with a shadow or without."""

    def __init__(self, shadow=True, walk=8.0, pan=5.0, vignette=False, first=50):
        rng = np.random.default_rng(1)
        ground = 0.35 + 0.07 * texture(rng, 1.2, (H, W + 200)) + 0.07 * texture(rng, 6, (H, W + 200))
        self.masks, self.truth = Masks((H, W), FRAMES), {}
        self.ground, self._frames = {}, []
        y, x = np.mgrid[:H, :W]
        dimming = 1 - 0.5 * (((x / W - 0.5) ** 2 + (y / H - 0.5) ** 2) / 0.5) if vignette else np.ones((H, W))
        for t in range(FRAMES):
            shift = np.float32([[1, 0, -pan * t], [0, 1, 0]])
            light = cv2.warpAffine(ground, shift, (W, H))
            left = round(first + (walk - pan) * t)
            mask = np.zeros((H, W), np.float32)
            mask[55:110, left : left + 26] = 1
            mask[55:75, left + 26 : left + 40] = 1
            dark = laid_down(mask, (SHEAR, SQUASH), 109, 109, (H, W)) * (1 - mask) if shadow else np.zeros_like(mask)
            light = light * dimming[..., None].astype(np.float32)
            self.ground[t] = light.copy()
            light = light * (1 - (1 - FACTOR) * dark[..., None])
            light = light * (1 - mask[..., None]) + mask[..., None] * np.float32([0.7, 0.1, 0.1])
            self.masks[t], self.truth[t] = mask > 0.5, dark > 0.1
            self._frames.append(codes(light))

    def frame(self, t):
        return self._frames[t]

    def find(self, kinds="shadows", shots=((0, FRAMES),)):
        found = find_effects(self.frame, self.masks, list(shots), range(FRAMES), kinds)
        return found.masks, found.notes


@pytest.fixture(scope="module")
def scene():
    return Scene()


def shares(scene, found):
    """Recall of the shadow, and the share of the frame that is neither object nor shadow, rims of 8 pixels aside."""
    hit = seen = extra = 0
    for t in range(FRAMES):
        hit += int((found[t] & scene.truth[t]).sum())
        seen += int(scene.truth[t].sum())
        near = cv2.dilate((scene.truth[t] | scene.masks[t]).astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
        extra += int((found[t] & ~near).sum())
    return hit / max(1, seen), extra / (FRAMES * H * W)


def test_a_plate_is_the_ground_without_thing_and_shadow(scene):
    frames = EffectFrames(scene.frame, scene.masks, 0, FRAMES)
    found = plate(frames, 16)
    assert found.light.shape == (H, W, 3)
    known = found.known & ~frames.hidden(16)
    assert known.mean() > 0.6
    error = np.abs(found.light - scene.ground[16]).mean(-1)
    assert np.median(error[known]) < 0.01
    assert np.median(error[known & scene.truth[16]]) < 0.03  # of 0.23 that the shadow takes from this frame


def test_no_plate_without_other_frames(scene):
    assert plate(EffectFrames(scene.frame, scene.masks, 5, 6), 5) is None


def test_the_loss_of_light_is_the_factor_s_logarithm(scene):
    frames = EffectFrames(scene.frame, scene.masks, 0, FRAMES)
    seen = evidence(frames.rgb(16), frames.hidden(16), plate(frames, 16))
    core = cv2.erode(scene.truth[16].astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert np.median(seen.loss[core & seen.known]) == pytest.approx(-np.log(FACTOR), abs=0.15)
    elsewhere = seen.known & ~(cv2.dilate(scene.truth[16].astype(np.uint8), np.ones((15, 15), np.uint8)) > 0)
    assert abs(np.median(seen.loss[elsewhere])) < 0.02
    assert (seen.score[elsewhere] > 3).mean() < 0.01


def test_another_thing_is_no_loss_of_light():
    """The plate's texture must be seen in the frame: a dark object of another texture is none of ours."""
    rng = np.random.default_rng(0)
    ground = codes(0.4 + 0.1 * texture(rng, 1.5, (96, 128)))
    other = codes(0.4 * (0.4 + 0.1 * texture(rng, 1.5, (96, 128))))
    frame = ground.copy()
    frame[30:60, 20:50] = other[30:60, 20:50]
    frame[30:60, 80:110] = codes(0.4 * linear_light(ground))[30:60, 80:110]
    known = Plate(linear_light(ground), np.ones((96, 128), bool), np.zeros((96, 128), np.float32))
    score = evidence(frame, np.zeros((96, 128), bool), known).score
    assert (score[38:52, 88:102] > 3).mean() > 0.9
    assert (score[38:52, 28:42] > 3).mean() < 0.3


def test_the_light_that_cast_the_shadow_is_found(scene):
    frames = EffectFrames(scene.frame, scene.masks, 0, FRAMES)
    seen = {t: evidence(frames.rgb(t), frames.hidden(t), plate(frames, t)) for t in range(4, 28, 3)}
    outlines = {t: frames.object(t) for t in seen}
    places = stances({t: frames.object(t) for t in range(FRAMES)})
    sure = {t: np.full((H, W), 9, np.float32) for t in seen}
    light = find_light(seen, sure, outlines, places)
    assert isinstance(light, Light)
    assert light.shear == pytest.approx(SHEAR, abs=0.2)
    assert light.squash == pytest.approx(SQUASH, abs=0.1)


def darkened(*boxes):
    """Evidence of a plain loss of light in boxes ``(y0, y1, x0, x1)``, and nothing elsewhere."""
    plain = np.zeros((H, W), np.float32)
    for y0, y1, x0, x1 in boxes:
        plain[y0:y1, x0:x1] = 5
    return Evidence(plain / 5, np.ones((H, W), bool), plain, plain, plain)


def standing(top=40, foot=99, left=100, right=130):
    """An object 60 high, and where it stands."""
    outline = np.zeros((H, W), bool)
    outline[top : foot + 1, left:right] = True
    return outline, Stance((left + right) / 2, foot, 60.0, foot)


@pytest.mark.parametrize(("score", "other_side"), [(STEADY + 0.1, False), (STEADY - 0.1, True)])
def test_a_sure_light_from_one_side_casts_no_shadow_on_the_other(score, other_side):
    outline, place = standing()
    right, left = (90, 110, 150, 180), (90, 110, 40, 70)
    found = darkened(right, left)
    light = Light(1.0, 0.3, False, score)
    at = laid_down(outline.astype(np.float32), (light.shear, light.squash), place.y, place.y, (H, W)) > 0.5
    assert at[:, 150:].any()
    assert not at[:, :90].any()
    shadow = cast_shadow(light, found, outline, place, found.score > 0)
    assert shadow[right[0] : right[1], right[2] : right[3]].all()
    assert shadow[left[0] : left[1], left[2] : left[3]].any() == other_side


def test_a_shadow_begins_at_the_object_or_at_the_ground_below_it():
    outline, place = standing()
    near, far = (95, 110, 140, 170), (95, 110, 215, 240)
    found, sure = darkened(near, far), np.full((H, W), 9, np.float32)
    regions = associated(found, sure, outline, place)
    assert regions[near[0] : near[1], near[2] : near[3]].all()
    assert not regions[:, 200:].any()
    leaping, _ = standing(top=0, foot=39)
    in_the_air = Stance(115, 39, 60.0, 100)
    assert associated(found, sure, leaping, in_the_air)[near[0] : near[1], near[2] : near[3]].all()
    assert not associated(found, sure, leaping, Stance(115, 39, 60.0, 39)).any()


def test_what_another_effect_explains_is_no_loss_of_light():
    found = darkened((90, 110, 40, 70), (90, 110, 150, 180))
    explained = np.zeros((H, W), bool)
    explained[:, :100] = True
    left = found.without(explained)
    for plane in (left.loss, left.sureness, left.steady, left.score, left.known):
        assert not plane[:, :100].any()
        assert (plane[90:110, 150:180] > 0).all()


def test_the_middle_of_an_object_stays_where_a_foot_steps():
    outline, place = standing()
    stepping = outline.copy()
    stepping[96:100, 100:150] = True
    feet, middles = (stances({0: outline, 1: stepping}, middle=one) for one in (False, True))
    assert feet[1].x - feet[0].x == pytest.approx(10, abs=0.5)
    assert middles[1].x - middles[0].x < 2
    assert middles[1].y == place.y


def test_what_is_not_sure_is_left_alone_with_a_note(monkeypatch):
    monkeypatch.setattr(find, "find_light", lambda *_: Light(1.0, 0.4, False, (find.DOUBTFUL + STEADY) / 2))
    monkeypatch.setattr(find, "SWAYING", 1.0)
    found, notes = Scene(shadow=False).find()
    assert found.empty
    assert len(notes) == 1
    assert "left alone on 32 frames" in notes[0]


def test_own_motion_is_against_the_ground(scene):
    frames = EffectFrames(scene.frame, scene.masks, 0, FRAMES)
    moved = own_motion(frames, stances({t: frames.object(t) for t in range(10, 14)}))
    assert set(moved) == {10, 11, 12}
    for step in moved.values():
        assert step == pytest.approx([8.0 / 55, 0], abs=0.02)


def test_a_shadow_goes_and_nothing_else(scene):
    found, notes = scene.find()
    recall, extra = shares(scene, found)
    assert recall > 0.8
    assert extra < 0.002
    assert not any((found[t] & scene.masks[t]).any() for t in range(FRAMES))
    assert not any(found[t][:62].any() for t in range(FRAMES))  # no rim of the thing where no shadow is
    assert len(notes) == 1
    assert "--effects none leaves it" in notes[0]


@pytest.mark.parametrize("vignette", [False, True])
def test_nothing_is_found_where_there_is_none(vignette):
    found, notes = Scene(shadow=False, vignette=vignette).find()
    assert sum(int(found[t].sum()) for t in range(FRAMES)) < 0.002 * FRAMES * H * W
    assert found.empty == (not notes)


def test_sixteen_bits_are_as_good(scene):
    deep = Scene()
    deep._frames = [frame.astype(np.uint16) * 257 for frame in deep._frames]
    found, _ = deep.find()
    other, _ = scene.find()
    assert all((found[t] == other[t]).all() for t in range(FRAMES))


def test_each_shot_is_looked_at_alone(scene):
    """A cut right behind the first frames: nothing of them is known from beyond it."""
    found, _ = scene.find(shots=((0, 2), (2, FRAMES)))
    assert found.box(0) is None
    assert shares(scene, found)[0] > 0.7


@pytest.mark.parametrize(
    "what", ["still", "one frame", "all masked", "lower half", "no texture", "at the border", "black"]
)
def test_where_nothing_can_be_known_nothing_is_taken(what):
    scene = (
        Scene(walk=0, pan=0) if what == "still" else Scene(shadow=False, first=190 if what == "at the border" else 50)
    )
    shots = ((7, 8),) if what == "one frame" else ((0, FRAMES),)
    for t in range(FRAMES):
        mask = scene.masks[t]
        if what == "all masked":
            mask[:] = True
        elif what == "lower half":
            mask[H // 2 :] = True
        elif what in ("no texture", "black"):
            scene._frames[t] = np.full((H, W, 3), 128 if what == "no texture" else 0, np.uint8)
        scene.masks[t] = mask
    found, notes = scene.find(shots=shots)
    assert sum(int(found[t].sum()) for t in range(FRAMES)) <= 0.005 * FRAMES * H * W
    if what in ("one frame", "all masked", "still"):
        assert found.empty
        assert len(notes) == 1
        assert "could not be looked for" in notes[0]


def test_a_fade_is_no_shadow():
    scene = Scene(shadow=False)
    scene._frames = [codes(linear_light(f) * np.float32(1 - 0.02 * t)) for t, f in enumerate(scene._frames)]
    found, _ = scene.find()
    assert sum(int(found[t].sum()) for t in range(FRAMES)) < 0.005 * FRAMES * H * W
