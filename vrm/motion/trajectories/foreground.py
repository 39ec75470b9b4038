"""Things that move by themselves through the hole, followed to where they are seen whole.

Trajectories of ``vrm.motion.trajectories.tracker`` follow the camera: what they lead to is the background. A thing in
front of it, half of it hidden, moves otherwise; its visible half tells how. So there is a second set of trajectories
along the motion of things, and both kinds must pass one test: those of things may only lead to a thing, those of the
background only to the background. Where a thing arrives, it is in front.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.flow.completion import camera_motion, complete, grid, transform
from vrm.motion.frames import dilate
from vrm.motion.fusion.fusion import length_scale, odd
from vrm.motion.poisson import Array, push_pull
from vrm.motion.trajectories.bidirectional import meet
from vrm.motion.trajectories.drift import anchor
from vrm.motion.trajectories.rigid import Rigid, look_up_held
from vrm.motion.trajectories.tracker import Tracks, look_up
from vrm.motion.trajectories.trajectory import GUARD, PairFlow, Trail, pair_flow, remap, step
from vrm.system.threads import each
from vrm.types import U8, Bool, bounding_box, grow_box

_OWN = 1.0
"""Pixels a frame that a thing moves apart from the camera, at least (in frames 432 wide)."""

_LEAST = 40
"""Visible pixels of a thing, below which its motion is not believed, likewise."""

_LIKE = 0.07
"""Grey levels (of 1) between a whole frame and the background seen elsewhere that make a thing."""

_UNLIKE = 0.1
"""Difference of grey levels above which the two sides do not show the same thing."""

_EVIDENT = 0.01
"""Grey levels (of 1) that flow must explain better than the camera's motion does, to be a thing's."""

_BETWEEN = 41
"""Pixels of a thing, likewise, that may lie between such places with nothing on them to tell."""

_BEND = 3.0
"""Pixels that flow may depart from the rigid motion of the thing it is part of, likewise."""

_RIGID = 0.5
"""Pixels that a rigid thing's flow may be off, likewise."""

_NEAR = 3
"""Pixels between what is seen to move and the hidden rest of it, at most, likewise."""

_RIM = 2
"""Pixels around a thing that show neither it nor the background for certain, likewise."""

_CORE = 4
"""Pixels from the rim of a thing to where its flow is its own, likewise."""

_FORGIVEN = 4.0
"""Pixels that the background may be off, likewise."""

_PATIENCE = 4.0
"""Trajectories of things may drift so many times further: both sides are made to meet."""

_GROW = 7


@dataclass
class Sorted:
    """Which trajectories may be believed at the N pixels of a hole.

    Attributes:
        things: by name, as ``tracks.look_up`` gives them: where a thing comes through, and nowhere else.
        held: likewise, but with the expected error (grey levels, 0..1) for the drift: things that moved as one piece
            since a whole frame.
        behind: bool ``(N,)``: a thing is in front of the background there.
        moving: where frames show things, by number.
    """

    things: dict[str, tuple[np.ndarray, Array, Array]]
    held: dict[str, tuple[np.ndarray, Array, Array]]
    behind: Bool
    moving: Mapping[int, Bool]

    def background(self, source: np.ndarray, xy: Array) -> np.ndarray:
        """Source frames of the background; -1 where a thing is in front of it, or hides it in the source."""
        return np.where(self.behind | _labels(source, xy, self.moving), -1, source)


class Things:
    """Trajectories of things through the holes of a window.

    Args:
        tracks: those of the background, found already.
        whole: frames that are known whole though they had a hole (bool ``(h, w)``, working size), by number.
        window: the frames that are filled, and those up to the nearest whole ones around them.

    Attributes:
        backward, forward: trails by frame, as those of ``Tracks``.
    """

    def __init__(self, tracks: Tracks, whole: Mapping[int, Bool], window: range) -> None:
        self.tracks, self.frames, self.whole = tracks, tracks.frames, whole
        self.scale = length_scale(self.frames.size)
        self._pairs: dict[tuple[int, int], PairFlow | None] = {}
        self._background: dict[tuple[int, int], PairFlow | None] = {}
        self._moving: dict[int, Bool] = {}
        self._lock = threading.Lock()
        for _ in each(self._estimate, range(window.start, window.stop - 1)):
            pass
        across: dict[int, list[Trail]] = {t: [] for t in whole}
        self.backward = self._chain(window, across)
        self.forward = self._chain(window[::-1], across)
        seen = {t: self._seen_moving(t) for t in whole}
        for t in whole:
            hole = whole[t]
            self._moving.setdefault(t, np.zeros(self.frames.size, np.bool_))[hole] = _touching(
                self._in_front(t), dilate(seen[t], round(_NEAR * self.scale))
            )[hole]
        self._rim = {t: dilate(mask, round(_RIM * self.scale)) for t, mask in self._moving.items()}
        self._lasts = {t: self._passing(t, trails) for t, trails in across.items()}
        self._rigid = Rigid(self.frames, {t: self._moving[t] for t in whole}, window, tracks.estimator)

    def hole(self, t: int) -> Bool:
        """The hole that frame t has or had."""
        return self.whole[t] if t in self.whole else self.frames.hole(t)

    def meet(self, t: int, bound: float) -> None:
        """Take the drift out of the trails of frame t, and move them to where both sides agree."""
        for trails in (self.backward, self.forward):
            if t in trails:
                trails[t] = self._anchored(t, trails[t], bound)
        backward, forward = self.backward.get(t), self.forward.get(t)
        if backward is not None and forward is not None:
            met = meet(self.frames, t, backward, forward, _PATIENCE * bound, self.tracks.estimator)
            self.backward[t], self.forward[t] = met

    def _anchored(self, t: int, trail: Trail, bound: float) -> Trail:
        """The trail without the drift that is seen beside the hole."""
        for key in np.intersect1d(trail.frame, list(self.whole)):
            trail = anchor(
                self.frames, t, trail, int(key), self._moving[int(key)], _PATIENCE * bound, self.tracks.estimator
            )  # fmt: skip
        return trail

    def _passing(self, t: int, trails: Sequence[Trail]) -> Array:
        """For each pixel of a whole frame: after how many frames a thing there is doubted; infinite where it is not.

        Legs do not go where the body goes. Along the thing's own motion the next whole frame shows the thing again, or
        it does not: then it was there for half the time, if nothing else tells.
        """
        bound = _PATIENCE * self.tracks.config.bound
        lasts = np.full(self.frames.size, np.inf, np.float32)
        for trail in trails:
            y0, x0, y1, x1 = trail.box
            trail = self._anchored(t, trail, self.tracks.config.bound)
            known = trail.inside & np.isin(trail.frame, list(self.whole)) & (trail.error <= bound)
            gone = known.copy()
            gone[known] = ~_labels(trail.frame[known], trail.xy[known], self._moving)
            half = np.where(gone, np.abs(trail.frame - t) / 2, np.inf)
            lasts[y0:y1, x0:x1] = np.minimum(lasts[y0:y1, x0:x1], half)
        return lasts

    def sort(self, t: int, rows: np.ndarray, cols: np.ndarray, bound: float) -> Sorted:
        """What is a thing and what is background at working pixels (rows, cols) of frame t."""
        things: dict[str, tuple[np.ndarray, Array, Array]] = {}
        arrives, weight = np.zeros(len(rows), np.float32), np.full(len(rows), 1e-6, np.float32)
        chained: dict[int, Bool] = {}
        earlier, later = (
            max((k for k in self.whole if k < t), default=None),
            min((k for k in self.whole if k > t), default=None),
        )
        sides = ("moving backward", earlier, self.backward), ("moving forward", later, self.forward)
        for name, key, trails in sides:
            source, xy, drift = look_up(trails.get(t), rows, cols, _PATIENCE * bound)
            shown = _labels(source, xy, self._moving)
            if key is not None:
                chained[key] = shown & (source == key)
            share = np.where(source >= 0, 1 / np.maximum(np.abs(source - t), 1), 0).astype(np.float32)
            arrives += share * shown
            weight += share
            things[name] = np.where(shown, source, -1), xy, drift
        front = arrives / weight > 0.5
        for name, (source, xy, drift) in things.items():
            things[name] = np.where(front, source, -1), xy, drift
        held = look_up_held(self._rigid.at(t), t, rows, cols, chained)
        behind = front & ~self._disagree(things, rows, cols) & ~self._passed(t, things)
        behind |= np.any([source >= 0 for source, _, _ in held.values()], axis=0)
        return Sorted(things, held, behind, self._rim)

    def _passed(self, t: int, things: dict[str, tuple[np.ndarray, Array, Array]]) -> Bool:
        """Where a thing is shown by one side alone, from so long ago that it may be gone."""
        sides = [source >= 0 for source, _, _ in things.values()]
        passed = np.zeros(sides[0].shape, np.bool_)
        for source, xy, _ in things.values():
            near = np.rint(xy).astype(np.int32)
            for s in np.intersect1d(source, list(self._lasts)):
                at = source == s
                passed[at] |= self._lasts[int(s)][near[at, 1], near[at, 0]] < abs(int(s) - t)
        alone: Bool = passed & (sides[0] ^ sides[1])
        return alone

    def _disagree(self, things: dict[str, tuple[np.ndarray, Array, Array]], rows: np.ndarray, cols: np.ndarray) -> Bool:
        """Where the two sides show different things."""
        looks = []
        both = np.ones(len(rows), np.bool_)
        for source, xy, _ in things.values():
            looks.append(self._look(source, xy) / 255)
            both &= source >= 0
        plane = np.zeros((*self.frames.size, 2), np.float32)
        plane[rows, cols, 0] = np.abs(looks[0] - looks[1]) * both
        plane[rows, cols, 1] = both
        size = (odd(7 * self.scale),) * 2
        mean = cv2.blur(plane, size)[rows, cols]
        disagree: Bool = both & (mean[:, 0] > _UNLIKE * np.maximum(mean[:, 1], 1e-3))
        return disagree

    def _estimate(self, t: int) -> None:
        """Flow of the things between t and t + 1, both ways."""
        n = t + 1
        hole, next_hole = self.hole(t), self.hole(n)
        self._pairs[t, n] = self._pairs[n, t] = None
        if not (hole.any() or next_hole.any()):
            return
        both = bounding_box(hole | next_hole)
        assert both is not None
        reach = max(128, (both[2] - both[0]) // 2, (both[3] - both[1]) // 2)
        box = y0, x0, y1, x1 = grow_box(both, reach, hole.shape)
        first, second = (self.frames.grey(k)[y0:y1, x0:x1] for k in (t, n))
        # A frame that is known whole hides nothing, but where its pixels went may be hidden in the other.
        hidden, next_hidden = (np.ascontiguousarray(self.frames.hole(k)[y0:y1, x0:x1]) for k in (t, n))
        here, there = (np.ascontiguousarray(h[y0:y1, x0:x1]) for h in (hole, next_hole))
        forth, back = self.tracks.estimator(first, second), self.tracks.estimator(second, first)
        unseen, next_unseen = _unseen(forth, hidden, next_hidden), _unseen(back, next_hidden, hidden)
        things = self._complete(forth, unseen, here, first, second)
        next_things = self._complete(back, next_unseen, there, second, first)
        self._mark(t, box, things[1])
        self._mark(n, box, next_things[1])
        if things[0] is not None and next_things[0] is not None:
            self._pairs[t, n] = pair_flow(things[0], next_things[0], here, (y0, x0))
            self._pairs[n, t] = pair_flow(next_things[0], things[0], there, (y0, x0))
        if t in self.whole or n in self.whole:
            forth, back = complete(forth, unseen | here, _GROW), complete(back, next_unseen | there, _GROW)
            self._background[t, n] = pair_flow(forth, back, here, (y0, x0))
            self._background[n, t] = pair_flow(back, forth, there, (y0, x0))

    def _mark(self, t: int, box: tuple[int, int, int, int], moving: Bool) -> None:
        with self._lock:  # a frame is marked from both its pairs, on two threads at once
            mask = self._moving.setdefault(t, np.zeros(self.frames.size, np.bool_))
            mask[box[0] : box[2], box[1] : box[3]] |= moving

    def _complete(self, flow: Array, unseen: Bool, hole: Bool, first: U8, second: U8) -> tuple[Array | None, Bool]:
        """Flow that in the hole is that of the things around, and where things are seen."""
        usable = ~dilate(unseen, _GROW)
        camera, share = camera_motion(flow, usable)
        if camera is None or share < 0.4:
            return None, np.zeros(hole.shape, np.bool_)
        points = grid(*hole.shape)
        still = transform(points, camera) - points
        apart = flow - still
        moving = (np.linalg.norm(apart, axis=-1) > _OWN * self.scale) & ~dilate(unseen, 2)
        # Estimated flow drags a rim of the background along: there the camera explains more.
        # And flow wanders where there is nothing to hold on to: only what the camera does not explain moves by itself.
        gain = self._misfit(first, second, points + still) - self._misfit(first, second, points + flow)
        evident = moving & (gain > _EVIDENT)
        size = odd(5 * self.scale)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (odd(_BETWEEN * self.scale),) * 2)
        between = cv2.morphologyEx(dilate(evident, size).view(np.uint8), cv2.MORPH_CLOSE, disc).view(np.bool_)
        moving &= (gain >= -0.002) & between
        moving = cv2.morphologyEx(
            moving.view(np.uint8), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        ).view(np.bool_)
        # The rim of a thing moves less than it does: flow is smoothed there. Its core is asked first.
        core = ~dilate(~moving, round(_CORE * self.scale))
        for sample, reach in ((core, 24), (core, 60), (moving, 24), (moving, 60)):
            near = evident & sample & usable & dilate(hole, round(reach * self.scale))
            if near.sum() >= _LEAST * self.scale**2:
                break
        else:
            return None, moving
        spread = _continued(apart, near, self.scale)
        return np.where((unseen | dilate(hole, _GROW))[..., None], still + spread, flow).astype(np.float32), moving

    def _misfit(self, first: U8, second: U8, places: Array) -> Array:
        """Mean difference over a window, 0..1."""
        warped = cv2.remap(second, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        size = (odd(5 * self.scale),) * 2
        return cv2.blur(cv2.absdiff(first, warped).astype(np.float32) / 255, size)

    def _chain(self, times: Sequence[int], across: Mapping[int, list[Trail]]) -> dict[int, Trail]:
        """Trails towards ``times[0]``; those of whole frames are put into ``across``."""
        trails: dict[int, Trail] = {}
        trail: Trail | None = None
        for before, t in itertools.pairwise(times):
            trail = step(self._pairs.get((t, before)), self.hole(t), before, self.frames.hole(before), trail)
            if t not in self.whole:
                if trail is not None:
                    trails[t] = trail
                continue
            if trail is not None:
                across[t].append(trail)
            trail = None
        return trails

    def _seen_moving(self, t: int) -> Bool:
        """Where something is seen to move by itself, in a frame or its neighbours."""
        near = [self._moving[k] for k in (t - 1, t, t + 1) if k in self._moving]
        return np.logical_or.reduce(near) if near else np.zeros(self.frames.size, np.bool_)

    def _in_front(self, t: int) -> Bool:
        """Where a whole frame shows, in what was its hole, something other than the background seen elsewhere."""
        hole = self.whole[t]
        sides = []
        for way, trails in ((-1, self.tracks.backward), (1, self.tracks.forward)):
            pair = self._background.get((t, t + way))
            trail = None
            if pair is not None:
                trail = step(pair, hole, t + way, self.frames.hole(t + way), trails.get(t + way))
            if trail is not None:
                sides.append(self._unlike(t, trail))
        if not sides:
            return np.zeros(self.frames.size, np.bool_)
        # One side that shows the same is enough to tell that it is background.
        out = np.fmin.reduce(sides) > _LIKE
        size = odd(5 * self.scale)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        closed = cv2.morphologyEx((out & hole).astype(np.uint8), cv2.MORPH_CLOSE, disc)
        return cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc).view(np.bool_) & hole

    def _unlike(self, t: int, trail: Trail) -> Array:
        """How much a whole frame differs from what a trail shows, 0..1, small shifts forgiven; NaN: not shown."""
        y0, x0, y1, x1 = trail.box
        grey = self.frames.grey(t)[y0:y1, x0:x1]
        use = trail.inside & (trail.frame >= 0) & (trail.error <= self.tracks.config.bound)
        seen = grey.copy()
        seen[use] = self._look(trail.frame[use], trail.xy[use])
        flow = self.tracks.estimator(grey, seen)
        flow[np.linalg.norm(flow, axis=-1) > _FORGIVEN * self.scale] = 0
        apart = self._misfit(grey, seen, grid(*grey.shape) + flow)
        out = np.full(self.frames.size, np.nan, np.float32)
        out[y0:y1, x0:x1] = np.where(use, apart, np.nan)
        return out

    def _look(self, source: np.ndarray, xy: Array) -> Array:
        """Grey levels, 0..255, of places in source frames; 0 where there is none."""
        out = np.zeros(len(source), np.float32)
        for s in np.unique(source[source >= 0]):
            at = source == s
            out[at] = remap(self.frames.grey(int(s)), xy[at])
        return out


def _continued(apart: Array, near: Bool, scale: float) -> Array:
    """Motion known at some pixels, everywhere: as one rigid thing where most of them agree, else smooth."""
    ys, xs = np.nonzero(near)
    keep = np.s_[:: max(1, len(ys) // 600)]
    here = np.stack([xs, ys], -1)[keep].astype(np.float32)
    there = here + apart[near][keep]
    cv2.setRNGSeed(0)
    matrix, agree = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=_RIGID * scale)
    if matrix is None or agree.mean() < 0.6:
        return push_pull(apart, near.astype(np.float32))
    points = grid(*near.shape)
    rigid = points @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32) - points
    rest = apart - rigid
    near = near & (np.linalg.norm(rest, axis=-1) <= _BEND * scale)
    return (rigid + push_pull(rest, near.astype(np.float32))).astype(np.float32)


def _touching(found: Bool, seeds: Bool) -> Bool:
    """The connected parts that some seed lies in."""
    _, labels = cv2.connectedComponents(found.view(np.uint8))
    touched = np.unique(labels[seeds & found])
    return found & np.isin(labels, touched)


def _unseen(flow: Array, hidden: Bool, other_hidden: Bool) -> Bool:
    """Pixels whose flow cannot be known: hidden themselves, or gone to where the other frame hides them."""
    points = grid(*hidden.shape) + flow
    there = cv2.remap(
        dilate(other_hidden, GUARD).view(np.uint8), points[..., 0], points[..., 1], cv2.INTER_NEAREST
    )  # fmt: skip
    return hidden | (there > 0)


def _labels(source: np.ndarray, xy: Array, moving: Mapping[int, Bool]) -> Bool:
    """Whether places in source frames show a thing; False where there is no source."""
    out = np.zeros(len(source), np.bool_)
    near = np.rint(xy).astype(np.int32)
    for s in np.unique(source[source >= 0]):
        if int(s) in moving:
            at = source == s
            out[at] = moving[int(s)][near[at, 1], near[at, 0]]
    return out
