"""Which pixels of a line of text are its strokes: fill, outline, shadow, glow and the box behind it.

What the line adds to its ground is seen best where the ground is known: from a frame just before or after the line's
life, or as the median over its life, in which a moving ground is smooth and the line is not. What all of these show
that leave little of the ground beside the line is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from vrm.motion.frames import closed, dilate
from vrm.types import F32, U8, Bool, Box

_STRONG, _WEAK = 30.0, 9.0
"""Levels (of 255) that a stroke differs from its ground by, and what belongs to it where it is next to one."""
_STRONG_SEEN = 18.0
"""The first where the ground has been seen elsewhere."""
_STRONG_NOISE, _WEAK_NOISE = 4.0, 2.0
"""The same as multiples of what the ground beside the line differs by from what it is taken for."""
_COLOUR = 0.6
"""What a difference of one channel counts, against one of lightness."""
_AS_GOOD = 2.0
"""Pictures of the ground are used that are worse than the best by no more."""
_FINE = 4.0
"""Pixels of deviation that a blur keeps at a smaller size."""
_OF_MEAN, _FEWEST = 1.5, 50
"""That, of its root mean square; and pixels beside a line that it is measured on at least."""
_STEADY = 1.2
"""A strong stroke differs from its ground by so many times what it changes by over the line's life."""
_CLEAR = 8.0
"""Where that is fewer levels, a stroke is one outside the box of the line too."""
_UNTELLABLE = 28.0
"""Where that is more levels, strokes cannot be told from the ground."""
_LARGEST = 72
"""Height of a line, in pixels, from which on it is worked on at a smaller size."""
_OF_A_BOX, _RIM, _SURE_RIM = 0.35, 0.75, 0.95
"""Rows and columns of a box behind the text have this share of its fullest one's pixels; its rim has so many, and where
the ground is less well known so many."""
_RINGS, _RINGED, _RINGING, _FAINT = (1, 3), 18, 1.3, 1.5
"""Pixels around strokes that coding has disturbed, at least and at most, or this part of the height; and by how many
times and levels that shows there, or the pixels farther out are left."""
_SPECKS, _SPECKLED, _SPECKLING, _SPECK = 4, 6, 1.25, 0.5
"""The same of specks in single pictures: pixels at most, pictures looked at, times and levels of their deviation."""
_ISLAND = 24
"""Pixels of ground inside a letter that are not worth keeping."""
_LARGER = 1.04
"""One picture's box is taken rather than another's if it is by so much larger."""
_GAP = 1.2
"""Heights of the line that lie between two words of one line at most."""
_WORDS_APART = 0.8
"""Heights within which a word that was not found belongs to a line."""
_LETTER = 0.2
"""Width of what is taken for a letter of it, at least."""
_DASH, _BOX_DASH = 0.6, 1.6
"""How far beyond the line's box strokes reach, in heights of it, and a box behind them: a dash is not in all boxes."""
_REACH, _BOX_REACH = 0.12, 0.45
"""How far from strong strokes weak ones reach, in heights of the line, and a box behind them."""


@dataclass(frozen=True)
class Strokes:
    """The pixels of a line, bool ``(h, w)``; ``told``: its strokes, else its box."""

    mask: Bool
    told: bool


def find_strokes(
    pictures: U8, core: Bool, before_after: Sequence[tuple[U8, U8]], height: int, added: F32 | None = None,
    others: Bool | None = None,
) -> Strokes:  # fmt: skip
    """Strokes of a line; of a large one at a smaller size.

    Args:
        pictures: what shows around the line over its life, uint8 ``(T, h, w, 3)``.
        core: the line's box, with enough around it to see the ground, bool ``(h, w)``.
        before_after: the same of single frames: with the line, and without it.
        height: of the line, in pixels.
        added: what the line adds to its ground, where that has been seen elsewhere: levels, float32 ``(h, w, 3)``.
        others: where other lines are, bool ``(h, w)``: no ground is seen there.
    """
    others = np.zeros(core.shape, np.bool_) if others is None else others & ~core
    times = height / _LARGEST
    if times <= 1:
        return _strokes(pictures, core, before_after, height, added, others)
    size = (max(1, round(core.shape[1] / times)), max(1, round(core.shape[0] / times)))

    def small(picture: U8) -> U8:
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)

    shrunk, rest = (small(mask.astype(np.uint8) * np.uint8(255)) > 127 for mask in (core, others))
    pairs = [(small(one), small(other)) for one, other in before_after]
    less = None if added is None else np.asarray(cv2.resize(added, size, interpolation=cv2.INTER_AREA), np.float32)
    found = _strokes(np.stack([small(picture) for picture in pictures]), shrunk, pairs, _LARGEST, less, rest)
    mask = cv2.resize(found.mask.astype(np.float32), core.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.25
    return Strokes(np.asarray(mask), found.told)


def _strokes(
    pictures: U8, core: Bool, before_after: Sequence[tuple[U8, U8]], height: int, added: F32 | None, others: Bool
) -> Strokes:
    beside = ~dilate(core, round(0.45 * height)) & ~others
    # A box behind the line may be longer than what was found of it.
    beside_box = beside & ~_sideways(dilate(core, round(0.45 * height)), _BOX_DASH * height)
    median = np.median(pictures, 0).astype(np.float32)
    unsteady = None if added is not None else np.zeros(core.shape, np.float32)
    if len(pictures) > 2 and added is None:  # else it is known what has moved behind the line
        unsteady = np.median(np.abs(pictures - median), 0).max(-1)
    differences = [_ground_difference(median, core, beside, height)]
    differences += [one.astype(np.float32) - other for one, other in before_after]
    differences += [] if added is None else [added]
    sizes = [_size(d) for d in differences]
    usual = [float(np.median(_noise(size, beside, height)[core])) for size in sizes]
    # Text shows in all of them, and each is misled by another part of the ground.
    good = [size for size, n in zip(sizes, usual, strict=True) if n <= _AS_GOOD * min(usual)]
    size = np.min(good, 0)
    noise = _noise(size, beside, height)
    strong = _strong(size, noise, unsteady, core, height)
    if float(np.median(noise[core])) > _UNTELLABLE or not strong.any():
        return Strokes(dilate(core, 2), False)
    # A box is dark in one of them where it is bright in another. What of it reaches farther than the line's own box is
    # taken for ground in the median; and where the ground is seen elsewhere, a long box may hide it there as well.
    mask, area = None, 0.0
    for tried, rim in (([size, *good], _RIM), (sizes, _SURE_RIM)):
        for one in tried if mask is None else []:
            found, its_area = _box_behind(one, unsteady, core, beside_box, height, rim)
            if found is not None and its_area > _LARGER * area:
                mask, area = found, its_area
    if mask is None:
        mask = _connected(_weak(size, noise) & dilate(strong, max(3, round(_REACH * height))), strong)
        mask = _without_gaps(mask, core, height)
    mask = closed(mask, 3)  # between fill and outline the text has its ground's own grey
    rings = max(_RINGS[0], min(_RINGS[1], round(height / _RINGED)))
    mask = _with_ringing(mask, differences[int(np.argmin(usual))], pictures, rings)
    return Strokes(_without_islands(mask), True)


def _with_ringing(mask: Bool, difference: F32, pictures: U8, rings: int) -> Bool:
    """The mask grown over what coding has left around the strokes: as far as it is stronger than farther away.

    What stays over the line's life shows in ``difference``, up to so many ``rings``; single pictures show specks that
    change from frame to frame.
    """
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = (away > 0).astype(np.float32)
    few = pictures[:: -(-len(pictures) // _SPECKLED)].astype(np.float32)
    stays = np.abs(_fine(difference, outside)).max(-1)
    specks = np.stack([_fine(picture, outside).mean(-1) ** 2 for picture in few])
    most = max(rings, _SPECKS)
    far = (away > most + 2) & (away <= most + 8)
    if not far.any():
        return np.asarray(away <= _RINGS[0] + 0.5)
    usual, speckled = float(stays[far].mean()), float(np.median(specks[:, far].mean(1)))
    for ring in range(_RINGS[0] + 1, most + 1):
        around = (away > ring - 0.5) & (away <= ring + 0.5)
        if not around.any():
            return np.asarray(away <= ring - 0.5)
        lasting = ring <= rings and float(stays[around].mean()) > _RINGING * usual + _FAINT
        if not lasting and float(np.median(specks[:, around].mean(1))) <= _SPECKLING**2 * speckled + _SPECK**2:
            return np.asarray(away <= ring - 0.5)
    return np.asarray(away <= most + 0.5)


def _without_islands(mask: Bool) -> Bool:
    """The mask with the few pixels of ground that it encloses: all of these are next to strokes, and disturbed."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    return np.asarray(mask | (stats[:, cv2.CC_STAT_AREA] <= _ISLAND)[labels])


def _fine(picture: F32, outside: F32) -> F32:
    """What a picture ``(h, w, 3)`` departs by from itself, smoothed over what lies ``outside`` the strokes."""
    total = cv2.GaussianBlur(picture * outside[..., None], (0, 0), 1.5)
    amount = np.maximum(cv2.GaussianBlur(outside, (0, 0), 1.5), 1e-3)
    return np.asarray(picture - total / amount[..., None], np.float32)


def extended(box: Box, added: F32, top: int) -> Box:
    """The box of a line, wider by the words beside it that what it adds to its ground shows.

    Args:
        added: of the rows around the line, as of ``find_strokes``, over the whole width of the picture.
        top: the row of the picture that these begin with.
    """
    y0, x0, y1, x1 = box
    height, size = y1 - y0, _size(added)
    inside = added[max(0, y0 - top) : y1 - top, x0:x1]
    seen = size[max(0, y0 - top) : y1 - top, x0:x1] > _STRONG_SEEN
    if not seen.any():
        return box
    colour = inside[seen].mean(0)
    if np.abs(colour).max() > 0.5 * np.abs(inside[seen]).max(-1).mean():
        # A line of one colour: where another frame's letters hide the ground, it departs the other way.
        size = np.where(added @ colour > 0, size, 0)
    rows = np.zeros(size.shape[0], np.bool_)
    rows[max(0, y0 - top - height // 2) : y1 - top + height // 2] = True
    if rows.all():
        return box
    power = cv2.blur((size[~rows] ** 2).mean(0)[None], (4 * height + 1, 1))[0]
    line = size[max(0, y0 - top) : y1 - top]
    strong = (line > np.maximum(_STRONG_SEEN, _STRONG_NOISE * _OF_MEAN * np.sqrt(power))).sum(0) > 2
    reach, letter = round(_WORDS_APART * height), max(2, round(_LETTER * height))
    while np.count_nonzero(beside := strong[max(0, x0 - reach) : x0]) >= letter:
        x0 = max(0, x0 - reach) + int(np.argmax(beside))
    while np.count_nonzero(beside := strong[x1 : x1 + reach]) >= letter:
        x1 += int(np.flatnonzero(beside)[-1]) + 1
    return y0, x0, y1, x1


def _sideways(mask: Bool, reach: float) -> Bool:
    """The mask grown to the left and to the right."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((1, 2 * round(reach) + 1), np.uint8)) > 0)


def _without_gaps(mask: Bool, core: Bool, height: int) -> Bool:
    """The mask with all of the line's box where no strokes are told on a stretch longer than what parts words."""
    boxed = np.flatnonzero(core.any(0))
    told = np.flatnonzero((mask & core).any(0))
    out = mask.copy()
    for a, b in pairwise([boxed[0] - 1, *told, boxed[-1] + 1]):
        if b - a > _GAP * height:
            out[:, a + 1 : b] |= core[:, a + 1 : b]
    return out


def _size(difference: F32) -> F32:
    """How large a difference of colours looks, levels: of its lightness, or of its strongest channel, which looks less.

    Video keeps colour at half the size, so that it runs two pixels and more over the strokes' edges.
    """
    light = difference @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.asarray(np.maximum(np.abs(light), _COLOUR * np.abs(difference).max(-1)), np.float32)


def _strong(size: F32, noise: F32, unsteady: F32 | None, core: Bool, height: int) -> Bool:
    """Where strokes are for sure; ``unsteady``: None where the ground has been seen elsewhere."""
    place = _sideways(core, _DASH * height) if float(np.median(noise[core])) < _CLEAR else core
    if unsteady is None:
        return np.asarray((size > np.maximum(_STRONG_SEEN, _STRONG_NOISE * noise)) & place)
    return np.asarray((size > np.maximum(_STRONG, _STRONG_NOISE * noise)) & (size > _STEADY * unsteady) & place)


def _weak(size: F32, noise: F32) -> Bool:
    return np.asarray(size > np.maximum(_WEAK, _WEAK_NOISE * noise))


def _box_behind(
    size: F32, unsteady: F32 | None, core: Bool, beside: Bool, height: int, least: float
) -> tuple[Bool | None, int]:  # fmt: skip
    """All of the box behind the text where what it differs by makes one, as its rim shows, and its area, or None.

    ``least``: the share of the rim that is to differ.
    """
    noise = _noise(size, beside, height)
    strong = _strong(size, noise, unsteady, core, height)
    if not strong.any():
        return None, 0
    around = _sideways(dilate(strong, round(_BOX_REACH * height)), _BOX_DASH * height)
    mask = _connected(_weak(size, noise) & around, strong)
    rows, cols = (np.flatnonzero(mask.mean(axis) > _OF_A_BOX * mask.mean(axis).max()) for axis in (1, 0))
    if rows.size < 6 or cols.size < 6:
        return None, 0
    inside = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    rim = np.concatenate([inside[:3].ravel(), inside[-3:].ravel(), inside[:, :3].ravel(), inside[:, -3:].ravel()])
    if rim.mean() < least:
        return None, 0
    out = mask.copy()
    out[max(0, rows[0] - 1) : rows[-1] + 2, max(0, cols[0] - 1) : cols[-1] + 2] = True
    return out, inside.size


def _ground_difference(median: F32, core: Bool, beside: Bool, height: int) -> F32:
    """What the median picture shows beyond its ground, which is spread from where no strokes are."""
    near = dilate(core, round(0.45 * height))
    others = ~beside & ~near
    text = dilate(core, round(0.3 * height)) | others
    difference = median
    for _ in range(3):
        ground = _spread(median, ~text, 0.35 * height)
        difference = median - ground
        size = _size(difference)
        noise = _noise(size, beside, height)
        text = dilate((size > np.maximum(14.0, 3 * noise)) & near, 2) | others
    return difference


def _spread(picture: F32, known: Bool, sigma: float) -> F32:
    """A picture smoothed over where it is ``known``, and continued from there."""
    weight = known.astype(np.float32)
    out = np.zeros_like(picture)
    left = np.ones(picture.shape[:2], np.float32)
    for times in (1, 3, 9):
        amount = _blurred(weight, sigma * times)
        total = _blurred(picture * weight[..., None], sigma * times).reshape(picture.shape)
        mean = total / np.maximum(amount, 1e-6)[..., None]
        share = left * np.clip(amount * 8, 0, 1)
        out += share[..., None] * mean
        left = left - share
    return np.asarray(out + left[..., None] * mean, np.float32)


def _blurred(picture: F32, sigma: float) -> F32:
    """A Gaussian blur; a wide one at a smaller size, which costs a fraction and hardly differs."""
    times = int(sigma / _FINE)
    if times < 2:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
    h, w = picture.shape[:2]
    size = max(1, -(-w // times)), max(1, -(-h // times))
    small = cv2.GaussianBlur(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / times)
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)


def _noise(size: F32, beside: Bool, height: int) -> F32:
    """About the most that the ground differs by from what it is taken for, float32 ``(h, w)``.

    It is measured beside the line, and continued into it.
    """
    if beside.sum() < _FEWEST:
        return np.full(size.shape, _UNTELLABLE / 2, np.float32)
    power = (size * size)[..., None].astype(np.float32)
    return np.asarray(_OF_MEAN * np.sqrt(_spread(power, beside, 0.5 * height)[..., 0]), np.float32)


def _connected(mask: Bool, seeds: Bool) -> Bool:
    """The pieces of a mask that hold a seed."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    keep = np.unique(labels[seeds & mask])
    return np.isin(labels, keep[keep > 0])
