import cv2
import numpy as np
import pytest

from vrm.motion.fusion.single_frame import inpaint_frame
from vrm.motion.result import HoleFill, Propagation
from vrm.motion.synthesis.never_seen import synthesise_never_seen
from vrm.types import Patch

from .shots import MadeShot, box_hole

SIZE = (96, 128)
HOLE = box_hole(SIZE, 30, 44, 30, 40)
RNG = np.random.default_rng(3)
WIDE = cv2.GaussianBlur(RNG.integers(0, 256, (96, 200, 3), np.uint8), (0, 0), 1.2)
WIDE = np.clip((WIDE.astype(np.float32) - 128) * 2.5 + 128, 0, 255).astype(np.uint8)


def shot_of(truth, hole, frames=7):
    """A shot, smooth patches for its holes, and a finding that nothing of them was seen."""
    shot = MadeShot(frames, truth, hole)
    found, patches = Propagation(shot.size), {}
    for t in range(frames):
        mask = shot.hole(t)
        index = np.flatnonzero(mask)
        smooth = inpaint_frame(shot.frame(t).astype(np.float32) / 255, mask)
        found.fills[t] = HoleFill(
            index, smooth[mask], np.zeros(index.size, bool), *np.zeros((2, index.size), np.float32)
        )
        patches[t] = Patch((0, 0, *shot.size), (smooth * 255 + 0.5).astype(np.uint8))
    return shot, found, patches


def detail(image, mask):
    grey = image.astype(np.float32).mean(-1)
    return float(np.abs(np.diff(grey, axis=1))[mask[:, 1:]].mean())


def test_texture_instead_of_smooth_inpainting_and_nothing_else_is_touched():
    shot, found, patches = shot_of(lambda t: WIDE[:, :128], lambda t: HOLE)
    smooth = {t: p.rgb.copy() for t, p in patches.items()}
    synthesise_never_seen(shot, found, patches)
    for t, patch in patches.items():
        assert detail(smooth[t], HOLE) < 0.3 * detail(shot.truths[t], HOLE)
        assert detail(patch.rgb, HOLE) > 0.6 * detail(shot.truths[t], HOLE)
        assert np.array_equal(patch.rgb[~HOLE], smooth[t][~HOLE])


def test_a_still_camera_sees_still_texture():
    shot, found, patches = shot_of(lambda t: WIDE[:, :128], lambda t: HOLE)
    synthesise_never_seen(shot, found, patches)
    change = [np.abs(patches[t].rgb.astype(int) - patches[0].rgb)[HOLE].mean() for t in range(1, 7)]
    assert max(change) < 1


def test_texture_goes_with_the_background():
    shot, found, patches = shot_of(
        lambda t: WIDE[:, 3 * t : 3 * t + 128], lambda t: box_hole(SIZE, 30, 60 - 3 * t, 30, 40)
    )
    synthesise_never_seen(shot, found, patches)
    inner = np.s_[34:56, 66:94]
    first = patches[0].rgb[inner].astype(int)
    moved = patches[4].rgb[34:56, 66 - 12 : 94 - 12].astype(int)
    unmoved = patches[4].rgb[inner].astype(int)
    assert np.abs(moved - first).mean() < 0.3 * np.abs(unmoved - first).mean()


def test_sixteen_bits_stay_sixteen():
    shot, found, patches = shot_of(lambda t: WIDE[:, :128], lambda t: HOLE, frames=2)
    shot.truths = [t.astype(np.uint16) * 257 for t in shot.truths]
    patches = {t: Patch(p.box, p.rgb.astype(np.uint16) * 257) for t, p in patches.items()}
    synthesise_never_seen(shot, found, patches)
    assert patches[0].rgb.dtype == np.uint16
    assert detail(patches[0].rgb, HOLE) > 0.6 * detail(shot.truths[0], HOLE)


def mostly_seen(found, seen):
    for fill in found.fills.values():
        fill.seen[: round(seen * fill.seen.size)] = True
        fill.confidence[: round(seen * fill.seen.size)] = 0.9


def test_where_all_was_seen_nothing_changes():
    shot, found, patches = shot_of(lambda t: WIDE[:, :128], lambda t: HOLE, frames=3)
    mostly_seen(found, 1.0)
    before = {t: p.rgb.copy() for t, p in patches.items()}
    synthesise_never_seen(shot, found, patches)
    assert all(np.array_equal(patches[t].rgb, before[t]) for t in before)


def test_a_small_rest_gets_texture_where_its_surroundings_go_with_the_camera():
    shot, found, patches = shot_of(lambda t: WIDE[:, :128], lambda t: HOLE)
    mostly_seen(found, 0.6)
    rest = box_hole(SIZE, 50, 46, 10, 36)
    before = {t: p.rgb.copy() for t, p in patches.items()}
    synthesise_never_seen(shot, found, patches)
    for t, patch in patches.items():
        assert detail(before[t], rest) < 0.3 * detail(shot.truths[t], rest)
        assert detail(patch.rgb, rest) > 0.6 * detail(shot.truths[t], rest)


def test_a_small_rest_of_what_moves_by_itself_stays_smooth():
    large = cv2.resize(WIDE, (320, 160), interpolation=cv2.INTER_CUBIC)

    def walker(t):
        image = large[:, :200].copy()
        image[40:120, 50:150] = large[50:130, 180 - 3 * t : 280 - 3 * t]
        return image

    shot, found, patches = shot_of(walker, lambda t: box_hole((160, 200), 66, 80, 28, 40))
    mostly_seen(found, 0.6)
    before = {t: p.rgb.copy() for t, p in patches.items()}
    synthesise_never_seen(shot, found, patches)
    assert all(np.array_equal(patches[t].rgb, before[t]) for t in before)


def test_stray_finds_in_the_midst_do_not_count_as_known():
    shot, found, patches = shot_of(lambda t: WIDE[:, :128], lambda t: HOLE, frames=2)
    stray = np.zeros(SIZE, bool)
    stray[40:43, 50:70] = True
    for t, fill in found.fills.items():
        at = stray.reshape(-1)[fill.index]
        fill.seen[at], fill.confidence[at] = True, 0.9
        patches[t].rgb[stray] = (255, 0, 0)
    synthesise_never_seen(shot, found, patches)
    assert patches[1].rgb[stray].astype(int).max(0)[1] > 40  # no longer pure red


@pytest.mark.parametrize("hole", [np.zeros(SIZE, bool), np.ones(SIZE, bool)])
def test_no_hole_and_nothing_but_hole(hole):
    shot, found, patches = shot_of(lambda t: WIDE[:, :128], lambda t: hole, frames=2)
    before = {t: p.rgb.copy() for t, p in patches.items()}
    synthesise_never_seen(shot, found, patches)
    assert all(np.array_equal(patches[t].rgb, before[t]) for t in before)
