"""Which thing each pixel of the followed masks belongs to, for its colour alone: all are followed as one mask.

From where a thing was pointed at, its label goes from frame to frame to whatever of the mask is nearest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from vrm.options.session import OBJECT, PickSession, Thing
from vrm.types import U8, Bool, Masks, VideoInfo

_SIDE = 240
"""Longest side of the maps of labels."""


def labels_of(masks: Masks, info: VideoInfo, things: Sequence[Thing]) -> Iterator[tuple[int, U8]]:
    """For each frame with a mask a map as displayed, small, uint8: the number of the nearest thing, from 1.

    First the frames from the first one that something was said on; then those before it, backwards.
    """
    seeded = {t for thing in things for t in thing.frames}
    start, last = min(seeded, default=0), max(seeded, default=0)
    for frames in (range(start, masks.n_frames), range(last, -1, -1)):
        before: U8 | None = None
        for t in frames:
            if masks.box(t) is None:
                continue
            mask = _small(np.rot90(masks[t], -info.rotation // 90))
            labels = np.zeros(mask.shape, np.uint8) if before is None else np.where(mask, before, 0).astype(np.uint8)
            for number, thing in enumerate(things, 1):
                _seed(labels, mask, thing, number, t, info.display_size)
            before = _everywhere(labels)
            if before is not None and (frames.step > 0 or t < start):
                yield t, before


def followed_things(session: PickSession) -> list[Thing]:
    """The things that are followed from where they were pointed at."""
    return [thing for thing in session.active if thing.kind == OBJECT and thing.frames]


def _small(mask: Bool) -> Bool:
    scale = min(1.0, _SIDE / max(mask.shape))
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0)


def _seed(labels: U8, mask: Bool, thing: Thing, number: int, t: int, shown: tuple[int, int]) -> None:
    """Write a thing's number where it was pointed at on frame t."""
    scale = mask.shape[0] / shown[0]
    if t in thing.masks:
        labels[mask & (labels == 0)] = number
    for *corners, at in thing.boxes:
        if at == t:
            x0, y0, x1, y1 = (round(n * scale) for n in corners)
            part = np.s_[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
            labels[part][mask[part]] = number
    for x, y, at in thing.points:
        if at == t:
            place = min(mask.shape[0] - 1, int(y * scale)), min(mask.shape[1] - 1, int(x * scale))
            _, pieces = cv2.connectedComponents(mask.astype(np.uint8))
            own = (pieces == pieces[place]) & mask
            labels[own if number not in labels else own & (labels == 0)] = number
            labels[place] = number


def _everywhere(labels: U8) -> U8 | None:
    """A map in which every pixel has the label of the nearest one that has one; None where none has."""
    if not labels.any():
        return None
    _, nearest = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    known = np.zeros(int(nearest.max()) + 1, np.uint8)
    known[nearest[labels > 0]] = labels[labels > 0]
    return np.asarray(known[nearest], np.uint8)
