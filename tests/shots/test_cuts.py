"""Cuts between moving, textured pictures whose true cuts are known."""

import cv2
import numpy as np
import pytest

from vrm.shots.cuts import find_shots, small


def ground(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(-1, 1, (90, 400, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.clip(120 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


GROUNDS = [ground(k) for k in range(3)]


def pan(k: int, t: int, speed: int = 2) -> np.ndarray:
    return GROUNDS[k][:, speed * t : speed * t + 160]


def shots(frames) -> list[tuple[int, int]]:
    return find_shots((t, small(np.ascontiguousarray(frame))) for t, frame in enumerate(frames))


@pytest.mark.parametrize(("first", "count"), [(2, 1), (10, 3), (20, 12)])
def test_black_frames_amid_a_shot_are_a_shot_of_their_own(first, count):
    frames = [pan(0, t) for t in range(40)]
    for t in range(first, first + count):
        frames[t] = np.zeros_like(frames[t])
    assert shots(frames) == [(0, first), (first, first + count), (first + count, 40)]


def test_another_scene_for_a_moment_is_a_shot_of_its_own():
    frames = [pan(1, t) if 15 <= t < 18 else pan(0, t) for t in range(40)]
    assert shots(frames) == [(0, 15), (15, 18), (18, 40)]


@pytest.mark.parametrize("flash", [lambda f: f * 0.25 + 190, lambda f: f * 2.0, lambda f: f * 0.2])
def test_a_flash_is_no_cut(flash):
    frames = [pan(0, t) for t in range(40)]
    for t in (12, 13, 25):
        frames[t] = np.clip(flash(frames[t].astype(float)), 0, 255).astype(np.uint8)
    assert shots(frames) == [(0, 40)]


def test_a_white_flash_shows_nothing_of_the_shot():
    frames = [pan(0, t) for t in range(30)]
    frames[12] = np.full_like(frames[12], 255)
    assert shots(frames) == [(0, 12), (12, 13), (13, 30)]


def test_black_between_two_scenes_is_no_interruption():
    frames = [pan(0, t) for t in range(15)] + [np.zeros((90, 160, 3), np.uint8)] * 3 + [pan(1, t) for t in range(20)]
    found = shots(frames)
    assert found[0] == (0, 15)
    assert found[-1][1] == 38


@pytest.mark.parametrize("copies", [2, 3, 4])
def test_pictures_shown_several_times_are_no_cuts(copies):
    frames = [pan(0, t // copies, 12) for t in range(20 * copies)]
    assert shots(frames) == [(0, 20 * copies)]


def test_a_cut_between_stills_and_between_doubled_frames_is_found():
    assert shots([pan(k, 0) for k in (0, 1, 2) for _ in range(12)]) == [(0, 12), (12, 24), (24, 36)]
    doubled = [pan(0, t // 2) for t in range(30)] + [pan(1, t // 2) for t in range(30)]
    assert shots(doubled) == [(0, 30), (30, 60)]
