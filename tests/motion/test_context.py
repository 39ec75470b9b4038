"""Flow and its error as the two-stream network is given them, against torch's sampling."""

import numpy as np
import pytest

from vrm.motion.flow.context import SIDE, context_flow, square, square_hole
from vrm.motion.flow.estimators import DisFlow

from .shots import texture

NO_HOLE = np.zeros((SIDE, SIDE), np.bool_)


def fixed(forth, back):
    """An estimator that gives these flows in turn, whatever it sees."""
    given = iter((forth, back))
    return lambda first, second: next(given).copy()


def constant(x, y=0.0):
    return np.full((SIDE, SIDE, 2), (x, y), np.float32)


def sampled_with_zeros(forth, back):
    """The mean over x and y of |forth + back sampled there|, zero outside: the reference's formula in torch."""
    torch = pytest.importorskip("torch")
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    grid = np.stack([xs + forth[..., 0], ys + forth[..., 1]], -1) * 2 / (SIDE - 1) - 1
    returned = torch.nn.functional.grid_sample(
        torch.from_numpy(back.transpose(2, 0, 1))[None], torch.from_numpy(grid)[None], "bilinear", "zeros", True
    )[0].numpy()
    return np.abs(forth.transpose(2, 0, 1) + returned).mean(0)


def test_flow_that_leaves_the_frame_is_not_believed():
    """A pan of 40 px, with flow back that is 2 px off."""
    picture = np.zeros((SIDE, SIDE), np.uint8)
    flow, error = context_flow(fixed(constant(40), constant(-38)), picture, picture, NO_HOLE, (SIDE, SIDE))
    assert np.all(flow == np.array([40, 0])[:, None, None])
    np.testing.assert_allclose(error[0, :, : SIDE - 40], 1.0)
    np.testing.assert_allclose(error[0, :, SIDE - 40 :], 20.0)


def test_the_error_is_that_of_torch_s_sampling():
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    forth = np.stack([35 * np.sin(ys / 40) + xs / 10, 25 * np.cos(xs / 50)], -1).astype(np.float32)
    back = np.stack([-30 * np.cos(xs / 60), 20 * np.sin((xs + ys) / 45)], -1).astype(np.float32)
    picture = np.zeros((SIDE, SIDE), np.uint8)
    _, error = context_flow(fixed(forth, back), picture, picture, NO_HOLE, (SIDE, SIDE))
    off = np.abs(error[0] - sampled_with_zeros(forth, back))  # OpenCV samples at steps of 1/32 of a pixel
    assert off.max() < 0.6
    assert off.mean() < 0.02


def test_flows_of_both_directions_are_interpolated_under_the_target_s_hole():
    hole = NO_HOLE.copy()
    hole[100:140, 60:120] = True
    forth, back = constant(3, 1), constant(-3, -1)
    forth[hole], back[hole] = 90, -70
    picture = np.zeros((SIDE, SIDE), np.uint8)
    flow, error = context_flow(fixed(forth, back), picture, picture, hole, (SIDE, SIDE))
    np.testing.assert_allclose(flow[0], 3, atol=1e-3)
    np.testing.assert_allclose(flow[1], 1, atol=1e-3)
    np.testing.assert_allclose(error[0, :-1, :-3], 0, atol=1e-3)


def test_flow_is_in_pixels_of_the_frame_and_its_error_in_those_of_the_square():
    picture = np.zeros((SIDE, SIDE), np.uint8)
    flow, error = context_flow(fixed(constant(8, 4), constant(-6, -4)), picture, picture, NO_HOLE, (128, 512))
    assert flow.shape == (2, 128, 512)
    assert error.shape == (1, 128, 512)
    np.testing.assert_allclose(flow[:, 50, 50], (16, 2))
    np.testing.assert_allclose(error[0, 50, 50], 1.0)


def test_a_pan_is_found_and_believed_where_the_key_frame_shows_it():
    wide = texture(SIDE, SIDE + 20)
    target, key = (square(np.ascontiguousarray(part)) for part in (wide[:, :SIDE], wide[:, 20:]))
    flow, error = context_flow(DisFlow(), target, key, square_hole(NO_HOLE), (SIDE, SIDE))
    assert np.allclose(np.median(flow[:, 40:-40, 40:-40], (1, 2)), (-20, 0), atol=0.5)
    assert np.median(error[0, 40:-40, 40:-40]) < 0.5
    assert np.median(error[0, 40:-40, :10]) > 5
