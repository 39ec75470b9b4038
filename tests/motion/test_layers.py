"""A thing that passes behind a hole: its path, where it is hidden, and its hidden part from other frames."""

import numpy as np

from vrm.motion.config import MotionConfig
from vrm.motion.flow.camera import transform
from vrm.motion.flow.camera_path import CameraPath
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import WorkingFrames
from vrm.motion.layers.own_motion import OwnMotion
from vrm.motion.layers.path import layer_path
from vrm.motion.propagation import propagate

from .shots import MadeShot, box_hole, texture

SIZE, N, PAN, OWN = (160, 240), 16, 2, 5
GROUND, THING = texture(200, 400, 3), texture(200, 400, 4)
ROWS, COLS = np.mgrid[: SIZE[0], : SIZE[1]]


def thing(t):
    """Where the thing is on frame t: an ellipse that goes right, while the camera pans."""
    return ((COLS - 60 - (OWN - PAN) * t) / 45) ** 2 + ((ROWS - 80) / 30) ** 2 < 1


def truth(t):
    shift = (OWN - PAN) * t
    return np.where(thing(t)[..., None], THING[:160, 100 - shift : 340 - shift], GROUND[:160, PAN * t : PAN * t + 240])


def post(t):
    return box_hole(SIZE, 30, 112 - PAN * t, 100, 16)


SHOT = MadeShot(N, truth, post)
PATH = CameraPath(SHOT, SIZE)


def test_the_path_is_that_of_the_thing_and_not_of_the_camera():
    found = layer_path(PATH, 8, thing(8) | post(8), range(N))
    middle = np.array([[84, 80], [70, 70]], np.float32)
    assert set(range(4, 13)) - {8} <= set(found)
    for s in range(4, 13):
        if s != 8:
            assert np.abs(transform(middle, found[s]) - middle - ((OWN - PAN) * (s - 8), 0)).max() < 0.7


def test_rigid_ground_has_no_layer():
    still = MadeShot(N, lambda t: GROUND[:160, PAN * t : PAN * t + 240], post)
    assert layer_path(CameraPath(still, SIZE), 8, np.ones(SIZE, np.bool_), range(N)) == {}


def test_what_moves_by_itself_is_told_from_the_ground_and_nothing_is_said_of_the_hole():
    moves, known = OwnMotion(WorkingFrames(SHOT, 240), PATH, DisFlow()).of(8)
    assert not known[post(8)].any()
    inner = ((COLS - 60 - (OWN - PAN) * 8) / 38) ** 2 + ((ROWS - 80) / 24) ** 2 < 1
    outer = ((COLS - 60 - (OWN - PAN) * 8) / 60) ** 2 + ((ROWS - 80) / 45) ** 2 > 1
    assert moves[inner & known].mean() > 0.9
    assert moves[outer & known].mean() < 0.05


def test_the_hidden_part_of_the_thing_is_filled_from_frames_that_show_it():
    error = {}
    for own_motion in (False, True):
        config = MotionConfig(rounds=2, nonlocal_frames=6, calibrate=False, own_motion=own_motion)
        found = propagate(SHOT, range(N), range(N), config, nonlocal_frames=range(N))
        squares = []
        for t in range(5, 12):
            out = np.zeros((*SIZE, 3), np.float32)
            out.reshape(-1, 3)[found.fills[t].index] = found.fills[t].rgb
            squares.append((out - SHOT.truths[t] / 255)[thing(t) & post(t)] ** 2)
        error[own_motion] = float(np.concatenate(squares).mean())
    assert error[True] < 0.6 * error[False]
