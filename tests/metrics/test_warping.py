"""The warping error against its definition written in loops, and a warp made by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vrm.metrics.warping import Motion, label_changes, motion, visible, warp, warp_difference, warp_error


def bilinear(image: np.ndarray, y: float, x: float) -> np.ndarray:
    h, w = image.shape[:2]
    y, x = min(max(y, 0.0), h - 1.0), min(max(x, 0.0), w - 1.0)
    y0, x0 = min(int(y), h - 2), min(int(x), w - 2)
    b, a = y - y0, x - x0
    return (
        (1 - b) * (1 - a) * image[y0, x0]
        + (1 - b) * a * image[y0, x0 + 1]
        + b * (1 - a) * image[y0 + 1, x0]
        + b * a * image[y0 + 1, x0 + 1]
    )


def naive(
    first: np.ndarray, second: np.ndarray, forward: np.ndarray, backward: np.ndarray
) -> tuple[float, int, np.ndarray]:
    """Lai et al. in float64 loops: summed squared error, samples, visibility."""
    h, w = first.shape[:2]
    x1, x2 = first / 255.0, second / 255.0
    seen = np.zeros((h, w), bool)
    total = 0.0
    for y in range(h):
        for x in range(w):
            f = forward[y, x].astype(float)
            b = bilinear(backward.astype(float), y + f[1], x + f[0])
            occluded = ((b + f) ** 2).sum() > 0.01 * ((b**2).sum() + (f**2).sum()) + 0.5
            gradient = 0.0
            for k in range(2):
                if y + 1 < h:
                    gradient += (float(forward[y + 1, x, k]) - f[k]) ** 2
                if x + 1 < w:
                    gradient += (float(forward[y, x + 1, k]) - f[k]) ** 2
            edge = gradient > 0.01 * (f**2).sum() + 0.002
            seen[y, x] = not (occluded or edge)
            if seen[y, x]:
                total += ((bilinear(x2, y + f[1], x + f[0]) - x1[y, x]) ** 2).sum()
    return total, 3 * int(seen.sum()), seen


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (22, 31)
    first, second = (rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(2))
    smooth = cv2.GaussianBlur(rng.normal(0, 40, (*size, 2)).astype(np.float32), (0, 0), 8) + 2
    back = -warp(smooth, -smooth) + rng.normal(0, 0.4, (*size, 2)).astype(np.float32)
    total, n, seen = naive(first, second, smooth, back)
    assert 0.05 < seen.mean() < 0.95
    found = visible(smooth, back)
    assert np.array_equal(found, seen)
    measured, samples = warp_error(warp_difference(first, second, smooth), found, 255)
    assert samples == n
    assert measured == pytest.approx(total, rel=1e-5)


def test_a_shift_by_whole_pixels_has_no_error() -> None:
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    first, second = wide[:, 5:55], wide[:, 2:52]  # everything moves right by 3
    flow = np.zeros((40, 50, 2), np.float32)
    flow[..., 0] = 3
    seen = visible(flow, -flow)
    assert seen.all()
    seen[:, 47:] = False  # these leave the frame
    assert warp_error(warp_difference(first, second, flow), seen, 255) == (0.0, 3 * 40 * 47)
    assert warp_error(warp_difference(first, second, np.zeros_like(flow)), seen, 255)[0] > 1
    # Clamped: what leaves the frame is compared with its last column.
    assert np.array_equal(warp(second, flow)[:, -1], second[:, -1].astype(np.float32))


def test_deeper_frames_measure_the_same() -> None:
    rng = np.random.default_rng(1)
    first, second = (rng.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(2))
    flow = np.full((20, 30, 2), 0.5, np.float32)
    seen = np.ones((20, 30), bool)
    shallow = warp_error(warp_difference(first, second, flow), seen, 255)[0]
    deep = [frame.astype(np.uint16) * 257 for frame in (first, second)]
    assert warp_error(warp_difference(*deep, flow), seen, 65535)[0] == pytest.approx(shallow, rel=1e-6)


def test_flow_is_asked_for_both_ways() -> None:
    asked = []

    def estimator(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        asked.append((int(a[0, 0]), int(b[0, 0])))
        return np.full((*a.shape, 2), 1 if len(asked) == 1 else -1, np.float32)

    frames = [np.full((8, 9, 3), v, np.uint8) for v in (10, 20)]
    found = motion(*frames, estimator)
    assert asked == [(10, 20), (20, 10)]
    assert found.visible.all()


def test_label_flicker() -> None:
    first = np.zeros((10, 12), np.uint8)
    first[:, 4:] = 1
    second = np.zeros((10, 12), np.uint8)
    second[:, 6:] = 1
    flow = np.zeros((10, 12, 2), np.float32)
    everywhere = np.ones((10, 12), bool)
    assert label_changes(first, second, Motion(flow, everywhere)) == (20, 120)
    flow[..., 0] = 2
    # Moved along with the labels nothing flickers; two columns leave the frame.
    assert label_changes(first, second, Motion(flow, everywhere)) == (0, 100)
    assert label_changes(first, second, Motion(flow, ~everywhere)) == (0, 0)
