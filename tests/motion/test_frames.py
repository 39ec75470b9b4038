import numpy as np
import pytest

from vrm.motion.frames import WorkingFrames


class Two:
    """Two frames of 90x150 with a hole each."""

    start, stop, size = 0, 2, (90, 150)

    def frame(self, t):
        return np.full((90, 150, 3), 40 * t, np.uint8)

    def hole(self, t):
        mask = np.zeros(self.size, np.bool_)
        mask[31:40, 77 + t : 93 + t] = True
        return mask


@pytest.mark.parametrize("longest", [960, 100])
def test_holes_are_those_of_the_shot_however_often_they_are_asked_for(longest):
    frames = WorkingFrames(Two(), longest)
    scale = min(1, longest / 150)
    for t in (0, 1, 0):
        hole = frames.hole(t)
        assert hole.dtype == np.bool_
        assert hole.shape == frames.size == (round(90 * scale), round(150 * scale))
        rows, cols = np.nonzero(hole)
        assert (rows.min(), rows.max()) == (int(31 * scale), -(-int(40 * scale * 1000) // 1000) - 1)
        assert cols.min() == int((77 + t) * scale)
        hole[:] = False  # a caller's own
    assert frames.hole(1).any()
