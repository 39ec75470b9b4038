"""What the benchmarks measure a filled clip by, and the fill they compare with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.metrics import structural_similarity


@dataclass(frozen=True)
class Score:
    """Of one clip.

    Attributes:
        psnr: frame PSNR (dB) over whole frames, mean of those with a hole.
        ssim: SSIM (Wang et al. 2004) over whole frames, likewise.
        dt: mean error of the change from frame to frame, in the holes (0..255).
        sharp: Sobel gradient energy in the holes, 2 pixels off their borders, over the truth's.
    """

    psnr: float
    ssim: float
    dt: float
    sharp: float


def score(truth: np.ndarray, masks: np.ndarray, filled: np.ndarray) -> Score:
    """Score one clip; frames uint8 ``(T, H, W, 3)``, masks bool ``(T, H, W)``; only the holes are looked at."""
    filled = np.where(masks[..., None], filled, truth)
    used = [t for t in range(len(truth)) if masks[t].any()]
    psnr, ssim, ours, theirs = [], [], 0.0, 0.0
    for t in used:
        x, y, m = truth[t], filled[t], masks[t]
        psnr.append(10 * np.log10(255**2 / max(np.square(x.astype(float) - y).mean(), 1e-9)))
        ssim.append(structural_similarity(x, y, channel_axis=2, data_range=255))
        inner = cv2.erode(m.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        ours, theirs = ours + energy(y, inner), theirs + energy(x, inner)
    change = np.abs(np.diff(truth.astype(float), axis=0) - np.diff(filled.astype(float), axis=0))
    dt = change[masks[1:] | masks[:-1]]
    return Score(
        float(np.mean(psnr)), float(np.mean(ssim)), float(dt.mean()) if dt.size else 0.0, ours / max(theirs, 1e-9)
    )


def energy(frame: np.ndarray, mask: np.ndarray) -> float:
    """Gradient energy (Sobel) of a frame inside the mask."""
    gradients = [cv2.Sobel(frame, cv2.CV_32F, *d) for d in ((1, 0), (0, 1))]
    return float(sum(np.square(g).sum(-1)[mask].sum() for g in gradients))


def telea(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """OpenCV's Telea (2004), radius 5, frame by frame."""
    pairs = zip(frames, masks.astype(np.uint8), strict=True)
    return np.stack([cv2.inpaint(f, m, 5, cv2.INPAINT_TELEA) if m.any() else f for f, m in pairs])
