"""Boxes on samples linked into lines; what is found on each sample is said by the test."""

import numpy as np

from vrm.selection.text.chains import Chain, ChainBuilder, find_chains, overlap, sample_times
from vrm.selection.text.life import life_of
from vrm.selection.text.motion import CameraMotion, way_of, with_scene
from vrm.types import U8, Box

from .overlays import SIZE, drawn, film, ground, over, wider

TEXT, OTHER = drawn("Good night"), drawn("Nice day", at=(75, 135))
BOX, OTHER_BOX = wider(TEXT[2], 2), wider(OTHER[2], 2)
OTHER_PLACE = (20, 60, 50, 250)


def chains(frames: list[U8], boxes: dict[int, list[Box]]) -> list[Chain]:
    builder = ChainBuilder()
    for t in sorted(boxes):
        builder.add(t, frames[t], boxes[t])
    return builder.chains()


def test_every_half_second_is_looked_at_and_the_last_frame() -> None:
    assert sample_times(range(5, 41), 25) == [5, 17, 29, 40]
    assert sample_times(range(1), 25) == [0]
    assert sample_times(range(0), 25) == []


def test_a_line_that_stands_is_one_chain_though_it_was_missed_once() -> None:
    frames = film(30, lambda t: 1.0, TEXT)
    [chain] = chains(frames, {0: [BOX], 10: [], 20: [BOX], 29: [BOX]})
    assert chain.samples == [0, 10, 20, 29]
    assert overlap(chain.box, BOX) > 0.95
    assert way_of(chain).stands


def test_text_that_is_seen_on_averages_alone_is_found_and_stands() -> None:
    text = drawn("Good night", outline=False, alpha=90)
    frames = film(48, lambda t: 1.0, text)

    def find(picture: U8, faint: bool) -> list[Box]:
        return [BOX, OTHER_PLACE] if faint else []

    [chain], found = find_chains(lambda t: frames[t], range(48), 24, find)  # what moves by the average is not passed on
    assert overlap(chain.box, BOX) > 0.95
    assert len(chain.windows) == 2
    assert all(boxes == [] for boxes in found.values())
    life = life_of(lambda t: frames[t], chain, way_of(chain), range(48))
    assert (life.first, life.last) == (0, 47)
    scene = CameraMotion(lambda t: frames[t], {}, SIZE)
    assert with_scene(lambda t: frames[t], scene, chain, way_of(chain), life.frames, [(0, 48)]) == 0.0


def test_a_still_ground_is_not_averaged() -> None:
    frames = film(48, lambda t: 1.0, TEXT, (0.0, 0.0))
    asked: list[bool] = []

    def find(picture: U8, faint: bool) -> list[Box]:
        asked.append(faint)
        return []

    find_chains(lambda t: frames[t], range(48), 24, find)
    assert asked == [False] * 5


def test_another_text_in_the_same_place_is_another_line() -> None:
    frames = film(15, lambda t: 1.0, TEXT) + film(15, lambda t: 1.0, OTHER)
    found = chains(frames, {0: [BOX], 10: [BOX], 20: [OTHER_BOX], 29: [OTHER_BOX]})
    assert [chain.samples for chain in found] == [[0, 10], [20, 29]]
    first, second = (life_of(lambda t: frames[t], chain, way_of(chain), range(30)) for chain in found)
    assert (first.first, first.last) == (0, 14)
    assert (second.first, second.last) == (15, 29)


def test_first_and_last_frame_are_exact_and_fades_belong_to_the_line() -> None:
    frames = film(40, lambda t: float(7 <= t <= 31), TEXT)
    chain = Chain([10, 20, 30], [BOX] * 3, [(0.0, 0.0)] * 3)
    life = life_of(lambda t: frames[t], chain, way_of(chain), range(40))
    assert (life.first, life.last) == (7, 31)
    faded = film(40, lambda t: float(np.clip(min(t - 4, 35 - t) / 8, 0, 1)), TEXT)
    life = life_of(lambda t: faded[t], Chain([15, 20], [BOX] * 2, [(0.0, 0.0)] * 2), way_of(chain), range(40))
    assert abs(life.first - 5) <= 1
    assert abs(life.last - 34) <= 1
    assert life.full_from >= 8
    assert life.full_to <= 31


def rolled(t: int) -> U8:
    up = 2 * t
    layer = np.roll(TEXT[0], -up, 0)
    return over(ground(t, (0.0, 0.0)), layer)


def test_a_line_that_rolls_is_followed() -> None:
    frames = [rolled(t) for t in range(31)]
    boxes = {t: [(BOX[0] - 2 * t, BOX[1], BOX[2] - 2 * t, BOX[3])] for t in (0, 10, 20, 30)}
    [chain] = chains(frames, boxes)
    way = way_of(chain)
    assert way.steady is not None
    assert np.allclose(way.steady, (0, -2), atol=0.1)
    assert way.at(25) == (0, -50)


def told(frames: list[U8], chain: Chain) -> float | None:
    life = range(chain.samples[0], chain.samples[-1] + 1)
    found = dict(zip(chain.samples, ([box] for box in chain.boxes), strict=True))
    scene = CameraMotion(lambda t: frames[t], found, SIZE)
    return with_scene(lambda t: frames[t], scene, chain, way_of(chain), life, [(0, len(frames))])


def test_text_over_the_scene_stands_while_the_camera_moves() -> None:
    chain = Chain([0, 10, 20], [BOX] * 3, [(0.0, 0.0)] * 3)
    assert told(film(30, lambda t: 1.0, TEXT), chain) == 0.0
    assert told(film(30, lambda t: 1.0, TEXT, (0.0, 0.0)), chain) is None  # nothing tells


def test_text_of_the_scene_moves_with_it() -> None:
    def painted(t: int) -> U8:  # on the ground itself, which moves by three pixels to the left
        return over(ground(t, (3.0, 0.0)), np.roll(TEXT[0], -3 * t, 1))

    moving = [painted(t) for t in range(30)]
    boxes = [(BOX[0], BOX[1] - 3 * t, BOX[2], BOX[3] - 3 * t) for t in (0, 6, 12)]
    followed = Chain([0, 6, 12], boxes, [(0.0, 0.0), (-18.0, 0.0), (-36.0, 0.0)])
    assert told(moving, followed) in (None, 1.0)
    assert told(moving, Chain([6], [boxes[1]])) == 1.0


def test_frames_are_of_the_size_that_the_tests_say() -> None:
    assert ground(0).shape == (*SIZE, 3)
