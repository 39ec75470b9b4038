"""Things that move as one piece, aligned with the keyframes directly: no chain in between that could break or drift.

A piece is followed from frame to frame by maximising the enhanced correlation (Evangelidis and Psarakis 2008) of its
visible pixels with the keyframe itself. An affine motion that explains the visible part explains the hidden one, as
far as the thing is rigid. How far it is, two keyframes tell: what one shows, moved along, is compared with what the
other shows in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vrm.motion.flow.camera import grid, transform_affine
from vrm.motion.flow.warp import remap_grid
from vrm.motion.frames import GUARD, WorkingFrames, alignment_box, closed, dilate, length_scale, odd
from vrm.motion.fusion.candidate import Correspondences
from vrm.motion.poisson import push_pull
from vrm.system.threads import parallel_map
from vrm.types import U8, Array, Bool, Box, FlowEstimator, bounding_box, grow_box

_LEAST = 150
"""Visible pixels of a thing, below which it is not followed (in frames 432 wide)."""

_FOLLOWED, _BELIEVED = 0.6, 0.75
"""Correlation with the keyframe from which on a thing is followed, and believed to be there."""

_REACH = 24
"""Frames that a thing is followed from a keyframe."""

_CLOSED = 21
"""Gaps between foreground pixels that are closed to one piece, in pixels, likewise."""

_FARTHEST = 8.0
"""Pixels that a visible part may be off from the affine motion, likewise."""

_FORGIVEN = 4.0
"""Pixels that two keyframes may be off, likewise, where they are compared."""

_DEFORMATION = 0.5
"""Part of the difference between two keyframes that is expected all the way from one to the other."""

_UNKNOWN = 0.1
"""That difference, in grey levels of 1 over ``_USUAL`` frames, where there is no second keyframe to compare with."""

_USUAL = 20

_LIMIT = 0.12
"""Expected difference of grey levels (of 1) above which the thing is not believed to be there as it was."""

_WINDOW = 7

_COARSE = 4
"""The pictures are shrunk so many times to find a translation that is far from the start."""

_PENALTY = np.float32(-0.3)
"""On the logarithm of the expected error: it is less than for other aligned frames, whose difference is measured on
their surroundings; here it is measured on the thing itself."""

_ECC = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-3)


@dataclass
class RigidAlignment:
    """A frame in terms of a keyframe, where that shows a thing, on a box at working size. Arrays are of the box.

    Attributes:
        box: ``(y0, x0, y1, x1)``.
        xy: float32 ``(h, w, 2)``: places in the keyframe.
        shown: bool ``(h, w)``: the keyframe shows the thing there, and it is expected to look the same.
        error: float32 ``(h, w)``: expected difference of grey levels, 0..1.
    """

    source: int
    box: Box
    xy: Array
    shown: Bool
    error: Array


class RigidAligner:
    """Follows the things that keyframes show from each keyframe to the next, in both directions of time.

    Args:
        frames: the working frames.
        shown: bool ``(h, w)`` by number: where keyframes show things.
        estimator: flow, for what an affine motion does not explain.
    """

    def __init__(
        self, frames: WorkingFrames, shown: Mapping[int, Bool], window: range, estimator: FlowEstimator
    ) -> None:
        self.frames, self.estimator = frames, estimator
        self.scale = length_scale(frames.size)
        self._shown = {k: closed(m, odd(_CLOSED * self.scale)).view(np.uint8) for k, m in shown.items()}
        self._motion: dict[tuple[int, int], Array] = {}
        ways = [(k, way) for k in sorted(shown) for way in (-1, 1)]
        for found in parallel_map(lambda one: self._followed(*one, window), ways):
            self._motion |= found
        self._deformed = {(k, t): self._difference(k, t) for t, k in self._motion if t in shown}

    def align(self, t: int) -> list[RigidAlignment]:
        """Frame t, which has a hole, in terms of each keyframe that its things were followed from."""
        box = alignment_box(self.frames.hole(t))
        if box is None:
            return []
        found = (self._aligned(t, k, box) for k in sorted(self._shown) if (t, k) in self._motion)
        return [one for one in found if one is not None]

    def _followed(self, k: int, way: int, window: range) -> dict[tuple[int, int], Array]:
        """Affine motions from keyframe k to the frames that its things are found in, by ``(frame, k)``."""
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
            # Correlation climbs to the nearest maximum, so it is started where the thing was, where it would be if it
            # moved on as before, and where small pictures see it.
            here, corner = self.frames.grey(t), (x0, y0)
            starts = [motion, motion + step, _translated(key, here, visible, motion, corner)]
            best = max((_correlated(key, here, visible, start, corner) for start in starts), key=lambda one: one[0])
            if best[0] >= _FOLLOWED:
                motion, step = best[1], best[1] - motion
            else:
                step = np.zeros((2, 3), np.float32)
            if best[0] >= _BELIEVED or t in self._shown:  # two keyframes are compared in any case
                out[t, k] = motion
            if t in self._shown:
                break
        return out

    def _visible(self, t: int, k: int, motion: Array) -> Bool:
        """Where frame t should show the things of frame k, and hides nothing."""
        placed = cv2.warpAffine(self._shown[k], motion, self.frames.size[::-1], flags=cv2.INTER_NEAREST)
        return dilate(placed.view(np.bool_), round(3 * self.scale)) & ~dilate(self.frames.hole(t), GUARD)

    def _aligned(self, t: int, k: int, box: Box) -> RigidAlignment | None:
        y0, x0, y1, x1 = box
        back = cv2.invertAffineTransform(self._motion[t, k]).astype(np.float32)
        points = grid(y1 - y0, x1 - x0) + np.array((x0, y0), np.float32)
        here = self.frames.grey(t)[y0:y1, x0:x1]
        visible = self._visible(t, k, self._motion[t, k])[y0:y1, x0:x1]
        xy = transform_affine(points, back)
        known = visible & self._shows(k, xy)
        if known.sum() < _LEAST * self.scale**2 / 2:
            return None
        there = remap_grid(self.frames.grey(k), xy)
        # What flow still finds on the visible part is continued smoothly into the hidden one.
        rest = self.estimator(np.where(visible, here, there), there)
        sure = known & (np.linalg.norm(rest, axis=-1) <= _FARTHEST * self.scale)
        if sure.any():
            smooth = push_pull(np.where(sure[..., None], rest, 0), sure.astype(np.float32))
            xy = transform_affine(points + smooth, back)
            there = remap_grid(self.frames.grey(k), xy)
        size = (odd(_WINDOW * self.scale),) * 2
        difference = cv2.absdiff(here, there).astype(np.float32) / 255
        local = cv2.blur(difference * known, size) / np.maximum(cv2.blur(known.astype(np.float32), size), 1e-3)
        error = push_pull(local, known.astype(np.float32)) + self._deformation(t, k, xy)
        return RigidAlignment(k, box, xy, self._shows(k, xy) & (error < _LIMIT), error)

    def _shows(self, k: int, xy: Array) -> Bool:
        """Whether places in keyframe k are inside it, and show a thing."""
        h, w = self.frames.size
        inside = (xy >= 0).all(-1) & (xy[..., 0] <= w - 1) & (xy[..., 1] <= h - 1)
        return inside & (remap_grid(self._shown[k], xy, cv2.INTER_NEAREST) > 0)

    def _deformation(self, t: int, k: int, xy: Array) -> Array:
        """How much places in keyframe k are expected to have changed by frame t, in grey levels of 1.

        As two keyframes differ, in proportion to the time that has gone; the next keyframe on t's side is asked first.
        """
        others = sorted((j for i, j in self._deformed if i == k), key=lambda j: ((j - k) * (t - k) < 0, abs(j - k)))
        if not others:
            return np.full(xy.shape[:2], _DEFORMATION * _UNKNOWN * abs(t - k) / _USUAL, np.float32)
        share = min(1.5, abs(t - k) / abs(others[0] - k))
        return np.float32(_DEFORMATION * share) * remap_grid(self._deformed[k, others[0]], xy)

    def _difference(self, k: int, t: int) -> Array:
        """For each pixel of keyframe k, how much keyframe t differs where it has gone, small shifts forgiven."""
        one = self.frames.grey(k)
        points = grid(*one.shape)
        other = remap_grid(self.frames.grey(t), transform_affine(points, self._motion[t, k]))
        flow = self.estimator(one, other)
        flow[np.linalg.norm(flow, axis=-1) > _FORGIVEN * self.scale] = 0
        difference = cv2.absdiff(one, remap_grid(other, points + flow)).astype(np.float32) / 255
        return cv2.blur(difference, (odd(_WINDOW * self.scale),) * 2)


def look_up_rigid(
    found: Sequence[RigidAlignment], t: int, rows: np.ndarray, cols: np.ndarray, chained: Mapping[int, Bool]
) -> dict[str, Correspondences]:
    """Where N working pixels (rows, cols) of frame t are seen in keyframes, by name, if a thing is in front there.

    Keyframes may differ in what is in front: the nearer ones decide.

    Args:
        found: frame t in terms of keyframes, one on either side at most.
        chained: bool ``(N,)`` by number of the nearest keyframes: trajectories lead to a thing there. These vote for
            keyframes that the frame was not aligned with.
    """
    shown, weight = np.zeros(len(rows), np.float32), 0.0
    out: dict[str, Correspondences] = {}
    for one in found:
        at = rows - one.box[0], cols - one.box[1]
        shown += one.shown[at] / np.float32(abs(one.source - t))
        weight += 1 / abs(one.source - t)
        source = np.where(one.shown[at], one.source, -1)
        name = f"rigid {'backward' if one.source < t else 'forward'}"
        out[name] = Correspondences("nonlocal", source, one.xy[at], one.error[at], _PENALTY)
    for k in chained.keys() - {one.source for one in found}:
        shown += chained[k] / np.float32(abs(k - t))
        weight += 1 / abs(k - t)
    front = shown > 0.5 * weight + 1e-6
    return {name: replace(one, source=np.where(front, one.source, -1)) for name, one in out.items()}


def _correlated(key: U8, here: U8, visible: Bool, start: Array, corner: tuple[int, int]) -> tuple[float, Array]:
    """The affine motion (2x3) from a part of a keyframe to another frame, and the correlation there.

    ``corner`` is the upper left corner (x, y) of the part ``key`` in its frame, ``visible`` the pixels (bool) of
    ``here`` that count, ``start`` where the search begins.
    """
    local = _in_part(start, corner, 1)
    mask = visible.view(np.uint8) * np.uint8(255)
    try:
        correlation, found = cv2.findTransformECC(key, here, local, cv2.MOTION_AFFINE, _ECC, mask, 5)
    except cv2.error:  # it did not converge
        return -1.0, start
    stretch = np.linalg.svd(found[:, :2])[1] if np.isfinite(found).all() else np.zeros(2)
    if not 0.4 < stretch[1] <= stretch[0] < min(2.5, 1.6 * stretch[1]):
        return -1.0, start
    return float(correlation), _in_part(found, corner, -1)


def _translated(key: U8, here: U8, visible: Bool, start: Array, corner: tuple[int, int]) -> Array:
    """``start``, moved as pictures of a quarter of the size say: right where the thing has moved far. Args as above."""
    small_key, small, mask = (
        cv2.resize(a, None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=cv2.INTER_AREA)
        for a in (key, here, visible.view(np.uint8) * np.uint8(255))
    )
    local = _in_part(start, corner, 1)
    local[:, 2] /= _COARSE
    try:
        _, local = cv2.findTransformECC(small_key, small, local, cv2.MOTION_TRANSLATION, _ECC, mask, 3)
    except cv2.error:  # it did not converge
        return start
    local[:, 2] *= _COARSE
    return _in_part(local, corner, -1)


def _in_part(matrix: Array, corner: tuple[int, int], way: int) -> Array:
    """A motion in terms of a part of its frame (way 1), or of the frame again (-1)."""
    out = matrix.astype(np.float32)
    out[:, 2] += way * (out[:, :2] @ np.array(corner, np.float32))
    return out
