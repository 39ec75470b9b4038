"""Labels inside the hole: what is removed has no label any more, so the nearest labels around take its place."""

from __future__ import annotations

import cv2
import numpy as np

from vrm.types import U8, Bool

NEIGHBOURS = 5
_SCALE = 4
"""Neighbours are looked up among every fourth pixel of every fourth row."""
_OWN = 0.5
"""A connected area of one label of which more than this share lies in the hole is the removed object's own."""


def complete_frame(labels: U8, hole: Bool, k: int = NEIGHBOURS) -> U8:
    """The label map of a frame as it will be once what is in the hole is gone.

    Every pixel of the hole takes the label that most of its k nearest known pixels have (in a tie the nearest one's),
    looked up at a quarter of the resolution. The removed object's own region is no source: a connected area of one
    label that lies mostly in the hole counts as unknown outside of it too, and is replaced where its rim sticks out.

    Labels are uint8 ``(H, W)``; the hole is grown as for removal. Pixels that are neither in the hole nor the object's
    own are unchanged; if nothing is known, all are.
    """
    from scipy.spatial import cKDTree  # slow to import, and vrm remove mostly does without

    if not hole.any():
        return labels.copy()
    unknown = hole | own_region(labels, hole)
    if unknown.all():
        unknown = hole
    if unknown.all():
        return labels.copy()
    scale, start = _SCALE, _SCALE // 2 if min(labels.shape) > _SCALE else 0
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
    """The most frequent value of each row ``(n, k)``, nearest first; in a tie the nearest one."""
    counts = (votes[:, :, None] == votes[:, None, :]).sum(2)
    return np.asarray(votes[np.arange(len(votes)), counts.argmax(1)])
