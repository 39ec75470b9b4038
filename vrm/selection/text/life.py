"""The first and the last frame that show a line of text, told by its strokes; also of one that fades or grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vrm.selection.text.chains import Chain, gradients, grey_of, spread
from vrm.selection.text.motion import Way
from vrm.selection.tracking.features import GetFrame
from vrm.types import F32, U8, Bool, Box, Pixels

_LOOKED_AT = 8
"""Samples that the template of a line is made of."""
_THERE = 0.5
"""A line is there from this share of its full strength on."""
_FAINT, _STEP = 0.06, 0.36
"""While it fades it is there from this share on, as long as it falls by no larger steps from frame to frame."""
_PART = 0.7
"""A word of a line is there from this share of its own strength on."""
_FULL = 0.8
"""It shows in full from this share on."""
_FADES = 30
"""Frames that a fade takes at most."""
_ROUNDS = 3
_WORD = 4
"""Width of what is taken for a word, in heights of the line."""


class Presence:
    """How strongly a line of text shows on a frame, by its edges: about 1 where it is there, about 0 where not."""

    def __init__(self, frame: GetFrame, box: Box, way: Way, times: Sequence[int]) -> None:
        self._frame, self._way, self.box = frame, way, box
        pictures = [self._gradients(t) for t in spread(times, _LOOKED_AT)]
        template = np.mean([p for p, _ in pictures], 0)
        inside = np.logical_and.reduce([v for _, v in pictures])
        strength = np.linalg.norm(template, axis=-1)
        level = np.percentile(strength[inside], 98) if inside.any() else 0.0
        self._template = template * ((strength > 0.35 * level) & inside)[..., None]
        usual = float(np.median([self._share(p, v) for p, v in pictures]))
        self._template /= max(usual, 1e-3)

    def at(self, t: int) -> float:
        """Of the whole line."""
        return self._share(*self._gradients(t))

    def of_words(self, t: int) -> float:
        """Of the word that shows most."""
        picture, valid = self._gradients(t)
        width, step = picture.shape[1], max(1, _WORD * picture.shape[0])
        edges = np.linspace(0, width, max(1, round(width / step)) + 1).astype(int)
        return max(self._share(picture[:, a:b], valid[:, a:b], slice(a, b)) for a, b in pairwise(edges))

    def _gradients(self, t: int) -> tuple[F32, Bool]:
        picture, valid = cut(self._frame(t), self.box, self._way.at(t))
        return gradients(grey_of(picture)), valid

    def _share(self, picture: F32, valid: Bool, part: slice = slice(None)) -> float:
        template = self._template[:, part] * valid[..., None]
        strength = float((template * template).sum())
        if strength < 0.15 * float((self._template[:, part] ** 2).sum()) or strength == 0:
            return 0.0
        return float((picture * template).sum()) / strength


@dataclass(frozen=True)
class Life:
    """The frames that show a line, ``first`` to ``last``, and those between which it shows in full."""

    first: int
    last: int
    full_from: int
    full_to: int

    @property
    def frames(self) -> range:
        return range(self.first, self.last + 1)

    @property
    def in_full(self) -> range:
        return range(self.full_from, self.full_to + 1)

    def __contains__(self, t: int) -> bool:
        return t in self.frames


def life_of(frame: GetFrame, chain: Chain, way: Way, span: range) -> Life:
    """Between the samples of a line it is taken to be there, and as far beyond as its strokes are seen.

    The longer it is known to be there, the better its strokes are told from what is behind them: looked for again.
    """
    times: Sequence[int] = chain.samples
    ends = (chain.samples[0], chain.samples[-1])
    for _ in range(_ROUNDS):
        presence = Presence(frame, chain.box, way, times)
        if chain.windows:  # at its ends not all averaged frames may have shown it
            ends = _trimmed(presence, *ends)
        first, last = (_end(presence, t, s, span) for t, s in zip(ends, (-1, 1), strict=True))
        if (first, last) == ends:
            break
        ends, times = (first, last), range(first, last + 1)
    full = [t for t in (*range(first, last + 1)[:_FADES], *range(first, last + 1)[-_FADES:]) if presence.at(t) >= _FULL]
    middle = (first + last) // 2
    return Life(first, last, min([*full, middle]), max([*full, middle]))


def _trimmed(presence: Presence, first: int, last: int) -> tuple[int, int]:
    """The frames between two that show the line, as far as their ends go; the middle one if none does."""
    middle = (first + last) // 2
    low = next((t for t in range(first, middle) if presence.at(t) >= _THERE), middle)
    return low, next((t for t in range(last, middle, -1) if presence.at(t) >= _THERE), middle)


def _end(presence: Presence, t: int, step: int, span: range) -> int:
    """The last frame that shows the line in one direction."""
    before = presence.at(t)
    while t + step in span:
        now = presence.at(t + step)
        fading = _FAINT <= now < before <= now + _STEP
        if not (now >= _THERE or fading or presence.of_words(t + step) >= _PART):
            break
        t, before = t + step, now
    return t


def cut(picture: Pixels, box: Box, by: tuple[int, int]) -> tuple[U8, Bool]:
    """The moved box out of a frame, 8 bits, and which of its pixels ``(h, w)`` are on the frame; others repeat it."""
    height, width = picture.shape[:2]
    rows, cols = np.arange(box[0], box[2]) + by[1], np.arange(box[1], box[3]) + by[0]
    valid = ((rows >= 0) & (rows < height))[:, None] & ((cols >= 0) & (cols < width))[None]
    part = picture[np.clip(rows, 0, height - 1)[:, None], np.clip(cols, 0, width - 1)[None]]
    return np.asarray(part if part.dtype == np.uint8 else part >> 8, np.uint8), np.asarray(valid)
