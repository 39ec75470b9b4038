"""A small network that learns, on this video, which pixels are the object's."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

from vrm.types import F32, Bool

_HIDDEN = 48
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
"""Adam's (Kingma and Ba, ICLR 2015)."""
_WEIGHT_DECAY = 1e-4
_PACK = 64
"""Pixels in one matrix product. Products this small stay in the processor's cache, and OpenBLAS computes them on one
thread: on several they take many times as long where anything else runs on the machine."""
_PACKS = 64
"""Packs classified at once."""


class PixelClassifier:
    """Object or not, from the features of one pixel; learned from annotated frames and from its own sure results.

    A perceptron with two hidden layers of 48 rectified units, trained with Adam on the logistic loss; in NumPy, so that
    following a mask needs no torch. Annotated pixels are kept for good and make up half of every batch, so that it
    cannot drift away from them. The seed is that of the initial weights and of the sampling.
    """

    def __init__(self, channels: int, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._widths = (channels, _HIDDEN, _HIDDEN, 1)
        # All parameters lie in one row, and so do Adam's moments: a step of Adam is then a few operations in all.
        self._parameters: F32 = np.zeros(sum((n + 1) * m for n, m in pairwise(self._widths)), np.float32)
        for layer in self._layers(self._parameters):
            fan_in = len(layer) - 1
            layer[...] = self._random.uniform(-1, 1, layer.shape) / np.sqrt(fan_in)
        self._first_moment, self._second_moment = np.zeros((2, len(self._parameters)), np.float32)
        self._steps = 0
        self._anchors: list[tuple[F32, F32]] = []
        self._recent: deque[tuple[F32, F32]] = deque(maxlen=8)
        self._mean: F32 = np.zeros(channels, np.float32)
        self._spread: F32 = np.ones(channels, np.float32)

    def _layers(self, row: F32) -> list[F32]:
        """Each layer's part of a row of parameters or gradients: ``(n + 1, m)``, the weights and below them the bias.

        Views, made anew at each call, so that copies of this object do not share them.
        """
        parts, begin = [], 0
        for n, m in pairwise(self._widths):
            parts.append(row[begin : begin + (n + 1) * m].reshape(n + 1, m))
            begin += (n + 1) * m
        return parts

    def annotate(self, features: F32, inside: Bool, outside: Bool) -> None:
        """Add an annotated frame: features ``(h, w, C)`` and the pixels that surely are and are not the object."""
        if not self._anchors:
            flat = features.reshape(-1, features.shape[2])
            self._mean, self._spread = flat.mean(0), flat.std(0) + np.float32(0.05)
        self._anchors += self._samples(features, inside, outside, 6000)

    def remember(self, features: F32, inside: Bool, outside: Bool) -> None:
        self._recent.extend(self._samples(features, inside, outside, 1500))

    def _samples(self, features: F32, inside: Bool, outside: Bool, count: int) -> list[tuple[F32, F32]]:
        """``count`` pixels of each kind, normalised; nothing where one kind has next to none."""
        flat = features.reshape(-1, features.shape[2])
        kinds = [np.flatnonzero(inside), np.flatnonzero(outside)]
        if min(len(kind) for kind in kinds) < 5:
            return []
        ours, others = (self._normalised(flat[self._random.choice(kind, count)]) for kind in kinds)
        return [(ours, others)]

    def _normalised(self, rows: F32) -> F32:
        return np.asarray((rows - self._mean) / self._spread, np.float32)

    def fit(self, steps: int, rate: float) -> None:
        """Take ``steps`` of Adam at learning rate ``rate`` on batches of 1,024 pixels, both kinds in equal parts."""
        if self._anchors:
            for _ in range(steps):
                self._step(self._gradient(self._batch()), rate)

    def _batch(self) -> F32:
        """1,024 normalised pixels with a little noise, ``(packs, 64, C)``: first the object's, then as many others."""
        pairs = [self._anchors[self._random.integers(len(self._anchors))]]
        if self._recent:
            newest = self._random.random() < 0.5
            pairs.append(self._recent[-1 if newest else int(self._random.integers(len(self._recent)))])
        each = 512 // len(pairs)
        drawn = [
            rows.take(self._random.integers(len(rows), size=each), axis=0)
            for kind in (0, 1)
            for rows in (pair[kind] for pair in pairs)
        ]
        batch = np.concatenate(drawn)
        batch += np.float32(0.1) * self._random.standard_normal(batch.shape, np.float32)
        return batch.reshape(-1, _PACK, batch.shape[1])

    def _gradient(self, batch: F32) -> F32:
        """Of the mean logistic loss by every parameter, for a batch whose first half is the object's."""
        layers = self._layers(self._parameters)
        outputs = self._forward(batch, layers)
        # The loss by the log odds z is sigmoid(z) - label, over the number of pixels.
        back = 0.5 + 0.5 * np.tanh(0.5 * outputs[-1])  # the sigmoid, without overflow
        back[: len(back) // 2] -= 1
        back /= back.size
        gradient = np.empty_like(self._parameters)
        backwards = zip(self._layers(gradient), layers, [batch, *outputs[:-1]], strict=True)
        for part, layer, given in reversed(list(backwards)):
            part[:-1] = (given.swapaxes(1, 2) @ back).sum(0)
            part[-1] = back.sum((0, 1))
            if given is not batch:
                # A product over a single output is no sum: NumPy multiplies several times as fast.
                back = back * layer[:-1, 0] if layer.shape[1] == 1 else back @ layer[:-1].T
                back *= given > 0  # the layer below is rectified
        return gradient

    def _step(self, gradient: F32, rate: float) -> None:
        """One step of Adam (Algorithm 1 of the paper), with weight decay as a part of the gradient."""
        self._steps += 1
        gradient += _WEIGHT_DECAY * self._parameters
        self._first_moment += (1 - _BETA1) * (gradient - self._first_moment)
        self._second_moment += (1 - _BETA2) * (gradient * gradient - self._second_moment)
        mean = self._first_moment / (1 - _BETA1**self._steps)
        square = self._second_moment / (1 - _BETA2**self._steps)
        self._parameters -= rate * mean / (np.sqrt(square) + _EPSILON)

    @staticmethod
    def _forward(packs: F32, layers: list[F32]) -> list[F32]:
        """The output of each layer for pixels ``(packs, 64, C)``; all but the last are rectified."""
        outputs = []
        for layer in layers:
            packs = packs @ layer[:-1]
            packs += layer[-1]
            if layer is not layers[-1]:
                np.maximum(packs, 0, out=packs)
            outputs.append(packs)
        return outputs

    def __call__(self, features: F32) -> F32:
        """Log odds of being the object, ``(n,)``, cut to -6..6, for the features ``(n, C)`` of n pixels."""
        layers = self._layers(self._parameters)
        odds = np.empty(len(features), np.float32)
        for begin in range(0, len(features), _PACK * _PACKS):
            rows = self._normalised(features[begin : begin + _PACK * _PACKS])
            count, missing = len(rows), -len(rows) % _PACK
            if missing:
                rows = np.pad(rows, ((0, missing), (0, 0)))
            packs = rows.reshape(-1, _PACK, rows.shape[1])
            odds[begin : begin + count] = self._forward(packs, layers)[-1].ravel()[:count]
        return np.clip(odds, -6, 6)
