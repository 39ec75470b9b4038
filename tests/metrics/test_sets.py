"""Measures of masks and of sets of features, and means, against closed forms and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance

from vrm.metrics.frechet import frechet_distance
from vrm.metrics.means import Mean, mean
from vrm.metrics.perceptual import activation_distance
from vrm.metrics.regions import contour, contour_accuracy, region_similarity


def test_region_similarity() -> None:
    a, b = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    assert region_similarity(a, b) == 1
    a[:, :4] = True
    assert region_similarity(a, b) == 0
    b[:, 2:] = True
    assert region_similarity(a, b) == pytest.approx(8 / 24)


def naive_contour(mask: np.ndarray) -> set[tuple[int, int]]:
    h, w = mask.shape
    found = set()
    for y in range(h):
        for x in range(w):
            others = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            if any(v < h and u < w and mask[v, u] != mask[y, x] for v, u in others):
                found.add((y, x))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_contour_accuracy_is_matching_within_a_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    y, x = rng.integers(2, 10, 2)
    a[y : y + 15, x : x + 20] = True
    b[y + seed : y + 14, x + 2 : x + 20 + seed] = True
    radius = math.ceil(0.05 * math.hypot(30, 40))
    ours, theirs = naive_contour(a), naive_contour(b)
    assert {tuple(p) for p in np.argwhere(contour(a)).tolist()} == ours

    def matched(some: set[tuple[int, int]], others: set[tuple[int, int]]) -> float:
        near = [any((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 <= radius**2 for q in others) for p in some]
        return sum(near) / len(near)

    precision, recall = matched(ours, theirs), matched(theirs, ours)
    expected = 2 * precision * recall / (precision + recall)
    assert contour_accuracy(a, b, 0.05) == pytest.approx(expected)


def test_contours_of_empty_masks() -> None:
    empty, full = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    full[3:6, 3:6] = True
    assert contour_accuracy(empty, empty) == 1
    assert contour_accuracy(full, empty) == contour_accuracy(empty, full) == 0
    assert contour_accuracy(full, full) == 1


def test_frechet_closed_forms() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    shift = np.array([1.0, -2, 0, 0.5, 3])
    assert frechet_distance(x, x + shift) == pytest.approx(float(shift @ shift))
    # Scaled by s the covariances commute: (1 - s)^2 Tr C, beside the means.
    centred = x - x.mean(0)
    assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * np.trace(np.cov(x.T)))
    # One dimension: (m1 - m2)^2 + (s1 - s2)^2.
    a, b = rng.normal(2, 3, (50, 1)), rng.normal(-1, 0.5, (70, 1))
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 250, 8), (6, 9, 20), (40, 5, 12)])
def test_frechet_is_the_matrix_formula(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    b = rng.normal(size=(m, d)) @ rng.normal(size=(d, d)) + 0.3
    ca, cb = np.cov(a.T), np.cov(b.T)
    # The symmetric form of the root; the eigenvalues are those of C1 C2, also where these have no full rank.
    values, vectors = np.linalg.eigh(ca)
    root = vectors @ np.diag(np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cb @ root), 0, None)).sum()
    if n > d and m > d:
        assert np.trace(sqrtm(ca @ cb)).real == pytest.approx(cross)
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(ca) + np.trace(cb) - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_is_torchmetrics() -> None:
    """Its whole FID, with the frames' own pixels for features."""

    class Pixels(torch.nn.Module):
        num_features = 12

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return frames.flatten(1).float() / 255

    generator = torch.Generator().manual_seed(0)
    true, made = (torch.randint(0, top, (60, 3, 2, 2), generator=generator, dtype=torch.uint8) for top in (256, 180))
    theirs = FrechetInceptionDistance(feature=Pixels()).set_dtype(torch.float64)
    theirs.update(true, real=True)
    theirs.update(made, real=False)
    ours = frechet_distance(*((side.flatten(1) / 255).numpy() for side in (true, made)))
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-4)


def test_frechet_refuses_what_means_nothing() -> None:
    x = np.ones((3, 4))
    for a, b in ((x[:1], x), (x, x[:, :2]), (x, x * np.nan)):
        with pytest.raises(ValueError):
            frechet_distance(a, b)


def test_activation_distance() -> None:
    rng = np.random.default_rng(0)
    shapes = [(4, 3, 5, 5), (7, 2, 2, 3)]
    a, b = ([rng.normal(size=s).astype(np.float32) for s in shapes] for _ in range(2))
    expected = 0.0
    for p, q in zip(a, b, strict=True):
        places = [
            (((u / np.linalg.norm(u)) - (v / np.linalg.norm(v))) ** 2).sum()
            for u, v in zip(p.reshape(len(p), -1).T, q.reshape(len(q), -1).T, strict=True)
        ]
        expected += float(np.mean(places))
    assert activation_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert activation_distance(a, a) == 0
    with pytest.raises(ValueError):
        activation_distance(a, b[::-1])


def test_means_say_what_they_left_out() -> None:
    assert mean([1.0, 3.0, math.inf, None, math.nan]) == Mean(2.0, math.sqrt(2), 2, 1)
    assert mean([math.inf, math.inf]) == Mean(math.inf, None, 0, 2)
    assert mean([None]) == Mean(None)
    assert mean([5.0]) == Mean(5.0, None, 1)
