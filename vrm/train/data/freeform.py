"""Free-form holes: one closed Bézier blob per video, still or moving, as STTN and FuseFormer draw them for training."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vrm.types import Bool

_STEPS = 24
_SPEED = (1.0, 3.0)
_SHAKE, _TURN = 1.5, 0.25


def blob(size: tuple[int, int], rng: np.random.Generator) -> Bool:
    """A smooth closed shape, bool ``(h, w)`` of its own box.

    The box is a third of the frame to nearly all of it in each direction; 6 to 8 corners lie around its centre at 60
    to 80 percent of the way to the border, joined by cubic Bézier curves whose tangents follow the neighbours.
    """
    height, width = size
    h, w = (int(rng.integers(n // 3, max(n // 3 + 1, n - 1))) for n in size)
    corners = int(rng.integers(6, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners) / corners + 2 * np.pi * np.arange(corners) / corners)
    reach = rng.uniform(0.6, 0.8, corners)
    points = np.stack([w / 2 * (1 + reach * np.cos(angle)), h / 2 * (1 + reach * np.sin(angle))], 1)
    canvas = np.zeros((h, w), np.uint8)
    cv2.fillPoly(canvas, [np.rint(_curve(points)).astype(np.int32)], (1,))
    assert h <= height
    assert w <= width
    return canvas > 0


def covering(shape: Bool, size: tuple[int, int], centre: npt.NDArray[np.float64], share: float) -> Bool:
    """A frame with the shape enlarged or reduced about (y, x) until it covers so much of it, cut off at the borders."""
    low, high = 0.0, 16.0
    best = np.zeros(size, np.bool_)
    for _ in range(24):
        scale = (low + high) / 2
        h, w = (max(1, round(scale * n)) for n in shape.shape)
        scaled = cv2.resize(shape.astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
        best = place(scaled, size, centre - np.array([h, w]) / 2)
        low, high = (scale, high) if best.mean() < share else (low, scale)
    return best


def place(shape: Bool, size: tuple[int, int], at: npt.NDArray[np.float64]) -> Bool:
    """The shape on an empty frame, its corner at (y, x); what lies outside is cut off."""
    out = np.zeros(size, np.bool_)
    y, x = (round(float(v)) for v in at)
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + shape.shape[0], size[0]), min(x + shape.shape[1], size[1])
    if bottom > top and right > left:
        out[top:bottom, left:right] = shape[top - y : bottom - y, left - x : right - x]
    return out


class Drift:
    """How a moving hole goes: speed and heading change a little on every frame, and turn back at the borders.

    Args:
        shape: ``(h, w)`` of the blob.
        size: ``(H, W)`` of the frame.
        rng: the source of chance.
    """

    def __init__(self, shape: tuple[int, int], size: tuple[int, int], rng: np.random.Generator) -> None:
        self._room = np.array([size[0] - shape[0], size[1] - shape[1]], float)
        self._rng = rng
        self.at = rng.uniform(0, 1, 2) * self._room
        self._speed = float(rng.uniform(*_SPEED))
        self._heading = float(rng.uniform(0, 2 * np.pi))

    def step(self) -> None:
        """To the next frame: Gaussian changes of speed (1.5 px) and heading (.25 rad)."""
        self._speed = abs(self._speed + self._rng.normal(0, _SHAKE))
        self._heading += self._rng.normal(0, _TURN)
        move = self._speed * np.array([np.sin(self._heading), np.cos(self._heading)])
        goal = self.at + move
        out = (goal < 0) | (goal > self._room)
        if out.any():
            # At a border the blob starts off anew, away from it.
            self._speed = abs(float(self._rng.normal(0, _SHAKE)))
            move = np.where(out, -move, move)
            self._heading = float(np.arctan2(move[0], move[1]))
        self.at = np.clip(self.at + np.where(out, 0, move), 0, self._room)


def _curve(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A closed chain of cubic Bézier curves through the points ``(n, 2)``; tangents as Catmull and Rom choose them."""
    before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
    tangent = (after - before) / 6
    u = np.linspace(0, 1, _STEPS, endpoint=False)[None, :, None]
    start, end = points[:, None], after[:, None]
    first, second = start + tangent[:, None], end - np.roll(tangent, -1, 0)[:, None]
    drawn = (1 - u) ** 3 * start + 3 * u * (1 - u) ** 2 * first + 3 * u**2 * (1 - u) * second + u**3 * end
    return np.asarray(drawn.reshape(-1, 2))
