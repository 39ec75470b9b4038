import cv2
import numpy as np
import torch

from vrm.engines.internal import augment as augment_module
from vrm.engines.internal.augment import Augmentation


def test_nothing_changes_nothing():
    image = torch.rand(1, 3, 20, 31) * 2 - 1
    same = Augmentation((1, 0, 0, 0, 1, 0))
    torch.testing.assert_close(same.of_image(image), image, atol=1e-5, rtol=0)
    assert not same.uncovered(image).any()


def test_a_homography_is_opencvs():
    image = np.random.default_rng(0).random((40, 56)).astype(np.float32)
    image = cv2.GaussianBlur(image, (0, 0), 2)
    change = Augmentation((1.03, 0.05, 2.5, -0.04, 0.97, -1.5))
    a, b, dx, c, d, dy = change.matrix
    cx, cy = 27.5, 19.5
    matrix = np.array([[a, b, cx + dx - a * cx - b * cy], [c, d, cy + dy - c * cx - d * cy]], np.float32)
    wanted = cv2.warpAffine(image, matrix, (56, 40), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    got = change.of_image(torch.tensor(image)[None, None])[0, 0].numpy()
    covered = ~change.uncovered(torch.zeros(1, 1, 40, 56))[0, 0].numpy()
    assert covered.mean() > 0.8
    # OpenCV rounds places to a 32nd of a pixel.
    np.testing.assert_allclose(got[covered], wanted[covered], atol=0.01)


def test_a_grown_mask_is_not_lost_between_pixels():
    mask = torch.zeros(1, 1, 20, 20)
    mask[..., 8:12, 8:12] = 1
    moved = Augmentation((1, 0, 0.5, 0, 1, 0)).of_mask(mask)
    assert moved.sum() == 4 * 5


def test_filters_touch_the_image_only():
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    change = Augmentation((1, 0, 0, 0, 1, 0), light=1.05, kernel=3)
    line = np.array([1, 2, 1]) / 4
    lit = (image[0].permute(1, 2, 0).numpy() + 1) * 1.05 - 1
    wanted = cv2.sepFilter2D(lit, -1, line, line, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(change.of_image(image)[0].permute(1, 2, 0).numpy(), wanted, atol=1e-5)
    mask = (torch.rand(1, 1, 16, 16) < 0.3).float()
    assert torch.equal(change.of_mask(mask), mask)


def test_draws_stay_within_the_papers_ranges():
    rng = np.random.default_rng(0)
    for _ in range(200):
        change = Augmentation.draw(rng)
        a, b, dx, c, d, dy = change.matrix
        assert max(abs(dx), abs(dy)) <= augment_module.SHIFT
        determinant = a * d - b * c
        assert 0.95**2 - 1e-9 <= determinant <= 1.05**2 + 1e-9
        assert abs(np.degrees(np.arctan2(c, a))) <= augment_module.ANGLE + 1e-9
        assert augment_module.LIGHT[0] <= change.light <= augment_module.LIGHT[1]
        assert change.kernel in (1, 3, 5)
