"""Baselines for engines: OpenCV's inpainting, the median over time, propagation alone; all in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np

from vrm.engines.pixels import as_float
from vrm.evaluate.cases.sequence import ImageSequence, read_at
from vrm.metrics.error import peak_of
from vrm.types import Bool, Masks, Pixels, eight_bits

RADIUS = 5
"""Of OpenCV's inpainting, pixels."""
WINDOW, CONTEXT = 80, 40
"""Frames that propagation fills at a time, and those it uses on either side."""
HELD = 192 << 20
"""Bytes of frames that a baseline holds at most."""


def _inpaint(frames: ImageSequence, masks: Masks, count: int, how: int) -> Iterator[Pixels]:
    for t, frame in enumerate(frames.stream(count)):
        yield inpainted(frame, masks[t], how)


def inpainted(frame: Pixels, mask: Bool, how: int = cv2.INPAINT_TELEA) -> Pixels:
    """One frame filled by OpenCV's inpainting, radius 5; frames of 16 bits are filled with 8."""
    if not mask.any():
        return frame
    filled = cv2.inpaint(np.ascontiguousarray(eight_bits(frame)), mask.astype(np.uint8), RADIUS, how)
    if frame.dtype == np.uint8:
        return np.asarray(filled, np.uint8)
    out = frame.copy()
    out[mask] = filled[mask].astype(np.uint16) * 257
    return out


def temporal_median(frames: ImageSequence, masks: Masks, count: int, held: int = HELD) -> Iterator[Pixels]:
    """Fill each missing pixel with its median over the frames where it is known; by Telea where it never is.

    The clip is read once for every ``held`` bytes of pixels in the union of its holes, and once more.
    """
    union = np.zeros(masks.size, np.bool_)
    for t in range(count):
        union |= masks[t]
    median, known = _medians(frames, masks, union, count, held)
    picture, found = np.zeros((*union.shape, 3), median.dtype), np.zeros_like(union)
    picture[union], found[union] = median, known
    for t, frame in enumerate(frames.stream(count)):
        out, use = frame.copy(), masks[t] & found
        out[use] = picture[use]
        yield inpainted(out, masks[t] & ~found)


def _medians(frames: ImageSequence, masks: Masks, union: Bool, count: int, held: int) -> tuple[Pixels, Bool]:
    """For each pixel of ``union``: its median over the frames where it is known, and whether it ever is."""
    n = int(np.count_nonzero(union))
    depth: Any = np.uint8 if frames.bits == 8 else np.uint16
    median, known = np.zeros((n, 3), depth), np.zeros(n, np.bool_)
    part = max(1, held // max(1, count * 3 * median.itemsize))
    for start in range(0, n, part):
        stop = min(n, start + part)
        values = np.empty((count, stop - start, 3), depth)
        times = np.zeros(stop - start, np.int64)
        for t, frame in enumerate(frames.stream(count)):
            seen = ~masks[t][union][start:stop]
            # Missing values become the largest there is, so that sorting puts the known ones first.
            values[t] = np.where(seen[:, None], frame[union][start:stop], np.iinfo(depth).max)
            times += seen
        values.sort(axis=0)
        spots = np.arange(stop - start)
        low, high = (np.maximum(times, 1) - 1) // 2, np.minimum(times // 2, count - 1)
        pair = values[low, spots].astype(np.uint32) + values[high, spots]
        median[start:stop] = ((pair + 1) // 2).astype(depth)
        known[start:stop] = times > 0
    return median, known


def propagation(frames: ImageSequence, masks: Masks, count: int) -> Iterator[Pixels]:
    """What motion finds with the settings of ``fast``, without an engine."""
    from vrm.motion.config import MotionConfig
    from vrm.motion.propagation import propagate

    shot = ClipShot(frames, masks, count)
    for start in range(0, count, WINDOW):
        stop = min(count, start + WINDOW)
        context = range(max(0, start - CONTEXT), min(count, stop + CONTEXT))
        found = propagate(shot, range(start, stop), context, MotionConfig.for_preset("fast"))
        for t in range(start, stop):
            frame: Any = shot.frame(t)
            filled = found.filled(t, as_float(frame)) * peak_of(frame)
            yield np.clip(filled + 0.5, 0, peak_of(frame)).astype(frame.dtype)


class ClipShot:
    """A clip as propagation reads it; of its frames, those used last are held, up to ``held`` bytes."""

    def __init__(self, frames: ImageSequence, masks: Masks, count: int, held: int = HELD) -> None:
        self.start, self.stop, self.size = 0, count, masks.size
        self._pictures, self._masks, self._held = frames, masks, held
        self._frames: OrderedDict[int, Pixels] = OrderedDict()

    def frame(self, t: int) -> Pixels:
        if t not in self._frames:
            self._frames[t] = read_at(self._pictures, [t])[t]
            while len(self._frames) > 1 and len(self._frames) * self._frames[t].nbytes > self._held:
                self._frames.popitem(last=False)
        self._frames.move_to_end(t)
        return self._frames[t]

    def hole(self, t: int) -> Bool:
        return self._masks[t]


BASELINES: dict[str, Callable[[ImageSequence, Masks, int], Iterator[Pixels]]] = {
    "telea": partial(_inpaint, how=cv2.INPAINT_TELEA),
    "navier-stokes": partial(_inpaint, how=cv2.INPAINT_NS),
    "temporal-median": temporal_median,
    "propagation": propagation,
}
"""Always in a run."""
