import numpy as np

from vrm.motion.flow.camera import camera_motion, grid, transform
from vrm.motion.flow.completion import complete


def homography_flow(h: int, w: int, matrix: np.ndarray) -> np.ndarray:
    points = grid(h, w)
    return transform(points, matrix) - points


MATRIX = np.array([[1.02, 0.01, 3.0], [-0.015, 0.99, -2.0], [2e-5, -1e-5, 1.0]])


def test_transform_is_the_projective_formula():
    x, y = 7.0, 3.0
    expected = (MATRIX @ [x, y, 1])[:2] / (MATRIX @ [x, y, 1])[2]
    np.testing.assert_allclose(transform(np.array([x, y], np.float32), MATRIX), expected, rtol=1e-6)


def test_camera_motion_is_found_among_other_motion():
    flow = homography_flow(90, 120, MATRIX)
    flow[10:40, 20:60] += (6, 4)
    found, share = camera_motion(flow, np.ones((90, 120), bool))
    assert found is not None
    assert 0.7 < share < 0.95
    np.testing.assert_allclose(homography_flow(90, 120, found), homography_flow(90, 120, MATRIX), atol=0.3)


def test_a_still_camera_is_exactly_still():
    rng = np.random.default_rng(0)
    flow = rng.normal(0, 0.02, (60, 80, 2)).astype(np.float32)
    found, _ = camera_motion(flow, np.ones((60, 80), bool))
    assert np.array_equal(found, np.eye(3))
    hole = np.zeros((60, 80), bool)
    hole[20:40, 30:50] = True
    assert (complete(flow, hole, 5)[hole] == 0).all()


def test_too_few_points_make_no_homography():
    usable = np.zeros((60, 80), bool)
    usable[0, :10] = True
    assert camera_motion(np.zeros((60, 80, 2), np.float32), usable) == (None, 0.0)


def test_flow_is_completed_by_the_camera_motion():
    flow = homography_flow(100, 140, MATRIX)
    hole = np.zeros((100, 140), bool)
    hole[30:70, 40:100] = True
    spoilt = flow.copy()
    spoilt[25:75, 35:105] = 25
    out = complete(spoilt, hole, 8)
    np.testing.assert_allclose(out, flow, atol=0.15)
    np.testing.assert_array_equal(out[0], spoilt[0])


def test_without_a_camera_motion_flow_is_interpolated(monkeypatch):
    monkeypatch.setattr("vrm.motion.flow.completion._AGREEMENT", 2.0)
    y, x = np.mgrid[:80, :100].astype(np.float32)
    flow = np.stack([0.05 * x, 0.1 * y], -1)
    hole = np.zeros((80, 100), bool)
    hole[20:50, 30:70] = True
    spoilt = np.where(hole[..., None], 40, flow).astype(np.float32)
    np.testing.assert_allclose(complete(spoilt, hole, 2), flow, atol=0.15)


def test_all_hole_and_no_hole():
    flow = np.ones((40, 50, 2), np.float32)
    assert complete(flow, np.zeros((40, 50), bool), 3) is flow
    assert (complete(flow, np.ones((40, 50), bool), 3) == 0).all()
