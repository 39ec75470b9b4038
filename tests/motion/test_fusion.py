"""How much each of several candidates weighs."""

import numpy as np
import pytest

from vrm.motion.fusion.candidate import Candidate
from vrm.motion.fusion.fusion import fuse, weights


def candidate(value, error):
    return Candidate(
        "trajectory", np.full(4, value, np.float32), np.zeros((4, 4), np.float32), np.ones(4, bool),
        np.zeros(4, np.float32), np.full(4, error, np.float32),
    )  # fmt: skip


@pytest.mark.parametrize(("sharpness", "times"), [(1, 3), (2, 9), (4, 81)])
def test_three_times_the_error_weighs_less_by_the_power(sharpness, times):
    share = weights([candidate(0, 0.1), candidate(1, 0.3)], sharpness)
    assert share.sum(0) == pytest.approx(1)
    assert share[0] / share[1] == pytest.approx(times, rel=1e-4)


def test_what_is_not_valid_weighs_nothing():
    one, other = candidate(0, 0.3), candidate(1, 0.1)
    other.valid[:] = False
    assert weights([one, other], 2)[0] == pytest.approx(1)


def test_a_low_power_averages_and_a_high_one_chooses():
    image, hole = np.full((12, 12), 0.5, np.float32), np.zeros((12, 12), bool)
    hole[5:7, 5:7] = True
    # With a large screening weight, the surroundings have no say.
    mixed = [fuse(image, hole, [candidate(0.2, 0.1), candidate(0.8, 0.2)], 1e4, s) for s in (1, 8)]
    assert mixed[0] == pytest.approx(0.4, abs=2e-3)  # two to one
    assert mixed[1] == pytest.approx(0.2, abs=5e-3)
