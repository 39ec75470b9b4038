"""Small pictures to make clips of, and how tests write and read them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (48, 64)


def scene(seed: int, frames: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A texture that drifts by two pixels a frame, uint8 ``(T, H, W, 3)``."""
    rng = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(rng.random((size[0], size[1] + 2 * frames, 3)), (0, 0), 1.5)
    wide = ((wide - wide.min()) / np.ptp(wide) * 255).astype(np.uint8)
    return np.stack([wide[:, 2 * t : 2 * t + size[1]] for t in range(frames)])


def thing(seed: int, frames: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A disk that crosses the frame, bool ``(T, H, W)``."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.stack([np.hypot(y - 20 - seed, x - 15 - 3 * t) < 8 for t in range(frames)])


def write(folder: Path, pictures: np.ndarray, names: str = "{:05d}.png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for t, picture in enumerate(pictures):
        shown = picture.astype(np.uint8) * 255 if picture.dtype == bool else picture[..., ::-1]
        cv2.imwrite(str(folder / names.format(t)), shown)


def read(folder: Path) -> np.ndarray:
    """RGB frames, or bool masks."""
    files = sorted(folder.glob("*.png"))
    if folder.name == "masks":
        return np.stack([cv2.imread(str(f), 0) > 127 for f in files])
    return np.stack([cv2.imread(str(f))[..., ::-1] for f in files])
