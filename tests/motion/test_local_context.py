"""Where the surroundings move by themselves, nearby frames tell what lies beside such surroundings."""

import numpy as np
import pytest

from vrm.motion.config import MotionConfig
from vrm.motion.propagation import propagate

from .shots import MadeShot, box_hole, hole_psnr, texture

SIZE, N = (120, 160), 18
GROUND, WATER = texture(240, 400, 3), texture(240, 400, 4)


def shot(own: int) -> MadeShot:
    """A camera pans over the ground; a band of water flows ``own`` pixels a frame against it, where the hole is."""

    def truth(t: int) -> np.ndarray:
        frame = GROUND[:120, 2 * t : 2 * t + 160].copy()
        x = 60 + (2 - own) * t
        frame[35:100] = WATER[35:100, x : x + 160] if own else frame[35:100]
        return frame

    # The hole jumps to and fro: each place of the water is seen on some frames nearby.
    return MadeShot(N, truth, lambda t: box_hole(SIZE, 52, 56 + 14 * (t % 3), 26, 26))


def psnr(made: MadeShot, own_motion: bool) -> float:
    config = MotionConfig(rounds=2, nonlocal_frames=6, calibrate=False, own_motion=own_motion)
    return hole_psnr(made, propagate(made, range(N), range(N), config, nonlocal_frames=range(N)), range(4, N - 4))


def test_it_helps_where_the_surroundings_move_by_themselves():
    made = shot(own=4)
    assert psnr(made, True) > psnr(made, False) + 0.5


def test_rigid_ground_is_left_alone():
    made = shot(own=0)
    assert psnr(made, True) == pytest.approx(psnr(made, False), abs=0.05)
