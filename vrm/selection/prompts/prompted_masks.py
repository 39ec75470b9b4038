"""Clicks and boxes made into masks, tracked through their shots; beside a mask or a class they correct it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np

from vrm.errors import MaskError
from vrm.job.context import Job
from vrm.options.values import BoxPrompt, Point
from vrm.selection.masks.load import LoadedMasks, check_coverage
from vrm.selection.prompts.base import Outline, Prompt, Prompter
from vrm.selection.prompts.graph_cut import seeds
from vrm.selection.prompts.registry import create_prompter
from vrm.selection.tracking.tracker import Tracked, track_mask
from vrm.shots.frame_cache import FrameCache
from vrm.types import Bool, Box, Masks

UNSURE = 0.6
"""An outline less sure than this is worth a note."""
_FEWEST = 4
"""Fewer pixels are no mask."""
Prompts = list[Point | BoxPrompt]
PlacedPoints = list[tuple[Point, tuple[float, float]]]
"""Points, each with its ``(x, y)`` in the stored orientation."""


def check_prompts(job: Job) -> None:
    """Refuse points and boxes that are not on the video, before any job. Raises MaskError."""
    height, width = job.info.display_size
    prompts: Prompts = [*job.options.mask.points, *job.options.mask.boxes]
    for prompt in prompts:
        if not job.first <= prompt.frame < job.last:
            raise MaskError(
                f"{_text(prompt)} is on frame {prompt.frame}, but the frames are {job.first} to {job.last - 1}.",
                "Frames are counted from 0.",
            )
        if isinstance(prompt, Point):
            inside = prompt.x < width and prompt.y < height
        else:  # a box may reach over the rim: what lies outside is cut off
            inside = prompt.x0 < width and prompt.y0 < height and prompt.x1 > 0 and prompt.y1 > 0
        if not inside:
            raise MaskError(
                f"{_text(prompt)} lies outside the frame.",
                f"The video is shown at {width}x{height}: x from 0 to {width - 1}, y from 0 to {height - 1}.",
            )


class PromptedMasks:
    """Points and boxes of one video, made into masks; shots are ``(start, stop)``."""

    def __init__(self, job: Job, store: FrameCache, shots: list[tuple[int, int]]) -> None:
        self._job, self._store, self._shots = job, store, shots
        options = job.options.mask
        self._prompts: Prompts = sorted((*options.points, *options.boxes), key=lambda prompt: prompt.frame)
        self._prompter: Prompter | None = None
        if self._prompts:
            span = (job.first, job.last)
            self._prompter = create_prompter(options.sam, job.options.engine, store.frame, span, job.note)

    def masks(self, loaded: LoadedMasks) -> Masks | None:
        """The masks of all frames, or None where nothing was pointed at and no class was named.

        Points beside a mask or a class correct it: what they add or take away is followed through the shot.

        Raises MaskError: nothing was found where a prompt is, or all masks cover everything.
        """
        masks = self._masks(loaded)
        if masks is not None and not masks.empty:
            span = self._job.last - self._job.first
            fix = "Name fewer classes." if self._job.options.mask.classes else "Give a smaller --box, or --not-point."
            self._job.note(*check_coverage(masks, span, fix))
        return masks

    def _masks(self, loaded: LoadedMasks) -> Masks | None:
        job = self._job
        if not self._prompts:
            return loaded.masks if job.options.mask.classes else None
        masks = Masks(job.info.size, job.info.n_frames)
        for start, stop in self._shots:
            prompts = [p for p in self._prompts if start <= p.frame < stop]
            given = [t for t in range(start, stop) if loaded.masks.box(t)]
            if loaded.annotated is None and given:
                for t in given:  # one by one: unpacked, the masks of a long shot are gigabytes
                    masks[t] = loaded.masks[t]
                self._corrected(masks, prompts, start, stop)
            elif prompts or given:
                self._followed(masks, {t: loaded.masks[t] for t in given}, prompts, start, stop)
        return masks

    def follow(self, annotated: dict[int, Bool], start: int, stop: int) -> Tracked:
        """Follow masks through a shot, by the model that outlined them if it can (a SAM 2 video model)."""
        prompter: Any = self._prompter
        tracker: Callable[..., Tracked] = prompter.track if getattr(prompter, "tracks", False) else track_mask
        with self._job.timed("follow"):
            return tracker(self._store.frame, annotated, start, stop, progress=self._job.progress)

    def _followed(self, masks: Masks, annotated: dict[int, Bool], prompts: Prompts, start: int, stop: int) -> None:
        """Outline on the first frame pointed at, follow; correct on the next, follow anew from both; and so on."""
        tracked: Tracked | None = None
        for t, each in groupby(prompts, key=lambda p: p.frame):
            if annotated and tracked is None:
                tracked = self.follow(annotated, start, stop)
            before = annotated.get(t)
            if before is None and tracked is not None and tracked.masks.box(t) is not None:
                before = tracked.masks[t]
            annotated[t] = self._outlined(t, list(each), before)
            tracked = None
        tracked = tracked or self.follow(annotated, start, stop)
        self._job.note(
            f"The mask is followed from frame {min(annotated)} through its shot, frames {start} to {stop - 1}.",
            *tracked.notes,
        )
        for t, mask in tracked.masks.items():
            masks[t] = mask

    def _corrected(self, masks: Masks, prompts: Prompts, start: int, stop: int) -> None:
        """Masks that are there for all frames: what points add or take away on one is followed to the others."""
        for t, each in groupby(prompts, key=lambda p: p.frame):
            before = masks[t]
            after = self._outlined(t, list(each), before if before.any() else None)
            for piece, adds in ((after & ~before, True), (before & ~after, False)):
                if int(piece.sum()) < _FEWEST:
                    continue
                for n, there in self.follow({t: piece}, start, stop).masks.items():
                    masks[n] = masks[n] | there if adds else masks[n] & ~there

    def _outlined(self, t: int, prompts: Prompts, before: Bool | None) -> Bool:
        """The mask of frame t: each box is a thing; points inside a box belong to it, the others to one more thing."""
        boxes = [(p, self._box(p)) for p in prompts if isinstance(p, BoxPrompt)]
        points = [(p, self._point(p)) for p in prompts if isinstance(p, Point)]
        mask = np.zeros(self._job.info.size, np.bool_) if before is None else before
        for prompt, (y0, x0, y1, x1) in boxes:
            own = [(p, (x, y)) for p, (x, y) in points if x0 <= x < x1 and y0 <= y < y1]
            points = [item for item in points if item not in own]
            found = self._ask(t, own, (y0, x0, y1, x1), None)
            mask = mask | self._checked(found, _text(prompt))
        if points:
            mask = self._corrected_by(t, points, mask)
        return mask

    def _corrected_by(self, t: int, points: PlacedPoints, mask: Bool) -> Bool:
        """A mask with what points add, without what they take away: the one never shrinks it, the other never grows it.

        Points on the mask refine the thing they are on; points beside it are one more thing: a model that was given
        both would answer with one of the two.
        """
        what = _text(points[0][0])
        adding, taking = ([item for item in points if item[0].keep is keep] for keep in (False, True))
        if not adding and not mask.any():
            raise MaskError(f"{what}: there is no mask on frame {t} that it could correct.")
        for on_it in (True, False):
            asked = [(p, (x, y)) for p, (x, y) in adding if bool(mask[int(y), int(x)]) is on_it]
            if asked:
                found = self._ask(t, asked + taking, None, mask if on_it else None)
                mask = mask | self._checked(found, _text(asked[0][0]))
        taking = [(p, (x, y)) for p, (x, y) in taking if mask[int(y), int(x)]]
        if not taking:
            return mask
        left = self._checked(self._ask(t, taking, None, mask), _text(taking[0][0]))
        return mask & left & ~seeds([xy for _, xy in taking], self._job.info.size)

    def _ask(self, t: int, points: PlacedPoints, box: Box | None, before: Bool | None) -> Outline:
        assert self._prompter is not None
        on, off = ([xy for p, xy in points if p.keep is keep] for keep in (False, True))
        with self._job.timed("outline"):
            return self._prompter.outline(t, self._store.frame(t), Prompt(on, off, box, before))

    def _checked(self, found: Outline, what: str) -> Bool:
        assert self._prompter is not None
        if int(found.mask.sum()) < _FEWEST:
            raise MaskError(
                f"{what}: {self._prompter.name} found nothing there.",
                "Point at the middle of the thing, or give a --box.",
            )
        if found.confidence < UNSURE:
            said = f"{what}: {self._prompter.name} is unsure of the outline ({found.confidence:.0%}). "
            self._job.note(said + "Look at the masks (--save-masks), add points, or give a mask.")
        return found.mask

    def _point(self, point: Point) -> tuple[float, float]:
        # A click means the pixel it is on: its middle.
        return _stored(int(point.x) + 0.5, int(point.y) + 0.5, self._job.info.rotation, self._job.info.display_size)

    def _box(self, box: BoxPrompt) -> Box:
        rotation, shown = self._job.info.rotation, self._job.info.display_size
        corners = [_stored(x, y, rotation, shown) for x, y in ((box.x0, box.y0), (box.x1, box.y1))]
        (xa, xb), (ya, yb) = (sorted(c[k] for c in corners) for k in (0, 1))
        height, width = self._job.info.size
        x0, y0 = max(0, int(xa)), max(0, int(ya))
        return y0, x0, min(height, max(y0 + 1, round(yb))), min(width, max(x0 + 1, round(xb)))


def _stored(x: float, y: float, rotation: int, shown: tuple[int, int]) -> tuple[float, float]:
    """A place on the picture as displayed, in the stored picture, which a player turns clockwise by ``rotation``."""
    height, width = shown
    return {0: (x, y), 90: (y, width - x), 180: (width - x, height - y), 270: (height - y, x)}[rotation]


def _text(prompt: Point | BoxPrompt) -> str:
    if isinstance(prompt, Point):
        return f"--{'not-' if prompt.keep else ''}point {prompt.x:g},{prompt.y:g}@{prompt.frame}"
    return f"--box {prompt.x0:g},{prompt.y0:g},{prompt.x1:g},{prompt.y1:g}@{prompt.frame}"
