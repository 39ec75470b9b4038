"""A case and its results as one stream of frames, with the motion between them computed ahead of use."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from vrm.evaluate.cases.clips import Clip
from vrm.evaluate.cases.pictures import Pictures, at_depth
from vrm.metrics.warping import Motion, grey, visible
from vrm.types import U8, FlowEstimator, Pixels


@dataclass(frozen=True)
class Pending:
    """The motion from the frame before, being computed; without futures there is none."""

    forward: Future[Any] | None = None
    backward: Future[Any] | None = None

    def get(self) -> Motion | None:
        """Wait for it."""
        if self.forward is None or self.backward is None:
            return None
        flow = self.forward.result()
        return Motion(flow, visible(flow, self.backward.result()))


@dataclass(frozen=True)
class Frame:
    """Everything about one frame; ``filled`` and ``own`` (motion of the filled frames) by result.

    All have as many bits a sample as the truth, or without one as what was given.
    """

    t: int
    given: Pixels
    truth: Pixels | None
    filled: dict[int, Pixels]
    motion: Pending
    own: dict[int, Pending]


class Motions:
    """Flow between consecutive frames, both ways at once, computed beside whoever uses it."""

    def __init__(self, pool: ThreadPoolExecutor, estimator: FlowEstimator) -> None:
        self._pool, self._estimator = pool, estimator
        self._before: U8 | None = None

    def next(self, frame: Pixels) -> Pending:
        """The motion from the last frame to this one."""
        now, before = grey(frame), self._before
        self._before = now
        if before is None:
            return Pending()
        return Pending(self._pool.submit(self._estimator, before, now), self._pool.submit(self._estimator, now, before))


def frames_of(
    clip: Clip,
    pictures: dict[int, Pictures],
    names: tuple[str, ...],
    count: int,
    pool: ThreadPoolExecutor,
    estimator: FlowEstimator,
) -> Iterator[Frame]:
    """The clip's frames in order, with their motion under way."""
    moving = Motions(pool, estimator) if {"ewarp", "ewarp_hole", "ewarp_truth"} & set(names) else None
    own = {k: Motions(pool, estimator) for k in pictures if {"ewarp_own", "ewarp_own_hole"} & set(names)}
    truths = clip.truth.stream(count) if clip.truth is not None else None
    streams = {k: own_pictures.stream(count) for k, own_pictures in pictures.items()}
    bits = (clip.truth or clip.frames).bits
    for t, given in enumerate(clip.frames.stream(count)):
        given = at_depth(given, bits)
        truth = at_depth(next(truths), bits) if truths is not None else None
        filled = {k: at_depth(next(stream), bits) for k, stream in streams.items()}
        motion = moving.next(truth) if moving is not None and truth is not None else Pending()
        yield Frame(t, given, truth, filled, motion, {k: m.next(filled[k]) for k, m in own.items()})


def ahead(frames: Iterator[Frame], n: int = 2) -> Iterator[Frame]:
    """The same frames, each given out when ``n`` more have been read and their motion is being computed."""
    waiting: deque[Frame] = deque()
    for frame in frames:
        waiting.append(frame)
        if len(waiting) > n:
            yield waiting.popleft()
    yield from waiting
