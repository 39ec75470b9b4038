"""Flow of what moves by itself through the holes, and where it is seen to do so.

``flow.completion`` continues the background's motion into a hole. This is the other half: pixels around the hole that
move unlike the camera are taken for a thing in front, and their motion is continued instead.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import cv2
import numpy as np

from vrm.motion.flow.camera import camera_motion, grid, transform, transform_affine
from vrm.motion.flow.completion import complete
from vrm.motion.flow.pairs import FlowPair, flow_pair
from vrm.motion.frames import GUARD, WorkingFrames, closed, dilate, length_scale, odd, opened
from vrm.motion.poisson import push_pull
from vrm.system.threads import parallel_map
from vrm.types import U8, Array, Bool, Box, FlowEstimator, bounding_box, grow_box

_REACH = 128
"""Pixels around the holes that flow is estimated on, at least."""

_GROW = 7
"""Pixels around what is hidden whose flow is not believed either."""

_CAMERA_SHARE = 0.4
"""Share of the surroundings that must follow one homography: without the camera's motion nothing moves "otherwise"."""

_OWN_MOTION = 1.0
"""Pixels a frame that a thing moves apart from the camera, at least (in frames 432 wide)."""

_EVIDENT = 0.01
"""Grey levels (of 1) that flow must explain better than the camera's motion does, for a thing to be evident."""

_NOT_WORSE = -0.002
"""Grey levels (of 1) likewise, for a pixel between evident ones to belong to the thing."""

_BETWEEN = 41
"""Pixels of a thing, likewise, that may lie between evident ones: smooth cloth has nothing that tells how it moves."""

_CORE = 4
"""Pixels from the rim of a thing to where its flow is its own, likewise."""

_LEAST = 40
"""Visible pixels of a thing, below which its motion is not believed, likewise."""

_RINGS = 24, 60
"""Pixels around the hole in which the visible part of a thing is looked for, likewise; the second if need be."""

_RIGID = 0.5
"""Pixels that a rigid thing's flow may be off, likewise."""

_RIGID_SHARE = 0.6
"""Share of a thing's pixels that must agree with one similarity for it to be rigid."""

_BEND = 3.0
"""Pixels that flow may depart from the rigid motion of the thing it is part of, likewise."""

_SAMPLES = 600


class ForegroundFlow:
    """Flow of the foreground between the neighbouring frames of a window.

    Args:
        frames: the working frames, filled.
        keyframes: the holes that keyframes had (bool ``(h, w)``, working size), by number.
        window: first to last frame, keyframes among them.

    Attributes:
        pairs: by frame and neighbour; None where no thing is seen to move around the holes.
        background: the same for the background, only between keyframes and their neighbours.
        moving: bool ``(h, w)`` by frame: where something is seen to move by itself.
    """

    def __init__(
        self, frames: WorkingFrames, keyframes: Mapping[int, Bool], window: range, estimator: FlowEstimator
    ) -> None:
        self._frames, self._keyframes, self._estimator = frames, keyframes, estimator
        self._scale = length_scale(frames.size)
        self.pairs: dict[tuple[int, int], FlowPair | None] = {}
        self.background: dict[tuple[int, int], FlowPair | None] = {}
        self.moving: dict[int, Bool] = {}
        self._lock = threading.Lock()
        for _ in parallel_map(self._estimate, range(window.start, window.stop - 1)):
            pass

    def hole(self, t: int) -> Bool:
        """The hole that frame t has or, as a keyframe, had."""
        return self._keyframes[t] if t in self._keyframes else self._frames.hole(t)

    def _estimate(self, t: int) -> None:
        """Flow between t and t + 1, both ways."""
        n = t + 1
        hole, next_hole = self.hole(t), self.hole(n)
        self.pairs[t, n] = self.pairs[n, t] = None
        both = bounding_box(hole | next_hole)
        if both is None:
            return
        reach = max(_REACH, (both[2] - both[0]) // 2, (both[3] - both[1]) // 2)
        box = y0, x0, y1, x1 = grow_box(both, reach, hole.shape)
        first, second = (self._frames.grey(k)[y0:y1, x0:x1] for k in (t, n))
        # A keyframe hides nothing itself, but where its pixels went may be hidden in the other frame.
        hidden, next_hidden = (np.ascontiguousarray(self._frames.hole(k)[y0:y1, x0:x1]) for k in (t, n))
        here, there = (np.ascontiguousarray(h[y0:y1, x0:x1]) for h in (hole, next_hole))
        forth, back = self._estimator(first, second), self._estimator(second, first)
        unseen, next_unseen = _unseen(forth, hidden, next_hidden), _unseen(back, next_hidden, hidden)
        own_forth, moving = self._complete(forth, unseen, here, first, second)
        own_back, next_moving = self._complete(back, next_unseen, there, second, first)
        self._mark(t, box, moving)
        self._mark(n, box, next_moving)
        if own_forth is not None and own_back is not None:
            self.pairs[t, n] = flow_pair(own_forth, own_back, here, (y0, x0))
            self.pairs[n, t] = flow_pair(own_back, own_forth, there, (y0, x0))
        if t in self._keyframes or n in self._keyframes:
            forth, back = complete(forth, unseen | here, _GROW), complete(back, next_unseen | there, _GROW)
            self.background[t, n] = flow_pair(forth, back, here, (y0, x0))
            self.background[n, t] = flow_pair(back, forth, there, (y0, x0))

    def _mark(self, t: int, box: Box, moving: Bool) -> None:
        with self._lock:  # a frame is marked from both its pairs, on two threads at once
            mask = self.moving.setdefault(t, np.zeros(self._frames.size, np.bool_))
            mask[box[0] : box[2], box[1] : box[3]] |= moving

    def _complete(self, flow: Array, unseen: Bool, hole: Bool, first: U8, second: U8) -> tuple[Array | None, Bool]:
        """Flow that in the hole is that of the things around it (None: there are none), and where things are seen."""
        usable = ~dilate(unseen, _GROW)
        camera, share = camera_motion(flow, usable)
        if camera is None or share < _CAMERA_SHARE:
            return None, np.zeros(hole.shape, np.bool_)
        points = grid(*hole.shape)
        still = transform(points, camera) - points
        own = flow - still
        moving, evident = self._moving(first, second, flow, still, unseen)
        # Flow is smoothed at the rim of a thing, where it moves less than the thing does: its core is asked first.
        core = ~dilate(~moving, round(_CORE * self._scale))
        for part, ring in ((part, ring) for part in (core, moving) for ring in _RINGS):
            near = evident & part & usable & dilate(hole, round(ring * self._scale))
            if near.sum() >= _LEAST * self._scale**2:
                break
        else:
            return None, moving
        inside = unseen | dilate(hole, _GROW)
        continued = still + _continued(own, near, self._scale)
        return np.where(inside[..., None], continued, flow).astype(np.float32), moving

    def _moving(self, first: U8, second: U8, flow: Array, still: Array, unseen: Bool) -> tuple[Bool, Bool]:
        """Where something moves by itself, and where that is evident from the pictures.

        Flow alone does not tell. At the rim of a thing it drags some of the background along: there the camera's motion
        explains the pictures better. And it wanders where there is no texture: there both explain them equally well. So
        a thing is what is evident somewhere, and between such places no worse explained by flow than by the camera.
        """
        points = grid(*unseen.shape)
        moving = (np.linalg.norm(flow - still, axis=-1) > _OWN_MOTION * self._scale) & ~dilate(unseen, 2)
        by_camera = misfit(first, second, points + still, self._scale)
        gain = by_camera - misfit(first, second, points + flow, self._scale)
        evident = moving & (gain > _EVIDENT)
        size = odd(5 * self._scale)
        between = closed(dilate(evident, size), odd(_BETWEEN * self._scale))
        return opened(moving & (gain >= _NOT_WORSE) & between, size), evident


def misfit(first: U8, second: U8, places: Array, scale: float) -> Array:
    """How much ``first`` differs from ``second`` at places, mean over a window, grey levels 0..1."""
    warped = cv2.remap(second, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.blur(cv2.absdiff(first, warped).astype(np.float32) / 255, (odd(5 * scale),) * 2)


def _continued(own: Array, near: Bool, scale: float) -> Array:
    """Motion known at some pixels, everywhere: as one rigid thing where most of them agree, else smooth."""
    ys, xs = np.nonzero(near)
    some = np.s_[:: max(1, len(ys) // _SAMPLES)]
    here = np.stack([xs, ys], -1)[some].astype(np.float32)
    there = here + own[near][some]
    cv2.setRNGSeed(0)
    matrix, agree = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=_RIGID * scale)
    if matrix is None or agree.mean() < _RIGID_SHARE:
        return push_pull(own, near.astype(np.float32))
    points = grid(*near.shape)
    rigid = transform_affine(points, matrix.astype(np.float32)) - points
    rest = own - rigid
    near = near & (np.linalg.norm(rest, axis=-1) <= _BEND * scale)
    return (rigid + push_pull(rest, near.astype(np.float32))).astype(np.float32)


def _unseen(flow: Array, hidden: Bool, other_hidden: Bool) -> Bool:
    """Pixels whose flow cannot be known: hidden themselves, or gone to where the other frame hides them."""
    points = grid(*hidden.shape) + flow
    other = dilate(other_hidden, GUARD).view(np.uint8)
    arrives_hidden = cv2.remap(other, points[..., 0], points[..., 1], cv2.INTER_NEAREST) > 0
    return hidden | arrives_hidden
