"""Labels inside the hole: what is removed has no label any more, so the nearest labels around take its place."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.types import U8, Bool

NEIGHBOURS = 5
SCALE = 4
"""Neighbours are looked for among every fourth pixel of every fourth row."""
_OWN = 0.5
"""A connected area of one label that lies in the hole by more than this share is the removed object's own."""


def complete_labels(labels: U8, holes: Bool, *, k: int = NEIGHBOURS, scale: int = SCALE) -> U8:
    """Labels ``(T, H, W)`` with the holes ``(T, H, W)`` filled, frame by frame; see ``complete_frame``."""
    if labels.shape != holes.shape:
        raise ValueError(f"labels {labels.shape} and holes {holes.shape} differ")
    return np.stack([complete_frame(one, hole, k=k, scale=scale) for one, hole in zip(labels, holes, strict=True)])


def complete_frame(labels: U8, hole: Bool, *, k: int = NEIGHBOURS, scale: int = SCALE) -> U8:
    """The label map of the frame as it will be once what is in the hole is gone.

    Every pixel of the hole takes the label that most of its k nearest known pixels have (of equally many the
    nearest's), looked up at 1/scale of the resolution. The removed object's own region is no source: an area of one
    label that lies mostly in the hole is not known outside of it either, and is replaced there too where its rim
    sticks out.

    Args:
        labels: uint8 ``(H, W)``.
        hole: bool ``(H, W)``, what is removed, grown as for removal.
        k: neighbours that vote.
        scale: see above.

    Returns:
        uint8 ``(H, W)``; pixels that are neither in the hole nor the object's own are unchanged. If nothing is known,
        the labels as they are.
    """
    from scipy.spatial import cKDTree  # slow to import, and vrm remove mostly does without

    if not hole.any():
        return labels.copy()
    unknown = hole | own_region(labels, hole)
    if unknown.all():
        unknown = hole
    if unknown.all():
        return labels.copy()
    start = scale // 2 if min(labels.shape) > scale else 0
    coarse, known = labels[start::scale, start::scale], ~unknown[start::scale, start::scale]
    if not known.any():
        start, scale, coarse, known = 0, 1, labels, ~unknown
    cells = np.argwhere(~known)
    sources = np.argwhere(known)
    filled = coarse.copy()
    if len(cells):
        count = min(k, len(sources))
        _, found = cKDTree(sources).query(cells, count)
        votes = coarse[known][np.asarray(found).reshape(len(cells), count)]
        filled[tuple(cells.T)] = majority(votes)
    rows = np.clip(np.round((np.arange(labels.shape[0]) - start) / scale).astype(int), 0, filled.shape[0] - 1)
    columns = np.clip(np.round((np.arange(labels.shape[1]) - start) / scale).astype(int), 0, filled.shape[1] - 1)
    return np.where(unknown, filled[rows[:, None], columns], labels).astype(np.uint8)


def own_region(labels: U8, hole: Bool) -> Bool:
    """The areas of one label that lie mostly in the hole, bool ``(H, W)``."""
    out = np.zeros(hole.shape, np.bool_)
    for value in np.unique(labels[hole]):
        _, pieces = cv2.connectedComponents((labels == value).astype(np.uint8), connectivity=4)
        area = np.bincount(pieces.ravel())
        inside = np.bincount(pieces[hole], minlength=len(area))
        own = inside > _OWN * area
        own[0] = False
        out |= own[pieces]
    return out


def majority(votes: U8) -> U8:
    """The most frequent value of each row ``(n, k)``, nearest first; of equally many the nearest's."""
    counts = (votes[:, :, None] == votes[:, None, :]).sum(2)
    return np.asarray(votes[np.arange(len(votes)), counts.argmax(1)])
