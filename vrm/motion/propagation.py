"""Where else in the shot is the background seen? The steps of docs/motion.md, by their numbers.

The last of them, what no frame shows, is ``synthesis.never_seen``: an engine asks for it on its finished frames.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import replace

import numpy as np

from vrm.events import Progress
from vrm.motion.candidates.calibration import calibrate
from vrm.motion.candidates.nonlocal_frames import Aligner, choose_sources
from vrm.motion.candidates.sampling import FrameCandidates, sample_candidates
from vrm.motion.config import MotionConfig
from vrm.motion.exposure import EvenExposure
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import FrameAccess, HolePixels, WorkingFrames
from vrm.motion.fusion.expected_error import UNCALIBRATED
from vrm.motion.fusion.fusion import fuse, weights
from vrm.motion.refinement.detail import detail_energy
from vrm.motion.refinement.keyframe_blend import blend_keyframes
from vrm.motion.refinement.temporal_filter import temporal_filter
from vrm.motion.result import HoleFill, Propagation
from vrm.motion.trajectories.bidirectional import refine_bidirectional
from vrm.motion.trajectories.foreground import ForegroundTrajectories
from vrm.motion.trajectories.tracker import TrajectoryTracker
from vrm.system.threads import parallel_map
from vrm.types import Bool, FlowEstimator

_NEAR = 24
"""Frames from a frame, or outside the window, within which a keyframe is used."""


def propagate(
    shot: FrameAccess,
    window: range,
    context: range,
    config: MotionConfig,
    *,
    nonlocal_frames: Sequence[int] = (),
    keyframes: Mapping[int, Bool] | None = None,
    fills: MutableMapping[int, HoleFill] | None = None,
    estimator: FlowEstimator | None = None,
    progress: Progress | None = None,
) -> Propagation:
    """Fill the holes of a window's frames from where their background is seen.

    Args:
        context: frames that trajectories may pass through; as many are read as they need.
        nonlocal_frames: frames that may be aligned directly, where ``config.nonlocal_frames`` allows any.
        keyframes: frames without a hole that had one, and that hole (bool ``(H, W)``), by number; things that move by
            themselves are followed to these.
        fills: an empty mapping that the fills go into; a dict by default.
        estimator: optical flow; ``DisFlow`` by default.
        progress: called with ``(stage, done, total)``.

    Returns a ``HoleFill`` for each frame of the window that has a hole.
    """
    flow, keyframes = estimator or DisFlow(), keyframes or {}
    shot = even = EvenExposure(shot, window)
    frames = WorkingFrames(shot, config.longest)
    found = Propagation(shot.size, {} if fills is None else fills)

    def tell(rounds: int, filled: int = 0) -> None:
        if progress:
            progress("motion", rounds * len(window) + filled, (config.rounds + 1) * len(window))

    tracker = TrajectoryTracker(frames, config, flow, window, context)  # 1, 2, 3: flow, completion, trajectories
    for n in range(1, config.rounds):
        tell(n)
        tracker.refine()  # again, on better filled frames
    tell(config.rounds)
    calibration = calibrate(shot, window, config, nonlocal_frames, flow) if config.calibrate else UNCALIBRATED
    aligner = _aligner(tracker, nonlocal_frames, keyframes)
    foreground = _foreground(tracker, context, keyframes) if keyframes else None

    def fill(t: int) -> HoleFill:
        pixels = HolePixels(frames, np.flatnonzero(shot.hole(t)))
        if config.bidirectional:
            refine_bidirectional(frames, t, tracker.backward, tracker.forward, config.max_error, flow)
        seen = tracker.look_up(t, pixels.rows, pixels.cols)
        if aligner is not None:  # 4: non-local frames
            best = aligner.best(t, _sources(t, nonlocal_frames, keyframes, config), config.nonlocal_candidates)
            seen |= best.look_up(pixels.rows, pixels.cols) if best is not None else {}
        if foreground is not None:
            foreground.refine(t)
            seen = foreground.split(t, pixels.rows, pixels.cols, seen)
        seen = {name: even.doubted(one) for name, one in seen.items()}
        candidates = sample_candidates(frames, t, pixels, seen, calibration)  # 5, 6: inpainting, expected errors
        return _fused(candidates, pixels.index, shot.size, config)  # 7: fusion

    holed = [t for t in window if shot.hole(t).any()]
    for t, done in zip(holed, parallel_map(fill, holed), strict=True):
        found.fills[t] = done
        tracker.forget(t)
        tell(config.rounds, t - window.start + 1)
    temporal_filter(found, shot, tracker, config, keyframes)  # 8: refinement
    blend_keyframes(found, shot, keyframes, config.keyframe_blend, flow, frames.scale)
    _put_into_own_light(found, even)
    return found


def _put_into_own_light(found: Propagation, even: EvenExposure) -> None:
    """The fills of frames whose light jumps, found in the light of the others, in that of the frames. In place."""
    for t in list(found.fills):
        light = even.exposure(t)
        if light is not None:
            fill = found.fills[t]
            detail = fill.detail * np.float32(np.square(light.gain).mean())
            found.fills[t] = replace(fill, rgb=even.restored(t, fill.rgb), detail=detail)


def _aligner(tracker: TrajectoryTracker, nonlocal_frames: Sequence[int], keyframes: Collection[int]) -> Aligner | None:
    """For non-local frames, if there are any; it looks at frames filled once more."""
    config = tracker.config
    if not config.nonlocal_candidates or not ((config.nonlocal_frames and len(nonlocal_frames)) or keyframes):
        return None
    tracker.refill(tracker.window)
    return Aligner(tracker.frames, tracker.estimator)


def _sources(t: int, nonlocal_frames: Sequence[int], keyframes: Collection[int], config: MotionConfig) -> list[int]:
    """The frames that frame t is aligned with: some of the non-local ones, and the nearest keyframe on either side."""
    chosen = choose_sources(t, nonlocal_frames, config.nonlocal_frames)
    earlier, later = (k for k in keyframes if t - _NEAR <= k < t), (k for k in keyframes if t < k <= t + _NEAR)
    nearest = [k for k in (max(earlier, default=None), min(later, default=None)) if k is not None]
    return chosen + [k for k in nearest if k not in chosen]


def _foreground(tracker: TrajectoryTracker, context: range, keyframes: Mapping[int, Bool]) -> ForegroundTrajectories:
    """Trajectories of the foreground, as far as the next keyframe beyond either end of the window."""
    window = tracker.window
    before = [t for t in keyframes if max(context.start, window.start - _NEAR) <= t <= window.start]
    after = [t for t in keyframes if window.stop - 1 <= t < min(context.stop, window.stop + _NEAR)]
    span = range(max(before, default=window.start), min(after, default=window.stop - 1) + 1)
    tracker.inpaint(span)
    shrunk = {t: tracker.frames.shrunk(hole) for t, hole in keyframes.items() if t in span}
    return ForegroundTrajectories(tracker, shrunk, span)


def _fused(found: FrameCandidates, index: np.ndarray, size: tuple[int, int], config: MotionConfig) -> HoleFill:
    """The fill of one frame from its candidates, and where it comes from."""
    candidates, fetched = found.candidates, found.candidates[:-1]
    rgb = fuse(found.part, found.inside, candidates, config.screening, config.sharpness)
    share = weights(candidates, config.sharpness)
    seen = np.any([one.valid for one in fetched], axis=0)
    confidence = np.where(seen, 1 - share[-1], 0).astype(np.float32)
    most = np.argmax(share[:-1], axis=0)[None]
    source, place = (np.take_along_axis(by, most, 0)[0] for by in (found.source, found.place))
    return HoleFill(
        index, rgb, seen, confidence, detail_energy(candidates, index, size), np.where(seen, source, -1), place
    )  # fmt: skip
