"""Flow and trajectories of a window's holes, in rounds: each estimates the flow anew on better filled frames.

As much of the context is read as the holes at the window's ends need.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from vrm.motion.config import MotionConfig
from vrm.motion.flow.completion import completed_pairs
from vrm.motion.flow.pairs import FlowPair, enlarged
from vrm.motion.frames import GUARD, HolePixels, WorkingFrames, box_around, dilate, unit
from vrm.motion.fusion.candidate import Correspondences
from vrm.motion.fusion.expected_error import correspondence_prior
from vrm.motion.fusion.fusion import SHARPNESS
from vrm.motion.poisson import push_pull
from vrm.motion.trajectories.trajectory import BEYOND, Trajectories, extend, grey_at, look_up
from vrm.system.threads import parallel_map
from vrm.types import U8, Array, FlowEstimator

_REACH = 128
"""Pixels around the holes that flow is estimated on: as far as things may move from one frame to the next."""

_BLOCK = 8
"""Frames of context that are read at a time."""

_REFINED = 12
"""Frames on either side of the window whose flow is estimated again in later rounds."""

_GROW_FIRST, _GROW_LATER = 15, 7
"""Pixels around the hole whose flow is not believed: more in the first round, when the hole's content is smooth."""

_DRAFT = 16
"""Pixels around a hole that it is filled from, smoothly, before anything is known of it."""

_UNSEEN_SHARE = 0.01
"""Share of a hole that must be unseen so far, and still in the picture, for more of the context to be read."""


class TrajectoryTracker:
    """Trajectories of the background through the holes of a window.

    Args:
        frames: working frames; their holes are filled here.
        window: the frames whose trajectories are wanted.
        context: frames that trajectories may pass through.
        told: called after each frame that was filled, had its flow estimated, or was followed one way.

    Attributes:
        backward, forward: trajectories by frame, towards earlier and later frames.
    """

    def __init__(
        self, frames: WorkingFrames, config: MotionConfig, estimator: FlowEstimator, window: range, context: range,
        told: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.frames, self.config, self.estimator, self.window = frames, config, estimator, window
        self.backward: dict[int, Trajectories] = {}
        self.forward: dict[int, Trajectories] = {}
        self._told = told
        self._pairs: dict[tuple[int, int], FlowPair | None] = {}
        self._first = frames
        self._inpainted: dict[int, Array] = {}  # grey levels of the hole's pixels in the first frames
        self._estimate_flow(range(window.start, window.stop - 1), _GROW_FIRST)
        first = self._reach(window.start, context.start, -1)
        last = self._reach(window.stop - 1, context.stop - 1, 1)
        self._whole = range(first, last + 1)
        self._refined = range(max(first, window.start - _REFINED), min(last + 1, window.stop + _REFINED))
        self._follow()

    def refine(self, frames: WorkingFrames | None = None) -> None:
        """One more round: fill the frames from their trajectories, estimate the flow on them, follow it again.

        From then on it works on ``frames``, larger ones, if any are given.
        """
        self.refill(self._refined, frames)
        if frames is not None:
            self._pairs = {
                key: pair and enlarged(pair, self.frames.size, frames.size) for key, pair in self._pairs.items()
            }
            self.frames = frames
        self._estimate_flow(range(self._refined.start, self._refined.stop - 1), _GROW_LATER)
        self._follow()

    def look_up(self, t: int, rows: np.ndarray, cols: np.ndarray) -> dict[str, Correspondences]:
        """Where N working pixels (rows, cols) of frame t's hole are seen, by direction."""
        sides = ("backward", self.backward), ("forward", self.forward)
        return {name: look_up(by_frame.get(t), rows, cols, self.config.max_error) for name, by_frame in sides}

    def flow(self, t: int, neighbour: int) -> FlowPair | None:
        """The completed flow from frame t to a neighbour frame around t's hole, if it was needed."""
        return self._pairs.get((t, neighbour))

    def forget(self, t: int) -> None:
        """Drop the trajectories of a frame that needs them no more."""
        self.backward.pop(t, None)
        self.forward.pop(t, None)

    def refill(self, times: Sequence[int], frames: WorkingFrames | None = None) -> None:
        """Fill the working frames, or larger ``frames``, anew from the trajectories they have."""
        larger = frames or self.frames
        holed = [t for t in times if t in self._inpainted]
        for t, grey in list(zip(holed, parallel_map(lambda t: self._refilled(t, larger), holed), strict=True)):
            larger.put(t, grey)
            self._told()

    def inpaint(self, times: Sequence[int]) -> None:
        """Fill the working frames among these that were not yet filled, each from its own surroundings."""
        waiting = [t for t in times if t not in self._inpainted]
        for _ in parallel_map(self._inpaint, waiting):
            self._told()

    def _inpaint(self, t: int) -> None:
        hole = self.frames.hole(t)
        if not hole.any():
            return
        y0, x0, y1, x1 = box_around(hole, _DRAFT)
        filled, inside = self.frames.grey(t).copy(), hole[y0:y1, x0:x1]
        smooth = push_pull(filled[y0:y1, x0:x1].astype(np.float32), (~inside).astype(np.float32))[inside]
        self._inpainted[t] = smooth / np.float32(255)
        filled[y0:y1, x0:x1][inside] = smooth + np.float32(0.5)
        self.frames.put(t, filled)

    def _estimate_flow(self, times: range, grow: int) -> None:
        """Flow between each of these frames and the next, both ways, completed in both holes."""

        def estimate(t: int) -> None:
            hole, next_hole = self.frames.hole(t), self.frames.hole(t + 1)
            if not (hole.any() or next_hole.any()):
                self._pairs[t, t + 1] = self._pairs[t + 1, t] = None
                return
            first, second = self.frames.grey(t), self.frames.grey(t + 1)
            self._pairs[t, t + 1], self._pairs[t + 1, t] = completed_pairs(
                self.estimator, first, second, hole, next_hole, _REACH, grow
            )

        self.inpaint(range(times.start, times.stop + 1))
        for _ in parallel_map(estimate, times):
            self._told()

    def _reach(self, edge: int, limit: int, way: int) -> int:
        """The frame up to which the background of the edge frame's hole is seen, or the context's end."""
        end = edge
        while end != limit:
            found = self._chain(range(end, edge - way, -way)).get(edge)
            if end != edge and (found is None or not self._shows_more(found)):
                break
            if not self.frames.hole(edge).any():
                break
            target = end + way * min(_BLOCK, abs(limit - end))
            self._estimate_flow(range(min(end, target), max(end, target)), _GROW_FIRST)
            end = target
        return end

    def _shows_more(self, found: Trajectories) -> bool:
        """Whether further frames could show more of the hole."""
        alive = found.inside & (found.error <= self.config.max_error)
        return bool((found.source[alive] == BEYOND).sum() > _UNSEEN_SHARE * max(1, found.inside.sum()))

    def _follow(self) -> None:
        self.backward = self._chain(self._whole, self._refined)
        self.forward = self._chain(self._whole[::-1], self._refined)

    def _chain(self, times: Sequence[int], keep: range | None = None) -> dict[int, Trajectories]:
        """Trajectories of neighbouring frames towards ``times[0]``, either way in time; of all, or of those to keep."""
        out: dict[int, Trajectories] = {}
        found: Trajectories | None = None
        for before, t in itertools.pairwise(times):
            found = extend(self._pairs[t, before], self.frames.hole(t), before, self.frames.hole(before), found)
            if found is not None and (keep is None or t in keep):
                out[t] = found
            if keep is not None:
                self._told()
        return out

    def _refilled(self, t: int, frames: WorkingFrames) -> U8:
        """Frame t, grey, of ``frames``, its hole filled from its trajectories.

        A draft that flow is estimated on: what fits at the hole's rim only up to an offset is moved by it, smoothly.
        """
        hole = frames.hole(t)
        y0, x0, y1, x1 = box_around(hole, 2 * GUARD)
        part, inside = frames.grey(t)[y0:y1, x0:x1].astype(np.float32), np.ascontiguousarray(hole[y0:y1, x0:x1])
        rim = dilate(inside, GUARD) & ~inside
        rows, cols = np.nonzero(inside | rim)
        pixels = HolePixels(self.frames, (rows + y0) * hole.shape[1] + cols + x0, frames.size)
        total, weight = (np.zeros(inside.shape, np.float32) for _ in range(2))
        for seen in self.look_up(t, pixels.rows, pixels.cols).values():
            share = np.where(seen.source >= 0, np.exp(-SHARPNESS * correspondence_prior(seen, t)), 0)
            total[rows, cols] += share * grey_at(frames, seen.source, pixels.full_size(seen.xy))
            weight[rows, cols] += share
        found = weight > 0
        fetched = total / np.maximum(weight, np.float32(1e-12))
        offset = push_pull(np.where(rim, part - fetched, 0), (rim & found).astype(np.float32))
        smooth = self._inpainting(t, frames.size)[y0:y1, x0:x1]
        out = frames.grey(t).copy()
        filled = np.where(found, fetched + offset, smooth * 255)[inside]
        out[y0:y1, x0:x1][inside] = np.clip(filled + 0.5, 0, 255)
        return out

    def _inpainting(self, t: int, size: tuple[int, int]) -> Array:
        """Frame t inpainted by itself, float32 of that size; only its hole matters."""
        plane = unit(self._first.grey(t))
        plane[self._first.hole(t)] = self._inpainted[t]
        return plane if plane.shape == size else cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)
