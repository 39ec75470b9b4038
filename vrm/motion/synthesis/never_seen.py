"""Never-seen regions: synthesised once, and propagated to the other frames.

Filled frame by frame they would be smooth, or flicker. So the frame that misses most is completed by ``patchmatch``,
trajectories lead the same regions of the other frames to it, and what none reaches is synthesised in a further frame.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

import cv2
import numpy as np

from vrm.motion.exposure import EvenExposure
from vrm.motion.flow.camera import background_moves
from vrm.motion.flow.completion import completed_pairs
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.flow.pairs import FlowPair
from vrm.motion.frames import FrameAccess, HolePixels, WorkingFrames, box_around, dilate, length_scale, unit
from vrm.motion.fusion.gradient_domain import blend, own_differences, sample_frames
from vrm.motion.result import Propagation
from vrm.motion.synthesis.patchmatch import complete_by_patches
from vrm.motion.trajectories.trajectory import Trajectories, extend, look_up
from vrm.types import Array, Bool, Box, Patch, Pixels, bounding_box, grow_box

SHARE = 0.5
"""Share of a window's hole pixels that must be never seen for texture to be synthesised where the background moves by
itself. Where more was seen, the rest is as a rule part of what moves (a hole over a walking animal): texture of the
ground beside it does harm there, where smooth inpainting is only smooth."""

_LOOKED_AT = 8
"""Frames of a window that are asked whether the background moves."""

_DOUBTFUL = 0.3
"""Confidence below which what was seen counts as little: it is synthesised too where most around it is."""

_LONGEST = 640
"""Longer side of the working frames that trajectories are found on."""

_LEAST = 40
"""Fewer pixels than this (in frames 432 wide) are not worth it: smooth inpainting does not show there."""

_FRAMES = 6
"""At most so many frames of a window are synthesised; the rest keeps its smooth inpainting."""

_SPARSE = 3
"""Every third pixel each way is enough to see a change of light."""

_BLACK = 1 / 255
"""Light below which pixels tell nothing of it."""

_MAX_ERROR = 8.0
"""Accumulated forward-backward error, in working pixels, up to which a trajectory is used."""

_GROW = 7
"""Pixels around what is missing whose flow is not believed."""

_REACH = 64
"""Pixels around what is missing that flow is estimated on and patches are copied from, at least."""

_SCREENING = 0.02
"""Weight of the copied colours against their gradients: steps are smoothed out over about seven pixels."""


def synthesise_never_seen(shot: FrameAccess, found: Propagation, patches: MutableMapping[int, Patch]) -> None:
    """Replace smooth inpainting in what was never seen by texture that stays in its place. In place.

    Args:
        found: what motion found; its ``seen`` tells what was not.
        patches: by frame, every hole filled; those changed are set anew.
    """
    least = _LEAST * length_scale(shot.size) ** 2
    pixels = sum(found.fills[t].index.size for t in patches)
    never_seen = sum(np.count_nonzero(~found.fills[t].seen) for t in patches)
    if not never_seen:
        return
    work = _Unfinished(shot, found, patches, least)
    if never_seen < SHARE * pixels:
        worth = [t for t, area in work.areas().items() if area >= least]
        chosen = np.linspace(0, len(worth) - 1, min(_LOOKED_AT, len(worth))).round().astype(int)
        if background_moves(shot, {worth[k]: work.hole(worth[k]) for k in chosen}, (min(patches), max(patches))):
            return
    for _ in range(_FRAMES):
        areas = work.areas()
        if max(areas.values(), default=0) < least:
            return
        middle = (min(areas) + max(areas)) / 2
        reference = max(areas, key=lambda t: (areas[t], -abs(t - middle)))
        work.synthesise(reference)
        for way in (1, -1):
            work.propagate(reference, way)


class _Unfinished:
    """Frames (a ``FrameAccess``) in even light, as far as they are filled; their holes are still to be synthesised.

    ``least`` is the fewest pixels that are worth it; the rest as in ``synthesise_never_seen``.
    """

    def __init__(
        self, shot: FrameAccess, found: Propagation, patches: MutableMapping[int, Patch], least: float
    ) -> None:
        self.start, self.stop, self.size = shot.start, shot.stop, shot.size
        self._shot, self._patches = shot, patches
        self._even = EvenExposure(shot, range(min(patches), max(patches) + 1))
        self._missing: dict[int, np.ndarray] = {}  # flat indices by frame
        for t in patches:
            fill = found.fills[t]
            index = _without_specks(fill.index, ~fill.seen | (fill.confidence < _DOUBTFUL), shot.size, least)
            if index.size:
                self._missing[t] = index
        self._at_first = dict(self._missing)
        self._estimator = DisFlow()
        self._pairs: dict[tuple[int, int], FlowPair | None] = {}

    def frame(self, t: int) -> Pixels:
        frame = self._shot.frame(t)
        if t in self._patches:
            frame = frame.copy()
            y0, x0, y1, x1 = self._patches[t].box
            frame[y0:y1, x0:x1] = self._patches[t].rgb
        return self._even.evened(t, frame)

    def hole(self, t: int) -> Bool:
        return self._mask(self._missing, t)

    def areas(self) -> dict[int, int]:
        """How many pixels each frame still misses."""
        return {t: index.size for t, index in self._missing.items()}

    def synthesise(self, t: int) -> None:
        """Complete frame t from its own patches."""
        missing = self.hole(t)
        around = bounding_box(missing)
        assert around is not None
        reach = max(round(_REACH * length_scale(self.size)), around[2] - around[0], around[3] - around[1])
        y0, x0, y1, x1 = box = grow_box(around, reach, self.size)
        part = unit(self.frame(t)[y0:y1, x0:x1])
        unknown = np.ascontiguousarray(missing[y0:y1, x0:x1])
        made = complete_by_patches(part, unknown, ~self._shot.hole(t)[y0:y1, x0:x1])
        made = blend(part, unknown, made[unknown], own_differences(made, unknown), _SCREENING)
        self._put(t, box, unknown, made[unknown])
        del self._missing[t]

    def propagate(self, reference: int, way: int) -> None:
        """Fill the frames on one side of the reference frame from it, as far as trajectories reach."""
        frames = WorkingFrames(self, _LONGEST)
        found: Trajectories | None = None
        light = {reference: np.ones(3, np.float32)}
        before, t = reference, reference + way
        while t in self._missing:
            found = extend(self._pair(frames, t, before), frames.hole(t), before, frames.hole(before), found)
            light[t] = light[before] * self._change_of_light(before, t)
            if found is None or not self._take(frames, t, found, light):
                return
            before, t = t, t + way

    def _take(self, frames: WorkingFrames, t: int, found: Trajectories, light: Mapping[int, Array]) -> bool:
        """Fill what trajectories lead elsewhere, as bright as frame t is; False where there is nothing."""
        index = self._missing[t]
        pixels = HolePixels(frames, index)
        seen = look_up(found, pixels.rows, pixels.cols, _MAX_ERROR)
        good = seen.source >= 0
        if not good.any():
            return False
        y0, x0, y1, x1 = box = box_around(self.hole(t), round(_REACH / 4 / frames.scale))
        colour, differences = sample_frames(
            lambda s, b: unit(self.frame(s)[b[0] : b[2], b[1] : b[3]]),
            self.size,
            seen.source,
            pixels.full_size(seen.xy),
            3,
        )
        for s in np.unique(seen.source[good]):
            change = light[t] / light[int(s)]
            colour[seen.source == s] *= change
            differences[:, seen.source == s] *= change
        inside = np.zeros(self.size, np.bool_)
        inside.reshape(-1)[index[good]] = True
        inside = np.ascontiguousarray(inside[y0:y1, x0:x1])
        part = unit(self.frame(t)[y0:y1, x0:x1])
        made = blend(part, inside, colour[good], differences[:, good], _SCREENING)
        self._put(t, box, inside, made[inside])
        if good.all():
            del self._missing[t]
        else:
            self._missing[t] = index[~good]
        return True

    def _pair(self, frames: WorkingFrames, t: int, neighbour: int) -> FlowPair | None:
        """Flow from frame t to its neighbour around what t misses; what is missing moves as its surroundings do."""
        if (t, neighbour) not in self._pairs:
            # Flow is completed in all that was missing at first: neither the smooth inpainting that is still there nor
            # what was synthesised since tells anything about motion.
            hole, other = (frames.shrunk(self._mask(self._at_first, n)) for n in (t, neighbour))
            here, there = frames.grey(t), frames.grey(neighbour)
            self._pairs[t, neighbour], _ = completed_pairs(self._estimator, here, there, hole, other, _REACH, _GROW)
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

    def _mask(self, missing: Mapping[int, np.ndarray], t: int) -> Bool:
        out = np.zeros(self.size, np.bool_)
        out.reshape(-1)[missing.get(t, np.zeros(0, np.int64))] = True
        return out

    def _put(self, t: int, box: Box, inside: Bool, rgb: Array) -> None:
        """New colours, float ``(N, 3)`` in [0, 1] and even light, of the N pixels ``inside`` a box of frame t."""
        old = self._patches[t]
        new = old.rgb.copy()
        rows, cols = np.nonzero(inside)
        rows, cols = rows + box[0] - old.box[0], cols + box[1] - old.box[1]
        top = np.iinfo(new.dtype).max
        new[rows, cols] = np.clip(np.rint(self._even.restored(t, rgb) * np.float32(top)), 0, top).astype(new.dtype)
        self._patches[t] = Patch(old.box, new)


def _without_specks(index: np.ndarray, missing: Bool, size: tuple[int, int], least: float) -> np.ndarray:
    """Flat indices of what is missing of a hole, without small islands either way.

    A few pixels that a stray trajectory found amid what was never seen would be taken for known, and all around them
    made to match.
    """
    hole, mask = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    hole.reshape(-1)[index] = 1
    mask.reshape(-1)[index[missing]] = 1
    missed = _large(mask > 0, least)
    seen = _large((hole > 0) & ~missed, least)
    return np.flatnonzero((hole > 0) & ~seen) if missed.any() else np.zeros(0, np.int64)


def _large(mask: Bool, least: float) -> Bool:
    """The connected parts of a mask that are still of some size when lines of four pixels are cut."""
    opened = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= least
    large[0] = False
    return dilate(large[labels], 3) & mask
