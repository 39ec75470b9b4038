"""Where else in the shot is the background seen? Flow, trajectories, far frames, and their fusion."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence

import numpy as np

from vrm.motion.candidates.calibration import judge_clip
from vrm.motion.candidates.distant_frames import Aligner, Pick, choose_sources, pick
from vrm.motion.candidates.sampling import FrameGuesses, frame_guesses
from vrm.motion.config import MotionConfig
from vrm.motion.flow.estimators import DisFlow, FlowEstimator, RaftFlow
from vrm.motion.frames import FrameAccess, WorkingFrames
from vrm.motion.fusion.fusion import USUAL, fuse, weights
from vrm.motion.refinement.detail import detail_energy
from vrm.motion.refinement.keyframe_blend import fade
from vrm.motion.refinement.temporal_filter import steady
from vrm.motion.result import HoleFill, Propagation
from vrm.motion.trajectories.foreground import Things
from vrm.motion.trajectories.tracker import Tracks
from vrm.system.threads import each
from vrm.types import Bool

__all__ = ["FrameAccess", "MotionConfig", "propagate"]

Progress = Callable[[str, int, int], None]

_BEYOND = 24
"""Frames outside the window in which a frame known whole is looked for."""


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
    keep: MutableMapping[int, HoleFill] | None = None,
    whole: Mapping[int, Bool] | None = None,
) -> Propagation:
    """Fill the holes of frames ``start..stop-1`` from where their background is seen.

    Args:
        shot: the frames and holes.
        start, stop: frames to fill.
        context_start, context_stop: frames trajectories may pass through; as many are read as they need.
        config: see ``MotionConfig``.
        distant: frame numbers that may be aligned directly, where ``config.sources`` allows any.
        progress: told ``(stage, done, total)``.
        estimator: optical flow, if not what the config says.
        keep: an empty mapping the fills go into; a dict by default.
        whole: frames without a hole that had one, and that hole (bool ``(H, W)``), by number: what moves by itself is
            followed to these.

    Returns:
        A ``HoleFill`` for each frame that has a hole.
    """
    flow = estimator or (RaftFlow(config.raft) if config.raft else DisFlow())
    frames = WorkingFrames(shot, config.longest)
    tracks = Tracks(frames, config, flow)
    total = config.rounds * (stop - start) + (stop - start)

    def tell(done: int) -> None:
        if progress:
            progress("motion", min(done, total), total)

    tracks.run(range(start, stop), range(context_start, context_stop), lambda n: tell(n * (stop - start)))
    trust = judge_clip(shot, range(start, stop), config, distant, flow) if config.holdback else USUAL
    aligner = _aligner(frames, tracks, flow, config, range(start, stop), distant, whole or ())
    things = _things(tracks, whole, range(start, stop), range(context_start, context_stop)) if whole else None
    found = Propagation(shot.size, {} if keep is None else keep)

    def fill(t: int) -> HoleFill:
        picked = _pick(aligner, t, distant, config, whole or ())
        if config.meet:
            tracks.meet(t)
        if things is not None:
            things.meet(t, config.bound)
        return _fused(frame_guesses(frames, t, tracks, picked, config.bound, trust, things=things), shot.size, config)

    holed = [t for t in range(start, stop) if shot.hole(t).any()]
    for t, done in zip(holed, each(fill, holed), strict=True):
        found.fills[t] = done
        tracks.forget(t)
        tell(config.rounds * (stop - start) + t - start + 1)
    steady(found, shot, tracks, config.steady, config.doubt, whole or ())
    fade(found, shot, whole or (), config.fade, flow, frames.scale)
    return found


def _things(tracks: Tracks, whole: Mapping[int, Bool], window: range, context: range) -> Things:
    """What moves by itself, from frames known whole: as far as the next one beyond either end of the window."""
    before = [t for t in whole if max(context.start, window.start - _BEYOND) <= t <= window.start]
    after = [t for t in whole if window.stop - 1 <= t < min(context.stop, window.stop + _BEYOND)]
    span = range(max(before, default=window.start), min(after, default=window.stop - 1) + 1)
    small = {t: tracks.frames.shrunk(hole) for t, hole in whole.items() if t in span}
    tracks.prepare(span)
    return Things(tracks, small, span)


def _aligner(
    frames: WorkingFrames,
    tracks: Tracks,
    flow: FlowEstimator,
    config: MotionConfig,
    window: range,
    distant: Sequence[int],
    whole: Collection[int],
) -> Aligner | None:
    """For far frames, if there are any; it looks at frames filled once more."""
    if not config.distant or not ((config.sources and len(distant)) or whole):
        return None
    tracks.refill(window)
    return Aligner(frames, flow)


def _pick(
    aligner: Aligner | None, t: int, distant: Sequence[int], config: MotionConfig, whole: Collection[int]
) -> Pick | None:
    if aligner is None:
        return None
    sources = choose_sources(t, distant, config.sources)
    before, after = (k for k in whole if t - _BEYOND <= k < t), (k for k in whole if t < k <= t + _BEYOND)
    nearest = [k for k in (max(before, default=None), min(after, default=None)) if k is not None]
    return pick(aligner, t, sources + [k for k in nearest if k not in sources], config.distant)


def _fused(found: FrameGuesses, size: tuple[int, int], config: MotionConfig) -> HoleFill:
    """The prefill of one frame, and everything it was made of."""
    names, guesses = list(found.guesses), list(found.guesses.values())
    rgb = fuse(found.part, found.inside, guesses, config.anchor, config.sharpness)
    share = weights(guesses, config.sharpness)
    spatial = share[names.index("spatial")]
    seen = np.any([g.valid for n, g in found.guesses.items() if n != "spatial"], axis=0)
    confidence = np.where(seen, 1 - spatial, 0).astype(np.float32)
    others = [n for n in names if n != "spatial"]
    most = np.argmax(share[[names.index(n) for n in others]], axis=0)[None]
    source, place = (
        np.take_along_axis(np.stack([by[n] for n in others]), most, 0)[0] for by in (found.source, found.place)
    )
    detail = detail_energy(guesses, found.index, size)
    return HoleFill(found.index, rgb, seen, confidence, detail, np.where(seen, source, -1), place)
