"""The reflection of an object in water or on a polished floor, found by turning its picture over until it fits.

some frames in the object's coordinates -> the object upside down at many places below itself
-> where all of them depart from their surroundings as the mirrored object does, there is the mirror

Surroundings are the plate. What an object that stays in its place reflects stays as well, and is part of the plate;
for such an object they are what lies in a ring around.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vrm.media.frame.linear_light import linear_light
from vrm.motion.frames import closed, dilate
from vrm.selection.effects.plates import Plate
from vrm.selection.effects.stance import Stance, into_object
from vrm.selection.effects.working_frames import EffectFrames
from vrm.types import F32, Array, Bool, bounding_box, grow_box

_UNIT = 32.0
"""An object's height, in pixels, on the pictures that mirrors are tried on; less where it is smaller."""
_ABOVE, _BELOW, _ASIDE = 0.2, 1.9, 0.3
"""What they show of the ground: heights above and below the foot, and beside the object."""
_WIDEST = 3.0
"""Heights on either side of the object's middle that they show at most."""
_FRAMES = 8

_GAPS = tuple(np.linspace(-0.15, 0.7, 18).tolist())
_SCALES = (0.5, 0.6, 0.7, 0.85, 1.0, 1.15)
_FINER = tuple((a, b) for a in (-0.025, 0, 0.025) for b in (-0.08, -0.04, 0, 0.04, 0.08))

_RIM = 3
"""Pixels around an object, at working size, that hold some of it."""
_RING = 5
"""Width of the ring around a reflection, in pixels of the small pictures."""
_FEWEST = 30
"""Pixels of a reflection by which it can be judged, on the small pictures."""
_NOISE = 0.03
"""Light (of 1) that frames differ from their plates by where all frames agree."""
_LIKENESS = 0.7
"""What likeness to the mirrored object inside its outline counts beside fitting the outline."""

_STAYS, _SHOWN = 0.5, 0.8
"""An object stays in its place if the plates show less than this share of what is behind it; from the second on plates
hold nothing of its reflection."""
_ACCEPTED, _ACCEPTED_STILL = 0.41, 0.75
"""Scores that three of four frames must have, against plates and against a ring. Made reflections have .47 to .78
against plates, clips without one .36 at most; against a ring .48 at most, a cat at a puddle 1.05."""
_ACCEPTED_BOTH, _SAME_GAP, _SAME_SCALE = 0.27, 0.06, 0.2
"""Scores of an object that stays where both ways find the mirror in the same place, in heights. A swan on rippled water
has .29 and .35; without a reflection they disagree, or have .18 and .20."""

_GROWN = 0.04
"""Heights that a reflection is grown by."""
_NEAR, _FINE = 0.12, 0.03
"""Heights over which what lies around a reflection, and the reflection itself, are smoothed to be compared."""

_FAINT, _THIN = 0.25, 0.1
"""A reflection is followed to where it has this share of its strength; rows that hold less than this share of the
pixels of others are not asked."""


@dataclass(frozen=True)
class Mirror:
    """Where the reflection of an object lies; heights are those of the object on the frame.

    Attributes:
        gap: heights from the object's foot down to that of its reflection.
        scale: height of the reflection over that of the object.
        score: how well three of four frames fit; what is a good score depends on what they were held against.
        near, far: the part of the reflection that is seen, 0 = its foot, 1 = its other end.
        still: the object stays in its place, so that no plate shows the ground without the reflection.
    """

    gap: float
    scale: float
    score: float
    near: float = 0.0
    far: float = 1.0
    still: bool = False

    def row(self, foot: float, height: float, depth: float) -> float:
        """Where this depth of the reflection lies, 0..1, for an object whose foot is at row ``foot``."""
        return foot + (self.gap + self.scale * depth) * height

    def turned(self, picture: F32, foot: float, height: float, size: tuple[int, int], first: float = 0.0) -> F32:
        """A picture upside down, ``size`` ``(height, width)`` of it from row ``first``; zero where it shows nothing."""
        matrix = np.array([[1, 0, 0], [0, -self.scale, self.row(foot, height, foot / height) - first]], np.float32)
        return np.asarray(cv2.warpAffine(picture, matrix, size[::-1], flags=cv2.INTER_LINEAR), np.float32)


@dataclass(frozen=True)
class FoundMirror:
    """A mirror, and the frames ``first`` to ``stop - 1`` on which it shows the object."""

    first: int
    stop: int
    mirror: Mirror


def looked_at(frames: EffectFrames, times: Sequence[int]) -> list[int]:
    """The few of these frames by which a mirror is looked for: evenly spread, the object on each of them."""
    shown = [t for t in times if placed(frames.object(t)) is not None]
    every = np.linspace(0, len(shown) - 1, min(_FRAMES, len(shown)))
    return [shown[round(k)] for k in every.tolist()]


def find_mirror(frames: EffectFrames, plates: Mapping[int, Plate | None], times: Sequence[int]) -> Mirror | None:
    """The mirror that explains the frames of a stretch best, None where none does.

    Only the plates of the frames that ``looked_at`` gives are asked for.
    """
    places = {t: placed(frames.object(t)) for t in looked_at(frames, times)}
    standing = {t: place for t, place in places.items() if place is not None}
    if not standing:
        return None
    views = _Views(frames, plates, standing)
    mirror = views.best(views.against_plates)
    stays = views.behind_object < _STAYS
    if mirror.score > _ACCEPTED:
        # Plates that hold some of the reflection show too little of it.
        return mirror if views.behind_object < _SHOWN else views.seen(mirror)
    if not stays:
        return None
    alone = views.best(views.against_ring)
    if alone.score > _ACCEPTED_STILL:
        return views.seen(replace(alone, still=True))
    agree = abs(mirror.gap - alone.gap) < _SAME_GAP and abs(mirror.scale - alone.scale) < _SAME_SCALE
    return mirror if agree and min(mirror.score, alone.score) > _ACCEPTED_BOTH else None


def reflection(mirror: Mirror, frames: EffectFrames, t: int) -> Bool:
    """The reflection on frame t, without the object itself, bool ``(h, w)`` at working size."""
    outline = frames.object(t)
    place = placed(outline)
    if place is None:
        return np.zeros(frames.size, np.bool_)
    laid = mirror.turned(outline.astype(np.float32), place.y, place.height, frames.size) > 0.5
    first, last = (mirror.row(place.y, place.height, depth) for depth in (mirror.near, mirror.far))
    laid[: max(0, round(first))] = False
    laid[max(0, round(last) + 1) :] = False
    box = bounding_box(laid)
    if mirror.still and box is not None:
        y0, x0, y1, x1 = grow_box(box, round(place.height / 2), frames.size)
        part = slice(y0, y1), slice(x0, x1)
        laid[part] &= _stands_out(linear_light(frames.rgb(t)[part]), laid[part], outline[part], place.height)
    return np.asarray(dilate(laid, max(1, round(_GROWN * place.height))) & ~outline)


def _stands_out(light: F32, laid: Bool, outline: Bool, height: float) -> Bool:
    """Where a reflection differs from what lies around it by more than that differs within itself."""
    width = max(2, round(_NEAR * height))
    around = (dilate(laid, 2 * width) & ~dilate(laid, 2) & ~dilate(outline, _RIM)).astype(np.float32)[..., None]
    values = np.concatenate([light * around, light**2 * around, around], 2)
    blurred = cv2.GaussianBlur(values, (0, 0), width)
    mean, square = (blurred[..., part] / (blurred[..., 6:] + 1e-4) for part in (slice(3), slice(3, 6)))
    noise = np.sqrt(np.maximum(square - mean**2, 0) + _NOISE**2)
    smooth = cv2.GaussianBlur(light, (0, 0), max(1.0, _FINE * height))
    return closed((np.abs(smooth - mean) / noise).mean(-1) > 1, 2 * (width // 2) + 1)


def placed(outline: Bool) -> Stance | None:
    """Where the object stands, its x in the middle of it; None where too little of it is seen."""
    box = bounding_box(outline)
    if box is None or outline.sum() < _FEWEST:
        return None
    foot = float(np.percentile(np.nonzero(outline)[0], 99.5))
    return Stance((box[1] + box[3] - 1) / 2, foot, max(8.0, foot - box[0]), foot)


class _Views:
    """Some frames in the object's coordinates, each a picture of the object and one of the ground below it.

    Pictures of the object are float32 ``(n, tall, w, 4)``, light and outline; those of the ground ``(n, h, w, ...)``.

    Attributes:
        behind_object: the share of the object's place that the plates show.
    """

    def __init__(self, frames: EffectFrames, plates: Mapping[int, Plate | None], placed: Mapping[int, Stance]) -> None:
        self._unit = min(_UNIT, float(np.median([place.height for place in placed.values()])))
        middle = float(np.ceil(self._unit * min(_WIDEST, _ASIDE + _half_width(frames, placed))))
        self._foot, top = round(1.1 * self._unit), round(_ABOVE * self._unit)
        self._first = self._foot - top
        self._size = top + round(_BELOW * self._unit), int(2 * middle) + 1
        self._things, ground, behind = [], [], []
        for t, place in placed.items():
            light, outline = linear_light(frames.rgb(t)), frames.object(t)
            shown = (~dilate(outline, _RIM)).astype(np.float32)
            upright = place.to_frame(frames.size, self._unit, (middle, self._foot), False)
            below = place.to_frame(frames.size, self._unit, (middle, top), False)
            self._things.append(_reduced(np.dstack([light, outline]), upright, (self._foot + 2, self._size[1])))
            ground.append(_reduced(np.dstack([light, shown]), below, self._size))
            plate = plates.get(t)
            held = plate if plate is not None else Plate(light, np.zeros(frames.size, np.bool_), shown)
            spread = held.spread * held.light.mean(-1)
            behind.append(_reduced(np.dstack([held.light, spread, held.known]), below, self._size))
        self._light, self._shown = np.stack(ground)[..., :3], np.stack(ground)[..., 3] > 0.95
        self._take(np.stack(behind))
        self.behind_object = float(np.mean([_behind(frames.object(t), plates.get(t)) for t in placed]))

    def _take(self, behind: F32) -> None:
        """Plates ``(n, h, w, 5)``: light, its spread, known; and what the frames depart from them by, in its noise."""
        self._known = self._shown & (behind[..., 4] > 0.95)
        self._weight = 1 / np.sqrt(_NOISE**2 + behind[..., 3:4] ** 2)
        self._plate = behind[..., :3] * self._weight
        self._departs = self._light * self._weight - self._plate
        for departs, known in zip(self._departs, self._known, strict=True):
            if known.any():
                departs -= np.median(departs[known], 0)

    def best(self, judge: Callable[[Mirror], F32]) -> Mirror:
        """The mirror with the best mean score over frames; its own score is the lower quartile."""

        def tried(gap: float, scale: float) -> Mirror:
            return Mirror(gap, scale, float(judge(Mirror(gap, scale, 0)).mean()))

        coarse = max((tried(gap, scale) for gap in _GAPS for scale in _SCALES), key=lambda one: one.score)
        near = ((coarse.gap + a, coarse.scale + b) for a, b in _FINER)
        fine = max((tried(gap, max(_SCALES[0], scale)) for gap, scale in near), key=lambda one: one.score)
        return replace(fine, score=float(np.percentile(judge(fine), 25)))

    def against_plates(self, mirror: Mirror) -> F32:
        """Scores by frame: do frames depart from their plates as the mirrored object departs from the plate?

        And inside: as the object does whatever the ground is, for a shadow on it takes light that the ground has.
        """
        light, inside, around, judged = self._laid(mirror, self._known)
        thing = light * self._weight
        inner = inside[..., None]
        fits = _cosine((thing - self._plate) * inner, self._departs * np.maximum(inner, around[..., None]))
        alike = _alike_beyond(self._plate, thing, self._departs, inner)
        return _scores(fits, alike, judged)

    def against_ring(self, mirror: Mirror) -> F32:
        """Scores by frame: does the outline stand out from the ring around, and is it like the object inside?"""
        light, inside, around, judged = self._laid(mirror, self._shown)
        here, there = self._light.mean(-1), light.mean(-1)
        both = np.maximum(inside, around)
        fits = _cosine(_centred(here, both), _centred(inside, both))
        alike = _cosine(_centred(here, inside), _centred(there, inside))
        return _scores(np.abs(fits), alike, judged)

    def _laid(self, mirror: Mirror, known: Bool) -> tuple[F32, F32, F32, Bool]:
        """The mirrored object's light, its inside and the ring around as 0 or 1 where known, and which frames count."""
        laid = np.stack([mirror.turned(x, self._foot, self._unit, self._size, self._first) for x in self._things])
        outline = laid[..., 3]
        inside = (outline > 0.5) & known
        around = np.stack([dilate(one, _RING) for one in inside]) & (outline < 0.3) & known
        area = inside.sum((1, 2))
        judged = (area > _FEWEST) & (4 * area > (outline > 0.5).sum((1, 2))) & (2 * around.sum((1, 2)) > _FEWEST)
        return laid[..., :3], inside.astype(np.float32), around.astype(np.float32), judged

    def seen(self, mirror: Mirror) -> Mirror:
        """The mirror with the part of its depth, around where it is strongest, in which something is seen in it."""
        if mirror.still:
            inside, strength = self._contrast(mirror)
        else:
            inside, strength = self._opacity(mirror)
        rows = np.arange(self._size[0]) + self._first
        depth = (rows - mirror.row(self._foot, self._unit, 0)) / (mirror.scale * self._unit)
        area = _by_row(inside)
        looked = (depth >= 0) & (depth <= 1) & (area > _THIN * area.max())
        if not looked.any():
            return mirror
        steps = np.linspace(0, 1, 51)
        course = np.interp(steps, depth[looked], strength[looked])
        seen = np.flatnonzero(course >= _FAINT * course.max())
        near, far = int(seen[0]), int(seen[-1])
        return replace(mirror, near=float(steps[near]), far=float(steps[far]))

    def _opacity(self, mirror: Mirror) -> tuple[F32, F32]:
        """The inside, and for each row how much of the mirrored object's departure from the plate is seen, 0..1."""
        light, inside, _, _ = self._laid(mirror, self._known)
        expected = (light * self._weight - self._plate) * inside[..., None]
        return inside, _by_row(expected * self._departs) / (_by_row(expected**2) + 1e-3)

    def _contrast(self, mirror: Mirror) -> tuple[F32, F32]:
        """The inside, and for each row how far its colour is from the ring's, in light."""
        _, inside, around, _ = self._laid(mirror, self._shown)
        area, rest = (np.maximum(_by_row(part), 1) for part in (inside, around))
        colours = np.moveaxis(self._light, -1, 0)
        apart = [np.abs(_by_row(one * inside) / area - _by_row(one * around) / rest) for one in colours]
        return inside, np.asarray(sum(apart), np.float32)


def _scores(fits: F32, alike: F32, judged: Bool) -> F32:
    """Of the frames that can be judged; none of them where that is less than half."""
    if 2 * judged.sum() < len(judged):
        return np.zeros(1, np.float32)
    return np.asarray((np.maximum(fits, 0) + _LIKENESS * np.maximum(alike, 0))[judged], np.float32)


def _half_width(frames: EffectFrames, placed: Mapping[int, Stance]) -> float:
    """Half the object's width where it is widest, in heights."""
    boxes = ((bounding_box(frames.object(t)), place) for t, place in placed.items())
    return max((box[3] - box[1]) / 2 / place.height for box, place in boxes if box is not None)


def _behind(outline: Bool, plate: Plate | None) -> float:
    """The share of the object's place that a plate shows."""
    return float(plate.known[outline].mean()) if plate is not None else 0.0


def _reduced(picture: Array, matrix: F32, size: tuple[int, int]) -> F32:
    """Into the object's coordinates, without the patterns that leaving out pixels makes."""
    side = max(1, round(float(matrix[0, 0])))
    smooth = cv2.blur(np.asarray(picture, np.float32), (side, side))
    return into_object(np.asarray(smooth, np.float32), matrix, size)


def _cosine(a: F32, b: F32) -> F32:
    """How far one is a multiple of the other, -1..1, by frame."""
    one, two = a.reshape(len(a), -1), b.reshape(len(b), -1)
    both, first, second = (np.einsum("np,np->n", x, y) for x, y in ((one, two), (one, one), (two, two)))
    return np.asarray(both / np.sqrt(first * second + 1e-6), np.float32)


def _centred(values: F32, weight: F32) -> F32:
    """Less the mean where the weight is 1, by frame; 0 elsewhere."""
    total = np.maximum(weight.sum((1, 2), keepdims=True), 1)
    return np.asarray((values - (values * weight).sum((1, 2), keepdims=True) / total) * weight, np.float32)


def _alike_beyond(common: F32, one: F32, two: F32, weight: F32) -> F32:
    """Correlation by frame of what is left of two when a constant and a share of ``common`` are taken out of both.

    Pictures are ``(n, h, w, 3)``; constant and share are each channel's own, where the weight is 1. This is the Schur
    complement of the four's products.
    """
    four = np.stack([np.ones_like(common), common, one, two]) * weight  # (4, n, h, w, 3)
    n, h, w, channels = common.shape
    flat = four.transpose(1, 4, 0, 2, 3).reshape(n, channels, 4, h * w)
    products = flat @ flat.swapaxes(-1, -2)
    explaining = products[..., :2, :2] + 1e-3 * np.eye(2, dtype=np.float32)
    explained = products[..., 2:, :2] @ np.linalg.solve(explaining, products[..., :2, 2:])
    left = (products[..., 2:, 2:] - explained).sum(1)
    spread = np.maximum(left[:, 0, 0], 0) * np.maximum(left[:, 1, 1], 0)
    return np.asarray(left[:, 0, 1] / np.sqrt(spread + 1e-6), np.float32)


def _by_row(values: F32) -> F32:
    """Sums over frames, columns and channels, of five rows around each."""
    rows = values.sum(tuple(axis for axis in range(values.ndim) if axis != 1))
    return np.convolve(rows, np.ones(5), "same").astype(np.float32)
