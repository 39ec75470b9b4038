"""Things held to the frames known whole as one piece, directly: no chain in between that could break or drift.

From one frame to the next the piece is followed by maximising the enhanced correlation (Evangelidis and Psarakis 2008)
of its visible pixels with the whole frame itself. An affine motion that explains the visible half explains the hidden
one, as far as the thing is rigid. How far it is, two whole frames tell: what the one shows, moved along, is compared
with what the other shows in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.candidates.distant_frames import around
from vrm.motion.flow.completion import grid
from vrm.motion.flow.estimators import FlowEstimator
from vrm.motion.frames import WorkingFrames, dilate
from vrm.motion.fusion.fusion import length_scale, odd
from vrm.motion.poisson import Array, push_pull
from vrm.motion.trajectories.trajectory import GUARD, remap
from vrm.system.threads import each
from vrm.types import U8, Bool, Box, bounding_box, grow_box

_LEAST = 150
"""Visible pixels of a thing, below which it is not followed (in frames 432 wide)."""

_FOLLOWED, _BELIEVED = 0.6, 0.75
"""Correlation with the whole frame from which on a thing is followed, and believed to be there."""

_REACH = 24
"""Frames that a thing is followed from a whole frame."""

_CLOSED = 21
"""Pixels of a thing, likewise, that may lie between those which are told to be its own."""

_FARTHEST = 8.0
"""Pixels that a visible part may be off from the affine motion, likewise."""

_FORGIVEN = 4.0
"""Pixels that two whole frames may be off, likewise, where they are compared."""

_BENDS = 0.5
"""Part of the difference between two whole frames that is expected all the way from one to the other."""

_UNKNOWN = 0.1
"""That difference, in grey levels of 1 over 20 frames, where there is no second whole frame to compare with."""

_USUAL = 20

_LIMIT = 0.12
"""Expected difference of grey levels (of 1) above which the thing is not believed to be there as it was."""

_WINDOW = 7

_COARSE = 4


@dataclass
class Held:
    """A frame in terms of a whole one, where that shows a thing, on a box at working size. Arrays are of the box.

    Attributes:
        source: the whole frame's number.
        box: ``(y0, x0, y1, x1)``.
        xy: float32 ``(h, w, 2)``: places in the whole frame.
        shown: bool ``(h, w)``: the whole frame shows the thing there, and it is expected to look the same.
        error: float32 ``(h, w)``: expected difference of grey levels, 0..1.
    """

    source: int
    box: Box
    xy: Array
    shown: Bool
    error: Array


class Rigid:
    """The things of some whole frames, followed from each of them to the next, both ways.

    Args:
        frames: the working frames.
        shown: bool ``(h, w)`` by number: where whole frames show things.
        window: frames they are followed through.
        estimator: flow, for what an affine motion leaves over.
    """

    def __init__(
        self, frames: WorkingFrames, shown: Mapping[int, Bool], window: range, estimator: FlowEstimator
    ) -> None:
        self.frames, self.estimator = frames, estimator
        self.scale = length_scale(frames.size)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (odd(_CLOSED * self.scale),) * 2)
        self._shown = {k: cv2.morphologyEx(m.astype(np.uint8), cv2.MORPH_CLOSE, disc) for k, m in shown.items()}
        self._motion: dict[tuple[int, int], Array] = {}
        ways = [(k, way) for k in sorted(shown) for way in (-1, 1)]
        for found in each(lambda one: self._followed(*one, window), ways):
            self._motion |= found
        self._bent = {(k, t): self._apart(k, t) for t, k in self._motion if t in shown}

    def at(self, t: int) -> list[Held]:
        """Frame t, which has a hole, in terms of each whole frame that its things were followed from."""
        box = around(self.frames.hole(t))
        if box is None:
            return []
        found = (self._held(t, k, box) for k in sorted(self._shown) if (t, k) in self._motion)
        return [held for held in found if held is not None]

    def _followed(self, k: int, way: int, window: range) -> dict[tuple[int, int], Array]:
        """Affine motions from whole frame k to the frames that its things are found in, by ``(frame, k)``."""
        out: dict[tuple[int, int], Array] = {}
        box = bounding_box(self._shown[k].view(np.bool_))
        if box is None:
            return out
        y0, x0, y1, x1 = grow_box(box, round(16 * self.scale), self.frames.size)
        key = np.ascontiguousarray(self.frames.grey(k)[y0:y1, x0:x1])
        motion, step = np.eye(2, 3, dtype=np.float32), np.zeros((2, 3), np.float32)
        for t in range(k + way, k + way * (_REACH + 1), way):
            if t not in window:
                break
            visible = self._visible(t, k, motion)
            if visible.sum() < _LEAST * self.scale**2:
                continue
            here, corner = self.frames.grey(t), (x0, y0)
            starts = [motion, motion + step, _moved(key, here, visible, motion, corner)]
            best = max((_correlated(key, here, visible, start, corner) for start in starts), key=lambda one: one[0])
            if best[0] >= _FOLLOWED:
                motion, step = best[1], best[1] - motion
            else:
                step = np.zeros((2, 3), np.float32)
            if best[0] >= _BELIEVED or t in self._shown:  # two whole frames are compared in any case
                out[t, k] = motion
            if t in self._shown:
                break
        return out

    def _visible(self, t: int, k: int, motion: Array) -> Bool:
        """Where frame t should show the things of frame k, and hides nothing."""
        placed = cv2.warpAffine(self._shown[k], motion, self.frames.size[::-1], flags=cv2.INTER_NEAREST)
        return dilate(placed.view(np.bool_), round(3 * self.scale)) & ~dilate(self.frames.hole(t), GUARD)

    def _held(self, t: int, k: int, box: Box) -> Held | None:
        y0, x0, y1, x1 = box
        back = cv2.invertAffineTransform(self._motion[t, k]).astype(np.float32)
        points = grid(y1 - y0, x1 - x0) + np.array((x0, y0), np.float32)
        here = self.frames.grey(t)[y0:y1, x0:x1]
        visible = self._visible(t, k, self._motion[t, k])[y0:y1, x0:x1]
        xy = _apply(back, points)
        known = visible & self._shows(k, xy)
        if known.sum() < _LEAST * self.scale**2 / 2:
            return None
        there = _look(self.frames.grey(k), xy)
        rest = self.estimator(np.where(visible, here, there), there)
        sure = known & (np.linalg.norm(rest, axis=-1) <= _FARTHEST * self.scale)
        if sure.any():
            xy = _apply(back, points + push_pull(np.where(sure[..., None], rest, 0), sure.astype(np.float32)))
            there = _look(self.frames.grey(k), xy)
        size = (odd(_WINDOW * self.scale),) * 2
        apart = cv2.absdiff(here, there).astype(np.float32) / 255
        local = cv2.blur(apart * known, size) / np.maximum(cv2.blur(known.astype(np.float32), size), 1e-3)
        error = push_pull(local, known.astype(np.float32)) + self._bending(t, k, xy)
        return Held(k, box, xy, self._shows(k, xy) & (error < _LIMIT), error)

    def _shows(self, k: int, xy: Array) -> Bool:
        """Whether places in whole frame k are inside it, and show a thing."""
        h, w = self.frames.size
        inside = (xy >= 0).all(-1) & (xy[..., 0] <= w - 1) & (xy[..., 1] <= h - 1)
        return inside & (_look(self._shown[k], xy, cv2.INTER_NEAREST) > 0)

    def _bending(self, t: int, k: int, xy: Array) -> Array:
        """How much places in whole frame k are expected to have changed by frame t, in grey levels of 1."""
        others = sorted((j for i, j in self._bent if i == k), key=lambda j: ((j - k) * (t - k) < 0, abs(j - k)))
        if not others:
            return np.full(xy.shape[:2], _BENDS * _UNKNOWN * abs(t - k) / _USUAL, np.float32)
        share = min(1.5, abs(t - k) / abs(others[0] - k))
        return np.float32(_BENDS * share) * _look(self._bent[k, others[0]], xy)

    def _apart(self, k: int, t: int) -> Array:
        """For each pixel of whole frame k, how much whole frame t differs where it has gone, small shifts forgiven."""
        one = self.frames.grey(k)
        points = grid(*one.shape)
        other = _look(self.frames.grey(t), _apply(self._motion[t, k], points))
        flow = self.estimator(one, other)
        flow[np.linalg.norm(flow, axis=-1) > _FORGIVEN * self.scale] = 0
        apart = cv2.absdiff(one, _look(other, points + flow)).astype(np.float32) / 255
        return cv2.blur(apart, (odd(_WINDOW * self.scale),) * 2)


def look_up_held(
    found: Sequence[Held], t: int, rows: np.ndarray, cols: np.ndarray, chained: Mapping[int, Bool]
) -> dict[str, tuple[np.ndarray, Array, Array]]:
    """Source frame (-1 = none), place and expected error at working pixels (rows, cols) of frame t, by name.

    Whole frames may differ in what is in front there: the nearer ones decide.

    Args:
        found: frame t in terms of whole frames, one on either side at most.
        t, rows, cols: which pixels, N of them.
        chained: bool ``(N,)`` by number of the nearest whole frames: trajectories lead to a thing there. Asked where
            the frame was not found.
    """
    shown, weight = np.zeros(len(rows), np.float32), 0.0
    out: dict[str, tuple[np.ndarray, Array, Array]] = {}
    for held in found:
        at = rows - held.box[0], cols - held.box[1]
        shown += held.shown[at] / np.float32(abs(held.source - t))
        weight += 1 / abs(held.source - t)
        name = f"held by {'earlier' if held.source < t else 'later'}"
        out[name] = np.where(held.shown[at], held.source, -1), held.xy[at], held.error[at]
    for k in chained.keys() - {held.source for held in found}:
        shown += chained[k] / np.float32(abs(k - t))
        weight += 1 / abs(k - t)
    front = shown > 0.5 * weight + 1e-6
    return {name: (np.where(front, source, -1), xy, error) for name, (source, xy, error) in out.items()}


def _correlated(key: U8, here: U8, visible: Bool, start: Array, corner: tuple[int, int]) -> tuple[float, Array]:
    """The affine motion (2x3) from a part of a whole frame to another frame, and the correlation there.

    Args:
        key: the part, whose upper left corner (x, y) in its frame is ``corner``.
        here: the other frame.
        visible: bool, the pixels of it that count.
        start: where the search begins.
    """
    local = _shifted(start, corner, 1)
    limit = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-3)
    mask = visible.view(np.uint8) * np.uint8(255)
    try:
        correlation, found = cv2.findTransformECC(key, here, local, cv2.MOTION_AFFINE, limit, mask, 5)
    except cv2.error:  # it did not converge
        return -1.0, start
    stretch = np.linalg.svd(found[:, :2])[1] if np.isfinite(found).all() else np.zeros(2)
    if not 0.4 < stretch[1] <= stretch[0] < min(2.5, 1.6 * stretch[1]):
        return -1.0, start
    return float(correlation), _shifted(found, corner, -1)


def _moved(key: U8, here: U8, visible: Bool, start: Array, corner: tuple[int, int]) -> Array:
    """A start that is also right where the thing has moved far: moved as pictures of a quarter of the size say.

    Args: see ``_correlated``.
    """
    small_key, small, mask = (
        cv2.resize(a, None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=cv2.INTER_AREA)
        for a in (key, here, visible.view(np.uint8) * np.uint8(255))
    )
    local = _shifted(start, corner, 1)
    local[:, 2] /= _COARSE
    limit = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-3)
    try:
        _, local = cv2.findTransformECC(small_key, small, local, cv2.MOTION_TRANSLATION, limit, mask, 3)
    except cv2.error:  # it did not converge
        return start
    local[:, 2] *= _COARSE
    return _shifted(local, corner, -1)


def _shifted(matrix: Array, corner: tuple[int, int], way: int) -> Array:
    """A motion in terms of a part of its frame (way 1), or of the frame again (-1)."""
    out = matrix.astype(np.float32)
    out[:, 2] += way * (out[:, :2] @ np.array(corner, np.float32))
    return out


def _apply(matrix: Array, points: Array) -> Array:
    places: Array = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return places


def _look(image: np.ndarray, xy: Array, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """An image at places ``(h, w, 2)``."""
    return remap(image, xy.reshape(-1, 2), interpolation).reshape(xy.shape[:2])
