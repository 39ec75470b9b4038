"""Labels made consistent over time: carried between labelled frames, given lasting ids, and voted along the motion.

    every Nth frame is labelled -> the frames between take the labels of the nearer one, along the flow
    -> segments that overlap their predecessors along the flow get their ids
    -> each pixel takes what the labels of two frames on both sides, warped to it along the flow, agree on

SAVIT (Lee et al., ICCV 2023, Sec. 3.1) makes labels consistent by grouping classes alone; the vote is ours.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

import cv2
import numpy as np

from vrm.motion.flow.estimators import DisFlow
from vrm.motion.flow.warp import chained, looked_up, reliability, upsized
from vrm.selection.labels.base import Ids, PanopticMap, Segmenter
from vrm.selection.labels.segment_ids import SegmentIds
from vrm.selection.labels.taxonomy import VOID
from vrm.selection.tracking.features import shrink, small_grey
from vrm.types import F32, U8, Pixels

PREVIEW_SIDE = 960
"""Longest side of the pictures that are kept for previews."""
RADIUS = 2
"""Frames on either side that vote."""
_WEIGHTS = {0: 1.0, 1: 0.8, 2: 0.6}
"""What a vote counts, by distance in frames: a label of one frame alone is outvoted by its neighbours."""
_VOID_WEIGHT = 0.3
_AT_ONCE = 1 << 15
"""Disputed pixels that are counted at a time: they fit into the processor's cache."""

Values = TypeVar("Values", bound=np.ndarray)


@dataclass
class LabelledFrame:
    """A frame on its way through.

    Attributes:
        shot: counts the shots.
        shown, grey: the picture, uint8: RGB for previews, and grey at tracking size.
        ids, voted: int32 ``(H, W)``: ids of things and stuff that stay the same from frame to frame, before and after
            the vote; 0 is void.
        before, after: the class of each pixel, at tracking size, before and after the vote.
        scores: the model's, by id; only of what it found on this very frame.
        flows: to the next frame (1) and the one before (-1), at tracking size.
    """

    t: int
    shot: int
    shown: U8
    grey: U8
    ids: Ids
    voted: Ids
    before: U8
    after: U8
    scores: dict[int, float] = field(default_factory=dict)
    flows: dict[int, F32] = field(default_factory=dict)


@dataclass
class LabelFlicker:
    """The share of pixels, 0 to 1, whose label changes along the flow from one frame to the next."""

    _changed: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _pixels: float = 0.0

    def add(self, one: LabelledFrame, other: LabelledFrame, back: F32, sure: F32) -> None:
        """Count two consecutive frames of a shot; ``back`` is the flow from the second to the first."""
        trusted = sure > 0.6
        self._pixels += float(trusted.sum())
        for k, (first, second) in enumerate(((one.before, other.before), (one.after, other.after))):
            self._changed[k] += float(((looked_up(first, back) != second) & trusted).sum())

    @property
    def before(self) -> float:
        return self._changed[0] / max(1.0, self._pixels)

    @property
    def after(self) -> float:
        return self._changed[1] / max(1.0, self._pixels)


class TemporalVote:
    """Labels a video frame by frame, in bounded memory; the segmenter labels every Nth frame of a shot.

    ``segment_ids``, ``flicker`` and ``network_seconds``, the time in the segmenter, are those so far.
    """

    def __init__(self, segmenter: Segmenter, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"every {every}th frame")
        self.segment_ids = SegmentIds(segmenter.taxonomy)
        self.flicker = LabelFlicker()
        self.network_seconds = 0.0
        self._segmenter, self._every = segmenter, every
        self._flow = DisFlow()

    def __call__(self, frames: Iterable[tuple[int, Pixels]], cuts: set[int]) -> Iterator[LabelledFrame]:
        """Label consecutive frames: number and picture, uint8 or uint16 RGB ``(H, W, 3)``. Each cut begins a shot."""
        for _, shot in groupby(self._labelled(frames, cuts), key=lambda frame: frame.shot):
            yield from self._voted(shot)

    def _labelled(self, frames: Iterable[tuple[int, Pixels]], cuts: set[int]) -> Iterator[LabelledFrame]:
        """Frames with ids, not yet voted; those between two that the segmenter labels wait for the second."""
        waiting: list[LabelledFrame] = []
        key: LabelledFrame | None = None
        shot = since = 0
        for t, rgb in frames:
            begins = key is None or t in cuts
            shot += begins
            now = self._unlabelled(t, rgb, shot)
            if begins:
                yield from self._carried(key, waiting, None)
                waiting, key, since = [], None, 0
            elif key is not None:
                before = waiting[-1] if waiting else key
                before.flows[1], now.flows[-1] = self._flow(before.grey, now.grey), self._flow(now.grey, before.grey)
            since += 1
            if begins or since > self._every or self._every == 1:
                start = time.perf_counter()
                found = self._segmenter.label(rgb, t)
                self.network_seconds += time.perf_counter() - start
                self._assign_ids(now, found, key, waiting)
                yield from self._carried(key, waiting, now)
                waiting, key, since = [], now, 1
                yield now
            else:
                waiting.append(now)
        yield from self._carried(key, waiting, None)

    def _unlabelled(self, t: int, rgb: Pixels, shot: int) -> LabelledFrame:
        grey = small_grey(rgb)
        void, nothing = np.full(grey.shape, VOID, np.uint8), np.zeros(rgb.shape[:2], np.int32)
        return LabelledFrame(t, shot, shrink(rgb, PREVIEW_SIDE), grey, nothing, nothing, void, void)

    def _assign_ids(
        self, now: LabelledFrame, found: PanopticMap, key: LabelledFrame | None, between: list[LabelledFrame]
    ) -> None:
        back = None if key is None else chained([frame.flows[-1] for frame in (now, *reversed(between))])
        now.ids, now.scores = self.segment_ids.assign(found, None if key is None else key.ids, back)
        now.before = self._small_classes(now, now.ids)

    def _carried(
        self, key: LabelledFrame | None, waiting: list[LabelledFrame], following: LabelledFrame | None
    ) -> Iterator[LabelledFrame]:
        """The waiting frames with the labels of the nearer labelled frame, along the flow."""
        count, back = len(waiting), [frame.flows[-1] for frame in waiting]
        for k in range(count):
            assert key is not None
            steps, source = back[k::-1], key
            if following is not None and count - k < k + 1:
                steps, source = [f.flows[1] for f in waiting], following
            frame = waiting.pop(0)  # only the few frames that vote hold labels of full size, not all that wait
            frame.ids = looked_up(source.ids, upsized(chained(steps), source.ids.shape))
            frame.before = self._small_classes(frame, frame.ids)
            yield frame

    def _small_classes(self, frame: LabelledFrame, ids: Ids) -> U8:
        small = cv2.resize(ids, frame.grey.shape[::-1], interpolation=cv2.INTER_NEAREST)
        return self.segment_ids.classes(np.asarray(small, np.int32))

    def _voted(self, shot: Iterable[LabelledFrame]) -> Iterator[LabelledFrame]:
        """The frames of one shot after the vote, for which few are kept at a time."""
        window: list[LabelledFrame] = []
        at = 0
        for frame in shot:
            window.append(frame)
            if len(window) - at > RADIUS:
                yield self._decided(window, at)
                at += 1
            if at > RADIUS:
                window.pop(0)
                at -= 1
        for rest in range(at, len(window)):
            yield self._decided(window, rest)

    def _decided(self, window: list[LabelledFrame], at: int) -> LabelledFrame:
        frame = window[at]
        frame.voted = self._vote(window, at)
        frame.after = self._small_classes(frame, frame.voted)
        if at:
            sure = reliability(frame.flows[-1], window[at - 1].flows[1])
            self.flicker.add(window[at - 1], frame, frame.flows[-1], sure)
        return frame

    def _vote(self, window: list[LabelledFrame], at: int) -> Ids:
        """What the labels around agree on: first the class, then which id of that class."""
        own = window[at].ids
        ballots, weights = [own], [np.full(own.shape, _WEIGHTS[0], np.float32)]
        for step in (-1, 1):
            flows: list[F32] = []
            sure: F32 | None = None
            for k in range(1, RADIUS + 1):
                if not 0 <= at + step * k < len(window):
                    break
                one, other = window[at + step * (k - 1)], window[at + step * k]
                agrees = reliability(one.flows[step], other.flows[-step])
                sure = agrees if sure is None else sure * looked_up(agrees, chained(flows))
                flows.append(one.flows[step])
                ballots.append(looked_up(other.ids, upsized(chained(flows), own.shape)))
                weights.append(np.asarray(_WEIGHTS[k] * cv2.resize(sure, own.shape[::-1]), np.float32))
        disputed = np.zeros(own.shape, np.bool_)
        for ballot in ballots[1:]:
            disputed |= ballot != own
        places = np.flatnonzero(disputed)
        out = own.copy() if places.size else own
        for begin in range(0, places.size, _AT_ONCE):
            part = places[begin : begin + _AT_ONCE]
            ids = np.stack([ballot.reshape(-1)[part] for ballot in ballots])
            counts = np.stack([weight.reshape(-1)[part] for weight in weights])
            out.reshape(-1)[part] = _elected(ids, self.segment_ids.classes(ids), counts)
        return out


def _elected(ids: Ids, classes: U8, counts: np.ndarray) -> Ids:
    """The winner of each column of ``(ballots, n)``; in a tie the first ballot's."""
    counts = np.where(classes == VOID, _VOID_WEIGHT * counts, counts)
    chosen = classes == _most(classes, counts)
    return _most(ids, np.where(chosen, counts, 0), chosen)


def _most(values: Values, counts: np.ndarray, allowed: np.ndarray | None = None) -> Values:
    """Of each column of ``(ballots, n)`` the value with the highest sum of counts, among those allowed; the first."""
    winner: Values = values[0].copy()
    most = np.full(values.shape[1], -2, counts.dtype)
    for i, candidates in enumerate(values):
        total = np.zeros_like(most)
        for value, count in zip(values, counts, strict=True):
            total += count * (value == candidates)
        if allowed is not None:
            total[~allowed[i]] = -1
        better = total > most
        winner[better], most[better] = candidates[better], total[better]
    return winner
