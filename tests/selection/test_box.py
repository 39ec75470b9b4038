import itertools

import cv2
import numpy as np
import pytest

from vrm.selection.prompts.box import BoxOutlines, _without_holes
from vrm.selection.prompts.click import correct, outline_points
from vrm.selection.prompts.graph_cut import ColourModel, PixelGraph

from .scene import SIZE, Scene, similarity


def energy(mask, odds, lab, strength):
    """GrabCut's energy written out pair by pair; lower is better."""
    height, width = odds.shape
    pairs = []
    for y, x in itertools.product(range(height), range(width)):
        for dy, dx, near in ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.7), (1, -1, 0.7)):
            if y + dy < height and 0 <= x + dx < width:
                pairs.append((mask[y, x] != mask[y + dy, x + dx], ((lab[y, x] - lab[y + dy, x + dx]) ** 2).sum(), near))
    beta = 1 / (2 * np.mean([d for _, d, _ in pairs]) + 1e-6)
    total = sum(strength * (near * np.exp(-beta * d) + 0.002) for crossed, d, near in pairs if crossed)
    return total - odds[mask].sum()


def test_the_cut_is_the_cheapest_of_all():
    random = np.random.default_rng(0)
    for _ in range(3):
        lab = random.normal(size=(3, 3, 3)).astype(np.float32)
        odds = random.normal(size=(3, 3)).astype(np.float32)
        found = PixelGraph(lab).min_cut(odds, 0.8)
        every = (np.array(bits, bool).reshape(3, 3) for bits in itertools.product((0, 1), repeat=9))
        best = min(energy(mask, odds, lab, 0.8) for mask in every)
        assert energy(found, odds, lab, 0.8) == pytest.approx(best, abs=0.15)  # costs are counted in 1/200


def test_what_is_certain_stays_however_much_its_border_costs():
    odds = np.full((5, 5), 2, np.float32)
    odds[2, 2], odds[0, 0] = -9, 9
    graph = PixelGraph(np.zeros((5, 5, 3), np.float32))
    for sign in (1, -1):
        found = graph.min_cut(sign * odds, 50.0)
        assert found[2, 2] == (sign < 0)
        assert found[0, 0] == (sign > 0)


def test_a_colour_model_is_a_gaussian_mixture():
    random = np.random.default_rng(0)
    colours = np.concatenate([random.normal(0, 1, (800, 3)), random.normal(9, 2, (800, 3))])
    model = ColourModel(colours, np.ones(1600, bool), 2)
    points = np.array([[0.0, 0, 0], [9, 9, 9], [4, 4, 4]])
    expected = [
        np.log(
            sum(
                0.5 * np.exp(-((p - m) ** 2).sum() / (2 * s**2)) / s**3
                for m, s in ((np.zeros(3), 1), (np.full(3, 9), 2))
            )
        )
        for p in points
    ]
    assert np.allclose(model(points) - model(points)[0], np.array(expected) - expected[0], atol=0.5)


def test_the_outline_is_the_same_for_any_number_of_threads():
    scene, before, found = Scene(5), cv2.getNumThreads(), []
    try:
        for threads in (1, 3):
            cv2.setNumThreads(threads)
            found.append(outline_points(scene, 2, [(53.5, 70.5)], (0, 5)))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(found[0].mask, found[1].mask)
    assert found[0].confidence == found[1].confidence


@pytest.mark.parametrize("still", [False, True])
def test_a_box_becomes_the_outline(still):
    scene = Scene(4, speed=0 if still else 3)
    span = (0, 1) if still else (0, 4)
    found = BoxOutlines(scene, span).outline(0, scene.box())
    assert similarity(found.mask, scene.masks[0]) > 0.85
    assert found.confidence > 0.6
    y0, x0, y1, x1 = scene.box()
    outside = np.ones(SIZE, bool)
    outside[y0:y1, x0:x1] = False
    assert not (found.mask & outside).any()
    assert np.array_equal(BoxOutlines(scene, span).outline(0, scene.box()).mask, found.mask)


def test_a_click_finds_the_object_and_a_deep_frame_does_too():
    scene = Scene(3)
    found = outline_points(scene, 1, [(53.5, 70.5)], (0, 3))
    assert similarity(found.mask, scene.masks[1]) > 0.8
    deep = outline_points(lambda t: scene(t).astype(np.uint16) * 257, 1, [(53.5, 70.5)], (0, 3))
    assert similarity(deep.mask, scene.masks[1]) > 0.8


def test_a_click_takes_away_what_stays():
    scene = Scene(2, second=True)
    both = scene.masks[0]
    left = both.copy()
    left[:, 90:] = False
    kept = correct(scene(0), both, [(130.5, 70.5)])
    assert similarity(kept, left) > 0.95
    wrong = left.copy()
    wrong[60:80, 60:110] = True  # grass
    kept = correct(scene(0), wrong, [(95.5, 72.5)])
    assert similarity(kept, left) > 0.85


@pytest.mark.parametrize("box", [(10, 100, 13, 1100), (10, 40, 700, 42), (5, 5, 6, 6)])
def test_a_box_around_a_wire_is_no_crash(box):
    frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    found = BoxOutlines(lambda t: frame, (0, 1)).outline(0, box)
    outside = np.ones(frame.shape[:2], bool)
    outside[box[0] : box[2], box[1] : box[3]] = False
    assert not (found.mask & outside).any()


def test_small_holes_of_an_outline_are_filled_and_large_ones_stay():
    mask = np.zeros((60, 80), bool)
    mask[5:55, 5:75] = True
    mask[10:14, 10:14] = False  # small
    mask[20:50, 30:60] = False  # what one sees through
    mask[5:7, 40:44] = False  # a notch in the rim
    found = _without_holes(mask)
    assert found[10:14, 10:14].all()
    assert np.array_equal(found[:10], mask[:10])
    assert not found[20:50, 30:60].any()
    # A small one that shows background, as between two legs, stays as well.
    odds = np.zeros(mask.shape, np.float32)
    odds[9:15, 9:15] = -0.5
    assert not _without_holes(mask, odds)[10:14, 10:14].any()
    assert _without_holes(mask, -odds)[10:14, 10:14].all()
