"""What a segmenter loses for a few frames is tracked from frames that have it, so that it does not flash back.

A connected piece of the mask that is gone on the next frame, though it did not leave the picture, is tracked from
where it was last seen until it is found again, or until tracking is no longer sure. The same backwards in time for
pieces that come out of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from vrm.events import Progress, counted, no_progress, span
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.flow.warp import sampled
from vrm.selection.masks.load import LoadedMasks
from vrm.selection.tracking.features import GetFrame, small_grey
from vrm.selection.tracking.tracker import track_mask
from vrm.types import Bool, Masks

_LONGEST = 24
"""Frames that a piece is tracked over, at most."""
_GONE = 0.3
"""A piece of which less than this share is covered on the next frame is lost."""
_SURE = 0.45
"""Tracking counts while its confidence is at least this."""
_MOST = 40
"""Pieces of one shot that are tracked; if there are more, they are noise of the segmenter."""


def close_dropouts(
    masks: Masks, frame: GetFrame, shots: list[tuple[int, int]], progress: Progress = no_progress
) -> LoadedMasks:
    """Close the drop-outs of masks that a segmenter made; ``progress`` counts each frame twice."""
    out = Masks(masks.size, masks.n_frames)
    for t, mask in masks.items():
        out[t] = mask
    total, done, filled, notes = sum(b - a for a, b in shots), 0, set[int](), []
    for start, stop in shots:
        losses = 0
        for step in (1, -1):
            for t in range(start, stop)[::step]:
                done += 1
                progress("close drop-outs", done, 2 * total)
                if out.box(t) is None or not start <= t + step < stop:
                    continue
                for piece in _lost(out, frame, t, step):
                    losses += 1
                    if losses <= _MOST:
                        filled |= _close(out, frame, piece, t, step, (start, stop))
        if losses > _MOST:
            notes.append(
                f"The labels come and go too often on {span(start, stop - 1)} to close all drop-outs: look at the "
                "masks (--save-masks)."
            )
    if filled:
        notes.append(
            f"On {counted(len(filled), 'frame')} labels missed a part of what is removed; it was tracked there from "
            "other frames."
        )
    return LoadedMasks(out, tuple(notes))


def _lost(masks: Masks, frame: GetFrame, t: int, step: int) -> Iterator[Bool]:
    """The pieces of frame t that are missing on the next one, and have not left the picture."""
    now, after = masks[t], masks[t + step]
    count, pieces = cv2.connectedComponents(now.astype(np.uint8))
    area = np.bincount(pieces.ravel(), minlength=count)
    untouched = (np.bincount(pieces[after], minlength=count) == 0) & (area >= 16)
    if int((now & ~after).sum()) < max(16, 0.2 * int(now.sum())) and not untouched[1:].any():
        return
    flow = DisFlow()(small_grey(frame(t + step)), small_grey(frame(t)))
    for i in range(1, count):
        if area[i] < max(16, now.size // 20_000):
            continue
        piece = np.asarray(pieces == i)
        small = cv2.resize(piece.astype(np.float32), (flow.shape[1], flow.shape[0]), interpolation=cv2.INTER_AREA)
        moved = cv2.resize(sampled(np.asarray(small, np.float32), flow), now.shape[::-1]) > 0.5
        # What slid over the border has left; what is in the picture and not covered was lost.
        if int(moved.sum()) > 0.5 * area[i] and int((moved & after).sum()) < _GONE * int(moved.sum()):
            yield piece


def _close(masks: Masks, frame: GetFrame, piece: Bool, t: int, step: int, shot: tuple[int, int]) -> set[int]:
    """Track a lost piece onwards and add it, up to the frame that has it again; returns the frames added to."""
    reach = min(_LONGEST, (shot[1] - 1 - t) if step > 0 else (t - shot[0]))
    start, stop = (t, t + reach + 1) if step > 0 else (t - reach, t + 1)
    tracked = track_mask(frame, {t: piece}, start, stop)
    found: dict[int, Bool] = {}
    for n in range(t + step, t + step * (reach + 1), step):
        if tracked.masks.box(n) is None or tracked.confidence.get(n, 0.0) < _SURE:
            break
        there = tracked.masks[n]
        if int((there & masks[n]).sum()) > 0.5 * int(there.sum()):
            break
        found[n] = there
    for n, there in found.items():
        masks[n] = masks[n] | there
    return set(found)
