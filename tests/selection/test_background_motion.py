import numpy as np
import pytest

from vrm.selection.prompts.background_motion import REACH, _Appearance, background_evidence
from vrm.selection.prompts.box import BoxOutliner, near_flows

from .scene import SIZE, Scene, similarity, texture

SPAN = (0, 9)


def odds(scene, mask, t=0, span=SPAN):
    found = background_evidence(scene, t, scene.box(t), mask, span)
    assert found.foreground.shape == SIZE, "the scene is smaller than what is worked at"
    assert (found.foreground >= 0).all()
    assert (found.background <= 0).all()
    return found


def deep(mask, by=4):
    """The middle of a mask: its rim is anybody's."""
    inner = mask.copy()
    for _ in range(by):
        inner[1:-1, 1:-1] &= inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
    return inner


@pytest.mark.parametrize("t", [0, 8])
def test_what_the_background_does_not_explain_is_the_object(t):
    scene = Scene(9)
    truth, known = scene.masks[t], scene.masks[t].copy()
    y0, x0, y1, x1 = scene.box(t)
    # Later frames show what the object leaves behind, on its left; earlier ones what it has not reached, on its right.
    known[:, : x0 + 12] &= t != 0
    known[:, x1 - 12 :] &= t == 0
    found = odds(scene, known, t)
    missing = deep(truth & ~known, 3)
    assert missing.sum() > 50
    assert (found.foreground + found.background)[missing].mean() > 0.5
    background = np.zeros(SIZE, bool)
    background[y0:y1, 5 if t == 0 else x1 + 8 : x0 - 8 if t == 0 else 160] = True
    assert background.sum() > 500
    assert (found.foreground + found.background)[background].mean() < -0.3


def test_a_shadow_counts_neither_way():
    rgb = texture(0, SIZE, (140, 130, 120))
    look = _Appearance(rgb)
    darker, other = (rgb * 0.6).astype(np.uint8), texture(1, SIZE, (140, 130, 120))
    # It is the first picture that may lie in the shadow.
    plain, unshaded = _Appearance(darker).differences(rgb)
    assert plain.mean() > 1
    assert unshaded.mean() < 0.15
    assert min(d.mean() for d in look.differences(other)) > 1
    assert max(d.mean() for d in look.differences(rgb)) < 0.05


def test_only_frames_of_the_shot_near_by_are_asked_for():
    scene, asked = Scene(30), set()

    def frame(t):
        asked.add(t)
        return scene(t)

    background_evidence(frame, 12, scene.box(12), scene.masks[12], (10, 30))
    assert asked == set(range(10, 12 + REACH + 1))
    assert background_evidence(scene, 3, scene.box(3), scene.masks[3], (3, 4)) is None


def test_an_object_that_stands_still_is_no_background():
    still = Scene(9, speed=-1)  # with the background, that is
    found = odds(still, still.masks[0] & (np.arange(SIZE[1]) < 50))
    assert (found.foreground + found.background)[deep(still.masks[0])].mean() > -0.2


def test_motion_tells_what_colours_do_not():
    scene = Scene(9)
    hidden = texture(5, SIZE, (110, 130, 90))
    for t, frame in enumerate(scene.frames):
        tail = scene.masks[t] & (np.arange(SIZE[1]) < 50 + 3 * t - 4)
        frame[tail] = np.roll(hidden, 3 * t, axis=1)[tail]
    box = BoxOutliner(scene(0), scene.box(), near_flows(scene, 0, SPAN))
    first, second = box.guess().mask, box.outline(scene, 0, SPAN).mask
    assert similarity(first, scene.masks[0]) < 0.7, "colours alone do not tell its tail from the background"
    assert similarity(second, scene.masks[0]) > 0.9
