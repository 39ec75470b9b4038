"""Made shots with a known background, for the tests of motion."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth random colour texture, uint8 ``(height, width, 3)``."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), 2.0)
    noise += 2 * cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), 9.0)
    low, high = noise.min(), noise.max()
    return ((noise - low) / (high - low) * 235 + 10).astype(np.uint8)


class MadeShot:
    """A shot from functions of the frame number; what lies in the hole is replaced by a flat red object."""

    def __init__(
        self,
        n_frames: int,
        truth: Callable[[int], np.ndarray],
        hole: Callable[[int], np.ndarray],
    ) -> None:
        self.start, self.stop = 0, n_frames
        self.truths = [truth(t) for t in range(n_frames)]
        self.holes = [hole(t) for t in range(n_frames)]
        self.size = self.truths[0].shape[:2]
        self.depth = 8
        self.asked: list[int] = []

    def frame(self, t: int) -> np.ndarray:
        assert self.start <= t < self.stop
        self.asked.append(t)
        out = self.truths[t].copy()
        out[self.holes[t]] = np.array([220, 20, 20]) * (out.dtype.type(np.iinfo(out.dtype).max) // 255)
        return out

    def hole(self, t: int) -> np.ndarray:
        return self.holes[t].copy()


def box_hole(size: tuple[int, int], y: int, x: int, h: int, w: int) -> np.ndarray:
    """A rectangle, cut at the frame."""
    hole = np.zeros(size, np.bool_)
    hole[max(0, y) : max(0, y + h), max(0, x) : max(0, x + w)] = True
    return hole


def hole_psnr(shot: MadeShot, found: object, frames: range) -> float:
    """PSNR in dB of the fills against the truth, inside the holes of ``frames``."""
    total, count = 0.0, 0
    for t in frames:
        if t not in found.fills:  # type: ignore[attr-defined]
            continue
        fill = found.fills[t]  # type: ignore[attr-defined]
        top = np.iinfo(shot.truths[t].dtype).max
        true = shot.truths[t].reshape(-1, 3)[fill.index].astype(np.float64) / top
        total, count = total + np.square(true - fill.rgb).sum(), count + true.size
    return float(10 * np.log10(count / max(total, 1e-12)))
