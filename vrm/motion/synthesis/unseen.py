"""What no frame of the window shows: made up once, from examples, and carried to the other frames.

A guess made for each frame apart is smooth, or it flickers. Here the frame where most is missing is completed by
example (``exemplar``), trails lead the same place of the other frames there, and what no trail reaches is completed in
a further frame.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

import cv2
import numpy as np

from vrm.motion.candidates.sampling import Grid
from vrm.motion.flow.camera import surroundings_move
from vrm.motion.flow.completion import complete
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import FrameAccess, WorkingFrames, dilate, unit
from vrm.motion.fusion.fusion import length_scale
from vrm.motion.fusion.gradient_domain import join, own_differences
from vrm.motion.poisson import Array
from vrm.motion.result import Propagation
from vrm.motion.synthesis.patchmatch import complete_by_example
from vrm.motion.trajectories.tracker import box_around, gather, look_up
from vrm.motion.trajectories.trajectory import PairFlow, Trail, pair_flow, step
from vrm.types import Bool, Box, Patch, Pixels, bounding_box, grow_box, union_box

SHARE = 0.5
"""Of all hole pixels of a window, at least this share must have been seen nowhere where the surroundings move by
themselves. Where more was seen, the unseen rest is as a rule part of what moves (a hole over a walking animal), and
examples of the ground beside it do harm, where a smooth guess is only smooth."""

_LOOKED_AT = 8
"""Frames of a window that are asked whether the surroundings move."""

_DOUBTFUL = 0.3
"""Confidence below which what was seen counts as little: it is made up as well where most around it is."""

_LONGEST = 640
"""Longer side of the frames that the way between frames is sought on."""

_LEAST = 40
"""Fewer pixels than this (on frames 432 wide) are not worth it: a smooth guess does not show there."""

_FRAMES = 6
"""At most so many frames of a window are completed by example; the rest keeps its smooth guess."""

_SPARSE = 3
"""Every third pixel each way is enough to see a change of light."""

_BLACK = 1 / 255
"""Light below which pixels tell nothing of it."""

_BOUND = 8.0
_GROW = 7
_REACH = 64
_ANCHOR = 0.02
"""Weight of the copied colours against their gradients: steps are closed over about seven pixels."""


def complete_unseen(shot: FrameAccess, found: Propagation, patches: MutableMapping[int, Patch]) -> None:
    """Replace the smooth guesses in what was never seen by texture that stays in its place. In place.

    Args:
        shot: the frames and holes.
        found: what motion found; its ``seen`` tells what was not.
        patches: by frame, every hole filled; those changed are set anew.
    """
    least = _LEAST * length_scale(shot.size) ** 2
    pixels = sum(found.fills[t].index.size for t in patches)
    unseen = sum(np.count_nonzero(~found.fills[t].seen) for t in patches)
    if not unseen:
        return
    work = _Unfinished(shot, found, patches, least)
    if unseen < SHARE * pixels:
        worth = [t for t, area in work.areas().items() if area >= least]
        picked = np.linspace(0, len(worth) - 1, min(_LOOKED_AT, len(worth))).round().astype(int)
        if surroundings_move(shot, {worth[k]: work.hole(worth[k]) for k in picked}, (min(patches), max(patches))):
            return
    for _ in range(_FRAMES):
        areas = work.areas()
        if max(areas.values(), default=0) < least:
            return
        middle = (min(areas) + max(areas)) / 2
        anchor = max(areas, key=lambda t: (areas[t], -abs(t - middle)))
        work.invent(anchor)
        for way in (1, -1):
            work.carry(anchor, way)


class _Unfinished:
    """Frames as far as they are filled (a ``FrameAccess``), and what is still to be made up in each as their holes."""

    def __init__(
        self, shot: FrameAccess, found: Propagation, patches: MutableMapping[int, Patch], least: float
    ) -> None:
        self.start, self.stop, self.size = shot.start, shot.stop, shot.size
        self._shot, self._patches = shot, patches
        self._missing: dict[int, np.ndarray] = {}
        for t in patches:
            fill = found.fills[t]
            index = _without_specks(fill.index, ~fill.seen | (fill.confidence < _DOUBTFUL), shot.size, least)
            if index.size:
                self._missing[t] = index
        self._at_first = dict(self._missing)
        self._flow = DisFlow()
        self._pairs: dict[tuple[int, int], PairFlow | None] = {}

    def frame(self, t: int) -> Pixels:
        """Frame t with its patch."""
        frame = self._shot.frame(t)
        if t in self._patches:
            frame = frame.copy()
            y0, x0, y1, x1 = self._patches[t].box
            frame[y0:y1, x0:x1] = self._patches[t].rgb
        return frame

    def hole(self, t: int) -> Bool:
        """What is still to be made up in frame t."""
        return self._mask(self._missing, t)

    def _mask(self, missing: dict[int, np.ndarray], t: int) -> Bool:
        out = np.zeros(self.size, np.bool_)
        out.reshape(-1)[missing.get(t, np.zeros(0, np.int64))] = True
        return out

    def areas(self) -> dict[int, int]:
        """How many pixels each frame still misses."""
        return {t: index.size for t, index in self._missing.items()}

    def invent(self, t: int) -> None:
        """Complete frame t by example."""
        missing = self.hole(t)
        around = bounding_box(missing)
        assert around is not None
        reach = max(round(_REACH * length_scale(self.size)), around[2] - around[0], around[3] - around[1])
        y0, x0, y1, x1 = box = grow_box(around, reach, self.size)
        part = unit(self.frame(t)[y0:y1, x0:x1])
        unknown = np.ascontiguousarray(missing[y0:y1, x0:x1])
        made = complete_by_example(part, unknown, ~self._shot.hole(t)[y0:y1, x0:x1])
        made = join(part, unknown, made[unknown], own_differences(made, unknown), _ANCHOR)
        self._put(t, box, unknown, made[unknown])
        del self._missing[t]

    def carry(self, anchor: int, way: int) -> None:
        """Give the frames on one side of the anchor what trails find there, as far as they reach."""
        frames = WorkingFrames(self, _LONGEST)
        trail: Trail | None = None
        light = {anchor: np.ones(3, np.float32)}
        before, t = anchor, anchor + way
        while t in self._missing:
            trail = step(self._pair(frames, t, before), frames.hole(t), before, frames.hole(before), trail)
            light[t] = light[before] * self._change_of_light(before, t)
            if trail is None or not self._take(frames, t, trail, light):
                return
            before, t = t, t + way

    def _take(self, frames: WorkingFrames, t: int, trail: Trail, light: Mapping[int, Array]) -> bool:
        """Fill what the trail leads to the anchor, as bright as frame t is; False where it leads nowhere."""
        index = self._missing[t]
        at = Grid(frames, index)
        source, xy, _ = look_up(trail, at.rows, at.cols, _BOUND)
        good = source >= 0
        if not good.any():
            return False
        y0, x0, y1, x1 = box = box_around(self.hole(t), round(_REACH / 4 / frames.scale))
        colour, differences = gather(
            lambda s, b: unit(self.frame(s)[b[0] : b[2], b[1] : b[3]]), self.size, source, at.place(xy), 3
        )
        for s in np.unique(source[good]):
            change = light[t] / light[int(s)]
            colour[source == s] *= change
            differences[:, source == s] *= change
        inside = np.zeros(self.size, np.bool_)
        inside.reshape(-1)[index[good]] = True
        inside = np.ascontiguousarray(inside[y0:y1, x0:x1])
        part = unit(self.frame(t)[y0:y1, x0:x1])
        made = join(part, inside, colour[good], differences[:, good], _ANCHOR)
        self._put(t, box, inside, made[inside])
        if good.all():
            del self._missing[t]
        else:
            self._missing[t] = index[~good]
        return True

    def _pair(self, frames: WorkingFrames, t: int, neighbour: int) -> PairFlow | None:
        """Flow from frame t to its neighbour around what t misses; what is missing goes as its surroundings do."""
        if (t, neighbour) not in self._pairs:
            # Neither the smooth guess nor what was made up since tells anything about motion.
            hole, other = (frames.shrunk(self._mask(self._at_first, n)) for n in (t, neighbour))
            around = union_box(bounding_box(m) for m in (hole, other))
            assert around is not None
            reach = max(_REACH, (around[2] - around[0]) // 2, (around[3] - around[1]) // 2)
            y0, x0, y1, x1 = grow_box(around, reach, hole.shape)
            here, there = frames.grey(t)[y0:y1, x0:x1], frames.grey(neighbour)[y0:y1, x0:x1]
            hole, other = (np.ascontiguousarray(m[y0:y1, x0:x1]) for m in (hole, other))
            forth = complete(self._flow(here, there), hole, _GROW)
            back = complete(self._flow(there, here), other, _GROW)
            self._pairs[t, neighbour] = pair_flow(forth, back, hole, (y0, x0))
        return self._pairs[t, neighbour]

    def _change_of_light(self, before: int, t: int) -> Array:
        """How many times brighter frame t is than its neighbour frame, by channel: texture has to follow a fade.

        The median over known pixels around: a moving camera does not change it.
        """
        hole, other = self._mask(self._at_first, t), self._mask(self._at_first, before)
        y0, x0, y1, x1 = box_around(hole, round(_REACH * length_scale(self.size)))
        at = np.s_[y0:y1:_SPARSE, x0:x1:_SPARSE]
        known = ~(hole[at] | other[at])
        if not known.any():
            return np.ones(3, np.float32)
        here, there = (unit(self.frame(n)[at])[known] + np.float32(_BLACK) for n in (t, before))
        change: Array = np.median(here / there, axis=0).astype(np.float32)
        return change

    def _put(self, t: int, box: Box, inside: Bool, rgb: Array) -> None:
        """New colours, float ``(N, 3)`` in [0, 1], of the N pixels ``inside`` a box of frame t."""
        old = self._patches[t]
        new = old.rgb.copy()
        rows, cols = np.nonzero(inside)
        rows, cols = rows + box[0] - old.box[0], cols + box[1] - old.box[1]
        top = np.iinfo(new.dtype).max
        new[rows, cols] = np.clip(np.rint(rgb * np.float32(top)), 0, top).astype(new.dtype)
        self._patches[t] = Patch(old.box, new)


def _without_specks(index: np.ndarray, missing: Bool, size: tuple[int, int], least: float) -> np.ndarray:
    """Flat indices of what is missing of a hole, without small islands either way.

    A few pixels that a stray trajectory found in the midst of what was never seen would be taken for known, and all
    around them be made to match.
    """
    hole, mask = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    hole.reshape(-1)[index] = 1
    mask.reshape(-1)[index[missing]] = 1
    missed = _large(mask > 0, least)
    found = _large((hole > 0) & ~missed, least)
    return np.flatnonzero((hole > 0) & ~found) if missed.any() else np.zeros(0, np.int64)


def _large(mask: Bool, least: float) -> Bool:
    """The connected parts of a mask that are still of some size when lines of four pixels are cut."""
    opened = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= least
    large[0] = False
    return dilate(large[labels], 3) & mask
