"""Calibration of the expected errors on this very clip, from held-out pixels: known ones, filled as if they were not.

Held-out pixels have the shape and the motion of the real holes, which are laid over known parts of the same frames. A
short stretch of the window is enough for what is learned: how much larger or smaller than usual the errors of each
kind of candidate are. That tells rigid background, where fetched colours are right, from water or a crowd, where
smooth inpainting is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.candidates.nonlocal_frames import Aligner, choose_sources
from vrm.motion.candidates.sampling import sample_candidates
from vrm.motion.config import MotionConfig
from vrm.motion.frames import FrameAccess, HolePixels, WorkingFrames, dilate, unit
from vrm.motion.fusion.candidate import Candidate, Kind
from vrm.motion.fusion.expected_error import UNCALIBRATED, ErrorCalibration
from vrm.motion.trajectories.tracker import TrajectoryTracker
from vrm.system.threads import parallel_map
from vrm.types import Array, Bool, FlowEstimator, Pixels, bounding_box, union_box

STRETCH = 14
"""Frames looked at."""

_CONTEXT = 8
"""Frames of context on either side."""

_PROBES = 4
"""Frames that are compared."""

_LEAST = 0.25
"""Share of the holes that must find room over known pixels."""

_GUARD = 4
"""Pixels around the real hole that are not held out."""

_CERTAIN = 3000.0
"""Pixels at which half of the measured difference is believed; the more there are, the more of it."""

_BIAS = 0.2
"""Held-out pixels look worse for fetched colours than real holes by about this: less is read, in fewer rounds."""

_BELIEF = 0.7
"""Part of the difference that is believed: held-out pixels lie over another part of the picture."""


class HeldOutShot:
    """A shot whose holes also cover their own copies, moved by ``offset`` ``(dy, dx)`` to where pixels are known."""

    def __init__(self, shot: FrameAccess, offset: tuple[int, int]) -> None:
        self.shot, self.offset = shot, offset
        self.start, self.stop, self.size = shot.start, shot.stop, shot.size

    def frame(self, t: int) -> Pixels:
        return self.shot.frame(t)

    def hole(self, t: int) -> Bool:
        """The real hole and its copy."""
        return self.shot.hole(t) | self.held_out(t)

    def held_out(self, t: int) -> Bool:
        """The known pixels of frame t that are held out, away from the real hole."""
        real = self.shot.hole(t)
        return _moved(real, self.offset) & ~dilate(real, _GUARD)


def calibrate(
    shot: FrameAccess, window: range, config: MotionConfig, nonlocal_frames: Sequence[int], estimator: FlowEstimator
) -> ErrorCalibration:
    """How errors in this clip compare to the usual, from pixels held out in a stretch in the middle of the window.

    Args:
        config: how they will be filled; here with fewer rounds and fewer non-local frames.
        nonlocal_frames: frames that may be aligned directly.
    """
    times = [t for t in window if shot.hole(t).any()]
    if len(times) < 3:
        return UNCALIBRATED
    middle = times[len(times) // 2]
    first = max(window.start, min(middle - STRETCH // 2, window.stop - STRETCH))
    stretch = range(first, min(first + STRETCH, window.stop))
    times = [t for t in stretch if shot.hole(t).any()]
    offset = _offset(shot, times)
    if offset is None:
        return UNCALIBRATED
    held_out = HeldOutShot(shot, offset)
    frames = WorkingFrames(held_out, config.longest)
    config = replace(config, rounds=min(2, config.rounds))
    context = range(max(window.start, first - _CONTEXT), min(window.stop, stretch.stop + _CONTEXT))
    tracker = TrajectoryTracker(frames, config, estimator, stretch, context)
    for _ in range(1, config.rounds):
        tracker.refine()
    aligner = None
    if config.nonlocal_frames and config.nonlocal_candidates and len(nonlocal_frames):
        aligner = Aligner(frames, estimator)
    ratios: dict[Kind, list[Array]] = {"trajectory": [], "nonlocal": [], "single-frame": []}

    def probe(t: int) -> list[tuple[Kind, Array]]:
        asked = held_out.held_out(t)
        if not asked.any():
            return []
        pixels = HolePixels(frames, np.flatnonzero(asked))
        seen = tracker.look_up(t, pixels.rows, pixels.cols)
        if aligner is not None:
            sources = choose_sources(t, nonlocal_frames, max(4, config.nonlocal_frames // 2))
            best = aligner.best(t, sources, config.nonlocal_candidates)
            seen |= best.look_up(pixels.rows, pixels.cols) if best is not None else {}
        found = sample_candidates(frames, t, pixels, seen, UNCALIBRATED)
        truth = unit(shot.frame(t)[asked])
        return [(one.kind, _log_ratio(one, truth, found.inside)) for one in found.candidates]

    for found in parallel_map(probe, times[:: max(1, len(times) // _PROBES)][:_PROBES]):
        for kind, ratio in found:
            ratios[kind].append(ratio)
    level = {kind: _level(parts) for kind, parts in ratios.items()}
    return {
        "trajectory": _BELIEF * (level["trajectory"] - _BIAS),
        "nonlocal": _BELIEF * (level["nonlocal"] - _BIAS),
        "single-frame": _BELIEF * level["single-frame"],
    }


def _offset(shot: FrameAccess, times: Sequence[int]) -> tuple[int, int] | None:
    """The offset that lays the holes best over known pixels; None where less than a quarter of them fits."""
    holes = [shot.hole(t) for t in (times[0], times[len(times) // 2], times[-1])]
    box = union_box(bounding_box(h) for h in holes)
    if box is None:
        return None
    height, width = box[2] - box[0], box[3] - box[1]
    area = sum(int(h.sum()) for h in holes)
    best: tuple[float, tuple[int, int]] | None = None
    for ky, kx in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        for far in (1.05, 0.75, 0.5):
            offset = round(ky * far * height), round(kx * far * width)
            kept = sum(int((_moved(h, offset) & ~dilate(h, _GUARD)).sum()) for h in holes) / max(area, 1)
            if best is None or kept > best[0] + 0.02:
                best = kept, offset
    return best[1] if best is not None and best[0] >= _LEAST else None


def _moved(mask: Bool, offset: tuple[int, int]) -> Bool:
    """The mask moved by ``(dy, dx)``; what leaves the frame is lost."""
    matrix = np.array([[1, 0, offset[1]], [0, 1, offset[0]]], np.float32)
    return cv2.warpAffine(mask.view(np.uint8), matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST).view(np.bool_)


def _log_ratio(candidate: Candidate, truth: Array, inside: Bool) -> Array:
    """Logarithm of true over expected error where the candidate is valid; the true one is taken over 5x5 pixels."""
    square = np.square(candidate.colour[candidate.valid] - truth[candidate.valid])
    valid = np.flatnonzero(inside)[candidate.valid]
    plane = np.zeros((*inside.shape, 2), np.float32)
    plane.reshape(-1, 2)[valid, 0] = square if square.ndim == 1 else square.mean(1)
    plane.reshape(-1, 2)[valid, 1] = 1
    mean = cv2.blur(plane, (5, 5)).reshape(-1, 2)[valid]
    true = np.sqrt(np.maximum(mean[:, 0], 0) / np.maximum(mean[:, 1], 1e-3))
    ratio: Array = np.log(true + 0.005) - np.log(candidate.error[candidate.valid])
    return ratio


def _level(parts: list[Array]) -> float:
    """The mean of all parts, drawn to zero where there are few pixels."""
    count = sum(p.size for p in parts)
    if not count:
        return 0.0
    total = float(sum(np.clip(p, -3, 3).sum() for p in parts))
    return float(np.clip(total / (count + _CERTAIN), -1.2, 1.2))
