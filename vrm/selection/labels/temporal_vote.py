"""Labels that hold still: carried between labelled frames, kept as the same things, and voted along motion.

    every Nth frame is labelled -> the frames between take the labels of the nearer one, along the flow
    -> segments that overlap their predecessors along the flow get their numbers
    -> each pixel takes what the labels of two frames on both sides, brought to it along the flow, agree on

SAVIT (Lee et al., ICCV 2023, Sec. 3.1) makes labels consistent by grouping classes alone; the vote is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

import cv2
import numpy as np

from vrm.motion.flow.estimators import DisFlow
from vrm.motion.flow.warp import chained, looked_up, reliability, upsized
from vrm.selection.labels.base import Ids, Panoptic, Segmenter
from vrm.selection.labels.segment_ids import Tracks
from vrm.selection.labels.taxonomy import VOID, Taxonomy
from vrm.selection.tracking.features import shrink
from vrm.types import F32, U8, Pixels

RADIUS = 2
"""Frames on either side that vote."""
_WEIGHTS = {0: 1.0, 1: 0.8, 2: 0.6}
"""What a vote counts, by distance in frames; a label of one frame alone is outvoted by its neighbours."""
_VOID_WEIGHT = 0.3
_AT_ONCE = 1 << 15
"""Disputed pixels that are counted at a time: they stay in the processor's cache."""

Values = TypeVar("Values", bound=np.ndarray)


@dataclass
class Labelled:
    """A frame on its way through.

    Attributes:
        t: its number.
        shown: the picture, small, uint8 RGB: for previews.
        shot: counts the shots.
        ids: int32 ``(H, W)``: numbers of things and stuff that stay the same from frame to frame; 0 is void.
        voted: the same after the vote.
        scores: of the model, by number; only what it saw on this very frame.
        before: the class of each pixel as the model gave it, at tracking size.
        after: the same after the vote.
        grey: the picture at tracking size.
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
class Flicker:
    """Share of pixels whose label changes along the flow from one frame to the next.

    Attributes:
        before, after: without and with the vote, 0 to 1.
    """

    _changed: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _pixels: float = 0.0

    def add(self, one: Labelled, other: Labelled, back: F32, sure: F32) -> None:
        """Count two consecutive frames of a shot; ``back`` is the flow from the second to the first."""
        trusted = sure > 0.6
        self._pixels += float(trusted.sum())
        for k, (first, second) in enumerate(((one.before, other.before), (one.after, other.after))):
            self._changed[k] += float(((looked_up(first, back) != second) & trusted).sum())

    @property
    def before(self) -> float:
        """As the model gave the labels."""
        return self._changed[0] / max(1.0, self._pixels)

    @property
    def after(self) -> float:
        """After the vote."""
        return self._changed[1] / max(1.0, self._pixels)


class Steadied:
    """Labels a video frame by frame, in bounded memory.

    Args:
        segmenter: labels frames.
        every: label every so manieth frame of a shot.
        side: longest side of ``Labelled.shown``.

    Attributes:
        tracks: the numbers given so far.
        flicker: counted so far.
    """

    def __init__(self, segmenter: Segmenter, every: int = 1, side: int = 960) -> None:
        if every < 1:
            raise ValueError(f"every {every}th frame")
        self.taxonomy: Taxonomy = segmenter.taxonomy
        self.tracks = Tracks(segmenter.taxonomy)
        self.flicker = Flicker()
        self._segmenter, self._every, self._side = segmenter, every, side
        self._dis = DisFlow()

    def __call__(self, frames: Iterable[tuple[int, Pixels]], cuts: set[int]) -> Iterator[Labelled]:
        """The frames, labelled, in order.

        Args:
            frames: number and picture, uint8 or uint16 RGB ``(H, W, 3)``, of consecutive frames.
            cuts: numbers of the frames that begin a shot.
        """
        for _, shot in groupby(self._numbered(frames, cuts), key=lambda frame: frame.shot):
            yield from self._voted(shot)

    def _numbered(self, frames: Iterable[tuple[int, Pixels]], cuts: set[int]) -> Iterator[Labelled]:
        """Frames with ids, not yet voted; those between two labelled ones wait for the second."""
        waiting: list[Labelled] = []
        key: Labelled | None = None
        since = 0
        shot = 0
        for t, rgb in frames:
            begins = key is None or t in cuts
            shot += begins
            now = self._begun(t, rgb, shot)
            if begins:
                yield from self._carried(key, waiting, None)
                waiting, key, since = [], None, 0
            elif key is not None:
                self._link(waiting[-1] if waiting else key, now)
            since += 1
            if begins or since > self._every or self._every == 1:
                found = self._segmenter.label(rgb, t)
                self._given(now, found, key, waiting)
                yield from self._carried(key, waiting, now)
                waiting, key, since = [], now, 1
                yield now
            else:
                waiting.append(now)
        yield from self._carried(key, waiting, None)

    def _begun(self, t: int, rgb: Pixels, shot: int) -> Labelled:
        small = shrink(rgb)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        blank = np.full(grey.shape, VOID, np.uint8)
        nothing = np.zeros(rgb.shape[:2], np.int32)
        return Labelled(t, shot, shrink(rgb, self._side), grey, nothing, nothing, blank, blank)

    def _link(self, one: Labelled, other: Labelled) -> None:
        """Flow both ways between two consecutive frames."""
        one.flows[1] = np.asarray(self._dis(one.grey, other.grey), np.float32)
        other.flows[-1] = np.asarray(self._dis(other.grey, one.grey), np.float32)

    def _given(self, now: Labelled, found: Panoptic, key: Labelled | None, between: list[Labelled]) -> None:
        """Numbers for a frame that the model labelled."""
        back = None
        if key is not None:
            back = chained([frame.flows[-1] for frame in (now, *reversed(between))])
        now.ids, now.scores = self.tracks.number(found, None if key is None else key.ids, back)
        now.before = self._small_classes(now, now.ids)

    def _carried(self, key: Labelled | None, waiting: list[Labelled], following: Labelled | None) -> Iterator[Labelled]:
        """The waiting frames with the labels of the nearer labelled frame, along the flow."""
        count, back = len(waiting), [frame.flows[-1] for frame in waiting]
        for k in range(count):
            assert key is not None
            steps, source = back[k::-1], key
            if following is not None and count - k < k + 1:
                steps, source = [f.flows[1] for f in waiting], following
            frame = waiting.pop(0)  # labels of full size are there for the few frames that vote, not for all that wait
            frame.ids = looked_up(source.ids, upsized(chained(steps), source.ids.shape))
            frame.before = self._small_classes(frame, frame.ids)
            yield frame

    def _small_classes(self, frame: Labelled, ids: Ids) -> U8:
        height, width = frame.grey.shape
        small = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST)
        return self.tracks.classes(np.asarray(small, np.int32))

    def _voted(self, shot: Iterable[Labelled]) -> Iterator[Labelled]:
        """The frames of one shot after the vote; few are kept at a time."""
        window: list[Labelled] = []
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

    def _decided(self, window: list[Labelled], at: int) -> Labelled:
        frame = window[at]
        frame.voted = self._vote(window, at)
        frame.after = self._small_classes(frame, frame.voted)
        if at:
            sure = reliability(frame.flows[-1], window[at - 1].flows[1])
            self.flicker.add(window[at - 1], frame, frame.flows[-1], sure)
        return frame

    def _vote(self, window: list[Labelled], at: int) -> Ids:
        """What the labels around agree on: first the class, then which thing of it."""
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
                size = (own.shape[1], own.shape[0])
                weights.append(np.asarray(_WEIGHTS[k] * cv2.resize(sure, size), np.float32))
        disputed = np.zeros(own.shape, np.bool_)
        for ballot in ballots[1:]:
            disputed |= ballot != own
        every = np.flatnonzero(disputed)
        out = own.copy() if every.size else own
        for begin in range(0, every.size, _AT_ONCE):
            where = every[begin : begin + _AT_ONCE]
            ids = np.stack([ballot.reshape(-1)[where] for ballot in ballots])
            counts = np.stack([w.reshape(-1)[where] for w in weights])
            out.reshape(-1)[where] = _elected(ids, self.tracks.classes(ids), counts)
        return out


def _elected(ids: Ids, classes: U8, counts: np.ndarray) -> Ids:
    """The winner of each column of ``(ballots, n)``; among equals the first ballot's."""
    counts = np.where(classes == VOID, _VOID_WEIGHT * counts, counts)
    chosen = classes == _most(classes, counts)
    return _most(ids, np.where(chosen, counts, 0), chosen)


def _most(values: Values, counts: np.ndarray, allowed: np.ndarray | None = None) -> Values:
    """Of each column of ``(ballots, n)`` the value with the highest sum of counts, among those allowed; the first."""
    winner: Values = values[0].copy()
    most = np.full(values.shape[1], -2, counts.dtype)
    for i, mine in enumerate(values):
        total = np.zeros_like(most)
        for value, count in zip(values, counts, strict=True):
            total += count * (value == mine)
        if allowed is not None:
            total[~allowed[i]] = -1
        better = total > most
        winner[better], most[better] = mine[better], total[better]
    return winner
