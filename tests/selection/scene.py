"""A textured thing that moves over a textured ground, as frames, true masks and true labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (120, 176)


def texture(seed: int, size, colour) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(-1, 1, (*size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.clip(np.array(colour, np.float32) + 25 * smooth / smooth.std(), 0, 255).astype(np.uint8)


class Scene:
    """``frames``, ``masks`` and ``labels`` (COCO: dog on grass under sky) of ``n`` frames."""

    DOG, SKY, GRASS = 16, 119, 125

    def __init__(self, n: int = 8, speed: float = 3, second: bool = False) -> None:
        height, width = SIZE
        ground = texture(0, (height, width + 80), (110, 130, 90))
        ground[:40] = texture(1, (40, width + 80), (190, 200, 220))
        thing = texture(2, (80, 80), (180, 70, 60))
        self.frames: list[np.ndarray] = []
        self.masks: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        yy, xx = np.mgrid[:height, :width]
        for t in range(n):
            frame = ground[:, t : t + width].copy()
            labels = np.full(SIZE, self.GRASS, np.uint8)
            labels[:40] = self.SKY
            mask = np.zeros(SIZE, bool)
            for cx in (50, 130) if second else (50,):
                x, y = round(cx + speed * t), 70
                inside = ((yy - y) / 26) ** 2 + ((xx - x) / 20) ** 2 <= 1
                frame[inside] = thing[(yy - y + 40)[inside], (xx - x + 40)[inside]]
                mask |= inside
            labels[mask] = self.DOG
            self.frames.append(frame)
            self.masks.append(mask)
            self.labels.append(labels)

    def __call__(self, t: int) -> np.ndarray:
        return self.frames[t]

    def box(self, t: int = 0) -> tuple[int, int, int, int]:
        ys, xs = np.nonzero(self.masks[t])
        return int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1

    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for t, frame in enumerate(self.frames):
            cv2.imwrite(str(folder / f"{t:05d}.png"), frame[..., ::-1])
        return folder

    def save_labels(self, folder: Path, about='{"taxonomy": "coco-panoptic"}') -> Path:
        (folder / "classes").mkdir(parents=True)
        for t, labels in enumerate(self.labels):
            cv2.imwrite(str(folder / "classes" / f"{t:05d}.png"), labels)
        (folder / "labels.json").write_text(about)
        return folder


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))
