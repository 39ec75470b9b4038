"""Random masks: free-form shapes that rest or move over a clip, as STTN and FuseFormer train; strokes and boxes."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vrm.types import Bool, bounding_box

RESTING = 0.5
"""Share of shapes that do not move, in training."""

_SPEED = (1.0, 3.0)
"""At first, in pixels per frame."""

_SPEED_CHANGE, _TURN = 1.5, 0.25
"""Standard deviations, per frame, of the speed in pixels and of the direction in radians."""

_CURVE_POINTS = 24


def free_form_masks(count: int, size: tuple[int, int], rng: np.random.Generator) -> Bool:
    """One shape over ``count`` frames, at rest or moving, bool ``(count, H, W)``; it never leaves the frame.

    It is between a third and all of the frame high and wide.
    """
    drawn = free_form_shape(size, rng)
    h, w = drawn.shape
    box = bounding_box(drawn)
    assert box is not None
    tight = drawn[box[0] : box[2], box[1] : box[3]].astype(np.uint8)
    shape = cv2.resize(tight, (w, h), interpolation=cv2.INTER_NEAREST) > 0  # it touches all sides of its box
    motion = ShapeMotion((h, w), size, rng)
    resting = rng.random() < RESTING
    out = np.zeros((count, *size), np.bool_)
    for mask in out:
        mask[:] = placed(shape, size, motion.at)
        if not resting:
            motion.step()
    return out


def free_form_shape(size: tuple[int, int], rng: np.random.Generator) -> Bool:
    """A smooth closed shape for a frame of ``size``, bool ``(h, w)`` of its own box.

    The box is a third of the frame to nearly all of it in each direction; 6 to 8 corners lie around its centre at 60
    to 80 percent of the way to the border, joined by cubic Bézier curves whose tangents follow the neighbours.
    """
    h, w = (int(rng.integers(n // 3, max(n // 3 + 1, n - 1))) for n in size)
    corners = int(rng.integers(6, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners) / corners + 2 * np.pi * np.arange(corners) / corners)
    reach = rng.uniform(0.6, 0.8, corners)
    points = np.stack([w / 2 * (1 + reach * np.cos(angle)), h / 2 * (1 + reach * np.sin(angle))], 1)
    canvas = np.zeros((h, w), np.uint8)
    cv2.fillPoly(canvas, [np.rint(_closed_curve(points)).astype(np.int32)], (1,))
    return canvas > 0


def _closed_curve(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A closed chain of cubic Bézier curves through the points ``(n, 2)``, tangents as in Catmull-Rom splines."""
    before, after = np.roll(points, 1, 0), np.roll(points, -1, 0)
    tangent = (after - before) / 6
    u = np.linspace(0, 1, _CURVE_POINTS, endpoint=False)[None, :, None]
    start, end = points[:, None], after[:, None]
    first, second = start + tangent[:, None], end - np.roll(tangent, -1, 0)[:, None]
    curve = (1 - u) ** 3 * start + 3 * u * (1 - u) ** 2 * first + 3 * u**2 * (1 - u) * second + u**3 * end
    return np.asarray(curve.reshape(-1, 2))


class ShapeMotion:
    """The path of a moving shape: speed and direction change a little on every frame, and turn back at the borders.

    The shape's box is of size ``(h, w)``, its corner ``at`` (y, x).
    """

    def __init__(self, shape: tuple[int, int], size: tuple[int, int], rng: np.random.Generator) -> None:
        self._room = np.array([size[0] - shape[0], size[1] - shape[1]], float)
        self._rng = rng
        self.at = rng.uniform(0, 1, 2) * self._room
        self._speed = float(rng.uniform(*_SPEED))
        self._direction = float(rng.uniform(0, 2 * np.pi))

    def step(self) -> None:
        self._speed = abs(self._speed + self._rng.normal(0, _SPEED_CHANGE))
        self._direction += self._rng.normal(0, _TURN)
        move = self._speed * np.array([np.sin(self._direction), np.cos(self._direction)])
        goal = self.at + move
        outside = (goal < 0) | (goal > self._room)
        if outside.any():
            # At a border the shape starts again, away from it.
            self._speed = abs(float(self._rng.normal(0, _SPEED_CHANGE)))
            move = np.where(outside, -move, move)
            self._direction = float(np.arctan2(move[0], move[1]))
        self.at = np.clip(self.at + np.where(outside, 0, move), 0, self._room)


def placed(shape: Bool, size: tuple[int, int], at: npt.NDArray[np.float64]) -> Bool:
    """The shape on an empty frame, its corner at (y, x); what lies outside is cut off."""
    out = np.zeros(size, np.bool_)
    y, x = (round(float(v)) for v in at)
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + shape.shape[0], size[0]), min(x + shape.shape[1], size[1])
    if bottom > top and right > left:
        out[top:bottom, left:right] = shape[top - y : bottom - y, left - x : right - x]
    return out


def scaled_to_cover(shape: Bool, size: tuple[int, int], centre: npt.NDArray[np.float64], share: float) -> Bool:
    """The shape on an empty frame, scaled about (y, x) until it covers that share of it, cut off at the borders."""
    low, high = 0.0, 16.0
    best = np.zeros(size, np.bool_)
    for _ in range(24):
        scale = (low + high) / 2
        h, w = (max(1, round(scale * n)) for n in shape.shape)
        scaled = cv2.resize(shape.astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
        best = placed(scaled, size, centre - np.array([h, w]) / 2)
        low, high = (scale, high) if best.mean() < share else (low, scale)
    return best


def strokes_or_boxes(side: int, rng: np.random.Generator) -> Bool:
    """A mask of thick strokes or of boxes, bool ``(side, side)``, over a fortieth to half of the picture."""
    while True:
        mask = np.zeros((side, side), np.uint8)
        if rng.random() < 0.5:
            for _ in range(int(rng.integers(1, 5))):
                points = rng.integers(0, side, (int(rng.integers(2, 7)), 2))
                steps = np.clip(points[0] + np.cumsum(rng.normal(0, side / 5, points.shape), 0), 0, side - 1)
                thickness = int(rng.integers(max(2, side // 20), max(3, side // 5)))
                cv2.polylines(mask, [steps.astype(np.int32)], False, 1, thickness)
        else:
            for _ in range(int(rng.integers(1, 4))):
                h, w = rng.integers(max(2, side // 8), side // 2, 2)
                y, x = int(rng.integers(0, side - h)), int(rng.integers(0, side - w))
                mask[y : y + h, x : x + w] = 1
        if 0.025 <= mask.mean() <= 0.5:
            return mask > 0
