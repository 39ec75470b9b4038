import cv2
import numpy as np

from vrm.motion.flow.camera import transform
from vrm.motion.flow.camera_path import CameraPath

from .shots import MadeShot, box_hole, texture

SIZE = (240, 320)
FAR, NEAR = texture(480, 900, 1), texture(480, 900, 2)
HOLE = box_hole(SIZE, 100, 130, 60, 60)
CORNERS = np.array([[20, 20], [300, 20], [300, 150], [20, 150], [160, 120]], np.float32)


def turning(t):
    """What a camera saw that turns and zooms in a little with every frame: the matrix from the plane to frame t."""
    matrix = cv2.getRotationMatrix2D((160, 120), 0.4 * t, 1 + 0.004 * t)
    matrix[:, 2] -= matrix[:, :2] @ (150, 100) + (2.3 * t, 0.7 * t)
    return np.vstack([matrix, [0, 0, 1]])


def seen(plane, matrix):
    return cv2.warpPerspective(plane, matrix, SIZE[::-1], flags=cv2.INTER_AREA)


def test_a_chain_of_neighbours_is_the_way_between_distant_frames():
    shot = MadeShot(13, lambda t: seen(FAR, turning(t)), lambda t: HOLE)
    path = CameraPath(shot, SIZE)
    for t, s in ((0, 12), (12, 0), (3, 4)):
        true = transform(CORNERS, turning(s) @ np.linalg.inv(turning(t)))
        assert np.linalg.norm(transform(CORNERS, path.between(t, s)) - true, axis=1).max() < 1


def test_it_is_in_pixels_of_the_size_that_is_asked_for():
    shot = MadeShot(3, lambda t: seen(FAR, turning(t)), lambda t: HOLE)
    twice = transform(2 * CORNERS, CameraPath(shot, (480, 640)).between(0, 2))
    assert np.abs(twice / 2 - transform(CORNERS, CameraPath(shot, SIZE).between(0, 2))).max() < 1e-3


def test_of_two_planes_the_larger_is_followed_exactly_and_not_their_mean():
    def parallax(t):
        frame = seen(FAR, turning(t))
        frame[170:] = NEAR[170:240, 300 - 4 * t : 620 - 4 * t]
        return frame

    path = CameraPath(MadeShot(9, parallax, lambda t: HOLE), SIZE)
    true = transform(CORNERS, turning(8) @ np.linalg.inv(turning(0)))
    assert np.linalg.norm(transform(CORNERS, path.between(0, 8)) - true, axis=1).max() < 1.5


def test_a_camera_that_stands_still_is_the_exact_identity():
    shot = MadeShot(5, lambda t: FAR[:240, :320], lambda t: HOLE)
    assert np.array_equal(CameraPath(shot, SIZE).between(0, 4), np.eye(3))


def test_nothing_is_claimed_where_nothing_shows_the_way():
    flat = MadeShot(3, lambda t: np.full((*SIZE, 3), 90, np.uint8), lambda t: HOLE)
    assert CameraPath(flat, SIZE).between(0, 2) is None
    noise = MadeShot(3, lambda t: texture(*SIZE, seed=t), lambda t: HOLE)
    assert CameraPath(noise, SIZE).between(0, 2) is None
