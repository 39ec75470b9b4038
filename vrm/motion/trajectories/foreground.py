"""Moving foreground: things that move by themselves through the holes, followed to the keyframes that show them whole.

The trajectories of ``trajectories.tracker`` follow the background. A thing in front of it, half of it hidden, moves
otherwise; its visible half tells how. So there is a second set of trajectories along the foreground's motion, and both
sets must pass one test: those of the foreground may only lead to foreground, those of the background only to
background. Where a foreground trajectory arrives at foreground, the thing is in front.

This needs frames in which the thing is known inside the hole as well: the keyframes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.flow.camera import grid
from vrm.motion.frames import closed, dilate, length_scale, odd, opened
from vrm.motion.fusion.candidate import Correspondences
from vrm.motion.trajectories.bidirectional import refine_bidirectional
from vrm.motion.trajectories.drift import correct_drift
from vrm.motion.trajectories.foreground_flow import ForegroundFlow, misfit
from vrm.motion.trajectories.rigid import RigidAligner, look_up_rigid
from vrm.motion.trajectories.tracker import TrajectoryTracker
from vrm.motion.trajectories.trajectory import Trajectories, extend, grey_at, look_up
from vrm.types import Array, Bool

_UNLIKE_BACKGROUND = 0.07
"""Grey levels (of 1) between a keyframe and the background found in other frames, from which on it shows foreground."""

_UNLIKE = 0.1
"""Difference of grey levels (of 1) above which the two directions do not show the same thing."""

_NEAR = 3
"""Pixels between what is seen to move and the hidden rest of it, at most (in frames 432 wide)."""

_RIM = 2
"""Pixels around foreground that show neither it nor the background for certain, likewise."""

_FORGIVEN = 4.0
"""Pixels that the background may be off, likewise, where it is compared with a keyframe."""

_PATIENCE = 4.0
"""Foreground trajectories may accumulate so many times more error: their drift is corrected, their ends are checked."""

_DOUBT = np.float32(0.7)
"""Penalty for the background where the split leaves nothing at all, so that what it ruled out is used after all."""


class ForegroundTrajectories:
    """Trajectories of the foreground through the holes of a window, and what is seen split by what is in front.

    Args:
        tracker: of the background, whose trajectories are found already.
        keyframes: the holes that keyframes had (bool ``(h, w)``, working size), by number.
        window: the frames that are filled, and those up to the nearest keyframes around them.

    Attributes:
        backward, forward: trajectories by frame, towards earlier and later frames.
    """

    def __init__(self, tracker: TrajectoryTracker, keyframes: Mapping[int, Bool], window: range) -> None:
        self.frames, self.estimator, self.keyframes = tracker.frames, tracker.estimator, keyframes
        self._background_error, self._max_error = tracker.config.max_error, _PATIENCE * tracker.config.max_error
        self._scale = length_scale(self.frames.size)
        self._flow = ForegroundFlow(self.frames, keyframes, window, self.estimator)
        between_keyframes: dict[int, list[Trajectories]] = {t: [] for t in keyframes}
        self.backward = self._chain(window, between_keyframes)
        self.forward = self._chain(window[::-1], between_keyframes)
        self._foreground = self._segmented(tracker)
        self._rim = {t: dilate(mask, round(_RIM * self._scale)) for t, mask in self._foreground.items()}
        self._lasts = {t: self._how_long(t, found) for t, found in between_keyframes.items()}
        shown = {t: self._foreground[t] for t in keyframes}
        self._rigid = RigidAligner(self.frames, shown, window, self.estimator)

    def refine(self, t: int) -> None:
        """Correct the drift of frame t's trajectories, and move them to where both directions agree."""
        for found in (self.backward, self.forward):
            if t in found:
                found[t] = self._without_drift(t, found[t])
        refine_bidirectional(self.frames, t, self.backward, self.forward, self._max_error, self.estimator)

    def split(
        self, t: int, rows: np.ndarray, cols: np.ndarray, seen: Mapping[str, Correspondences]
    ) -> dict[str, Correspondences]:
        """What is seen of frame t, each pixel either as foreground or as background.

        Args:
            t, rows, cols: N working pixels of the frame's hole.
            seen: where these are seen if all is background, by name.

        Returns:
            Correspondences of the foreground, valid where it is in front; and those given, valid where neither the
            frame nor the source has foreground there. Where nothing would be left, those given as they were, doubted.
        """
        chained, shown = self._look_up(t, rows, cols)
        rigid = look_up_rigid(self._rigid.align(t), t, rows, cols, shown)
        in_front = np.any([one.source >= 0 for one in chained.values()], axis=0)
        in_front &= ~self._disagree(chained, rows, cols) & ~self._may_have_left(t, chained)
        in_front |= np.any([one.source >= 0 for one in rigid.values()], axis=0)
        foreground = {**chained, **rigid}
        background = {
            name: np.where(in_front | _labels(one.source, one.xy, self._rim), -1, one.source)
            for name, one in seen.items()
        }  # fmt: skip
        sources = [*background.values(), *(one.source for one in foreground.values())]
        left = np.any([source >= 0 for source in sources], axis=0)
        penalty = np.where(left, np.float32(0), _DOUBT)
        kept = {
            name: replace(one, source=np.where(left, background[name], one.source), penalty=penalty)
            for name, one in seen.items()
        }
        trajectories = {name: one for name, one in kept.items() if one.kind == "trajectory"}
        return {**trajectories, **foreground, **kept}

    def _look_up(
        self, t: int, rows: np.ndarray, cols: np.ndarray
    ) -> tuple[dict[str, Correspondences], dict[int, Bool]]:
        """Where foreground trajectories lead, valid where foreground is in front.

        Both directions vote, the nearer source with more weight.

        Returns:
            The correspondences by name; and by number of the nearest keyframes, which pixels lead to foreground there.
        """
        earlier = max((k for k in self.keyframes if k < t), default=None)
        later = min((k for k in self.keyframes if k > t), default=None)
        found: dict[str, Correspondences] = {}
        shown: dict[int, Bool] = {}
        arrives, weight = np.zeros(len(rows), np.float32), np.full(len(rows), 1e-6, np.float32)
        for name, key, by_frame in (("backward", earlier, self.backward), ("forward", later, self.forward)):
            one = look_up(by_frame.get(t), rows, cols, self._max_error)
            foreground = _labels(one.source, one.xy, self._foreground)
            if key is not None:
                shown[key] = foreground & (one.source == key)
            share = np.where(one.source >= 0, 1 / np.maximum(np.abs(one.source - t), 1), 0).astype(np.float32)
            arrives += share * foreground
            weight += share
            found[f"foreground {name}"] = replace(one, source=np.where(foreground, one.source, -1))
        front = arrives / weight > 0.5
        return {name: replace(one, source=np.where(front, one.source, -1)) for name, one in found.items()}, shown

    def _disagree(self, chained: Mapping[str, Correspondences], rows: np.ndarray, cols: np.ndarray) -> Bool:
        """Where the two directions show different things."""
        one, other = chained.values()
        both = (one.source >= 0) & (other.source >= 0)
        looks = [grey_at(self.frames, found.source, found.xy) / 255 for found in (one, other)]
        plane = np.zeros((*self.frames.size, 2), np.float32)
        plane[rows, cols, 0] = np.abs(looks[0] - looks[1]) * both
        plane[rows, cols, 1] = both
        mean = cv2.blur(plane, (odd(7 * self._scale),) * 2)[rows, cols]
        disagree: Bool = both & (mean[:, 0] > _UNLIKE * np.maximum(mean[:, 1], 1e-3))
        return disagree

    def _may_have_left(self, t: int, chained: Mapping[str, Correspondences]) -> Bool:
        """Where a thing is shown by one direction alone, from so long ago that it may be gone."""
        one, other = (found.source >= 0 for found in chained.values())
        gone = np.zeros(one.shape, np.bool_)
        for found in chained.values():
            near = np.rint(found.xy).astype(np.int32)
            for s in np.intersect1d(found.source, list(self._lasts)):
                at = found.source == s
                gone[at] |= self._lasts[int(s)][near[at, 1], near[at, 0]] < abs(int(s) - t)
        alone: Bool = gone & (one ^ other)
        return alone

    def _how_long(self, t: int, found: Sequence[Trajectories]) -> Array:
        """For each pixel of a keyframe: how many frames on a thing there is believed; infinite where there is no doubt.

        Legs do not go where the body goes. Along the thing's own motion the next keyframe shows the thing again, or it
        does not: then it was there for half of the time, if nothing else tells.
        """
        lasts = np.full(self.frames.size, np.inf, np.float32)
        for one in found:
            y0, x0, y1, x1 = one.box
            one = self._without_drift(t, one)
            arrived = one.valid(self._max_error) & np.isin(one.source, list(self.keyframes))
            gone = arrived.copy()
            gone[arrived] = ~_labels(one.source[arrived], one.xy[arrived], self._foreground)
            half = np.where(gone, np.abs(one.source - t) / 2, np.inf)
            lasts[y0:y1, x0:x1] = np.minimum(lasts[y0:y1, x0:x1], half)
        return lasts

    def _without_drift(self, t: int, found: Trajectories) -> Trajectories:
        for key in np.intersect1d(found.source, list(self.keyframes)).tolist():
            shown = self._foreground[key]
            found = correct_drift(self.frames, t, found, key, shown, self._max_error, self.estimator)
        return found

    def _chain(
        self, times: Sequence[int], between_keyframes: Mapping[int, list[Trajectories]]
    ) -> dict[int, Trajectories]:
        """Trajectories towards ``times[0]``. They end at keyframes, whose own go into ``between_keyframes``."""
        out: dict[int, Trajectories] = {}
        found: Trajectories | None = None
        for before, t in itertools.pairwise(times):
            pair = self._flow.pairs.get((t, before))
            found = extend(pair, self._flow.hole(t), before, self.frames.hole(before), found)
            if found is not None and t in self.keyframes:
                between_keyframes[t].append(found)
            elif found is not None:
                out[t] = found
            if t in self.keyframes:
                found = None
        return out

    def _segmented(self, tracker: TrajectoryTracker) -> dict[int, Bool]:
        """Where frames show foreground: what is seen to move, and in the holes of keyframes what that is part of.

        What is in a keyframe's hole is hidden in its neighbours, so that nothing there is seen to move. But it can be
        compared with the background that other frames show; what differs is foreground if it touches something that
        is seen to move around the hole.
        """
        foreground = dict(self._flow.moving)
        seeds = {t: dilate(self._seen_moving(t), round(_NEAR * self._scale)) for t in self.keyframes}
        for t, hole in self.keyframes.items():
            touching = _touching(self._unlike_background(t, tracker), seeds[t])
            foreground.setdefault(t, np.zeros(self.frames.size, np.bool_))[hole] = touching[hole]
        return foreground

    def _seen_moving(self, t: int) -> Bool:
        """Where something is seen to move by itself, in a frame or its neighbours."""
        near = [self._flow.moving[k] for k in (t - 1, t, t + 1) if k in self._flow.moving]
        return np.logical_or.reduce(near) if near else np.zeros(self.frames.size, np.bool_)

    def _unlike_background(self, t: int, tracker: TrajectoryTracker) -> Bool:
        """Where a keyframe shows, in what was its hole, something other than the background found elsewhere."""
        hole = self.keyframes[t]
        sides = []
        for way, by_frame in ((-1, tracker.backward), (1, tracker.forward)):
            pair = self._flow.background.get((t, t + way))
            if pair is not None:
                found = extend(pair, hole, t + way, self.frames.hole(t + way), by_frame.get(t + way))
                sides += [self._difference(t, found)] if found is not None else []
        if not sides:
            return np.zeros(self.frames.size, np.bool_)
        # One direction that shows the same is enough to tell that it is background.
        unlike = np.fmin.reduce(sides) > _UNLIKE_BACKGROUND
        size = odd(5 * self._scale)
        return opened(closed(unlike & hole, size), size) & hole

    def _difference(self, t: int, found: Trajectories) -> Array:
        """How much a keyframe differs from what trajectories show, 0..1, small shifts forgiven; NaN: not shown."""
        y0, x0, y1, x1 = found.box
        grey = self.frames.grey(t)[y0:y1, x0:x1]
        valid = found.valid(self._background_error)
        shown = grey.copy()
        shown[valid] = grey_at(self.frames, found.source[valid], found.xy[valid])
        flow = self.estimator(grey, shown)
        flow[np.linalg.norm(flow, axis=-1) > _FORGIVEN * self._scale] = 0
        difference = misfit(grey, shown, grid(*grey.shape) + flow, self._scale)
        out = np.full(self.frames.size, np.nan, np.float32)
        out[y0:y1, x0:x1] = np.where(valid, difference, np.nan)
        return out


def _touching(found: Bool, seeds: Bool) -> Bool:
    """The connected parts that some seed lies in."""
    _, labels = cv2.connectedComponents(found.view(np.uint8))
    touched = np.unique(labels[seeds & found])
    return found & np.isin(labels, touched)


def _labels(source: np.ndarray, xy: Array, masks: Mapping[int, Bool]) -> Bool:
    """Whether places lie in the masks of their source frames; False where there is no source or no mask."""
    out = np.zeros(len(source), np.bool_)
    near = np.rint(xy).astype(np.int32)
    for s in np.unique(source[source >= 0]).tolist():
        if s in masks:
            at = source == s
            out[at] = masks[s][near[at, 1], near[at, 0]]
    return out
