"""A box around an object becomes the object's mask without learned weights: GrabCut with motion as further evidence.

Outside the box is background, which shows how the background looks and moves. Its motion is continued into the box:
what moves differently there is more likely the object; so is what looks as nothing around the box does. Each of the two
gives a first cut, from which colour models of both and the cut are fitted in turn; the clearer one that fills the box
is believed. Then the frames around say what the background's motion explains
(``vrm.selection.prompts.background_motion``), and it is cut again. Clicks correct what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import is_

import cv2
import numpy as np

from vrm.metrics.regions import region_similarity
from vrm.motion.flow.completion import complete
from vrm.selection.prompts.background_motion import MotionEvidence, background_evidence, filled
from vrm.selection.prompts.base import Outline
from vrm.selection.prompts.corrections import Places, corrected
from vrm.selection.prompts.graph_cut import ColourModel, PixelGraph, Points, seeds, smooth_lab
from vrm.selection.prompts.recent_flows import recent_flow
from vrm.selection.prompts.sureness import OutlineFacts, expected_overlap, largest_gap
from vrm.selection.tracking.features import GetFrame, blurred, shrink, small_grey
from vrm.selection.tracking.tracker import enlarged
from vrm.types import F32, Bool, Box, Pixels, grow_box

_SIDE = 200
"""Longest side, in pixels, of the crop that is cut."""
_GAUSSIANS = 6
"""Of the object's colour model; the background's has two more."""
_ROUNDS = 4
"""Times at most that colour models and cut are fitted in turn."""
_SETTLED = 0.005
"""... or until less than this share of the mask changes."""
_FAST = 0.65
"""Motion speaks for the object from this share of the 90th percentile of speeds in the box on."""
_STILL = 1.5
"""... and from this many times the background's own unevenness on; if all is below a third of that, motion is mute."""
_HOLE = 0.02
"""Holes of a mask up to this share of its area are filled ..."""
_SHOWS_BACKGROUND = -0.1
"""... unless their mean log odds, by the frames around, are below this."""
_FIRST_STRENGTH, _STRENGTH = 4.0, 4.5
"""What a border costs in the first cut from motion, and in all others."""
_GAP, _CLEARER = 0.4, 0.12
"""A first cut from colours is preferred if its border is so much clearer than that of the one from motion; what either
stays away from a side of the box counts against it."""
_AROUND = 0.7
"""How much of what the frames around say of the box's surroundings is taken from what they say in it."""
_FAITH = 1.0
"""Log odds by which the second cut stays with the first."""


@dataclass(frozen=True)
class _Crop:
    """The part of a frame that is cut, at working size ``(h, w)``.

    Attributes:
        where: the part, in the frame.
        lab: its colours, see ``smooth_lab``.
        inside: the box.
        seeds: 1 where the object certainly is, -1 where it certainly is not, else 0.
        speed: how much faster than the background each pixel moves, see ``_speed``; None: not known.
        prior: log odds for the object by place alone.
    """

    where: Box
    lab: F32
    inside: Bool
    seeds: F32
    speed: F32 | None
    prior: F32

    def places(self, points: Points) -> Places:
        """Where points of the frame are at working size, those that are in the crop."""
        (y0, x0, y1, x1), (height, width) = self.where, self.inside.shape
        inner = [(x, y) for x, y in points if x0 <= x < x1 and y0 <= y < y1]
        return [(int((y - y0) * height / (y1 - y0)), int((x - x0) * width / (x1 - x0))) for x, y in inner]

    def enlarged(self, mask: Bool, rgb: Pixels, odds: F32 | None = None) -> Bool:
        """A mask of the crop in the frame's own size, its small holes filled."""
        y0, x0, y1, x1 = self.where
        full = np.zeros(rgb.shape[:2], np.bool_)
        large = None if odds is None else np.asarray(cv2.resize(odds, (x1 - x0, y1 - y0)), np.float32)
        full[y0:y1, x0:x1] = _without_holes(enlarged(mask.astype(np.float32), rgb[y0:y1, x0:x1]), large)
        return full


class BoxOutlines:
    """Outlines of the objects in boxes; what was found in the last box is kept, so a click that corrects it is quick.

    Args:
        frame: the frames of the video; those near one that is asked for are looked at, too.
        span: ``(start, stop)`` of the shot.
    """

    def __init__(self, frame: GetFrame, span: tuple[int, int]) -> None:
        self._frame, self._span = frame, span
        self._last: tuple[int, Box, BoxOutliner] | None = None

    def outline(
        self, t: int, box: Box, points: Points = (), negative_points: Points = (), at_once: bool = False
    ) -> Outline:
        """The object in a box on frame t.

        Args:
            box: around the object, tight if possible; nothing outside of it is taken.
            points, negative_points: places that certainly are, or are not, the object.
            at_once: by the first cut alone, unless all is known already.
        """
        rgb, flows = self._frame(t), near_flows(self._frame, t, self._span)
        if self._last is None or self._last[:2] != (t, box) or not self._last[2].same(rgb, flows):
            self._last = t, box, BoxOutliner(rgb, box, flows)
        outliner = self._last[2]
        if at_once:
            return outliner.at_once(points, negative_points)
        return outliner.outline(self._frame, t, self._span, points, negative_points)


def near_flows(frame: GetFrame, t: int, span: tuple[int, int]) -> list[F32]:
    """Flow from frame t to the two frames after it, or before it at the end of its shot, at tracking size."""
    near = [n for n in (t + 1, t + 2) if n < span[1]] or [n for n in (t - 1, t - 2) if n >= span[0]]
    grey = small_grey(frame(t))
    return [recent_flow(grey, small_grey(frame(n))) for n in near]


@dataclass(frozen=True)
class _Found:
    """A mask of the crop at working size, and what is known of it.

    Attributes:
        odds: log odds of what the frames around say, and
        rest: of all but colours.
        full: the mask in the frame's own size.
        agreed: see ``OutlineFacts``.
    """

    mask: Bool
    rest: F32
    odds: F32 | None
    full: Bool
    agreed: float
    kept: float = 1.0


class BoxOutliner:
    """The object in a box, guessed by one cut or outlined with all evidence; see ``BoxOutlines``.

    ``flows`` are the frame's ``near_flows``: several boxes of one frame share them. With ``points`` the box is but a
    guess of where the thing that they are on may be, and no more than motion and place is asked for a first cut.
    """

    def __init__(
        self, rgb: Pixels, box: Box, flows: Sequence[F32], points: Points = (), negative_points: Points = ()
    ) -> None:
        self._rgb, self._box, self._flows, self._guessed = rgb, box, flows, bool(points)
        self._crop = _crop(rgb, box, flows, points, negative_points)
        self._graph = PixelGraph(self._crop.lab)
        self._at_first: _Found | None = None
        self._all: _Found | None = None

    def same(self, rgb: Pixels, flows: Sequence[F32]) -> bool:
        """Whether this is of the same pictures: their flows are remembered, see ``recent_flow``."""
        mine = self._flows
        return np.array_equal(rgb, self._rgb) and len(mine) == len(flows) and all(map(is_, mine, flows))

    def guess(self) -> Outline:
        """One cut, and no look at the frames around: to choose between boxes. The confidence is not calibrated."""
        used, mask = self._from_motion()
        found = _Found(mask, _rest(used), None, self._crop.enlarged(mask, self._rgb), 1.0)
        return Outline(found.full, self.clarity(found.full))

    def at_once(self, points: Points = (), negative_points: Points = ()) -> Outline:
        """Without a look at the frames around."""
        return self._answer(self._all or self._first(), points, negative_points)

    def outline(
        self, frame: GetFrame, t: int, span: tuple[int, int], points: Points = (), negative_points: Points = ()
    ) -> Outline:
        """The box is on frame t of the shot ``span``; what was found without clicks is kept for the next ones."""
        if self._all is None:
            self._all = self._second(self._first(), frame, t, span)
        return self._answer(self._all, points, negative_points)

    def clarity(self, mask: Bool) -> float:
        """How clear the border of a mask is, 0 to 1; halved where it does not fit the box."""
        inside = self._crop.inside
        small = _shrunk(mask.astype(np.float32), self._crop.where, inside.shape) > 0.5
        return float(np.sqrt(self._graph.sharpness(small))) * (1.0 if _plausible(small, inside) else 0.5)

    def _first(self) -> _Found:
        """The better one of two first cuts, which is kept."""
        if self._at_first is None:
            self._at_first = self._better_cut()
        return self._at_first

    def _better_cut(self) -> _Found:
        crop, graph = self._crop, self._graph
        if self._guessed:
            used, mask = self._from_motion()
            return _Found(mask, _rest(used), None, crop.enlarged(mask, self._rgb), 1.0)
        cuts = [self._from_motion(), (replace(crop, speed=None), _cut_by_colours(crop, graph))]
        masks = [mask for _, mask in cuts]
        motion, colours = (graph.sharpness(m) - _GAP * largest_gap(m, crop.inside) for m in masks)
        used, mask = cuts[1 if colours > motion + _CLEARER and _plausible(masks[1], crop.inside) else 0]
        agreed = region_similarity(*masks)
        return _Found(mask, _rest(used), None, crop.enlarged(mask, self._rgb), agreed)

    def _from_motion(self) -> tuple[_Crop, Bool]:
        """A first cut from motion and place; without motion, if with it it fills nothing or all of the box."""
        crop = self._crop
        mask = _first_cut(crop, self._graph)
        if crop.speed is not None and not _plausible(mask, crop.inside):
            crop = replace(crop, speed=None)
            mask = _first_cut(crop, self._graph)
        return crop, mask

    def _second(self, first: _Found, frame: GetFrame, t: int, span: tuple[int, int]) -> _Found:
        """What the frames around make of the first cut."""
        crop, size = self._crop, (self._rgb.shape[0], self._rgb.shape[1])
        evidence = background_evidence(frame, t, self._box, first.full, span)
        if evidence is None:
            return first
        odds = _evidence_odds(crop, evidence, size)
        rest = first.rest + odds
        mask = _second_cut(crop, self._graph, first.mask, odds, rest)
        if not _plausible(mask, crop.inside):
            return first
        full, kept = crop.enlarged(mask, self._rgb, odds), region_similarity(mask, first.mask)
        return _Found(mask, rest, odds, full, first.agreed, kept)

    def _answer(self, found: _Found, points: Points, negative_points: Points) -> Outline:
        """What was found, corrected by clicks."""
        crop, size = self._crop, (self._rgb.shape[0], self._rgb.shape[1])
        mask, full = found.mask, found.full
        on, off = (crop.places(p) for p in (points, negative_points))
        if on or off:
            mask = corrected(crop.lab, self._graph, crop.inside, mask, found.rest, on, off)
            full = crop.enlarged(mask, self._rgb, found.odds)
        clear, gap = self._graph.sharpness(mask), largest_gap(mask, crop.inside)
        facts = OutlineFacts(clear, gap, found.agreed, found.kept, min(len(on) + len(off), 3) / 3)
        return Outline((full & ~seeds(negative_points, size)) | seeds(points, size), expected_overlap(facts))


def _crop(rgb: Pixels, box: Box, flows: Sequence[F32], points: Points, negative_points: Points) -> _Crop:
    size = (rgb.shape[0], rgb.shape[1])
    where = grow_box(box, 8 + round(0.35 * max(box[2] - box[0], box[3] - box[1])), size)
    y0, x0, y1, x1 = where
    scale = min(1.0, _SIDE / max(y1 - y0, x1 - x0))
    small = (max(16, round((y1 - y0) * scale)), max(16, round((x1 - x0) * scale)))
    cover = _shrunk(filled(box, size).astype(np.float32), where, small)
    inside = cover > 0.5
    if not inside.any():  # thinner than a working pixel
        inside = cover >= cover.max()
    sure = np.zeros(small, np.float32)
    for places, sign in ((points, 1), (negative_points, -1)):
        sure[_shrunk(seeds(places, size).astype(np.float32), where, small) > 0] = sign
    speed = _speed(flows, box, size)
    if speed is not None:
        speed = np.asarray(_shrunk(cv2.resize(speed, (size[1], size[0])), where, small), np.float32)
    picture = np.asarray(cv2.resize(shrink(rgb[y0:y1, x0:x1].copy(), max(small)), small[::-1]), np.uint8)
    return _Crop(where, smooth_lab(picture), inside, sure, speed, _centre_prior(inside))


def _shrunk(plane: np.ndarray, where: Box, size: tuple[int, ...]) -> np.ndarray:
    """The crop of a plane of the frame's size, at working size."""
    y0, x0, y1, x1 = where
    return np.asarray(cv2.resize(plane[y0:y1, x0:x1], (size[1], size[0]), interpolation=cv2.INTER_AREA))


def _centre_prior(inside: Bool) -> F32:
    """Log odds that favour the middle of the box over its corners."""
    ys, xs = np.nonzero(inside)
    yy, xx = np.mgrid[: inside.shape[0], : inside.shape[1]]
    middle = (ys.min() + ys.max()) / 2, (xs.min() + xs.max()) / 2
    half = max(1.0, (np.ptp(ys) + 1) / 2), max(1.0, (np.ptp(xs) + 1) / 2)
    away = ((yy - middle[0]) / half[0]) ** 2 + ((xx - middle[1]) / half[1]) ** 2
    return np.asarray(0.5 * np.clip(1 - away, -2, 1), np.float32)


def _speed(flows: Sequence[F32], box: Box, size: tuple[int, int]) -> F32 | None:
    """How much faster than the background each pixel moves, in units of the background's own unevenness.

    At tracking size. The least over two neighbouring frames: where the flow of one bleeds over the object's rim, the
    other's does less.
    """
    if not flows:
        return None
    small = (flows[0].shape[0], flows[0].shape[1])
    y0, x0, y1, x1 = (round(v * small[0] / size[0]) for v in box)
    hole = filled((y0, x0, y1, x1), small)
    close, wide = (cv2.dilate(hole.astype(np.uint8), np.ones((n, n), np.uint8)) > 0 for n in (17, 49))
    if wide.all():
        return None
    speeds = []
    for flow in flows:
        # How far the background's flow is from smooth shows where it is known: in a ring around the box, against what
        # is continued into that ring from outside.
        ring = np.linalg.norm(flow - complete(flow, wide, 0), axis=2)[wide & ~close]
        uneven = float(np.percentile(ring, 70)) if ring.size else 0.0
        speeds.append(np.linalg.norm(flow - complete(flow, hole, 2), axis=2) / (uneven + 0.2))
    return np.asarray(np.min(speeds, 0), np.float32)


def _motion_odds(crop: _Crop) -> F32:
    """Log odds for the object by motion alone: low speed is surely background, high speed only perhaps the object."""
    fastest = 0.0 if crop.speed is None else float(np.percentile(crop.speed[crop.inside], 90))
    if crop.speed is None or fastest < _STILL / 3:
        return np.zeros_like(crop.prior)
    return np.asarray(np.clip(1.5 * np.log((crop.speed + 0.2) / max(_STILL, _FAST * fastest)), -2.5, 1), np.float32)


def _evidence_odds(crop: _Crop, evidence: MotionEvidence, size: tuple[int, int]) -> F32:
    """Log odds by what the frames around say, at working size, against what they say of what is around the box.

    Where background is told for sure, what nobody explains is the object. Background that the object is about to cover
    looks as unexplained as the object: that is left to colours and to motion (``_rest``).
    """
    plane = cv2.resize(evidence.foreground + evidence.background, size[::-1])
    odds = _shrunk(plane, crop.where, crop.inside.shape)
    around = float(np.median(odds[~crop.inside])) if not crop.inside.all() else 0.0
    return np.asarray(np.clip(odds - _AROUND * around, -3, 3), np.float32)


def _first_cut(crop: _Crop, graph: PixelGraph) -> Bool:
    """Motion and place alone give the first mask, from which colours are learned."""
    mask = graph.min_cut(_within(crop, crop.prior + 2 * _motion_odds(crop)), _FIRST_STRENGTH)
    return _grab_cut(crop, graph, mask, _rest(crop), _FIRST_STRENGTH)


def _cut_by_colours(crop: _Crop, graph: PixelGraph) -> Bool:
    """What looks as nothing around the box does, and place, give the first mask; motion is not asked."""
    colours = crop.lab.reshape(-1, 3).astype(np.float64)
    inside, around = (ColourModel(colours, part.ravel(), 8)(colours) for part in (crop.inside, ~crop.inside))
    unlike = np.clip(inside - around, -6, 6).reshape(crop.inside.shape).astype(np.float32)
    mask = crop.inside & (crop.prior + np.clip(blurred(unlike, 3), -3, 3) > 0)
    return _grab_cut(crop, graph, np.asarray(mask), np.asarray(0.3 * crop.prior))


def _second_cut(crop: _Crop, graph: PixelGraph, first: Bool, odds: F32, rest: F32) -> Bool:
    """A cut that starts from the first mask, with what the frames around say; ``rest`` is of all but colours."""
    mask = np.asarray((first & (odds > -0.5)) | (crop.inside & (odds > 1)))
    return _grab_cut(crop, graph, mask, rest + np.where(first, _FAITH, -_FAITH))


def _rest(crop: _Crop) -> F32:
    """Log odds of all but colours. Motion bleeds over an object's rim, so it speaks for the object only weakly."""
    moves = _motion_odds(crop)
    return np.asarray(0.3 * crop.prior + np.where(moves > 0, 0.3 * moves, moves))


def _grab_cut(crop: _Crop, graph: PixelGraph, mask: Bool, rest: np.ndarray, strength: float = _STRENGTH) -> Bool:
    colours = crop.lab.reshape(-1, 3).astype(np.float64)
    asked = crop.inside.ravel()  # outside, the answer is known
    within = colours[asked]
    looks = np.zeros(asked.shape)
    for _ in range(_ROUNDS):
        chosen = mask.ravel()
        if chosen.sum() < 20:
            chosen = (crop.inside & (crop.prior > 0.2)).ravel()
        own = ColourModel(colours, chosen, _GAUSSIANS)
        background = ColourModel(colours, ~chosen, _GAUSSIANS + 2)
        looks[asked] = np.clip(own(within) - background(within), -4, 4)
        before, mask = mask, graph.min_cut(_within(crop, rest + looks.reshape(mask.shape)), strength)
        if np.count_nonzero(before != mask) <= _SETTLED * np.count_nonzero(mask):
            break
    return mask


def _within(crop: _Crop, odds: np.ndarray) -> F32:
    """Log odds, certain at the seeds and outside the box."""
    odds = np.where(crop.seeds != 0, 9 * crop.seeds, odds)
    return np.where(crop.inside, odds, -9).astype(np.float32)


def _without_holes(mask: Bool, odds: F32 | None = None) -> Bool:
    """A mask whose small holes are filled, except those that show background by the log odds, if there are some.

    A door handle or a window shows no background, the space between two legs does.
    """
    _, pieces, facts, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    area = facts[:, cv2.CC_STAT_AREA]
    small = area < _HOLE * np.count_nonzero(mask)
    small[np.union1d(rim, [0])] = False
    if odds is not None:
        small &= np.bincount(pieces.ravel(), odds.ravel(), len(area)) >= _SHOWS_BACKGROUND * area
    return np.asarray(mask | small[pieces])


def _plausible(mask: Bool, inside: Bool) -> bool:
    """It fills neither next to nothing of the box nor all of it, up to the corners."""
    return 0.05 < float(mask.sum()) / float(inside.sum()) < 0.97
