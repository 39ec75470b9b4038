"""Random holes for training on many videos, after STTN and FuseFormer: a smooth blob that rests or wanders."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.types import Bool

CORNERS = (6, 8)
ROUNDNESS = (0.6, 0.8)
"""How far from a corner, as a share of half the way to the next one, the curve bends."""
SPEED = (1.0, 3.0)
ACCELERATION, TURN = 1.5, 0.25
"""Deviations per frame of the speed in pixels and of the direction in radians."""
RESTING = 0.5
"""Share of blobs that do not move."""
_FINE = 16


def blob(size: tuple[int, int], rng: np.random.Generator) -> Bool:
    """A closed smooth shape, bool ``size``, that touches all four sides of its image."""
    count = int(rng.integers(CORNERS[0], CORNERS[1] + 1))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(0.35, 1, count)
    corners = np.stack([radius * np.cos(angles), radius * np.sin(angles)], 1)
    curve = _rounded(corners, float(rng.uniform(*ROUNDNESS)))
    low, high = curve.min(0), curve.max(0)
    curve = (curve - low) / np.maximum(high - low, 1e-6) * (np.array(size[::-1]) - 1)
    out = np.zeros(size, np.uint8)
    cv2.fillPoly(out, [np.rint(curve).astype(np.int32)], 1)
    shape: Bool = out > 0
    return shape


def _rounded(corners: np.ndarray, roundness: float) -> np.ndarray:
    """Points on quadratic Bezier curves that round every corner of a closed polygon."""
    before, after = np.roll(corners, 1, 0), np.roll(corners, -1, 0)
    start = corners + (before - corners) * roundness / 2
    stop = corners + (after - corners) * roundness / 2
    t = np.linspace(0, 1, _FINE)[None, :, None]
    curves = (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * corners[:, None] + t**2 * stop[:, None]
    points: np.ndarray = curves.reshape(-1, 2)
    return points


def holes(count: int, size: tuple[int, int], rng: np.random.Generator) -> Bool:
    """One blob over ``count`` frames, at rest or wandering, bool ``(count, H, W)``; it never leaves the frame.

    It is between a third and all of the frame high and wide.
    """
    h, w = size
    shape = blob((int(rng.integers(max(1, h // 3), h)), int(rng.integers(max(1, w // 3), w))), rng)
    room = np.array([h - shape.shape[0], w - shape.shape[1]], float)
    place = rng.uniform(0, 1, 2) * room
    places = [place]
    if rng.random() >= RESTING:
        speed, direction = float(rng.uniform(*SPEED)), float(rng.uniform(0, 2 * np.pi))
        for _ in range(count - 1):
            moved = places[-1] + speed * np.array([np.sin(direction), np.cos(direction)])
            if (moved < 0).any() or (moved > room).any():
                speed, direction = abs(float(rng.normal(0, ACCELERATION))), float(rng.uniform(0, 2 * np.pi))
            else:
                speed = max(0.0, speed + float(rng.normal(0, ACCELERATION)))
                direction += float(rng.normal(0, TURN))
            places.append(np.clip(moved, 0, room))
    else:
        places *= count
    out = np.zeros((count, h, w), bool)
    for mask, at in zip(out, places, strict=True):
        y, x = np.rint(at).astype(int)
        mask[y : y + shape.shape[0], x : x + shape.shape[1]] = shape
    return out
