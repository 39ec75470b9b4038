"""Flow and trajectories over a window and as much of its context as they need, in rounds on better filled frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from vrm.motion.config import MotionConfig
from vrm.motion.flow.completion import complete
from vrm.motion.flow.estimators import FlowEstimator
from vrm.motion.frames import WorkingFrames, unit
from vrm.motion.fusion.fusion import Guess, fuse, judge, length_scale, spatial_prior, trajectory_prior
from vrm.motion.fusion.gradient_domain import own_differences, sample
from vrm.motion.fusion.spatial import spatial_fill
from vrm.motion.poisson import Array
from vrm.motion.trajectories.bidirectional import meet
from vrm.motion.trajectories.trajectory import BEYOND, PairFlow, Trail, pair_flow, step
from vrm.system.threads import each
from vrm.types import U8, Bool, Box, bounding_box, grow_box, union_box

MARGIN = 24
"""Known pixels around the hole that seams are joined to."""

_REACH = 128
"""Pixels around the holes that flow is estimated on: as far as things may move from one frame to the next."""

_BLOCK = 8
_REFINED = 12
_GROW_FIRST, _GROW_LATER = 15, 7


def box_around(hole: Bool, margin: int) -> Box:
    """The bounding box of a hole that is not empty, with a margin."""
    box = bounding_box(hole)
    assert box is not None
    return grow_box(box, margin, hole.shape)


def gather(
    part_of: Callable[[int, Box], Array], size: tuple[int, int], source: np.ndarray, xy: Array, channels: int
) -> tuple[Array, Array]:
    """Colours and differences to the neighbours from many source frames; each frame's needed part is read once.

    Args:
        part_of: gives a box of a frame, float32 in [0, 1].
        size: of the frames.
        source: int ``(N,)``, frame numbers; negative = none (zeros come back).
        xy: float32 ``(N, 2)``, places in the source frames.
        channels: 1 or 3.

    Returns:
        ``(N[, 3])`` and ``(4, N[, 3])``, see ``seam.sample``.
    """
    shape = (len(source),) if channels == 1 else (len(source), channels)
    colour, differences = np.zeros(shape, np.float32), np.zeros((4, *shape), np.float32)
    for s in np.unique(source[source >= 0]):
        at = np.flatnonzero(source == s)
        points = xy[at]
        low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
        box = grow_box((low[1], low[0], high[1] + 1, high[0] + 1), 4, size)
        colour[at], differences[:, at] = sample(part_of(int(s), box), points - np.array([box[1], box[0]], np.float32))
    return colour, differences


def look_up(trail: Trail | None, rows: np.ndarray, cols: np.ndarray, bound: float) -> tuple[np.ndarray, Array, Array]:
    """Source frame (-1 = none), place and drift at working pixels (rows, cols)."""
    n = len(rows)
    if trail is None:
        return np.full(n, -1, np.int32), np.zeros((n, 2), np.float32), np.full(n, np.inf, np.float32)
    r, c = rows - trail.box[0], cols - trail.box[1]
    error = trail.error[r, c]
    source = np.where(error <= bound, np.maximum(trail.frame[r, c], -1), -1)
    return source, trail.xy[r, c], error


class Tracks:
    """Trajectories of the holes of frames ``start..stop-1``.

    Args:
        frames: working frames; their holes are filled here.
        config: see ``MotionConfig``.
        estimator: optical flow.

    Attributes:
        backward, forward: trails by frame, towards earlier and later frames.
    """

    def __init__(self, frames: WorkingFrames, config: MotionConfig, estimator: FlowEstimator) -> None:
        self.frames, self.config, self.estimator = frames, config, estimator
        self.backward: dict[int, Trail] = {}
        self.forward: dict[int, Trail] = {}
        self._pairs: dict[tuple[int, int], PairFlow | None] = {}
        self._plain: dict[int, Array] = {}

    def run(self, window: range, context: range, tell: Callable[[int], None]) -> None:
        """Find the trails of the window's frames; ``tell`` is called with the number of finished rounds."""
        self._estimate_all(range(window.start, window.stop - 1), _GROW_FIRST)
        first = self._extend(window.start, context.start, -1)
        last = self._extend(window.stop - 1, context.stop - 1, 1)
        whole = range(first, last + 1)
        refined = range(max(first, window.start - _REFINED), min(last + 1, window.stop + _REFINED))
        self._follow(whole, refined)
        tell(1)
        for turn in range(1, self.config.rounds):
            self.refill(refined)
            self._estimate_all(range(refined.start, refined.stop - 1), _GROW_LATER)
            self._follow(whole, refined)
            tell(turn + 1)

    def flow(self, t: int, neighbour: int) -> PairFlow | None:
        """The completed flow from frame t to a neighbour frame around t's hole, if it was needed."""
        return self._pairs.get((t, neighbour))

    def forget(self, t: int) -> None:
        """Drop the trails of a frame that needs them no more."""
        self.backward.pop(t, None)
        self.forward.pop(t, None)

    def meet(self, t: int) -> None:
        """Move the trails of frame t to where both sides agree."""
        backward, forward = self.backward.get(t), self.forward.get(t)
        if backward is not None and forward is not None:
            met = meet(self.frames, t, backward, forward, self.config.bound, self.estimator)
            self.backward[t], self.forward[t] = met

    def refill(self, times: Sequence[int]) -> None:
        """Fill the working frames anew from the trails they have."""
        known = [t for t in times if t in self._plain]
        for t, grey in list(zip(known, each(self._refill, known), strict=True)):
            self.frames.put(t, grey)

    def prepare(self, times: Sequence[int]) -> None:
        """Fill the working frames among these that were not yet filled from their own surroundings."""
        for _ in each(self._prepare, times):
            pass

    def _prepare(self, t: int) -> None:
        """Fill frame t's hole from its own surroundings, once."""
        hole = self.frames.hole(t)
        if t in self._plain or not hole.any():
            return
        guess = spatial_fill(unit(self.frames.grey(t)), hole)
        self._plain[t] = guess[hole]
        self.frames.put(t, (guess * 255 + 0.5).astype(np.uint8))

    def _estimate_all(self, times: range, grow: int) -> None:
        """Flow between each of these frames and the next."""
        self.prepare(range(times.start, times.stop + 1))
        for _ in each(lambda t: self._estimate(t, grow), times):
            pass

    def _estimate(self, t: int, grow: int) -> None:
        """Flow between t and t + 1, both prepared, completed in both holes."""
        hole, next_hole = self.frames.hole(t), self.frames.hole(t + 1)
        if not (hole.any() or next_hole.any()):
            self._pairs[t, t + 1] = self._pairs[t + 1, t] = None
            return
        # Only the surroundings of the holes are looked at: for a small object they are a small part of the frame.
        around = union_box(bounding_box(m) for m in (hole, next_hole))
        assert around is not None
        reach = max(_REACH, (around[2] - around[0]) // 2, (around[3] - around[1]) // 2)
        y0, x0, y1, x1 = grow_box(around, reach, hole.shape)
        first, second = self.frames.grey(t)[y0:y1, x0:x1], self.frames.grey(t + 1)[y0:y1, x0:x1]
        hole, next_hole = (np.ascontiguousarray(m[y0:y1, x0:x1]) for m in (hole, next_hole))
        forth = complete(self.estimator(first, second), hole, grow)
        back = complete(self.estimator(second, first), next_hole, grow)
        self._pairs[t, t + 1] = pair_flow(forth, back, hole, (y0, x0))
        self._pairs[t + 1, t] = pair_flow(back, forth, next_hole, (y0, x0))

    def _extend(self, edge: int, limit: int, way: int) -> int:
        """Go on from the window's edge frame until the background of its hole is seen, or the context ends."""
        end = edge
        while end != limit:
            trail = self._chain(range(end, edge - way, -way)).get(edge)
            if end != edge and (trail is None or not self._more(trail)):
                break
            if not self.frames.hole(edge).any():
                break
            target = end + way * min(_BLOCK, abs(limit - end))
            self._estimate_all(range(min(end, target), max(end, target)), _GROW_FIRST)
            end = target
        return end

    def _more(self, trail: Trail) -> bool:
        """Whether further frames could show more of the hole."""
        alive = trail.inside & (trail.error <= self.config.bound)
        return bool((trail.frame[alive] == BEYOND).sum() > 0.01 * max(1, trail.inside.sum()))

    def _chain(self, times: Sequence[int], keep: range | None = None) -> dict[int, Trail]:
        """Trails towards ``times[0]`` of neighbouring frames in either order of time; only those to keep, if given."""
        trails: dict[int, Trail] = {}
        trail: Trail | None = None
        for before, t in itertools.pairwise(times):
            trail = step(self._pairs[t, before], self.frames.hole(t), before, self.frames.hole(before), trail)
            if trail is not None and (keep is None or t in keep):
                trails[t] = trail
        return trails

    def _follow(self, whole: range, keep: range) -> None:
        self.backward = self._chain(whole, keep)
        self.forward = self._chain(whole[::-1], keep)

    def _refill(self, t: int) -> U8:
        """Frame t, grey at working size, its hole filled anew."""
        frames = self.frames
        hole = frames.hole(t)
        rows, cols = np.nonzero(hole)
        y0, x0, y1, x1 = box_around(hole, MARGIN)
        base = unit(frames.grey(t))
        base[hole] = self._plain[t]
        part, inside = base[y0:y1, x0:x1], np.ascontiguousarray(hole[y0:y1, x0:x1])
        guesses = []
        for trail in (self.backward.get(t), self.forward.get(t)):
            source, xy, drift = look_up(trail, rows, cols, self.config.bound)
            colour, differences = gather(
                lambda s, b: unit(frames.grey(s)[b[0] : b[2], b[1] : b[3]]), frames.size, source, xy, 1
            )
            prior = trajectory_prior(drift, np.abs(source - t))
            guesses.append(Guess("trajectory", colour, differences, source >= 0, prior))
        everywhere = np.ones(len(rows), np.bool_)
        scale = length_scale(frames.size)
        prior = spatial_prior(part, inside, scale)
        guesses.append(Guess("spatial", part[inside], own_differences(part, inside), everywhere, prior))
        judge(guesses, inside, scale)
        out = frames.grey(t).copy()
        out[hole] = (fuse(part, inside, guesses, self.config.anchor) * 255 + 0.5).astype(np.uint8)
        return out
