import numpy as np
import pytest

import vrm.selection.prompts.box as box_prompt
from vrm.selection.prompts.box import BoxOutliner, BoxOutlines, near_flows
from vrm.selection.prompts.corrections import corrected
from vrm.selection.prompts.graph_cut import PixelGraph, smooth_lab
from vrm.selection.prompts.sureness import OutlineFacts, expected_overlap, largest_gap

from .scene import SIZE, Scene, similarity, texture

HEIGHT, WIDTH = 90, 120
INSIDE = np.zeros((HEIGHT, WIDTH), bool)
INSIDE[10:80, 15:105] = True
NOTHING = np.zeros((HEIGHT, WIDTH), np.float32)


def part(y0, y1, x0, x1):
    out = np.zeros((HEIGHT, WIDTH), bool)
    out[y0:y1, x0:x1] = True
    return out


def two_parts():
    """A body with a head of another colour on a third: picture, body, head."""
    body, head = part(35, 76, 25, 95), part(14, 35, 45, 70)
    rgb = texture(0, (HEIGHT, WIDTH), (100, 140, 90))
    rgb[body] = texture(1, (HEIGHT, WIDTH), (180, 60, 50))[body]
    rgb[head] = texture(2, (HEIGHT, WIDTH), (60, 70, 190))[head]
    return smooth_lab(rgb), body, head


def test_a_click_adds_what_was_missed_and_nothing_else():
    lab, body, head = two_parts()
    graph = PixelGraph(lab)
    found = corrected(lab, graph, INSIDE, body, NOTHING, [(24, 57)], [])
    assert similarity(found, body | head) > 0.95
    assert not (found & ~INSIDE).any()
    assert similarity(found[40:], body[40:]) > 0.97, "far from the click it stays as it was"


def test_a_click_takes_away_what_does_not_belong():
    lab, body, head = two_parts()
    graph = PixelGraph(lab)
    found = corrected(lab, graph, INSIDE, body | head, NOTHING, [], [(24, 57)])
    assert similarity(found, body) > 0.95
    both = corrected(lab, graph, INSIDE, body | head, NOTHING, [(55, 60)], [(24, 57)])
    assert similarity(both, body) > 0.95


@pytest.mark.parametrize(("place", "inside"), [((24, 57), False), ((55, 60), True)])
def test_what_was_clicked_on_is_never_overruled(place, inside):
    lab, body, head = two_parts()
    strong = np.full((HEIGHT, WIDTH), 3, np.float32) * (-1 if inside else 1)
    on, off = ([place], []) if inside else ([], [place])
    found = corrected(lab, PixelGraph(lab), INSIDE, (body | head) & ~INSIDE if inside else body | head, strong, on, off)
    assert found[place] == inside


def test_further_clicks_start_from_what_the_box_gave(monkeypatch):
    scene, looks = Scene(9), []
    box, span = scene.box(4), (0, 9)
    seen = box_prompt.background_evidence
    monkeypatch.setattr(box_prompt, "background_evidence", lambda *args: looks.append(args) or seen(*args))
    boxes = BoxOutlines(scene, span)
    rough = boxes.outline(4, box, at_once=True)
    assert similarity(rough.mask, scene.masks[4]) > 0.7
    assert not looks, "at once is without a look around"
    first = boxes.outline(4, box)
    assert np.array_equal(boxes.outline(4, box, at_once=True).mask, first.mask), "what is known is not forgotten"
    y0, x0, _, x1 = box
    corner = (float(x0 + 2), float(y0 + 2))
    added = boxes.outline(4, box, points=[corner])
    assert added.mask[y0 + 2, x0 + 2]
    assert not first.mask[y0 + 2, x0 + 2]
    assert similarity(added.mask, scene.masks[4]) > 0.8
    middle = (float(x0 + x1) / 2, 70.0)
    taken = boxes.outline(4, box, negative_points=[middle])
    assert not taken.mask[70, int(middle[0])]
    assert np.array_equal(boxes.outline(4, box).mask, first.mask), "clicks leave no trace"
    assert len(looks) == 1, "the frames around are asked once"
    # Another picture at the same place is looked at anew.
    other = [scene]
    boxes = BoxOutlines(lambda t: other[0](t), span)
    boxes.outline(4, box)
    other[0] = Scene(9, speed=2)
    assert similarity(boxes.outline(4, box).mask, BoxOutlines(other[0], span).outline(4, box).mask) == 1
    assert len(looks) == 4


def test_a_box_beyond_the_clicks_and_clicks_beyond_the_box_are_no_crash():
    scene = Scene(2)
    found = BoxOutlines(scene, (0, 2)).outline(0, scene.box(), [(175.5, 119.5)], [(0.5, 0.5)])
    assert found.mask[119, 175]
    assert not found.mask[0, 0]


def test_what_moves_in_a_corner_of_the_box_is_not_taken_for_the_thing():
    """The thing stands still, as its surroundings do; in one corner of its box something passes."""
    scene = Scene(9, speed=-1)  # with the background
    for t, frame in enumerate(scene.frames):
        passing = texture(7, SIZE, (200, 210, 215))
        frame[38:52, 24 + 4 * t : 38 + 4 * t] = passing[38:52, 40:54]
    y0, x0, y1, x1 = scene.box(1)
    box = (y0 - 4, x0 - 6, y1 + 4, x1 + 6)
    outliner = BoxOutliner(scene(1), box, near_flows(scene, 1, (0, 9)))
    assert similarity(outliner.outline(scene, 1, (0, 9)).mask, scene.masks[1]) > 0.75


def test_the_gap_to_the_box_is_the_largest_of_its_four_sides():
    assert largest_gap(part(10, 80, 15, 105), INSIDE) == 0
    assert largest_gap(part(10, 80, 15, 60), INSIDE) == pytest.approx(45 / 90)
    assert largest_gap(part(31, 80, 15, 105), INSIDE) == pytest.approx(21 / 70)
    assert largest_gap(part(0, 0, 0, 0), INSIDE) == 1


def test_sureness_rises_with_a_clear_border_and_falls_with_a_gap():
    sure = OutlineFacts(0.8, 0.02, 0.9, 0.9, 0)
    assert expected_overlap(sure) > expected_overlap(sure._replace(sharp=0.3))
    assert expected_overlap(sure) > expected_overlap(sure._replace(gap=0.5))
    assert expected_overlap(sure) > 0.75
    assert 0 < expected_overlap(OutlineFacts(0.3, 0.8, 0, 0, 0)) < 0.45
