"""Flow and trajectories of a window's holes, in rounds: each estimates the flow anew on better filled frames.

As much of the context is read as the holes at the window's ends need.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from vrm.motion.config import MotionConfig
from vrm.motion.flow.completion import completed_pairs
from vrm.motion.flow.pairs import FlowPair
from vrm.motion.frames import WorkingFrames, box_around, length_scale, unit
from vrm.motion.fusion.candidate import Candidate, Correspondences
from vrm.motion.fusion.expected_error import correspondence_prior, set_expected_errors, single_frame_prior
from vrm.motion.fusion.fusion import fuse
from vrm.motion.fusion.gradient_domain import MARGIN, own_differences, sample_frames
from vrm.motion.fusion.single_frame import inpaint_frame
from vrm.motion.trajectories.trajectory import BEYOND, Trajectories, extend, look_up
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
        self._inpainted: dict[int, Array] = {}
        self._estimate_flow(range(window.start, window.stop - 1), _GROW_FIRST)
        first = self._reach(window.start, context.start, -1)
        last = self._reach(window.stop - 1, context.stop - 1, 1)
        self._whole = range(first, last + 1)
        self._refined = range(max(first, window.start - _REFINED), min(last + 1, window.stop + _REFINED))
        self._follow()

    def refine(self) -> None:
        """One more round: fill the frames from their trajectories, estimate the flow on them, follow it again."""
        self.refill(self._refined)
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

    def refill(self, times: Sequence[int]) -> None:
        """Fill the working frames anew from the trajectories they have."""
        holed = [t for t in times if t in self._inpainted]
        for t, grey in list(zip(holed, parallel_map(self._refilled, holed), strict=True)):
            self.frames.put(t, grey)
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
        filled = inpaint_frame(unit(self.frames.grey(t)), hole)
        self._inpainted[t] = filled[hole]
        self.frames.put(t, (filled * 255 + 0.5).astype(np.uint8))

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

    def _refilled(self, t: int) -> U8:
        """Frame t, grey at working size, its hole filled from its trajectories."""
        frames = self.frames
        hole = frames.hole(t)
        y0, x0, y1, x1 = box_around(hole, MARGIN)
        base = unit(frames.grey(t))
        base[hole] = self._inpainted[t]
        part, inside = base[y0:y1, x0:x1], np.ascontiguousarray(hole[y0:y1, x0:x1])
        candidates = []
        for seen in self.look_up(t, *np.nonzero(hole)).values():
            colour, differences = sample_frames(
                lambda s, b: unit(frames.grey(s)[b[0] : b[2], b[1] : b[3]]), frames.size, seen.source, seen.xy, 1
            )
            prior = correspondence_prior(seen, t)
            candidates.append(Candidate("trajectory", colour, differences, seen.source >= 0, prior))
        scale = length_scale(frames.size)
        prior = single_frame_prior(part, inside, scale)
        everywhere = np.ones(len(prior), np.bool_)
        own = own_differences(part, inside)
        candidates.append(Candidate("single-frame", part[inside], own, everywhere, prior))
        set_expected_errors(candidates, inside, scale)
        out = frames.grey(t).copy()
        out[hole] = (fuse(part, inside, candidates, self.config.screening) * 255 + 0.5).astype(np.uint8)
        return out
