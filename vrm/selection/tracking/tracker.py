"""One annotated frame, or several, to a mask on every frame of a shot: optical flow, colour and texture, and motion.

Each frame's mask starts as the previous frame's, carried along by dense flow. A small classifier, learned on the
annotated frame and refreshed with its own sure results, says which pixels look and move like the object; the carried
mask says where that can be believed. The object's outline of the last frames moves along with it, so that what comes
out from behind a tree is taken up again. What this cannot do: tell apart two things that look and move alike, see
through a long occlusion, or follow an object that moves by more than its own size between frames. It says so: every
frame has a confidence, and ``loss_notes`` names the stretches where the object was lost.

A picture that is shown more than once (12 frames in 24 per second, 3:2 pull-down, a freeze) is looked at once: between
two copies nothing moves, and what the classifier learns of motion there would be wrong of the next frame.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from vrm.events import Progress, no_progress, span
from vrm.motion.exposure import EvenExposure
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.flow.warp import sampled
from vrm.selection.tracking.classifier import PixelClassifier
from vrm.selection.tracking.features import GetFrame, pixel_features, shrink, small_grey
from vrm.selection.tracking.scenes import in_words, runs
from vrm.shots.copies import is_copy
from vrm.types import F32, U8, Bool, Masks, Pixels, bounding_box, grow_box

MIN_PIXELS = 8
"""Fewer pixels than this, at working size, are no object any more."""
REACH = 100
"""The surroundings the classifier learns from reach this far, in pixels at working size."""
_OUT_OF_REACH = 51
"""From this distance to the carried mask on, in pixels at working size, no looks can make up for it (``_combined``)."""
LOW_CONFIDENCE = 0.4
"""A confidence below this is worth a note."""


@dataclass(frozen=True)
class Tracked:
    """The masks of a shot.

    Attributes:
        masks: of the video's size, for frames 0 to ``stop - 1``; empty outside the shot and where the object is lost.
        confidence: for each frame of the shot, 0 (a guess) to 1 (as annotated).
    """

    masks: Masks
    confidence: dict[int, float]


def track_mask(
    frame: GetFrame, annotated: dict[int, Bool], start: int, stop: int, *, without: Container[int] = (),
    only: int | None = None, progress: Progress = no_progress,
) -> Tracked:  # fmt: skip
    """Follow a masked object through one shot, forwards and backwards from every annotated frame.

    Between two annotated frames each frame is reached from the nearer one. ``frame`` is called with neighbouring t, a
    few times each; masks are bool ``(H, W)``; stop is excluded; frames ``without`` (black ones amid the shot, say) are
    passed over. With ``only`` no more is followed than what leads to that frame, whose mask is the same then. Raises
    ValueError without an annotated frame in the shot.
    """
    known = sorted(t for t in annotated if start <= t < stop and t not in without)
    if not known:
        raise ValueError(f"no annotated frame in {start}..{stop - 1}")
    height, width = annotated[known[0]].shape
    result = Tracked(Masks((height, width), stop), {})
    shot = _ShrunkShot(
        _in_even_light(frame, known[0], start, stop, (height, width)),
        [t for t in range(start, stop) if t not in without],
    )
    learner: PixelClassifier | None = None
    for t in known:
        result.masks[t] = annotated[t]
        result.confidence[t] = 1.0
        if len(shot.times) > 1 and annotated[t].any():
            soft = _small(annotated[t], shot.rgb(t))
            features, away = shot.features(t, 1, soft), _signed_distance(soft > 0.5)
            learner = learner or PixelClassifier(features.shape[2])
            learner.annotate(features, away < 0, (away > 1) & (away < REACH))
    if learner is not None:
        learner.fit(300, 3e-3)
        for path in paths(known, shot.times):
            if only is not None:
                path = path[: path.index(only) + 1] if only in path else path[:1]
            for t, mask, sure in _track_path(shot, copy.deepcopy(learner), annotated[path[0]], path):
                result.masks[t], result.confidence[t] = mask, sure
                progress("follow", len(result.confidence), len(shot.times))
    return result


def paths(known: list[int], times: Sequence[int]) -> Iterator[Sequence[int]]:
    """From every annotated frame both ways, to the end of the shot or half-way to the next annotated frame.

    ``times`` are the frames of the shot, ascending.
    """
    for i, t in enumerate(known):
        last = (t + known[i + 1]) // 2 if i + 1 < len(known) else times[-1]
        first = (known[i - 1] + t) // 2 + 1 if i else times[0]
        at = bisect_left(times, t)
        yield times[at : bisect_right(times, last)]
        yield times[bisect_left(times, first) : at + 1][::-1]


def _in_even_light(frame: GetFrame, known: int, start: int, stop: int, size: tuple[int, int]) -> GetFrame:
    """The frames with flashes taken out: neither flow nor colours hold on across them."""
    return EvenExposure(
        _WithoutHoles(start, stop, size, frame), range(max(start, known - 4), min(stop, known + 5))
    ).frame


@dataclass
class _WithoutHoles:
    """A shot as motion looks at it (``vrm.motion.frames.FrameAccess``); all of it is known."""

    start: int
    stop: int
    size: tuple[int, int]
    frame: GetFrame

    def hole(self, t: int) -> Bool:
        return np.zeros(self.size, np.bool_)


class _ShrunkShot:
    """The shot at working size: frames ``(h, w, 3)`` and flows ``(h, w, 2)``, of which only the last few are kept.

    ``times`` are its frames, ascending.
    """

    def __init__(self, frame: GetFrame, times: Sequence[int]) -> None:
        self.frame, self.times = frame, times
        estimator = DisFlow()

        @lru_cache(maxsize=4)
        def rgb(t: int) -> U8:
            return shrink(frame(t))

        @lru_cache(maxsize=4)
        def flow(t: int, other: int) -> F32:
            return estimator(small_grey(rgb(t)), small_grey(rgb(other)))

        self.rgb, self.flow = rgb, flow

    def following(self, t: int, step: int) -> int | None:
        """The next frame in the direction of travel that shows another picture than frame t."""
        at = bisect_left(self.times, t)
        onward = range(at + 1, len(self.times)) if step > 0 else range(at - 1, -1, -1)
        return next((self.times[k] for k in onward if not is_copy(self.rgb(t), self.rgb(self.times[k]))), None)

    def features(self, t: int, step: int, soft: F32) -> F32:
        """Features of frame t, its motion taken towards the next picture in the direction of travel if there is one."""
        ahead = self.following(t, step)
        if ahead is None:
            ahead = self.following(t, -step)
        if ahead is None:
            ahead = t
        return pixel_features(self.rgb(t), self.flow(t, ahead), _signed_distance(soft > 0.5) > 8)


def _small(mask: Bool, like: U8) -> F32:
    """A mask at working size, soft at its rim."""
    small = cv2.resize(mask.astype(np.float32), like.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _track_path(
    shot: _ShrunkShot, learner: PixelClassifier, mask: Bool, path: Sequence[int]
) -> Iterator[tuple[int, Bool, float]]:
    """The frames after the first of a path: number, mask in full size, confidence."""
    before, sure = path[0], 1.0
    step = 1 if path[-1] > before else -1
    soft = _small(mask, shot.rgb(before))
    extent = _ExpectedRegion(soft)
    for t in path[1:]:
        if is_copy(shot.rgb(before), shot.rgb(t)):
            yield t, mask, sure
            continue
        back, forth = shot.flow(t, before), shot.flow(before, t)
        before = t
        carried = sampled(soft, back)
        extent.advance(soft, forth, carried)
        if not extent.region.any() and int((carried > 0.5).sum()) < MIN_PIXELS:
            soft, mask, sure = np.zeros_like(soft), np.zeros_like(mask), 0.0
            yield t, mask, sure
            continue
        features = shot.features(t, step, np.maximum(carried, np.where(extent.region > 0, np.float32(1), 0)))
        away = _signed_distance(carried > 0.5)
        near = (away < _OUT_OF_REACH) | (extent.region > 0)
        odds = np.full(soft.shape, np.float32(-6))
        odds[near] = learner(features[near])
        soft = _combined(carried, away, back + sampled(forth, back), odds, shot.rgb(t), extent)
        away = _signed_distance(soft > 0.5)
        learner.remember(features, (soft > 0.9) & (away < -1), (away > 2) & (away < REACH))
        learner.fit(6, 1e-3)
        mask, sure = enlarged(soft, shot.frame(t)), _confidence(soft, away, carried, odds)
        yield t, mask, sure


class _ExpectedRegion:
    """Where the object would be if nothing hid it: its outlines of the last frames, moved along with what is seen.

    ``region`` is float32 ``(h, w)``: 1 where the object was just seen, less for every frame since; 0 when too long ago.
    """

    def __init__(self, soft: F32) -> None:
        self.region = np.where(soft > 0.5, np.float32(1), np.float32(0))
        self.area = int((soft > 0.5).sum())
        self._velocity = np.zeros(2, np.float32)

    def advance(self, soft: F32, forth: F32, carried: F32) -> None:
        """Go to the next frame: ``soft`` and its flow ``forth`` to it, and ``soft`` carried there."""
        inner = cv2.erode((soft > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if int(inner.sum()) > 30:
            self._velocity = 0.3 * self._velocity + 0.7 * np.median(forth[inner], axis=0)
        shift = np.array([[1, 0, self._velocity[0]], [0, 1, self._velocity[1]]], np.float32)
        moved = 0.97 * cv2.warpAffine(self.region, shift, (soft.shape[1], soft.shape[0]))
        region = np.where(carried > 0.5, 1.0, moved)
        self.region = np.where(region > 0.3, region, 0).astype(np.float32)

    def holds(self, labels: np.ndarray, odds: F32, count: int) -> Bool:
        """Which pieces of a label image lie in the region, are no specks, and surely look like the object."""
        area = np.bincount(labels.ravel(), minlength=count)
        inside = np.bincount(labels[self.region > 0], minlength=count)
        mean_odds = np.bincount(labels.ravel(), weights=odds.ravel(), minlength=count) / np.maximum(area, 1)
        return np.asarray((inside > 0.3 * area) & (area > 0.02 * self.area) & (mean_odds > 1))


def _combined(carried: F32, away: F32, mismatch: F32, odds: F32, rgb: U8, extent: _ExpectedRegion) -> F32:
    """The soft mask of a frame, from where it should be (carried by flow) and what looks like it (log odds).

    Args:
        away: the signed distance to the rim of the carried mask.
        mismatch: how far flow there and back misses its start, ``(h, w, 2)`` pixels.
    """
    reliable = np.exp(-(mismatch**2).sum(2) / 1.5**2)
    # Near the rim the carried mask counts by how far the flow agrees with itself; far from it, looks alone do not do.
    trust = np.where(np.abs(away) < 6, 0.5 + 0.5 * reliable, 1.0)
    prior = np.clip(-away / 5, -3, 3) * trust - 0.05 * np.maximum(0, away - 15)
    prior = np.where(extent.region > 0, np.maximum(prior, 2 * extent.region - 3), prior)
    chance = 1 / (1 + np.exp(-np.clip(prior + 0.8 * odds, -12, 12)))
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) / 255.0, np.float32)
    slope, offset = _guide(grey, np.asarray(chance, np.float32))
    soft = np.asarray(np.clip(slope * grey + offset, 0, 1), np.float32)
    # Pieces that hardly touch the carried mask and are no reappearing part of the object go.
    found = soft > 0.5
    count, labels = cv2.connectedComponents(found.astype(np.uint8))
    touching = np.bincount(labels[carried > 0.5], minlength=count)
    keep = touching > 0.02 * np.bincount(labels.ravel(), minlength=count)
    keep |= extent.holds(np.asarray(labels), odds, count)
    keep[0] = False
    return np.where(found & ~keep[labels], np.float32(0.1), soft)


def _guide(grey: F32, soft: F32, radius: int = 4, smooth: float = 1e-3) -> tuple[F32, F32]:
    """Slope and offset of the guided filter (He et al., ECCV 2010, Eq. 5, 6 and 8): soft = slope * grey + offset."""

    def mean(image: F32) -> F32:
        return np.asarray(cv2.blur(image, (2 * radius + 1, 2 * radius + 1)), np.float32)

    mean_grey, mean_soft = mean(grey), mean(soft)
    variance = mean(grey * grey) - mean_grey**2
    slope = (mean(grey * soft) - mean_grey * mean_soft) / (variance + smooth)
    return mean(slope), mean(mean_soft - slope * mean_grey)


def enlarged(soft: F32, frame: Pixels) -> Bool:
    """The mask in the frame's own size, its rim drawn along the frame's edges (fast guided filter, He and Sun 2015)."""
    height, width = frame.shape[:2]
    out = np.zeros((height, width), np.bool_)
    inside = bounding_box(soft > 0.5)
    if inside is None:
        return out
    if soft.shape == (height, width):
        return np.asarray(soft > 0.5)
    y0, x0, y1, x1 = grow_box(inside, 8, (soft.shape[0], soft.shape[1]))
    scale_y, scale_x = height / soft.shape[0], width / soft.shape[1]
    top, left = int(y0 * scale_y), int(x0 * scale_x)
    bottom, right = min(height, round(y1 * scale_y)), min(width, round(x1 * scale_x))
    size = (right - left, bottom - top)
    crop = frame[top:bottom, left:right].astype(np.float32) / np.iinfo(frame.dtype).max
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    part = np.ascontiguousarray(soft[y0:y1, x0:x1])
    coarse = cv2.resize(grey, part.shape[::-1], interpolation=cv2.INTER_AREA)
    slope, offset = _guide(np.asarray(coarse, np.float32), part, 2)
    fine = cv2.resize(slope, size) * grey + cv2.resize(offset, size)
    near = cv2.resize(cv2.dilate((part > 0.5).astype(np.uint8), np.ones((3, 3))), size, interpolation=cv2.INTER_NEAREST)
    out[top:bottom, left:right] = (fine > 0.5) & (near > 0)
    return out


def _signed_distance(mask: Bool) -> F32:
    """Pixels to the mask's rim, negative inside; large everywhere if the mask is empty."""
    inside = mask.astype(np.uint8)
    if not mask.any():
        return np.full(mask.shape, 1e3, np.float32)
    outward = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(outward - cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)


def _confidence(soft: F32, away: F32, carried: F32, odds: F32) -> float:
    """How well looks and motion agree on this frame, 0 to 1; ``away`` is the signed distance to the mask's rim.

    The classifier should say yes inside and no in a ring around, and the mask should still be near the carried one.
    """
    mask = soft > 0.5
    if int(mask.sum()) < MIN_PIXELS:
        return 0.0
    ring = (away > 2) & (away < 20)
    likely = 1 / (1 + np.exp(-odds))
    told_apart = float(likely[mask].mean() - (likely[ring].mean() if ring.any() else 0.0))
    before = carried > 0.5
    overlap = float((mask & before).sum() / (mask | before).sum())
    return float(np.clip(told_apart, 0, 1) * np.sqrt(overlap))


def loss_notes(tracked: Tracked, times: Sequence[int]) -> Iterator[str]:
    """Where the object was lost, or following is unsure, among those frames of a shot, a sentence each."""
    lost = [t for t in times if tracked.masks.box(t) is None]
    for first, last in runs(lost):
        between = times[0] < first == last < times[-1]
        if between and not {first - 1, first + 1}.intersection(lost):
            continue  # a drop-out of one frame is closed when masks are shaped
        where = "everywhere" if (first, last) == (times[0], times[-1]) else f"on {in_words([(first, last + 1)])}"
        if times[0] < first and last == times[-1]:
            where = f"from frame {first} to the end of its shot, frame {last}"
        yield f"The object was not found {where}: nothing is removed there. Give a mask of one of these frames too."
    unsure = [t for t in times if tracked.masks.box(t) and tracked.confidence.get(t, 0.0) < LOW_CONFIDENCE]
    for first, last in runs(unsure):
        if last - first >= 4:
            yield f"Following is unsure on {span(first, last)}: look at the masks (--save-masks)."
