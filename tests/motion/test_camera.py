import cv2
import numpy as np
import pytest

from vrm.motion.flow.camera import background_moves

from .shots import MadeShot, box_hole

SIZE = (120, 160)
RNG = np.random.default_rng(5)
WIDE = cv2.GaussianBlur(RNG.integers(0, 256, (120, 320, 3), np.uint8), (0, 0), 1.5)
WIDE = np.clip((WIDE.astype(np.float32) - 128) * 2.5 + 128, 0, 255).astype(np.uint8)
HOLE = box_hole(SIZE, 44, 64, 24, 32)


def scene(camera, thing):
    """A background that a camera passes at so many pixels a frame, and a thing around the hole at its own speed."""

    def frame(t):
        image = WIDE[:, camera * t : camera * t + 160].copy()
        if thing is not None:
            image[20:92, 40:120] = WIDE[24:96, 150 + thing * t : 230 + thing * t]
        return image

    return frame


@pytest.mark.parametrize(
    ("camera", "thing", "moves"),
    [(0, None, False), (4, None, False), (0, 3, True), (4, 0, True), (4, 4, False), (0, 0, False)],
)
def test_what_departs_from_the_camera_moves(camera, thing, moves):
    shot = MadeShot(9, scene(camera, thing), lambda t: HOLE)
    assert background_moves(shot, {0: HOLE, 4: HOLE, 8: HOLE}, (0, 8)) is moves


def test_a_background_of_many_motions_move():
    def crowd(t):
        bands = [WIDE[:, 60 + 40 * k + s * t : 100 + 40 * k + s * t] for k, s in enumerate((4, -4, 5, -5))]
        return np.concatenate(bands, axis=1)

    shot = MadeShot(6, crowd, lambda t: HOLE)
    assert background_moves(shot, {1: HOLE, 3: HOLE}, (0, 5))


@pytest.mark.parametrize(
    ("hole", "within"), [(HOLE, (2, 2)), (np.ones(SIZE, bool), (0, 5))], ids=["one frame", "all hidden"]
)
def test_where_nothing_tells_it_is_taken_to_move(hole, within):
    shot = MadeShot(6, scene(0, None), lambda t: hole)
    assert background_moves(shot, {2: hole}, within)


def test_only_frames_within_are_read():
    shot = MadeShot(9, scene(0, None), lambda t: HOLE)
    read = []
    original = shot.frame
    shot.frame = lambda t: read.append(t) or original(t)
    assert not background_moves(shot, {3: HOLE, 5: HOLE}, (3, 5))
    assert set(read) <= {3, 4, 5}
