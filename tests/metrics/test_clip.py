"""A clip's meter against the same measures computed over whole arrays in float64."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from vrm.metrics.clip import FURTHER, STANDARD, WITHOUT_TRUTH, ClipMeter, ClipScore
from vrm.metrics.warping import Motion, visible, warp_difference, warp_error


def clip(frames: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, a filling, and a hole that moves and is missing on two frames."""
    rng = np.random.default_rng(3)
    wide = cv2.GaussianBlur(rng.random((48, 90, 3)), (0, 0), 1.5)
    wide = ((wide - wide.min()) / np.ptp(wide) * 255).astype(np.uint8)
    truth = np.stack([wide[:, 2 * t : 2 * t + 64] for t in range(frames)])
    masks = np.zeros((frames, 48, 64), bool)
    for t in range(frames):
        if t not in (2, 5):
            masks[t, 10 + t : 30 + t, 15:40] = True
    filled = np.clip(truth.astype(int) + rng.integers(-40, 60, truth.shape), 0, 255).astype(np.uint8)
    return truth, filled, masks


def measure(truth: np.ndarray, filled: np.ndarray, masks: np.ndarray, **words: object) -> ClipScore:
    meter = ClipMeter((*STANDARD, *FURTHER, *WITHOUT_TRUTH), **words)  # type: ignore[arg-type]
    flow = np.zeros((48, 64, 2), np.float32)
    flow[..., 0] = -2
    moving = Motion(flow, visible(flow, -flow))
    for t in range(len(truth)):
        still = moving if t else None
        meter.add(filled[t], masks[t], truth[t], truth[t], motion=still, own_motion=still)
    return meter.score()


def expected(truth: np.ndarray, filled: np.ndarray, masks: np.ndarray, used: list[int]) -> dict[str, float]:
    y = np.where(masks[..., None], filled, truth).astype(float)
    x = truth.astype(float)
    squares = (x - y) ** 2
    change = np.abs(np.diff(x, axis=0) - np.diff(y, axis=0))
    return {
        "hole_psnr": 10 * math.log10(255**2 / squares[used][masks[used]].mean()),
        "psnr": float(np.mean([10 * math.log10(255**2 / squares[t].mean()) for t in used])),
        "ssim": float(np.mean([structural_similarity(x[t], y[t], channel_axis=2, data_range=255) for t in used])),
        "dt": float(change[masks[1:] | masks[:-1]].mean()),
    }


@pytest.mark.parametrize("skip", [0, 3])
def test_whole_arrays_say_the_same(skip: int) -> None:
    truth, filled, masks = clip()
    score = measure(truth, filled, masks, skip_every=skip)
    used = [t for t in range(7) if masks[t].any() and not (skip and t % skip == 0)]
    assert score.frames == 7
    assert score.scored == len(used)
    for name, value in expected(truth, filled, masks, used).items():
        assert score.values[name] == pytest.approx(value, abs=1e-9), name


def test_the_warping_error_is_of_composed_frames() -> None:
    truth, filled, masks = clip()
    score = measure(truth, filled, masks)
    flow = np.zeros((48, 64, 2), np.float32)
    flow[..., 0] = -2
    seen = visible(flow, -flow)
    y = np.where(masks[..., None], filled, truth)
    pairs = [warp_error(warp_difference(y[t], y[t + 1], flow), seen, 255) for t in range(6)]
    assert score.values["ewarp"] == pytest.approx(np.mean([total / n for total, n in pairs]))
    holes = []
    for t, (before, after) in enumerate(pairwise(masks)):
        ends = np.zeros_like(before)
        ends[:, 2:] = after[:, :-2]  # a pixel at x ends at x - 2
        where = seen & (before | ends)
        holes.append(warp_error(warp_difference(y[t], y[t + 1], flow), where, 255))
    assert score.values["ewarp_hole"] == pytest.approx(np.mean([total / n for total, n in holes]))
    # The truth moves as the flow says, but for the two columns that come in.
    still = [warp_error(warp_difference(truth[t], truth[t + 1], flow), seen, 255) for t in range(6)]
    assert score.values["ewarp_truth"] == pytest.approx(np.mean([total / n for total, n in still]))
    assert score.values["ewarp_truth"] < score.values["ewarp"] < score.values["ewarp_hole"]


def test_only_some_frames_count() -> None:
    truth, filled, masks = clip()
    score = measure(truth, filled, masks, only=frozenset({0}))
    assert score.scored == 1
    assert score.values["psnr"] == pytest.approx(expected(truth, filled, masks, [0])["psnr"])


def test_equal_frames_are_infinite_and_left_out() -> None:
    truth, filled, masks = clip()
    filled[0] = truth[0]
    score = measure(truth, filled, masks)
    assert score.infinite["psnr"] == 1
    assert score.values["psnr"] == pytest.approx(expected(truth, filled, masks, [1, 3, 4, 6])["psnr"])
    same = measure(truth, truth, masks)
    assert same.values["psnr"] == same.values["hole_psnr"] == math.inf
    assert same.values["ssim"] == 1
    assert same.values["dt"] == 0


def test_changes_outside_the_hole_are_found() -> None:
    truth, filled, masks = clip()
    meter = ClipMeter()
    other = np.where(masks[..., None], filled, truth)
    other[4, 0, 0, 1] = int(other[4, 0, 0, 1]) ^ 16
    for t in range(7):
        meter.add(other[t], masks[t], truth[t], truth[t])
    assert meter.score().outside_max == 16


def test_nothing_masked_measures_nothing() -> None:
    truth, filled, masks = clip()
    score = measure(truth, filled, np.zeros_like(masks))
    assert score.scored == 0
    assert all(v is None for k, v in score.values.items() if not k.startswith("ewarp"))


def test_without_a_truth() -> None:
    truth, filled, masks = clip()
    meter = ClipMeter(WITHOUT_TRUTH)
    for t in range(7):
        meter.add(filled[t], masks[t], None, truth[t])
    values = meter.score().values
    assert values["sharp_around"] is not None
    assert values["sharp_around"] > 1  # noise
    assert values["seam"] is not None
    assert values["ewarp_own"] is None  # no motion was given


def test_unknown_measures_are_refused() -> None:
    with pytest.raises(ValueError, match="sharpness"):
        ClipMeter(("psnr", "sharpness"))
