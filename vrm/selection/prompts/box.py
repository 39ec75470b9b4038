"""A box around a thing becomes its outline, without any learned weights: colour and motion, and the cheapest border.

What lies outside the box is ground, and shows what the ground looks like and how it moves. Inside, the ground's motion
is continued from there; what moves differently is more likely the thing. Colour models of both are fitted in turn with
the minimum cut (GrabCut). A few cuts that trust the evidence differently vote on every pixel: one alone can tip over.
Then the frames around are asked what the ground's motion explains (``vrm.selection.prompts.background_motion``), and it
is cut once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vrm.motion.flow.completion import complete
from vrm.motion.flow.estimators import DisFlow
from vrm.selection.prompts.background_motion import GroundEvidence, ground_evidence
from vrm.selection.prompts.graph_cut import Borders, ColourModel, smooth_lab
from vrm.selection.tracking.features import shrink
from vrm.selection.tracking.tracker import full_size
from vrm.types import F32, U8, Bool, Box, Pixels, grow_box

_SIDE = 200
"""Longest side, in pixels, of the part of the picture that is cut."""
_PARTS = 6
"""Gaussians of the thing's colour model; the ground gets two more."""
_ROUNDS = 4
"""Times that colour models and cut are fitted in turn."""
_FAST = 0.65
"""Motion counts as the thing's from this share of its fastest parts on."""
_HOLE = 0.02
"""Holes of an outline up to this share of its area are filled ..."""
_SHOWS = -0.1
"""... but for those of lower log odds, on average, by what the frames around said."""
_VOTES = (4.0, 4.5, 5.0)
"""How much a border costs in each of the cuts."""
_STILL = 1.5
"""Motion from this many times the ground's own unevenness on can be the thing's; a third of it says nothing."""
_FAITH = 1.0
"""Log odds by which a second look stays with the first."""


@dataclass(frozen=True)
class Outline:
    """What was found.

    Attributes:
        mask: bool ``(H, W)`` of the frame.
        confidence: 0 (a guess) to 1.
    """

    mask: Bool
    confidence: float


@dataclass(frozen=True)
class _Part:
    """The part of the frame that is cut, at working size: ``rgb`` and its arrays are ``(h, w)``."""

    where: Box
    rgb: U8
    inside: Bool
    sure: F32
    speed: F32 | None
    prior: F32


def outline_box(
    frame: Callable[[int], Pixels],
    t: int,
    box: Box,
    span: tuple[int, int],
    *,
    ours: Bool | None = None,
    others: Bool | None = None,
    quick: bool = False,
) -> Outline:
    """The thing in a box on frame t.

    Args:
        frame: gives frame n of the video, uint8 or uint16 RGB ``(H, W, 3)``; asked for t and frames near it.
        t: the frame.
        box: around the thing, tight if possible; nothing outside of it is taken.
        span: ``(start, stop)`` of the shot.
        ours, others: pixels ``(H, W)`` that are certainly the thing, or certainly not.
        quick: one cut and one look only: to choose between boxes.
    """
    part = _part(frame, t, box, span, ours, others)
    borders = Borders(smooth_lab(part.rgb))
    strengths = _VOTES[:1] if quick else _VOTES
    votes = [_cut(part, borders, strength) for strength in strengths]
    mask = np.asarray(np.mean(votes, 0) > 0.5)
    if part.speed is not None and not _plausible(mask, part.inside):
        part = replace(part, speed=None)
        votes = [_cut(part, borders, strength) for strength in strengths]
        mask = np.asarray(np.mean(votes, 0) > 0.5)
    full = _full(mask, part, frame(t))
    seen = None if quick else ground_evidence(frame, t, box, full, span)
    if seen is not None:
        before, odds = _small(part, full.astype(np.float32)) > 0.5, _seen(part, seen, full.shape)
        again = [_cut_again(part, borders, strength, before, odds) for strength in strengths]
        better = np.asarray(np.mean(again, 0) > 0.5)
        if _plausible(better, part.inside):
            votes, mask, full = again, better, _full(better, part, frame(t), odds)
    if others is not None:
        full &= ~others
    if ours is not None:
        full |= ours
    return Outline(full, _confidence(mask, votes, part, borders))


def _full(mask: Bool, part: _Part, rgb: Pixels, odds: F32 | None = None) -> Bool:
    """A mask of the part in the frame's own size."""
    y0, x0, y1, x1 = part.where
    full = np.zeros(rgb.shape[:2], np.bool_)
    large = None if odds is None else np.asarray(cv2.resize(odds, (x1 - x0, y1 - y0)), np.float32)
    full[y0:y1, x0:x1] = _without_holes(full_size(mask.astype(np.float32), rgb[y0:y1, x0:x1]), large)
    return full


def _small(part: _Part, plane: np.ndarray) -> np.ndarray:
    """What a plane of the frame's size holds there, at working size."""
    y0, x0, y1, x1 = part.where
    size = (part.inside.shape[1], part.inside.shape[0])
    return np.asarray(cv2.resize(plane[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA))


def _seen(part: _Part, seen: GroundEvidence, size: tuple[int, ...]) -> F32:
    """Log odds by what the frames around said, at working size.

    Ground that the thing is about to cover looks as unexplained as the thing; but it moves as the ground does.
    """
    thing, ground = (_small(part, cv2.resize(odds, (size[1], size[0]))) for odds in (seen.thing, seen.ground))
    return np.asarray(np.clip(thing * np.clip(1 + _motion_odds(part), 0, 1) + ground, -3, 3), np.float32)


def _without_holes(mask: Bool, odds: F32 | None = None) -> Bool:
    """A mask whose small holes are filled, but for those that show ground by the log odds, if there are some.

    A door handle or a window shows no ground, the space between two legs does.
    """
    _, pieces, facts, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    area = facts[:, cv2.CC_STAT_AREA]
    small = area < _HOLE * np.count_nonzero(mask)
    small[np.union1d(rim, [0])] = False
    if odds is not None:
        small &= np.bincount(pieces.ravel(), odds.ravel(), len(area)) >= _SHOWS * area
    return np.asarray(mask | small[pieces])


def _part(
    frame: Callable[[int], Pixels], t: int, box: Box, span: tuple[int, int], ours: Bool | None, others: Bool | None
) -> _Part:
    rgb = frame(t)
    size = (rgb.shape[0], rgb.shape[1])
    where = grow_box(box, 8 + round(0.35 * max(box[2] - box[0], box[3] - box[1])), size)
    y0, x0, y1, x1 = where
    scale = min(1.0, _SIDE / max(y1 - y0, x1 - x0))
    to = (max(16, round((x1 - x0) * scale)), max(16, round((y1 - y0) * scale)))

    def small(plane: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.resize(plane[y0:y1, x0:x1], to, interpolation=cv2.INTER_AREA))

    window = np.zeros(size, np.float32)
    window[box[0] : box[2], box[1] : box[3]] = 1
    inside = small(window) > 0.5
    if not inside.any():  # thinner than a working pixel
        inside = small(window) >= small(window).max()
    sure = np.zeros(inside.shape, np.float32)
    if ours is not None:
        sure[small(ours.astype(np.float32)) > 0] = 1
    if others is not None:
        sure[small(others.astype(np.float32)) > 0] = -1
    speed = _speed(frame, t, box, span)
    if speed is not None:
        speed = np.asarray(small(cv2.resize(speed, (size[1], size[0]))), np.float32)
    picture = shrink(rgb[y0:y1, x0:x1].copy(), max(to))
    return _Part(where, np.asarray(cv2.resize(picture, to), np.uint8), inside, sure, speed, _towards_the_middle(inside))


def _towards_the_middle(inside: Bool) -> F32:
    """Log odds that favour the middle of the box over its corners."""
    ys, xs = np.nonzero(inside)
    yy, xx = np.mgrid[: inside.shape[0], : inside.shape[1]]
    middle = (ys.min() + ys.max()) / 2, (xs.min() + xs.max()) / 2
    half = max(1.0, (np.ptp(ys) + 1) / 2), max(1.0, (np.ptp(xs) + 1) / 2)
    away = ((yy - middle[0]) / half[0]) ** 2 + ((xx - middle[1]) / half[1]) ** 2
    return np.asarray(0.5 * np.clip(1 - away, -2, 1), np.float32)


def _speed(frame: Callable[[int], Pixels], t: int, box: Box, span: tuple[int, int]) -> F32 | None:
    """How much faster than the ground each pixel moves, in units of the ground's own unevenness; at tracking size.

    The least over two neighbouring frames: where the flow of one bleeds over the thing's rim, the other's does less.
    """
    near = [n for n in (t + 1, t + 2) if n < span[1]] or [n for n in (t - 1, t - 2) if n >= span[0]]
    if not near:
        return None
    now = shrink(frame(t))
    scale = now.shape[0] / frame(t).shape[0]
    y0, x0, y1, x1 = (round(v * scale) for v in box)
    hole = np.zeros(now.shape[:2], np.bool_)
    hole[y0:y1, x0:x1] = True
    close, wide = (cv2.dilate(hole.astype(np.uint8), np.ones((n, n), np.uint8)) > 0 for n in (17, 49))
    if wide.all():
        return None
    flow_of = DisFlow()
    grey = np.asarray(cv2.cvtColor(now, cv2.COLOR_RGB2GRAY), np.uint8)
    speeds = []
    for n in near:
        flow = flow_of(grey, np.asarray(cv2.cvtColor(shrink(frame(n)), cv2.COLOR_RGB2GRAY), np.uint8))
        # How far the ground is from smooth shows where it is known: a ring around the box, continued from outside.
        ring = np.linalg.norm(flow - complete(flow, wide, 0), axis=2)[wide & ~close]
        uneven = float(np.percentile(ring, 70)) if ring.size else 0.0
        speeds.append(np.linalg.norm(flow - complete(flow, hole, 2), axis=2) / (uneven + 0.2))
    return np.asarray(np.min(speeds, 0), np.float32)


def _cut(part: _Part, borders: Borders, strength: float) -> Bool:
    """One cut: motion and place first, then colour models and cut in turn."""
    mask = borders.cut(_settled(part, part.prior + 2 * _motion_odds(part)), strength)
    return _in_turn(part, borders, strength, mask, _rest(part))


def _cut_again(part: _Part, borders: Borders, strength: float, before: Bool, odds: F32) -> Bool:
    """A second cut that starts from the first outline and what the frames around said for and against it."""
    mask = np.asarray((before & (odds > -0.5)) | (part.inside & (odds > 1)))
    return _in_turn(part, borders, strength, mask, _rest(part) + odds + np.where(before, _FAITH, -_FAITH))


def _settled(part: _Part, odds: np.ndarray) -> F32:
    """Log odds, certain where something is certain."""
    odds = np.where(part.sure != 0, 9 * part.sure, odds)
    return np.where(part.inside, odds, -9).astype(np.float32)


def _rest(part: _Part) -> np.ndarray:
    """Log odds of all but colours. Motion bleeds over the rim of things: it speaks for the thing only weakly."""
    moves = _motion_odds(part)
    return np.asarray(0.3 * part.prior + np.where(moves > 0, 0.3 * moves, moves))


def _in_turn(part: _Part, borders: Borders, strength: float, mask: Bool, rest: np.ndarray) -> Bool:
    """Colour models and cut in turn, from a first mask on."""
    colours = smooth_lab(part.rgb).reshape(-1, 3).astype(np.float64)
    for _ in range(_ROUNDS):
        chosen = mask.ravel()
        if chosen.sum() < 20:
            chosen = (part.inside & (part.prior > 0.2)).ravel()
        ours = ColourModel(colours, chosen, _PARTS)
        ground = ColourModel(colours, ~chosen, _PARTS + 2)
        looks = np.clip(ours(colours) - ground(colours), -4, 4).reshape(mask.shape)
        mask = borders.cut(_settled(part, rest + looks), strength)
    return mask


def _motion_odds(part: _Part) -> F32:
    """Log odds for the thing by motion alone: low speed is surely ground, high speed only perhaps the thing."""
    if part.speed is None:
        return np.zeros_like(part.prior)
    fastest = float(np.percentile(part.speed[part.inside], 90))
    if fastest < _STILL / 3:
        return np.zeros_like(part.prior)
    return np.asarray(np.clip(1.5 * np.log((part.speed + 0.2) / max(_STILL, _FAST * fastest)), -2.5, 1), np.float32)


def _plausible(mask: Bool, inside: Bool) -> bool:
    """It fills neither next to nothing of the box nor all of it, up to the corners."""
    return 0.05 < float(mask.sum()) / float(inside.sum()) < 0.97


def _confidence(mask: Bool, votes: list[Bool], part: _Part, borders: Borders) -> float:
    """From how far the cuts agree, how clear the border is, and whether the box fits."""
    union = np.any(votes, 0).sum()
    agreement = float(np.all(votes, 0).sum() / union) if union else 0.0
    return float(np.sqrt(agreement * borders.sharpness(mask))) * (1.0 if _plausible(mask, part.inside) else 0.5)
