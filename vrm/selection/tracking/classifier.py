"""A small network that learns, on this video, which pixels are the object's."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from torch import nn

from vrm.types import F32, Bool


class PixelClassifier:
    """Object or not, from the features of one pixel; learned from annotated frames and from its own sure results.

    Annotated pixels are kept for good and make up half of every batch, so that it cannot drift away from them.

    Args:
        channels: features per pixel.
        seed: of the initial weights and of the sampling.
    """

    def __init__(self, channels: int, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._net = nn.Sequential(
                nn.Linear(channels, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1)
            )
        self._adam = torch.optim.Adam(self._net.parameters(), lr=3e-3, weight_decay=1e-4)
        self._anchors: list[tuple[F32, F32]] = []
        self._recent: deque[tuple[F32, F32]] = deque(maxlen=8)
        self._mean: F32 = np.zeros(channels, np.float32)
        self._spread: F32 = np.ones(channels, np.float32)

    def annotate(self, features: F32, inside: Bool, outside: Bool) -> None:
        """Add an annotated frame: features ``(h, w, C)`` and the pixels that surely are and are not the object."""
        if not self._anchors:
            flat = features.reshape(-1, features.shape[2])
            self._mean, self._spread = flat.mean(0), flat.std(0) + np.float32(0.05)
        self._anchors += self._samples(features, inside, outside, 6000)

    def remember(self, features: F32, inside: Bool, outside: Bool) -> None:
        """Add a tracked frame; the last eight are kept."""
        self._recent.extend(self._samples(features, inside, outside, 1500))

    def _samples(self, features: F32, inside: Bool, outside: Bool, count: int) -> list[tuple[F32, F32]]:
        """``count`` pixels of each kind, normalised; nothing where one kind has next to none."""
        flat = features.reshape(-1, features.shape[2])
        kinds = [np.flatnonzero(inside), np.flatnonzero(outside)]
        if min(len(kind) for kind in kinds) < 5:
            return []
        ours, others = (self._normal(flat[self._random.choice(kind, count)]) for kind in kinds)
        return [(ours, others)]

    def _normal(self, rows: F32) -> F32:
        return np.asarray((rows - self._mean) / self._spread, np.float32)

    def fit(self, steps: int, rate: float) -> None:
        """Take ``steps`` of Adam at learning rate ``rate`` on batches of 1,024 pixels, both kinds in equal parts."""
        if not self._anchors:
            return
        for group in self._adam.param_groups:
            group["lr"] = rate
        for _ in range(steps):
            pairs = [self._anchors[self._random.integers(len(self._anchors))]]
            if self._recent:
                newest = self._random.random() < 0.5
                pairs.append(self._recent[-1 if newest else int(self._random.integers(len(self._recent)))])
            each = 512 // len(pairs)
            drawn = [
                rows[self._random.integers(len(rows), size=each)]
                for kind in (0, 1)
                for rows in (pair[kind] for pair in pairs)
            ]
            batch = np.concatenate(drawn)
            batch += 0.1 * self._random.standard_normal(batch.shape, np.float32)
            wanted = (torch.arange(len(batch)) < len(batch) // 2).float()
            loss = nn.functional.binary_cross_entropy_with_logits(self._net(torch.from_numpy(batch))[:, 0], wanted)
            self._adam.zero_grad()
            torch.autograd.backward(loss)
            self._adam.step()

    @torch.no_grad()
    def __call__(self, features: F32) -> F32:
        """Log odds of being the object, ``(h, w)``, cut to -6..6."""
        rows = torch.from_numpy(self._normal(features.reshape(-1, features.shape[2])))
        odds = self._net(rows)[:, 0].clamp(-6, 6).numpy()
        return np.asarray(odds.reshape(features.shape[:2]), np.float32)
