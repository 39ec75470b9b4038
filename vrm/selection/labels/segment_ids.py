"""Ids of segments that stay the same from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.motion.flow.warp import looked_up
from vrm.selection.labels.base import Ids, PanopticMap
from vrm.selection.labels.taxonomy import VOID, Taxonomy
from vrm.types import F32, U8

_FIRST_THING = 256
"""Stuff has the id 1 + class; things have ids from here on."""
_OVERLAP = 0.3
"""From this intersection over union on, a thing is one of the frame before."""


class SegmentIds:
    """Gives segments their ids, and knows the class of each."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self._table = np.full(_FIRST_THING, VOID, np.uint8)
        self._table[1 : 1 + len(taxonomy.classes)] = np.arange(len(taxonomy.classes))
        self._count = _FIRST_THING

    def classes(self, ids: Ids) -> U8:
        return np.asarray(self._table[ids])

    def class_of(self, number: int) -> int:
        return int(self._table[number])

    def assign(self, found: PanopticMap, before: Ids | None, back: F32 | None) -> tuple[Ids, dict[int, float]]:
        """The map of a frame's ids, int32 ``(H, W)``, and the model's score by id.

        ``before`` holds the ids of an earlier frame of the shot, ``back`` is the flow to it, at a smaller size.
        """
        table = np.zeros(1 + max((s.id for s in found.segments), default=0), np.int32)
        scores: dict[int, float] = {}
        known = self._matched(found, before, back) if before is not None and back is not None else {}
        for segment in found.segments:
            number = 1 + segment.label
            if self.taxonomy.things[segment.label]:
                number = known.get(segment.id) or self._new(segment.label)
            table[segment.id] = number
            if segment.score is not None:
                scores[number] = max(scores.get(number, 0.0), float(segment.score))
        return np.asarray(table[found.ids]), scores

    def _new(self, label: int) -> int:
        if self._count == len(self._table):
            self._table = np.concatenate([self._table, np.full_like(self._table, VOID)])
        self._table[self._count] = label
        self._count += 1
        return self._count - 1

    def _matched(self, found: PanopticMap, before: Ids, back: F32) -> dict[int, int]:
        """Known ids by segment: overlap along the flow, best first; each id once, and only within a class."""
        size = back.shape[1::-1]
        earlier, now = (cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST) for ids in (before, found.ids))
        moved = looked_up(np.asarray(earlier, np.int32), back)
        pairs: list[tuple[float, int, int]] = []
        for segment in found.segments:
            if not self.taxonomy.things[segment.label]:
                continue
            own = now == segment.id
            numbers, counts = np.unique(moved[own], return_counts=True)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
                if number >= _FIRST_THING and self._table[number] == segment.label:
                    union = int(own.sum()) + int((moved == number).sum()) - count
                    if count > _OVERLAP * union:
                        pairs.append((count / union, segment.id, number))
        out: dict[int, int] = {}
        for _, segment_id, number in sorted(pairs, reverse=True):
            if segment_id not in out and number not in out.values():
                out[segment_id] = number
        return out
