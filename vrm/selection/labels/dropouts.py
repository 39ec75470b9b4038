"""What a segmenter loses for a few frames is held: followed from frames that have it, so that it does not flash back.

A piece of the mask (a connected one) that is gone on the next frame, though it did not leave the picture, is followed
from where it was last seen until it is found again, or until following is no longer sure. The same backwards in time
for pieces that come out of nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.flow.estimators import DisFlow
from vrm.selection.tracking.features import sampled, shrink
from vrm.selection.tracking.tracker import track_mask
from vrm.types import F32, Bool, Masks, Pixels

_LONGEST = 24
"""Frames that a piece is held for at most."""
_GONE = 0.3
"""A piece of which less than this share is covered on the next frame is lost."""
_SURE = 0.45
"""Following counts while its confidence is at least this."""
_MOST = 40
"""Pieces of one shot that are looked after; more is noise of the segmenter, which is said."""


@dataclass(frozen=True)
class Held:
    """Masks without drop-outs, and what there is to say."""

    masks: Masks
    notes: tuple[str, ...]


def held(
    masks: Masks,
    frame: Callable[[int], Pixels],
    shots: list[tuple[int, int]],
    progress: Callable[[str, int, int], None] | None = None,
) -> Held:
    """Close the drop-outs of masks that a segmenter made.

    Args:
        masks: one for each frame of the video.
        frame: frame t, uint8 or uint16 RGB ``(H, W, 3)``.
        shots: ``(start, stop)`` of each stretch without a cut.
        progress: told ``("hold", done, total)``, frames of the video.
    """
    out = Masks(masks.size, masks.n_frames)
    for t, mask in masks.items():
        out[t] = mask
    total, done, filled, notes = sum(b - a for a, b in shots), 0, set[int](), []
    for start, stop in shots:
        losses = 0
        for step in (1, -1):
            order = range(start, stop) if step > 0 else range(stop - 1, start - 1, -1)
            for t in order:
                done += 1
                if progress is not None:
                    progress("hold", done, 2 * total)
                if out.box(t) is None or not start <= t + step < stop:
                    continue
                for piece in _lost(out, frame, t, step):
                    losses += 1
                    if losses <= _MOST:
                        filled |= _hold(out, frame, piece, t, step, (start, stop))
        if losses > _MOST:
            notes.append(
                f"The labels come and go too often on frames {start} to {stop - 1} to be held: look at the masks "
                "(--save-masks)."
            )
    if filled:
        notes.append(
            f"On {len(filled)} frames labels missed a part of what goes; it was followed there from the frames beside."
        )
    return Held(out, tuple(notes))


def _lost(masks: Masks, frame: Callable[[int], Pixels], t: int, step: int) -> Iterator[Bool]:
    """The pieces of frame t that are missing on the next one, and have not left the picture."""
    now = masks[t]
    after = masks[t + step] if masks.box(t + step) is not None else np.zeros_like(now)
    if int((now & ~after).sum()) < max(16, 0.2 * int(now.sum())) and not _piecewise(now, after):
        return
    flow = _flow(frame(t + step), frame(t))
    _, pieces = cv2.connectedComponents(now.astype(np.uint8))
    for i in range(1, int(pieces.max()) + 1):
        piece = np.asarray(pieces == i)
        area = int(piece.sum())
        if area < max(16, now.size // 20_000):
            continue
        small = cv2.resize(piece.astype(np.float32), (flow.shape[1], flow.shape[0]), interpolation=cv2.INTER_AREA)
        moved = cv2.resize(sampled(np.asarray(small, np.float32), flow), now.shape[::-1]) > 0.5
        # What slid over the border has left; what is there and not covered was lost.
        if int(moved.sum()) > 0.5 * area and int((moved & after).sum()) < _GONE * int(moved.sum()):
            yield piece


def _piecewise(now: Bool, after: Bool) -> bool:
    """A whole piece of the mask has nothing under it on the next frame."""
    count, pieces = cv2.connectedComponents(now.astype(np.uint8))
    hit = np.bincount(pieces[after], minlength=count)[1:]
    size = np.bincount(pieces.ravel(), minlength=count)[1:]
    return bool(((hit == 0) & (size >= 16)).any())


def _hold(
    masks: Masks, frame: Callable[[int], Pixels], piece: Bool, t: int, step: int, shot: tuple[int, int]
) -> set[int]:
    """Follow a lost piece onwards and add it, up to the frame that has it again; returns the frames added to."""
    reach = min(_LONGEST, (shot[1] - 1 - t) if step > 0 else (t - shot[0]))
    start, stop = (t, t + reach + 1) if step > 0 else (t - reach, t + 1)
    tracked = track_mask(frame, {t: piece}, start, stop)
    found: dict[int, Bool] = {}
    for n in range(t + step, t + step * (reach + 1), step):
        if tracked.masks.box(n) is None or tracked.confidence.get(n, 0.0) < _SURE:
            break
        there = tracked.masks[n]
        if masks.box(n) is not None and int((there & masks[n]).sum()) > 0.5 * int(there.sum()):
            break
        found[n] = there
    for n, there in found.items():
        masks[n] = masks[n] | there
    return set(found)


def _flow(first: Pixels, second: Pixels) -> F32:
    """Flow at tracking size, ``(h, w, 2)``."""
    greys = [np.asarray(cv2.cvtColor(shrink(f), cv2.COLOR_RGB2GRAY), np.uint8) for f in (first, second)]
    return np.asarray(DisFlow()(greys[0], greys[1]), np.float32)
