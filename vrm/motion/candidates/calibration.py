"""Judging candidates on this very clip: known pixels are hidden on purpose, filled by the same code, and compared.

The hidden pixels have the shape and the motion of the real holes: these are laid over known parts of the same frames.
A short stretch of the window is enough for what is learned here, the level of the expected errors of each kind of
guess: it tells rigid background, where fetched colours are right, from water or a crowd, where a smooth guess is
better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.candidates.distant_frames import Aligner, choose_sources, pick
from vrm.motion.candidates.sampling import frame_guesses
from vrm.motion.config import MotionConfig
from vrm.motion.flow.estimators import FlowEstimator
from vrm.motion.frames import FrameAccess, WorkingFrames, dilate, unit
from vrm.motion.fusion.fusion import USUAL, Guess, Kind, Trust
from vrm.motion.poisson import Array
from vrm.motion.trajectories.tracker import Tracks
from vrm.system.threads import each
from vrm.types import Bool, Pixels, bounding_box, union_box

STRETCH = 14
"""Frames looked at."""

_PROBES = 4
_LEAST = 0.25
_CERTAIN = 3000.0
_GUARD = 4

_BIAS = 0.2
"""Made holes look worse for fetched colours than real ones by about this: few frames and rounds are spent on them."""

_BELIEF = 0.7
"""Part of the difference that is believed: the copies lie over another part of the picture."""


class HiddenShot:
    """A shot whose holes also cover their own copies, moved by a fixed offset to where pixels are known.

    Args:
        shot: the real one.
        offset: ``(dy, dx)`` of the copies.
    """

    def __init__(self, shot: FrameAccess, offset: tuple[int, int]) -> None:
        self.shot, self.offset = shot, offset
        self.start, self.stop, self.size = shot.start, shot.stop, shot.size

    def frame(self, t: int) -> Pixels:
        """Frame t."""
        return self.shot.frame(t)

    def hole(self, t: int) -> Bool:
        """The real hole and its copy."""
        return self.shot.hole(t) | self.hidden(t)

    def hidden(self, t: int) -> Bool:
        """The known pixels of frame t that are hidden on purpose, away from the real hole."""
        real = self.shot.hole(t)
        return moved(real, self.offset) & ~dilate(real, _GUARD)


def moved(mask: Bool, offset: tuple[int, int]) -> Bool:
    """The mask moved by ``(dy, dx)``; what leaves the frame is lost."""
    matrix = np.array([[1, 0, offset[1]], [0, 1, offset[0]]], np.float32)
    return cv2.warpAffine(mask.view(np.uint8), matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST).view(np.bool_)


def place(shot: FrameAccess, times: Sequence[int]) -> tuple[int, int] | None:
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
            kept = sum(int((moved(h, offset) & ~dilate(h, _GUARD)).sum()) for h in holes) / max(area, 1)
            if best is None or kept > best[0] + 0.02:
                best = kept, offset
    return best[1] if best is not None and best[0] >= _LEAST else None


def judge_clip(
    shot: FrameAccess, window: range, config: MotionConfig, distant: Sequence[int], estimator: FlowEstimator
) -> Trust:
    """How errors are in this clip compared to the usual, from holes made in a stretch in the middle of the window."""
    times = [t for t in window if shot.hole(t).any()]
    if len(times) < 3:
        return USUAL
    middle = times[len(times) // 2]
    first = max(window.start, min(middle - STRETCH // 2, window.stop - STRETCH))
    stretch = range(first, min(first + STRETCH, window.stop))
    times = [t for t in stretch if shot.hole(t).any()]
    offset = place(shot, times)
    if offset is None:
        return USUAL
    hidden = HiddenShot(shot, offset)
    frames = WorkingFrames(hidden, config.longest)
    tracks = Tracks(frames, replace(config, rounds=min(2, config.rounds)), estimator)
    tracks.run(stretch, range(max(window.start, first - 8), min(window.stop, stretch.stop + 8)), lambda _: None)
    aligner = Aligner(frames, estimator) if config.sources and config.distant and len(distant) else None
    ratios: dict[Kind, list[Array]] = {"trajectory": [], "distant": [], "spatial": []}

    def probe(t: int) -> list[tuple[Kind, Array]]:
        asked = hidden.hidden(t)
        if not asked.any():
            return []
        picked = None
        if aligner is not None:
            sources = choose_sources(t, distant, max(4, config.sources // 2))
            picked = pick(aligner, t, sources, config.distant)
        found = frame_guesses(frames, t, tracks, picked, config.bound, USUAL, asked)
        truth = unit(shot.frame(t)[asked])
        return [(guess.kind, log_ratio(guess, truth, found.inside)) for guess in found.guesses.values()]

    for found in each(probe, times[:: max(1, len(times) // _PROBES)][:_PROBES]):
        for kind, ratio in found:
            ratios[kind].append(ratio)
    levels = {kind: level(parts) for kind, parts in ratios.items()}
    return Trust(
        trajectory=_BELIEF * (levels["trajectory"] - _BIAS),
        distant=_BELIEF * (levels["distant"] - _BIAS),
        spatial=_BELIEF * levels["spatial"],
    )


def log_ratio(guess: Guess, truth: Array, inside: Bool) -> Array:
    """Logarithm of true over expected error where the guess is valid; the true one is taken over 5x5 pixels."""
    square = np.square(guess.colour[guess.valid] - truth[guess.valid])
    valid = np.flatnonzero(inside)[guess.valid]
    plane = np.zeros((*inside.shape, 2), np.float32)
    plane.reshape(-1, 2)[valid, 0] = square if square.ndim == 1 else square.mean(1)
    plane.reshape(-1, 2)[valid, 1] = 1
    mean = cv2.blur(plane, (5, 5)).reshape(-1, 2)[valid]
    true = np.sqrt(np.maximum(mean[:, 0], 0) / np.maximum(mean[:, 1], 1e-3))
    ratio: Array = np.log(true + 0.005) - np.log(guess.error[guess.valid])
    return ratio


def level(parts: list[Array]) -> float:
    """The mean, drawn to zero where there are few pixels."""
    count = sum(p.size for p in parts)
    if not count:
        return 0.0
    total = float(sum(np.clip(p, -3, 3).sum() for p in parts))
    return float(np.clip(total / (count + _CERTAIN), -1.2, 1.2))
