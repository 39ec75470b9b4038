"""Un-mixing: a reflection covers the ground in part; the ground is what is left when the mirrored object is taken out.

frames, fills and the mirrored object, as light -> how opaque the reflection is at each depth, once for each stretch
-> (I - a M) / (1 - a) -> mixed with the fill by the errors that either is expected to have

The mirror that was found at a small size is brought into place here, where the fills tell more than plates do: what a
still thing reflects is part of its plate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from vrm.media.frame.frame import Frame
from vrm.motion.frames import GUARD, dilate, length_scale, mean_of_channels, odd
from vrm.selection.effects.mirror import FoundMirror, Mirror, placed
from vrm.selection.effects.relight import as_light, common, from_light
from vrm.selection.tracking.features import WORK_SIDE, GetFrame
from vrm.types import F32, Array, Bool, Box, Masks, Patch, Pixels, grow_box, union_box

_FRAMES, _FEWEST = 16, 2
"""Frames by which opacity is measured, at most and at least."""
_MARGIN = 12
"""Pixels around what is removed that are looked at."""
_CONTINUED = 0.02
"""An object's light is continued to where its blurred outline has this share."""
_DEPTHS = 24
"""Steps of depth, from the foot of a reflection to its other end, that have an opacity each; it varies smoothly."""
_SMOOTH = (1, 2, 3, 2, 1)

_BLUR = 1.5
"""Deviation, in pixels of frames 432 wide, that the mirrored object is blurred by: waves displace it by as much."""
_SOFT = 1.2
"""The same of its outline."""
_FITTED = 5
"""Windows, at working size, in which frames are fitted."""
_STEPS = ((2.0, 0.08), (1.0, 0.04), (0.5, 0.02))
"""Pixels at working size, and shares of the height, by which a mirror is moved and stretched in search of its place."""
_MOVES = 4
"""Moves of each length, at most."""
_SHORTEST = 0.3
"""Heights of a reflection, at least."""

_LEAST, _SURE = 0.04, 3.0
"""Opacity, and in its own standard errors, below which nothing is taken out."""
_MOST = 0.5
"""Opacity from which too little of the ground is seen, in the mean or at a place."""

_MISPLACED, _WRONG, _NOISE = 2.0, 0.2, 0.012
"""Expected errors: pixels of frames 432 wide that the mirrored object is displaced by, the share that its opacity is
wrong by, and what is left, in pixel values of 1."""
_FILL_NOISE, _DOUBT = 0.01, 2.0
"""The fill's error at least; and how many times the other must be exceeded before the fill is taken to be wrong."""
_NEAR = 15
"""Windows, in pixels of frames 432 wide, over which errors are averaged."""


class Fills(Protocol):
    """Patches by frame number."""

    def __contains__(self, t: int) -> bool: ...

    def __getitem__(self, t: int) -> Patch: ...


@dataclass(frozen=True)
class _Surroundings:
    """The part of a frame that holds an object and its effects, upright as displayed.

    Attributes:
        box: where it lies, as frames are stored.
        shown, filled: light ``(h, w, 3)``, of the frame and with the fill.
        picture: the object, ``(h, w, 4)``: its light, continued a little beyond its outline, and the outline.
        foot, height: of the object, in pixels.
        effect: bool ``(h, w)``.
    """

    box: Box
    shown: F32
    filled: F32
    picture: F32
    foot: float
    height: float
    effect: Bool

    def turned(self, mirror: Mirror) -> tuple[F32, F32, F32]:
        """The object in the mirror: its light, its outline ``(h, w)``, and the depth of each row, 0..1 in it."""
        h, w = self.effect.shape
        laid = mirror.turned(self.picture, self.foot, self.height, (h, w))
        depth = (np.arange(h) - mirror.row(self.foot, self.height, 0)) / (mirror.scale * self.height)
        return laid[..., :3], laid[..., 3], depth.astype(np.float32)


class Unmixing:
    """Takes the reflections out of a video's frames, one after another, where fills would lose what is seen below them.

    ``measure`` first. Where the opacity is not well known, fills stay as they are.

    Args:
        objects, effects: what is removed.
        mirrors: those that were found, upright as displayed.
        turns: quarter turns clockwise from how frames are stored to how they are displayed.
    """

    def __init__(self, objects: Masks, effects: Masks, mirrors: Sequence[FoundMirror], turns: int = 0) -> None:
        self._objects, self._effects, self._mirrors, self._turns = objects, effects, mirrors, turns
        self._measured: list[tuple[FoundMirror, F32]] = []

    def measure(self, frame: GetFrame, fills: Fills) -> None:
        """Find out from some frames and their fills how opaque each reflection is, and where exactly it lies."""
        for found in self._mirrors:
            times = [t for t in range(found.first, found.stop) if t in fills and self._effects.box(t) is not None]
            every = np.linspace(0, len(times) - 1, min(_FRAMES, len(times))).tolist()
            parts = [self._part(t, frame(t), fills[t], True) for t in (times[round(k)] for k in every)]
            views = [_MeasuredFrame(part) for part in parts if part is not None]
            if len(views) >= _FEWEST:
                mirror = _in_place(found.mirror, views)
                opacity = _opacity(mirror, views)
                if opacity is not None:
                    self._measured.append((replace(found, mirror=mirror), opacity))

    def __call__(self, frame: Frame, patch: Patch) -> Patch:
        """The patch with the ground that a reflection covered; the same patch where there is none."""
        t = frame.index
        known = next(((at.mirror, opacity) for at, opacity in self._measured if at.first <= t < at.stop), None)
        part = self._part(t, frame.rgb(), patch, False) if known is not None else None
        if known is None or part is None:
            return patch
        mixed, changed = (np.rot90(plane, self._turns) for plane in _mixed(part, *known, length_scale(frame.size)))
        here, there = _overlap(part.box, patch.box)
        rgb = patch.rgb.copy()
        rgb[there][changed[here]] = np.rint(mixed[here][changed[here]] * np.iinfo(rgb.dtype).max)
        return Patch(patch.box, rgb)

    def _part(self, t: int, rgb: Pixels, patch: Patch, small: bool) -> _Surroundings | None:
        """What frame t shows of an object and its effects, ``small``: at working size; None where it lacks either."""
        box = union_box((self._objects.box(t), self._effects.box(t)))
        if box is None:
            return None
        box = grow_box(box, _MARGIN, self._effects.size)
        area = slice(box[0], box[2]), slice(box[1], box[3])
        before, after = rgb[area], rgb[area].copy()
        here, there = _overlap(box, patch.box)
        after[here] = patch.rgb[there]
        effect, thing = self._effects[t][area], self._objects[t][area]
        scale = min(1.0, WORK_SIDE / max(self._effects.size)) if small else 1.0
        shown, filled, effect_share, outline = (
            _scaled(np.rot90(array, -self._turns), scale)
            for array in (as_light(before), as_light(after), effect.astype(np.float32), thing.astype(np.float32))
        )
        place = placed(outline > 0.5)
        if place is None:
            return None
        deviation = _BLUR * length_scale(self._effects.size) * scale
        share = cv2.GaussianBlur(outline, (0, 0), deviation)[..., None]
        light = cv2.GaussianBlur(shown * outline[..., None], (0, 0), deviation) / (share + 1e-3) * (share > _CONTINUED)
        return _Surroundings(box, shown, filled, np.dstack([light, outline]), place.y, place.height, effect_share > 0.5)


class _MeasuredFrame:
    """A frame by which opacity is measured: the fill, and what the frame departs from it by, smoothed where known."""

    def __init__(self, part: _Surroundings) -> None:
        self._part = part
        near = dilate(part.picture[..., 3] > 0, GUARD)
        self._known = (part.effect & ~near).astype(np.float32)[..., None]
        self._filled = self._smooth(part.filled)
        self._departs = self._smooth(part.shown - part.filled)
        self.height, self.power = part.height, float((self._departs**2).sum())

    def sums(self, mirror: Mirror) -> F32:
        """For each step of depth, of the products of what is departed by and what a full reflection would, ``(n, 2)``:

        of both, and of the latter with itself.
        """
        light, outline, depth = self._part.turned(mirror)
        expected = (light - self._filled) * (self._known * (outline > 0.9)[..., None])
        rows = np.stack([(expected * self._departs).sum((1, 2)), (expected**2).sum((1, 2))], 1)
        inside = (depth >= 0) & (depth < 1)
        out = np.zeros((_DEPTHS, 2), np.float32)
        np.add.at(out, (depth[inside] * _DEPTHS).astype(np.intp), rows[inside])
        return out

    def _smooth(self, values: F32) -> F32:
        side = (_FITTED, _FITTED)
        share = cv2.boxFilter(self._known, -1, side)[..., None] + 1e-3
        return np.asarray(cv2.boxFilter(values * self._known, -1, side) / share * self._known, np.float32)


def _in_place(mirror: Mirror, views: Sequence[_MeasuredFrame]) -> Mirror:
    """The mirror moved and stretched until what it shows explains most of what frames depart from their fills by."""
    height = float(np.median([view.height for view in views]))
    best = _explained(mirror, views), mirror
    for pixels, stretch in _STEPS:
        for _ in range(_MOVES):
            middle = best[1]
            for gap in (-pixels / height, 0, pixels / height):
                for scale in (-stretch, 0, stretch):
                    if (gap or scale) and middle.scale + scale > _SHORTEST:
                        tried = replace(middle, gap=middle.gap + gap, scale=middle.scale + scale)
                        best = max(best, (_explained(tried, views), tried), key=lambda one: one[0])
            if best[1] is middle:
                break
    return best[1]


def _explained(mirror: Mirror, views: Sequence[_MeasuredFrame]) -> float:
    """The share of what frames depart from their fills by that a reflection accounts for."""
    sums = np.sum([view.sums(mirror) for view in views], 0)
    opacity = _profile(sums)
    return float(
        (2 * opacity * sums[:, 0] - opacity**2 * sums[:, 1]).sum() / (sum(view.power for view in views) + 1e-6)
    )


def _profile(sums: F32) -> F32:
    """The opacity at each step of depth, 0..1, which varies slowly."""
    smooth = [np.convolve(column, _SMOOTH, "same") for column in sums.T]
    return np.asarray(np.clip(smooth[0] / (smooth[1] + 1e-6), 0, 1), np.float32)


def _opacity(mirror: Mirror, views: Sequence[_MeasuredFrame]) -> F32 | None:
    """The opacity at each step of depth; 0 from ``_MOST`` on; None where frames do not agree on one."""
    sums = np.stack([view.sums(mirror) for view in views])
    both, own = sums.sum(1).T
    mean = both.sum() / (own.sum() + 1e-6)
    error = np.sqrt(((both - mean * own) ** 2).sum()) / (own.sum() + 1e-6)
    if not max(_LEAST, _SURE * error) <= mean <= _MOST:
        return None
    opacity = _profile(sums.sum(0))
    return np.where(opacity < _MOST, opacity, np.float32(0))


def _mixed(part: _Surroundings, mirror: Mirror, opacity: F32, scale: float) -> tuple[F32, Bool]:
    """The ground where a reflection covered it, as pixel values 0..1 ``(h, w, 3)``, and where that is, ``(h, w)``.

    The un-mixed frame is wrong by what another opacity, or a mirrored object a little aside, would change; what it
    differs from the fill by beyond that is the fill's error.
    """
    light, outline, depth = part.turned(mirror)
    steps = (np.arange(_DEPTHS) + 0.5) / _DEPTHS
    course = np.interp(depth, steps, opacity, right=0).astype(np.float32)[:, None]
    covered = course * cv2.GaussianBlur(outline, (0, 0), _SOFT * scale)
    ground, filled = _without(part.shown, light, covered), from_light(part.filled)
    error = _NOISE**2 + _squared(_without(part.shown, light, covered * (1 + _WRONG)), ground)
    for y, x in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        aside = (_moved(plane, _MISPLACED * scale * x, _MISPLACED * scale * y) for plane in (light, covered))
        error += _squared(_without(part.shown, *aside), ground) / 2
    weight, side = part.effect.astype(np.float32), odd(_NEAR * scale)
    own, both = (
        cv2.boxFilter(values * weight, -1, (side, side)) / (cv2.boxFilter(weight, -1, (side, side)) + 1e-3)
        for values in (error, _squared(ground, filled))
    )
    other = np.maximum(both - _DOUBT * own, 0) + _FILL_NOISE**2
    share = (other / (other + own))[..., None]
    return np.asarray(filled + share * (ground - filled), np.float32), part.effect & (covered > 0)


def _without(shown: F32, light: F32, covered: F32) -> F32:
    """What is left when light that covers so much is taken out, as pixel values 0..1."""
    share = covered[..., None]
    return from_light(np.asarray((shown - share * light) / (1 - share), np.float32))


def _squared(one: F32, other: F32) -> F32:
    return mean_of_channels((one - other) ** 2)


def _moved(picture: F32, x: float, y: float) -> F32:
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = picture.shape[1], picture.shape[0]
    return np.asarray(cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _scaled(picture: Array, scale: float) -> F32:
    h, w = picture.shape[:2]
    size = max(1, round(w * scale)), max(1, round(h * scale))
    plane = np.ascontiguousarray(picture, np.float32)
    return plane if scale == 1 else np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _overlap(one: Box, other: Box) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where two boxes overlap, as parts of either; empty ones where they do not."""
    y0, x0, y1, x1 = common(one, other)
    y1, x1 = max(y0, y1), max(x0, x1)
    parts = ((slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)) for y, x in (one[:2], other[:2]))
    return next(parts), next(parts)
