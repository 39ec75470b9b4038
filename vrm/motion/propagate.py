"""Where else in the shot is the background seen? Flow, trajectories, distant frames, and their fusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vrm.errors import UsageError
from vrm.motion.completion import complete
from vrm.motion.flow import DisFlow, FlowEstimator
from vrm.motion.frames import FrameAccess, WorkingFrames, unit
from vrm.motion.fuse import Guess, fuse, spatial_error, trajectory_error, weights
from vrm.motion.result import Candidate, HoleFill, Propagation
from vrm.motion.seam import own_differences, sample
from vrm.motion.spatial import spatial_fill
from vrm.motion.trajectory import PairFlow, Trail, pair_flow, step
from vrm.types import F32, U8, Bool, Box, bounding_box, grow_box

Progress = Callable[[str, int, int], None]

_MARGIN = 24


@dataclass(frozen=True)
class MotionConfig:
    """How motion works.

    Attributes:
        rounds: flow is estimated this many times, each time on better filled frames.
        longest: longer side of the frames flow is estimated on, pixels.
        flow: DIS quality, "ultrafast", "fast" or "medium".
        bound: chains whose summed forward-backward error passes this are dropped, working pixels.
        anchor: weight of sampled colours against sampled gradients when seams are closed.
        distant: candidates from directly aligned far frames kept per frame; 0 = none.
    """

    rounds: int = 3
    longest: int = 960
    flow: str = "medium"
    bound: float = 2.0
    anchor: float = 0.02
    distant: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= 10:
            raise UsageError(f"{self.rounds} rounds of motion are not 1 to 10.")
        if self.longest < 64:
            raise UsageError(f"Flow on frames of {self.longest} pixels is too coarse.", "Give at least 64.")
        if self.flow not in ("ultrafast", "fast", "medium"):
            raise UsageError(f"Flow quality '{self.flow}' is unknown.", "Use ultrafast, fast or medium.")
        if self.bound <= 0 or self.anchor < 0 or self.distant < 0:
            raise UsageError("Motion takes a positive bound and no negative anchor or number of distant frames.")

    @classmethod
    def for_preset(cls, preset: str) -> MotionConfig:
        """The settings of a preset: "fast", "balanced" or "best"."""
        presets = {
            "fast": cls(rounds=3),
            "balanced": cls(rounds=3, distant=2),
            "best": cls(rounds=4, distant=4),
        }
        if preset not in presets:
            raise UsageError(f"Motion knows no preset '{preset}'.", "Use fast, balanced or best.")
        return presets[preset]


class _Trails:
    """Flow and trails of a stretch of frames, both ways."""

    def __init__(self, frames: WorkingFrames, estimator: FlowEstimator) -> None:
        self.frames = frames
        self.estimator = estimator
        self.pairs: dict[tuple[int, int], PairFlow | None] = {}

    def estimate(self, t: int, grow: int) -> None:
        """Flow between t and t + 1, completed in both holes."""
        first, second = self.frames.grey(t), self.frames.grey(t + 1)
        hole, next_hole = self.frames.hole(t), self.frames.hole(t + 1)
        if not (hole.any() or next_hole.any()):
            self.pairs[t, t + 1] = self.pairs[t + 1, t] = None
            return
        forth = complete(self.estimator(first, second), hole, grow)
        back = complete(self.estimator(second, first), next_hole, grow)
        self.pairs[t, t + 1] = pair_flow(forth, back, hole)
        self.pairs[t + 1, t] = pair_flow(back, forth, next_hole)

    def follow(self, times: Sequence[int]) -> dict[int, Trail]:
        """Trails of the frames of ``times`` towards ``times[0]``, its neighbours being neighbours in time."""
        trails: dict[int, Trail] = {}
        for before, t in zip(times[:-1], times[1:], strict=True):
            trail = step(
                self.pairs[t, before], self.frames.hole(t), before, self.frames.hole(before), trails.get(before)
            )
            if trail is not None:
                trails[t] = trail
        return trails


def _fetch(trail: Trail | None, rows: np.ndarray, cols: np.ndarray, bound: float) -> tuple[np.ndarray, F32, F32]:
    """Source frame (-1 = none), place and drift at working pixels (rows, cols)."""
    if trail is None:
        n = len(rows)
        return np.full(n, -1, np.int32), np.zeros((n, 2), np.float32), np.full(n, np.inf, np.float32)
    r, c = rows - trail.box[0], cols - trail.box[1]
    error = trail.error[r, c]
    frame = np.where(error <= bound, trail.frame[r, c], -1)
    return frame, trail.xy[r, c], error


def _sample_all(
    image_of: Callable[[int, Box], F32], size: tuple[int, int], source: np.ndarray, xy: F32, channels: int
) -> tuple[F32, F32]:
    """Colours and differences from many source frames, each frame's needed part read once."""
    shape = (len(source),) if channels == 1 else (len(source), channels)
    colour, differences = np.zeros(shape, np.float32), np.zeros((4, *shape), np.float32)
    for s in np.unique(source):
        if s < 0:
            continue
        at = np.flatnonzero(source == s)
        points = xy[at]
        low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
        box = grow_box((low[1], low[0], high[1] + 1, high[0] + 1), 4, size)
        colour[at], differences[:, at] = sample(image_of(int(s), box), points - np.float32((box[1], box[0])))
    return colour, differences


class _Filler:
    """Fills frames from trails: grey ones at working size between rounds, colour ones at full size at the end."""

    def __init__(self, frames: WorkingFrames, config: MotionConfig) -> None:
        self.frames, self.config = frames, config
        self.spatial: dict[int, U8] = {}

    def first_guess(self, t: int) -> None:
        hole = self.frames.hole(t)
        if not hole.any():
            return
        grey = spatial_fill(unit(self.frames.grey(t)), hole)
        self.frames.put(t, (grey * 255 + 0.5).astype(np.uint8))
        self.spatial[t] = self.frames.grey(t)

    def refill(self, t: int, backward: Trail | None, forward: Trail | None) -> U8:
        """Frame t at working size, grey, its hole filled anew."""
        frames = self.frames
        hole = frames.hole(t)
        rows, cols = np.nonzero(hole)
        box = grow_box(bounding_box(hole), _MARGIN, frames.size)
        base = unit(self.spatial[t])
        guesses = []
        for trail in (backward, forward):
            source, xy, drift = _fetch(trail, rows, cols, self.config.bound)
            colour, differences = _sample_all(
                lambda s, b: unit(frames.grey(s)[b[0] : b[2], b[1] : b[3]]), frames.size, source, xy, 1
            )
            error = trajectory_error(drift, np.abs(source - t).astype(np.float32))
            guesses.append(Guess(colour, differences, source >= 0, error))
        y0, x0, y1, x1 = box
        part, inside = base[y0:y1, x0:x1], hole[y0:y1, x0:x1]
        guesses.append(
            Guess(
                part[inside], own_differences(part, inside), np.ones(len(rows), np.bool_), spatial_error(part, inside)
            )
        )
        out = frames.grey(t).copy()
        out[hole] = (fuse(part, inside, guesses, self.config.anchor) * 255 + 0.5).astype(np.uint8)
        return out

    def fill(self, t: int, backward: Trail | None, forward: Trail | None) -> HoleFill | None:
        """Frame t at full size and in colour."""
        shot, scale = self.frames.shot, self.frames.scale
        hole = shot.hole(t)
        if not hole.any():
            return None
        index = np.flatnonzero(hole)
        rows, cols = np.divmod(index, hole.shape[1])
        h, w = self.frames.size
        near_r = np.minimum(((rows + 0.5) * scale).astype(np.int64), h - 1)
        near_c = np.minimum(((cols + 0.5) * scale).astype(np.int64), w - 1)
        y0, x0, y1, x1 = grow_box(bounding_box(hole), round(_MARGIN / scale), shot.size)
        inside = np.ascontiguousarray(hole[y0:y1, x0:x1])
        part = unit(shot.frame(t)[y0:y1, x0:x1])
        part = spatial_fill(part, inside)
        guesses: dict[str, Guess] = {}
        distances: dict[str, F32] = {}
        for name, trail in (("backward", backward), ("forward", forward)):
            source, xy, drift = _fetch(trail, near_r, near_c, self.config.bound)
            full = ((xy - np.stack([near_c, near_r], -1)) / scale + np.stack([cols, rows], -1)).astype(np.float32)
            colour, differences = _sample_all(
                lambda s, b: unit(shot.frame(s)[b[0] : b[2], b[1] : b[3]]),
                shot.size,
                source,
                np.clip(full, 0, (shot.size[1] - 1, shot.size[0] - 1)),
                3,
            )
            distances[name] = np.abs(source - t).astype(np.float32)
            guesses[name] = Guess(colour, differences, source >= 0, trajectory_error(drift, distances[name]))
        guesses["spatial"] = Guess(
            part[inside], own_differences(part, inside), np.ones(len(index), np.bool_), spatial_error(part, inside)
        )
        distances["spatial"] = np.zeros(len(index), np.float32)
        rgb = fuse(part, inside, list(guesses.values()), self.config.anchor)
        share = weights(list(guesses.values()))
        seen = np.any([g.valid for n, g in guesses.items() if n != "spatial"], axis=0)
        candidates = {
            n: Candidate(
                g.colour.astype(np.float16),
                g.valid,
                np.where(g.valid, g.error, np.inf).astype(np.float16),
                distances[n].astype(np.float16),
            )
            for n, g in guesses.items()
        }
        return HoleFill(index, candidates, rgb, seen, np.where(seen, 1 - share[-1], 0).astype(np.float32))


def propagate(
    shot: FrameAccess,
    start: int,
    stop: int,
    context_start: int,
    context_stop: int,
    config: MotionConfig,
    *,
    distant: Sequence[int] = (),
    progress: Progress | None = None,
    estimator: FlowEstimator | None = None,
) -> Propagation:
    """Fill the holes of frames ``start..stop-1`` from where their background is seen.

    Args:
        shot: the frames and holes.
        start, stop: frames to fill.
        context_start, context_stop: frames trajectories may pass through.
        config: see ``MotionConfig``.
        distant: frame numbers that may be aligned directly.
        progress: told ``(stage, done, total)``.
        estimator: optical flow; DIS by default.

    Returns:
        A ``HoleFill`` for each frame that has a hole.
    """
    frames = WorkingFrames(shot, config.longest)
    trails = _Trails(frames, estimator or DisFlow(config.flow))
    filler = _Filler(frames, config)
    first, last = context_start, context_stop
    times = range(first, last)
    for t in times:
        filler.first_guess(t)
    backward: dict[int, Trail] = {}
    forward: dict[int, Trail] = {}
    for turn in range(config.rounds):
        if turn:
            filled = {t: filler.refill(t, backward.get(t), forward.get(t)) for t in times if frames.hole(t).any()}
            for t, grey in filled.items():
                frames.put(t, grey)
        for t in range(first, last - 1):
            trails.estimate(t, 15 if turn == 0 else 7)
        backward, forward = trails.follow(times), trails.follow(times[::-1])
        if progress:
            progress("motion", turn + 1, config.rounds + 1)
    result = Propagation(shot.size)
    for t in range(start, stop):
        fill = filler.fill(t, backward.get(t), forward.get(t))
        if fill is not None:
            result.fills[t] = fill
    if progress:
        progress("motion", config.rounds + 1, config.rounds + 1)
    return result
