import numpy as np

from vrm.motion.flow.pairs import flow_pair
from vrm.motion.flow.warp import remap
from vrm.motion.frames import GUARD
from vrm.motion.trajectories.trajectory import BEYOND, LEFT_PICTURE, extend

SIZE = (40, 60)


def flow(dx: float, dy: float = 0.0) -> np.ndarray:
    return np.broadcast_to(np.array([dx, dy], np.float32), (*SIZE, 2)).copy()


def hole(x0: int, x1: int) -> np.ndarray:
    out = np.zeros(SIZE, bool)
    out[10:30, x0:x1] = True
    return out


def chain(shift: float, holes: list[np.ndarray], back_error: float = 0.0):
    """Trajectories of the last frame towards frame 0; from each frame to the one before all moves by ``shift``."""
    found = None
    for t in range(1, len(holes)):
        pair = flow_pair(flow(shift), flow(-shift + back_error), holes[t])
        found = extend(pair, holes[t], t - 1, holes[t - 1], found)
    return found


def test_coordinates_are_chained_exactly():
    shift, n = 2.3, 14
    found = chain(shift, [hole(20, 40)] * n)
    assert found is not None
    y0, x0, _, _ = found.box
    for x in (22, 30, 39):
        # the first frame in which x + k * shift lies to the right of the hole and its guard
        k = next(k for k in range(1, n) if round(x + k * shift) >= 40 + GUARD)
        r, c = 20 - y0, x - x0
        steps = n - 1 - found.source[r, c]
        assert abs(steps - k) <= 1  # the next pixel's trajectory may end one frame sooner or later
        np.testing.assert_allclose(found.xy[r, c], (x + steps * shift, 20), atol=0.02)


def test_errors_are_summed_along_the_way():
    found = chain(2.0, [hole(20, 40)] * 8, back_error=0.25)
    assert found is not None
    steps = 7 - found.source[5]
    ok = found.source[5] >= 0
    np.testing.assert_allclose(found.error[5][ok], 0.25 * steps[ok], atol=0.01)


def test_the_end_of_the_context_and_the_edge_of_the_picture_differ():
    found = chain(0.0, [hole(20, 40)] * 3)
    assert found is not None
    assert (found.source[found.inside] == BEYOND).all()
    left = chain(-30.0, [hole(20, 40)] * 2)
    assert left is not None
    assert (left.source[4:-4, :10] == LEFT_PICTURE).all()


def test_no_hole_no_trajectories():
    assert flow_pair(flow(1), flow(-1), np.zeros(SIZE, bool)) is None
    assert extend(None, np.zeros(SIZE, bool), 0, hole(1, 5), None) is None


def test_colours_come_from_where_nothing_hides():
    found = chain(1.0, [hole(20, 40)] * 30)
    assert found is not None
    ok = found.source >= 0
    assert ok.all()
    assert (found.xy[GUARD:-GUARD, GUARD:-GUARD, 0] >= 40 + GUARD - 1).all()


def test_remap_takes_long_lists():
    image = np.arange(600, dtype=np.float32).reshape(20, 30)
    points = np.tile(np.array([[3.0, 4.0], [3.5, 4.0]], np.float32), (40_000, 1))
    out = remap(image, points)
    assert out.shape == (80_000,)
    np.testing.assert_allclose(out[:2], [123, 123.5])
