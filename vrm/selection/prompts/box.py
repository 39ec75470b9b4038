"""A box around an object becomes the object's mask without learned weights: GrabCut with motion as further evidence.

Outside the box is background, which shows how the background looks and moves. Its motion is continued into the box:
what moves differently there is more likely the object. Colour models of both are fitted in turn with the minimum cut.
Several cuts, to which a border costs differently much, vote on every pixel: one alone can tip over. Then the frames
around say what the background's motion explains (``vrm.selection.prompts.background_motion``), and it is cut again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vrm.motion.flow.completion import complete
from vrm.selection.prompts.background_motion import MotionEvidence, background_evidence, filled
from vrm.selection.prompts.base import Outline
from vrm.selection.prompts.graph_cut import ColourModel, PixelGraph, Points, seeds, smooth_lab
from vrm.selection.prompts.recent_flows import recent_flow
from vrm.selection.tracking.features import GetFrame, shrink, small_grey
from vrm.selection.tracking.tracker import enlarged
from vrm.system.threads import parallel_map
from vrm.types import F32, Bool, Box, Pixels, grow_box

_SIDE = 200
"""Longest side, in pixels, of the crop that is cut."""
_GAUSSIANS = 6
"""Of the object's colour model; the background's has two more."""
_ROUNDS = 4
"""Times that colour models and cut are fitted in turn."""
_FAST = 0.65
"""Motion speaks for the object from this share of the 90th percentile of speeds in the box on."""
_STILL = 1.5
"""... and from this many times the background's own unevenness on; if all is below a third of that, motion is mute."""
_HOLE = 0.02
"""Holes of a mask up to this share of its area are filled ..."""
_SHOWS_BACKGROUND = -0.1
"""... unless their mean log odds, by the frames around, are below this."""
_STRENGTHS = (4.0, 4.5, 5.0)
"""What a border costs in each of the cuts that vote."""
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

    def enlarged(self, mask: Bool, rgb: Pixels, odds: F32 | None = None) -> Bool:
        """A mask of the crop in the frame's own size, its small holes filled."""
        y0, x0, y1, x1 = self.where
        full = np.zeros(rgb.shape[:2], np.bool_)
        large = None if odds is None else np.asarray(cv2.resize(odds, (x1 - x0, y1 - y0)), np.float32)
        full[y0:y1, x0:x1] = _without_holes(enlarged(mask.astype(np.float32), rgb[y0:y1, x0:x1]), large)
        return full


def outline_box(
    frame: GetFrame, t: int, box: Box, span: tuple[int, int], points: Points = (), negative_points: Points = ()
) -> Outline:
    """The object in a box on frame t; frames near it are looked at, too.

    Args:
        box: around the object, tight if possible; nothing outside of it is taken.
        span: ``(start, stop)`` of the shot.
        points, negative_points: places that certainly are, or are not, the object.
    """
    return BoxOutliner(frame(t), box, near_flows(frame, t, span), points, negative_points).outline(frame, t, span)


def near_flows(frame: GetFrame, t: int, span: tuple[int, int]) -> list[F32]:
    """Flow from frame t to the two frames after it, or before it at the end of its shot, at tracking size."""
    near = [n for n in (t + 1, t + 2) if n < span[1]] or [n for n in (t - 1, t - 2) if n >= span[0]]
    grey = small_grey(frame(t))
    return [recent_flow(grey, small_grey(frame(n))) for n in near]


class BoxOutliner:
    """The object in a box, guessed by one cut or outlined with all evidence; see ``outline_box``.

    ``flows`` are the frame's ``near_flows``: several boxes of one frame share them.
    """

    def __init__(
        self, rgb: Pixels, box: Box, flows: Sequence[F32], points: Points = (), negative_points: Points = ()
    ) -> None:
        self._rgb, self._box = rgb, box
        self._certain, self._excluded = (seeds(p, (rgb.shape[0], rgb.shape[1])) for p in (points, negative_points))
        self._crop = _crop(rgb, box, flows, self._certain, self._excluded)
        self._graph = PixelGraph(self._crop.lab)
        self._guess = _first_cut(self._crop, self._graph, _STRENGTHS[0])

    def guess(self) -> Outline:
        """One cut, and no look at the frames around: to choose between boxes."""
        crop, votes = self._first_cuts(_STRENGTHS[:1])
        return self._outline(crop, votes, crop.enlarged(_majority(votes), self._rgb))

    def outline(self, frame: GetFrame, t: int, span: tuple[int, int]) -> Outline:
        """The box is on frame t of the shot ``span``."""
        crop, votes = self._first_cuts(_STRENGTHS)
        mask = crop.enlarged(_majority(votes), self._rgb)
        evidence = background_evidence(frame, t, self._box, mask, span)
        if evidence is not None:
            first = _shrunk(mask.astype(np.float32), crop.where, crop.inside.shape) > 0.5
            odds = _evidence_odds(crop, evidence, (mask.shape[0], mask.shape[1]))
            again = list(parallel_map(lambda s: _second_cut(crop, self._graph, s, first, odds), _STRENGTHS))
            if _plausible(_majority(again), crop.inside):
                votes, mask = again, crop.enlarged(_majority(again), self._rgb, odds)
        return self._outline(crop, votes, mask)

    def _first_cuts(self, strengths: Sequence[float]) -> tuple[_Crop, list[Bool]]:
        """A cut for each strength; without motion, if with it they fill nothing or all of the box."""
        crop = self._crop
        votes = [self._guess, *parallel_map(lambda strength: _first_cut(crop, self._graph, strength), strengths[1:])]
        if crop.speed is not None and not _plausible(_majority(votes), crop.inside):
            crop = replace(crop, speed=None)
            votes = list(parallel_map(lambda strength: _first_cut(crop, self._graph, strength), strengths))
        return crop, votes

    def _outline(self, crop: _Crop, votes: list[Bool], mask: Bool) -> Outline:
        return Outline((mask & ~self._excluded) | self._certain, _confidence(votes, crop, self._graph))


def _crop(rgb: Pixels, box: Box, flows: Sequence[F32], certain: Bool, excluded: Bool) -> _Crop:
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
    sure[_shrunk(certain.astype(np.float32), where, small) > 0] = 1
    sure[_shrunk(excluded.astype(np.float32), where, small) > 0] = -1
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
    """Log odds by what the frames around say, at working size.

    Background that the object is about to cover looks as unexplained as the object; but it moves as background does.
    """
    planes = (cv2.resize(odds, size[::-1]) for odds in (evidence.foreground, evidence.background))
    against, explained = (_shrunk(plane, crop.where, crop.inside.shape) for plane in planes)
    return np.asarray(np.clip(against * np.clip(1 + _motion_odds(crop), 0, 1) + explained, -3, 3), np.float32)


def _first_cut(crop: _Crop, graph: PixelGraph, strength: float) -> Bool:
    """Motion and place alone give the first mask, from which colours are learned."""
    mask = graph.min_cut(_with_seeds(crop, crop.prior + 2 * _motion_odds(crop)), strength)
    return _grab_cut(crop, graph, strength, mask, _rest(crop))


def _second_cut(crop: _Crop, graph: PixelGraph, strength: float, first: Bool, odds: F32) -> Bool:
    """A cut that starts from the first mask, with what the frames around say for and against it."""
    mask = np.asarray((first & (odds > -0.5)) | (crop.inside & (odds > 1)))
    return _grab_cut(crop, graph, strength, mask, _rest(crop) + odds + np.where(first, _FAITH, -_FAITH))


def _rest(crop: _Crop) -> np.ndarray:
    """Log odds of all but colours. Motion bleeds over an object's rim, so it speaks for the object only weakly."""
    moves = _motion_odds(crop)
    return np.asarray(0.3 * crop.prior + np.where(moves > 0, 0.3 * moves, moves))


def _grab_cut(crop: _Crop, graph: PixelGraph, strength: float, mask: Bool, rest: np.ndarray) -> Bool:
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
        mask = graph.min_cut(_with_seeds(crop, rest + looks.reshape(mask.shape)), strength)
    return mask


def _with_seeds(crop: _Crop, odds: np.ndarray) -> F32:
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


def _majority(votes: list[Bool]) -> Bool:
    return np.asarray(np.mean(votes, 0) > 0.5)


def _plausible(mask: Bool, inside: Bool) -> bool:
    """It fills neither next to nothing of the box nor all of it, up to the corners."""
    return 0.05 < float(mask.sum()) / float(inside.sum()) < 0.97


def _confidence(votes: list[Bool], crop: _Crop, graph: PixelGraph) -> float:
    """From how far the cuts agree, how clear the border is, and whether the mask fits the box."""
    mask, union = _majority(votes), np.any(votes, 0).sum()
    agreement = float(np.all(votes, 0).sum() / union) if union else 0.0
    return float(np.sqrt(agreement * graph.sharpness(mask))) * (1.0 if _plausible(mask, crop.inside) else 0.5)
