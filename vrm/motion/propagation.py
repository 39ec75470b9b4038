"""Where else in the shot is the background seen? The steps of docs/motion.md, by their numbers.

The last of them, what no frame shows, is ``synthesis.never_seen``: an engine asks for it on its finished frames.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import replace

import numpy as np

from vrm.events import Progress, no_progress
from vrm.motion.candidates.calibration import STRETCH, calibrate
from vrm.motion.candidates.nonlocal_frames import Aligner, choose_sources
from vrm.motion.candidates.sampling import FrameCandidates, sample_candidates
from vrm.motion.config import MotionConfig
from vrm.motion.exposure import EvenExposure
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import FrameAccess, HolePixels, WorkingFrames
from vrm.motion.fusion.expected_error import UNCALIBRATED
from vrm.motion.fusion.fusion import fuse, weights
from vrm.motion.layers.layers import Layers
from vrm.motion.refinement.detail import detail_energy
from vrm.motion.refinement.keyframe_blend import blend_keyframes
from vrm.motion.refinement.local_context import refine_by_context
from vrm.motion.refinement.temporal_filter import temporal_filter
from vrm.motion.result import HoleFill, Propagation
from vrm.motion.trajectories.bidirectional import refine_bidirectional
from vrm.motion.trajectories.foreground import ForegroundTrajectories
from vrm.motion.trajectories.tracker import TrajectoryTracker
from vrm.system.threads import parallel_map
from vrm.types import Bool, FlowEstimator

_NEAR = 24
"""Frames from a frame, or outside the window, within which a keyframe is used."""

_CONTEXT_ROUNDS = 2
"""The second looks at what the first has found."""

_CALIBRATION, _FILLING, _ALIGNING = 9, 1.6, 0.4
"""What a frame takes in the calibration, in the filling, and for each frame it is aligned with, against a round."""


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
        estimator: optical flow; ``DisFlow`` by default, coarse where no keyframes show what moves by itself.
        progress: called with ``(stage, done, total)``.

    Returns a ``HoleFill`` for each frame of the window that has a hole.
    """
    flow, keyframes = estimator or DisFlow(coarse=not keyframes), keyframes or {}
    shot = even = EvenExposure(shot, window)
    levels = [WorkingFrames(shot, size) for size in config.sizes(shot.size)]
    found = Propagation(shot.size, {} if fills is None else fills)

    steps = _Steps(progress or no_progress, len(window), len(context), config)
    tracker = TrajectoryTracker(levels[0], config, flow, window, context, steps.tell)  # 1, 2, 3: flow to trajectories
    for frames in levels[1:]:
        steps.next_phase()
        tracker.refine(frames)  # again, on better filled frames
    frames = tracker.frames
    steps.next_phase()
    calibration = calibrate(shot, window, config, nonlocal_frames, flow) if config.calibrate else UNCALIBRATED
    aligner = _aligner(tracker, nonlocal_frames, keyframes)
    layers = Layers(aligner) if config.own_motion and aligner is not None else None
    foreground = _foreground(tracker, context, keyframes) if keyframes else None

    def fill(t: int) -> HoleFill:
        pixels = HolePixels(frames, np.flatnonzero(shot.hole(t)))
        if config.bidirectional:
            refine_bidirectional(frames, t, tracker.backward, tracker.forward, config.max_error, flow)
        seen = tracker.look_up(t, pixels.rows, pixels.cols)
        if aligner is not None:  # 4: non-local frames
            best = aligner.best(t, _sources(t, nonlocal_frames, keyframes, config), config.nonlocal_candidates)
            seen |= best.look_up(pixels.rows, pixels.cols) if best is not None else {}
        if layers is not None:
            seen = layers.split(t, pixels.rows, pixels.cols, seen)
        if foreground is not None:
            foreground.refine(t)
            seen = foreground.split(t, pixels.rows, pixels.cols, seen)
        seen = {name: even.doubted(one) for name, one in seen.items()}
        candidates = sample_candidates(frames, t, pixels, seen, calibration)  # 5, 6: inpainting, expected errors
        return _fused(candidates, pixels.index, shot.size, config)  # 7: fusion

    steps.next_phase()
    holed = [t for t in window if shot.hole(t).any()]
    for t, done in zip(holed, parallel_map(fill, holed), strict=True):
        found.fills[t] = done
        tracker.forget(t)
        steps.tell()
    if layers is not None:
        for _ in range(_CONTEXT_ROUNDS):
            refine_by_context(found, shot, frames, layers.own_motion, flow)
    temporal_filter(found, shot, tracker, config, keyframes)  # 8: refinement
    blend_keyframes(found, shot, keyframes, config.keyframe_blend, flow, frames.scale)
    _put_into_own_light(found, even)
    steps.next_phase()
    return found


def _put_into_own_light(found: Propagation, even: EvenExposure) -> None:
    """The fills of frames whose light jumps, found in the light of the others, in that of the frames. In place."""
    for t in list(found.fills):
        light = even.exposure(t)
        if light is not None:
            fill = found.fills[t]
            detail = fill.detail * np.float32(np.square(light.gain).mean())
            found.fills[t] = replace(fill, rgb=even.restored(t, fill.rgb), detail=detail)


class _Steps:
    """Tells how far a window is: each round counts as its frames, and other phases as they take in comparison."""

    def __init__(self, progress: Progress, frames: int, context: int, config: MotionConfig) -> None:
        filling = _FILLING + _ALIGNING * config.nonlocal_frames
        calibration = _CALIBRATION * min(frames, STRETCH) if config.calibrate else 0
        self._phases = [*[frames] * config.rounds, calibration, round(filling * frames)]
        # In a round each frame is filled, has flow to the next, and is followed both ways; the last phase only fills.
        self._expected = [4 * min(frames + _NEAR, context)] * (config.rounds + 1) + [frames]
        self._progress, self._at, self._told = progress, 0, 0

    def tell(self) -> None:
        """One more of the phase's steps; how many there are is known only about."""
        self._told += 1
        self._say(min(1.0, self._told / self._expected[self._at]))

    def next_phase(self) -> None:
        """The phase is over."""
        self._say(1.0)
        self._at, self._told = self._at + 1, 0

    def _say(self, share: float) -> None:
        done = sum(self._phases[: self._at]) + int(share * self._phases[self._at])
        self._progress("motion", done, sum(self._phases))


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
