"""Measures of single frames, against scikit-image and the formulas written naively."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as peak_signal_noise_ratio_of_torchmetrics
from torchmetrics.functional.image import structural_similarity_index_measure

from vrm.metrics.error import composed, psnr, squared_error
from vrm.metrics.patches import patch_consistency
from vrm.metrics.ssim import RANGE_2, UNIFORM_7, UNIFORM_65, VARIANTS, WANG, Similarity, SsimVariant, ssim
from vrm.metrics.texture import seam, texture


def pair(seed: int = 0, size: tuple[int, int] = (84, 100), dtype: type = np.uint8) -> tuple[np.ndarray, ...]:
    """A smooth picture, a filled copy of it that differs in a hole, and the hole."""
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    truth = cv2.GaussianBlur(rng.random((*size, 3)), (0, 0), 2)
    truth = ((truth - truth.min()) / np.ptp(truth) * top).astype(dtype)
    mask = np.zeros(size, bool)
    mask[20:45, 30:70] = True
    mask[25:60, 50:58] = True
    other = rng.integers(0, top, truth.shape, endpoint=True).astype(dtype)
    return truth, composed(truth, other, mask), mask


def reference(x: np.ndarray, y: np.ndarray, variant: SsimVariant) -> float:
    top = np.iinfo(x.dtype).max
    words = {"channel_axis": 2, "data_range": top * variant.data_range, "win_size": 2 * variant.radius + 1}
    if variant.sigma:
        words = {k: v for k, v in words.items() if k != "win_size"}
        words |= {"gaussian_weights": True, "sigma": variant.sigma, "use_sample_covariance": False}
    return float(structural_similarity(x, y, **words))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda v: v.name)
def test_ssim_is_scikit_images(variant: SsimVariant, dtype: type) -> None:
    x, y, mask = pair(dtype=dtype)
    expected = reference(x, y, variant)
    assert 0 < expected < 0.99
    assert ssim(x, y, None, variant) == pytest.approx(expected, abs=1e-9)
    assert ssim(x, y, mask, variant) == pytest.approx(expected, abs=1e-9)


def test_the_devils_ssim_is_skimages_on_floats_without_a_range() -> None:
    x, y, mask = pair()
    # What 0.17 did for floats without data_range: the range of the type, -1 to 1.
    expected = structural_similarity(x / 255.0, y / 255.0, channel_axis=2, data_range=2.0)
    assert ssim(x, y, mask, RANGE_2) == pytest.approx(expected, abs=1e-9)
    assert ssim(x, y, mask, RANGE_2) > ssim(x, y, mask)


@pytest.mark.parametrize("variant", [UNIFORM_7, WANG, UNIFORM_65], ids=lambda v: v.name)
@pytest.mark.parametrize("where", [(0, 0, 10, 10), (70, 80, 84, 100), (0, 40, 84, 44), (0, 0, 84, 100), (3, 3, 4, 4)])
def test_looking_only_around_the_hole_changes_nothing(where: tuple[int, ...], variant: SsimVariant) -> None:
    x, _, _ = pair()
    mask = np.zeros(x.shape[:2], bool)
    mask[where[0] : where[2], where[1] : where[3]] = True
    y = composed(x, 255 - x, mask)
    assert ssim(x, y, mask, variant) == pytest.approx(reference(x, y, variant), abs=1e-9)


def test_wangs_ssim_and_psnr_are_torchmetrics() -> None:
    x, y, mask = pair()
    one, other = (torch.from_numpy(f.astype(np.float64)).permute(2, 0, 1)[None] for f in (x, y))
    _, whole = structural_similarity_index_measure(other, one, sigma=1.5, data_range=255.0, return_full_image=True)
    # Its mean counts windows that reach over the border; that of Wang et al. does not.
    assert ssim(x, y, mask, WANG) == pytest.approx(float(whole[..., 5:-5, 5:-5].mean()), abs=1e-9)
    assert psnr(squared_error(x, y) / x.size, 255) == pytest.approx(
        float(peak_signal_noise_ratio_of_torchmetrics(other, one, data_range=255.0)), abs=1e-6
    )


def test_ssim_of_equal_frames_small_frames_and_no_hole() -> None:
    x, _, mask = pair()
    assert ssim(x, x, mask) == 1.0
    assert ssim(x, x, np.zeros_like(mask)) == 1.0
    assert math.isnan(ssim(x[:5, :5], x[:5, :5]))


def test_hole_ssim_is_the_mean_of_the_map_in_the_hole() -> None:
    x, y, mask = pair()
    _, full = structural_similarity(x, y, channel_axis=2, data_range=255, full=True)
    total, n = Similarity(x, y, mask).in_hole
    assert n == mask.sum()
    assert total / n == pytest.approx(full[mask].mean(), abs=1e-9)


def test_psnr_is_scikit_images() -> None:
    x, y, _ = pair()
    assert psnr(squared_error(x, y) / x.size, 255) == pytest.approx(peak_signal_noise_ratio(x, y, data_range=255))
    assert psnr(0, 255) == math.inf


def naive_energy(frame: np.ndarray) -> np.ndarray:
    """Squared Sobel gradients by loops over the 3x3 kernels, borders mirrored."""
    padded = np.pad(frame.astype(float), ((1, 1), (1, 1), (0, 0)), mode="reflect")
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    h, w = frame.shape[:2]
    found = np.zeros((h, w))
    for k in (kernel, kernel.T):
        gradient = sum(k[i, j] * padded[i : i + h, j : j + w] for i in range(3) for j in range(3))
        found += np.square(gradient).sum(2)
    return found


@pytest.mark.parametrize("corner", [(20, 30), (0, 0)])
def test_texture_against_truth_and_surroundings(corner: tuple[int, int]) -> None:
    x, y, _ = pair()
    mask = np.zeros(x.shape[:2], bool)
    mask[corner[0] : corner[0] + 25, corner[1] : corner[1] + 30] = True
    y = composed(x, y[::-1], mask)
    found = texture(y, mask, x)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert found.against_truth == pytest.approx(naive_energy(y)[inner].sum() / naive_energy(x)[inner].sum())
    rows, columns = np.indices(mask.shape)
    outside = np.maximum(
        np.maximum(corner[0] - rows, rows - corner[0] - 24), np.maximum(corner[1] - columns, columns - corner[1] - 29)
    )
    ring = (outside > 2) & (outside <= 18)
    expected = naive_energy(y)[inner].mean() / naive_energy(y)[ring].mean()
    assert found.against_surroundings == pytest.approx(expected)


def test_a_blurred_filling_is_less_sharp_and_nothing_is_nan() -> None:
    x, _, mask = pair()
    blurred = composed(x, cv2.GaussianBlur(x, (0, 0), 4), mask)
    assert texture(x, mask, x).against_truth == 1.0
    assert texture(blurred, mask, x).against_truth < 0.5
    assert math.isnan(texture(x, np.zeros_like(mask), x).against_truth)


def test_seams() -> None:
    flat = np.full((40, 40, 3), 100, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:30, 12:28] = True
    step = flat.copy()
    step[mask] = 130
    assert seam(step, mask) == (30.0, 0.0)
    ramp = np.repeat(np.arange(40, dtype=np.uint8)[None, :, None] * 2, 40, 0).repeat(3, 2)
    across, beside = seam(ramp, mask)
    # Steps of 2 to the side, none up and down: 40 sideward of 72 crossings.
    assert across == pytest.approx(2 * 40 / 72)
    assert 0 < beside <= 2
    assert all(map(math.isnan, seam(flat, np.zeros_like(mask))))


@pytest.mark.parametrize("seed", range(3))
def test_patch_consistency(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 256, (90, 110, 3), dtype=np.uint8)
    second = np.clip(np.roll(first, (-7, 11), (0, 1)).astype(int) + rng.integers(-9, 10, first.shape), 0, 255).astype(
        np.uint8
    )
    mask = np.zeros((90, 110), bool)
    mask[40 - seed * 20 : 48, 50:60] = True
    rows, columns = np.nonzero(mask)
    cy, cx = int(rows.mean()), int(columns.mean())
    y0, y1, x0, x1 = max(0, cy - 25), min(90, cy + 25), max(0, cx - 25), min(110, cx + 25)
    best = 0.0
    for dy in range(-20, 20):
        for dx in range(-20, 20):
            if y0 + dy >= 0 and y1 + dy <= 90 and x0 + dx >= 0 and x1 + dx <= 110:
                other = second[y0 + dy : y1 + dy, x0 + dx : x1 + dx]
                best = max(best, peak_signal_noise_ratio(first[y0:y1, x0:x1], other, data_range=255))
    assert patch_consistency(first, second, mask) == pytest.approx(best, abs=1e-9)
    assert patch_consistency(first, first, mask) == math.inf
    assert math.isnan(patch_consistency(first, second, np.zeros_like(mask)))
