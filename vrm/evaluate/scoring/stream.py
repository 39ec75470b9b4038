"""A case and its results, read frame by frame, with the motion between frames computed in other threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.sequence import ImageSequence, at_depth
from vrm.metrics.warping import Motion, grey, visible
from vrm.types import U8, Bool, FlowEstimator, Pixels, eight_bits


@dataclass(frozen=True)
class PendingMotion:
    """The motion from the previous frame, being computed; without futures there is none."""

    forward: Future[Any] | None = None
    backward: Future[Any] | None = None

    def get(self) -> Motion | None:
        if self.forward is None or self.backward is None:
            return None
        flow = self.forward.result()
        return Motion(flow, visible(flow, self.backward.result()))


@dataclass(frozen=True)
class CaseFrame:
    """One frame of a case: given, true, and filled (by result), with the motion from the previous one.

    ``own`` is the motion between the filled frames, by result; ``effect`` is that of the object, uint8 ``(H, W)``;
    ``thing`` is what the holes hide of one that stays, bool ``(H, W)``. All frames have the truth's bit depth, or
    without a truth that of the given ones.
    """

    t: int
    given: Pixels
    truth: Pixels | None
    filled: dict[int, Pixels]
    motion: PendingMotion
    own: dict[int, PendingMotion]
    effect: U8 | None = None
    thing: Bool | None = None


class MotionStream:
    """Flow between consecutive frames in both directions, computed in a pool's threads."""

    def __init__(self, pool: ThreadPoolExecutor, estimator: FlowEstimator) -> None:
        self._pool, self._estimator = pool, estimator
        self._before: U8 | None = None

    def next(self, frame: Pixels) -> PendingMotion:
        now, before = grey(frame), self._before
        self._before = now
        if before is None:
            return PendingMotion()
        pairs = (before, now), (now, before)
        return PendingMotion(*(self._pool.submit(self._estimator, *pair) for pair in pairs))


def read_case(
    clip: Clip,
    results: dict[int, ImageSequence],
    names: tuple[str, ...],
    count: int,
    pool: ThreadPoolExecutor,
    estimator: FlowEstimator,
) -> Iterator[CaseFrame]:
    """The first ``count`` frames of a clip and of its results, with the motion that the measures need."""
    truth_motion = MotionStream(pool, estimator) if {"ewarp", "ewarp_hole", "ewarp_truth"} & set(names) else None
    own = {k: MotionStream(pool, estimator) for k in results if {"ewarp_own", "ewarp_own_hole"} & set(names)}
    truths = clip.truth.stream(count) if clip.truth is not None else None
    effects = clip.effect.stream(count) if clip.effect is not None else None
    things = clip.thing.stream(count) if clip.thing is not None else None
    streams = {k: frames.stream(count) for k, frames in results.items()}
    bits = (clip.truth or clip.frames).bits
    for t, given in enumerate(clip.frames.stream(count)):
        given = at_depth(given, bits)
        truth = at_depth(next(truths), bits) if truths is not None else None
        filled = {k: at_depth(next(stream), bits) for k, stream in streams.items()}
        motion = truth_motion.next(truth) if truth_motion is not None and truth is not None else PendingMotion()
        effect = eight_bits(next(effects)[..., 0]) if effects is not None else None
        thing = next(things)[..., 0] > 0 if things is not None else None
        own_motion = {k: m.next(filled[k]) for k, m in own.items()}
        yield CaseFrame(t, given, truth, filled, motion, own_motion, effect, thing)


def prefetch(frames: Iterator[CaseFrame], n: int = 2) -> Iterator[CaseFrame]:
    """The same frames, read ``n`` ahead, so that their motion is computed while earlier ones are scored."""
    waiting: deque[CaseFrame] = deque()
    for frame in frames:
        waiting.append(frame)
        if len(waiting) > n:
            yield waiting.popleft()
    yield from waiting
