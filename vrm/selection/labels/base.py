"""The contract of models that label frames, and what they return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vrm.selection.labels.taxonomy import VOID, Taxonomy
from vrm.types import U8, Pixels

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Segment:
    """One thing, or all stuff of a class, on a frame.

    Its id is its value in ``PanopticMap.ids``, from 1; its label is an index into the taxonomy; its score is the
    model's, 0 to 1, or None where it gives none.
    """

    id: int
    label: int
    score: float | None = None


@dataclass(frozen=True)
class PanopticMap:
    """A labelled frame: the segment id of each pixel, int32 ``(H, W)``. 0 is void, every other id has its segment."""

    ids: Ids
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        ids = [segment.id for segment in self.segments]
        if len(set(ids)) != len(ids) or 0 in ids:
            raise ValueError(f"segments have the ids {ids}")

    def classes(self) -> U8:
        """uint8 ``(H, W)``: the class of each pixel, ``VOID`` where it has none."""
        table = np.full(1 + max((s.id for s in self.segments), default=0), VOID, np.uint8)
        for segment in self.segments:
            table[segment.id] = segment.label
        return np.asarray(table[self.ids])


class Segmenter(Protocol):
    """A model that labels frames; it works on ``device`` in the number format ``dtype``, never "auto"."""

    name: str
    taxonomy: Taxonomy
    device: str
    dtype: str

    def label(self, frame: Pixels, t: int = 0) -> PanopticMap:
        """Label frame t of the video, uint8 or uint16 RGB ``(H, W, 3)``."""
        ...


def from_classes(classes: npt.NDArray[np.integer], scores: npt.NDArray[np.floating] | None = None) -> PanopticMap:
    """A semantic map ``(H, W)`` as segments: one for each class, with the mean score of its pixels.

    A class of ``VOID`` or more is none; scores are ``(H, W)``, 0 to 1.
    """
    ids = np.where(classes < VOID, classes.astype(np.int32) + 1, 0).astype(np.int32)
    count = np.bincount(ids.ravel())
    total = None if scores is None else np.bincount(ids.ravel(), weights=scores.ravel().astype(np.float64))
    numbers = [int(i) for i in np.flatnonzero(count) if i > 0]
    score = [None if total is None else float(total[i] / count[i]) for i in numbers]
    return PanopticMap(ids, tuple(Segment(i, i - 1, s) for i, s in zip(numbers, score, strict=True)))
