"""Clicks and boxes made into masks, tracked through their shots; beside a mask or a class they correct it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from vrm.errors import MaskError
from vrm.job.context import Job
from vrm.options.values import BoxPrompt, Point
from vrm.selection.masks.load import LoadedMasks, check_coverage
from vrm.selection.prompts.base import Outline, Prompt, Prompter
from vrm.selection.prompts.graph_cut import seeds
from vrm.selection.prompts.places import prompt_text, stored_box, stored_point
from vrm.selection.prompts.registry import create_prompter
from vrm.selection.tracking.scenes import Scene
from vrm.selection.tracking.tracker import Tracked, loss_notes, track_mask
from vrm.types import Bool, Box, Masks, Pixels

UNSURE, UNSURE_CLICK = 0.6, 0.65
"""An outline less sure than this is worth a note; that of a click without SAM stops the work."""
_FEWEST = 4
"""Fewer pixels are no mask."""
_LARGE = 0.1
"""A click without SAM that gives more than this share of the frame hardly meant that."""
Prompts = list[Point | BoxPrompt]
PlacedPoints = list[tuple[Point, tuple[float, float]]]
"""Points, each with its ``(x, y)`` in the stored orientation."""


class HasFrames(Protocol):
    """The frames of a video by number, such as a ``FrameCache``."""

    def frame(self, t: int) -> Pixels:
        """uint8 or uint16 RGB ``(H, W, 3)``."""
        ...


class PromptedMasks:
    """Points and boxes of one video, made into masks.

    ``unsure``: what a click without SAM gave is so unsure, or so large, that only ``--yes`` goes on with it.
    ``confidence``: of the outline that was least sure so far, 0 (a guess) to 1; None: there was none.
    """

    def __init__(self, job: Job, store: HasFrames, scenes: list[Scene], prompter: Prompter | None = None) -> None:
        self._job, self._store, self._scenes = job, store, scenes
        self.confidence: float | None = None
        options = job.options.mask
        self._prompts: Prompts = sorted(options.prompts, key=lambda prompt: prompt.frame)
        self._prompter = prompter
        self.unsure = False
        if self._prompts and prompter is None:
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
        for scene in self._scenes:
            prompts = [p for p in self._prompts if p.frame in scene]
            given = [t for t in scene if loaded.masks.box(t) or t in (loaded.annotated or ())]
            if loaded.annotated is None and given:
                for t in given:  # one by one: unpacked, the masks of a long shot are gigabytes
                    masks[t] = loaded.masks[t]
                self._corrected(masks, prompts, scene)
            elif prompts or given:
                self._followed(masks, {t: loaded.masks[t] for t in given}, prompts, scene)
        return masks

    def mask_of(self, t: int, loaded: LoadedMasks) -> Bool:
        """The mask of frame t alone: as given, with what is pointed at on it. Raises as ``masks``."""
        prompts = [prompt for prompt in self._prompts if prompt.frame == t]
        mask = loaded.masks[t]
        return self._outlined(t, prompts, mask if mask.any() else None) if prompts else mask

    def follow(self, annotated: dict[int, Bool], scene: Scene, only: int | None = None) -> Tracked:
        """Follow masks through a scene, by the model that outlined them if it can (a SAM 2 video model).

        ``only``: the frame whose mask is asked for, if it is one.
        """
        prompter: Any = self._prompter
        tracker: Callable[..., Tracked] = partial(track_mask, only=only)
        if getattr(prompter, "tracks", False):
            tracker = prompter.track
        with self._job.timed("follow"):
            return tracker(
                self._store.frame,
                annotated,
                scene.start,
                scene.stop,
                without=scene.without,
                progress=self._job.progress,
            )

    def _followed(self, masks: Masks, annotated: dict[int, Bool], prompts: Prompts, scene: Scene) -> None:
        """Outline on the first frame pointed at, follow to the next, correct it there, ...; then follow from all."""
        for t, each in groupby(prompts, key=lambda p: p.frame):
            before = annotated.get(t)
            if before is None and annotated:
                there = self.follow(annotated, scene, only=t).masks
                before = there[t] if there.box(t) is not None else None
            annotated[t] = self._outlined(t, list(each), before)
        tracked = self.follow(annotated, scene)
        shown = scene.within(range(self._job.first, self._job.last))
        self._job.note(followed_from(annotated, shown), *loss_notes(tracked, list(shown)))
        self._job.sureness.update(tracked.confidence)
        for t, mask in tracked.masks.items():
            masks[t] = mask

    def _corrected(self, masks: Masks, prompts: Prompts, scene: Scene) -> None:
        """Masks that are there for all frames: what points add or take away on one is followed to the others."""
        for t, each in groupby(prompts, key=lambda p: p.frame):
            before = masks[t]
            after = self._outlined(t, list(each), before if before.any() else None)
            for piece, adds in ((after & ~before, True), (before & ~after, False)):
                if int(piece.sum()) < _FEWEST:
                    continue
                for n, there in self.follow({t: piece}, scene).masks.items():
                    masks[n] = masks[n] | there if adds else masks[n] & ~there

    def _outlined(self, t: int, prompts: Prompts, before: Bool | None) -> Bool:
        """The mask of frame t: each box is a thing; points inside a box belong to it, the others to one more thing."""
        info = self._job.info
        boxes = [(p, stored_box(p, info)) for p in prompts if isinstance(p, BoxPrompt)]
        points = [(p, stored_point(p, info)) for p in prompts if isinstance(p, Point)]
        mask = np.zeros(info.size, np.bool_) if before is None else before
        for prompt, (y0, x0, y1, x1) in boxes:
            own = [(p, (x, y)) for p, (x, y) in points if x0 <= x < x1 and y0 <= y < y1]
            points = [item for item in points if item not in own]
            found = self._ask(t, own, (y0, x0, y1, x1), None)
            mask = mask | self._checked(found, prompt)
        if points:
            mask = self._corrected_by(t, points, mask)
        return mask

    def _corrected_by(self, t: int, points: PlacedPoints, mask: Bool) -> Bool:
        """A mask with what points add, without what they take away: the one never shrinks it, the other never grows it.

        Points on the mask refine the thing they are on; points beside it are one more thing: a model that was given
        both would answer with one of the two.
        """
        what = prompt_text(points[0][0])
        adding, taking = ([item for item in points if item[0].keep is keep] for keep in (False, True))
        if not adding and not mask.any():
            raise MaskError(f"{what}: there is no mask on frame {t} that it could correct.")
        for on_it in (True, False):
            asked = [(p, (x, y)) for p, (x, y) in adding if bool(mask[int(y), int(x)]) is on_it]
            if asked:
                found = self._ask(t, asked + taking, None, mask if on_it else None)
                mask = mask | self._checked(found, asked[0][0], mask)
        taking = [(p, (x, y)) for p, (x, y) in taking if mask[int(y), int(x)]]
        if not taking:
            return mask
        left = self._checked(self._ask(t, taking, None, mask), taking[0][0], mask)
        return mask & left & ~seeds([xy for _, xy in taking], self._job.info.size)

    def _ask(self, t: int, points: PlacedPoints, box: Box | None, before: Bool | None) -> Outline:
        assert self._prompter is not None
        on, off = ([xy for p, xy in points if p.keep is keep] for keep in (False, True))
        with self._job.timed("outline"):
            return self._prompter.outline(t, self._store.frame(t), Prompt(on, off, box, before))

    def _checked(self, found: Outline, prompt: Point | BoxPrompt, before: Bool | None = None) -> Bool:
        """The mask of an outline that joins the mask ``before``. Raises MaskError: none, or hardly what was meant."""
        assert self._prompter is not None
        what, name = prompt_text(prompt), self._prompter.name
        self.confidence = min(found.confidence, 1.0 if self.confidence is None else self.confidence)
        if int(found.mask.sum()) < _FEWEST:
            raise MaskError(f"{what}: {name} found nothing there.", _instead(prompt))
        share = float((found.mask if before is None else found.mask & ~before).mean())
        options = self._job.options.mask
        alone = isinstance(prompt, Point) and options.sam is None
        large = alone and share > _LARGE
        if found.confidence >= (UNSURE_CLICK if alone else UNSURE) and not large:
            return found.mask
        self.unsure |= alone
        said = (
            f"{what}: {name if options.sam else 'vrm, without SAM,'} is unsure of the outline ({found.confidence:.0%})"
        )
        if large:
            said = f"{what}: the outline covers {share:.0%} of the frame"
        if alone and not options.accept_unsure:
            raise MaskError(f"{said}.", f"{_instead(prompt)} {_LOOK} If it is right, go on with --yes.")
        self._job.note(f"{said}. {_instead(prompt)}" + ("" if options.accept_unsure else f" {_LOOK}"))
        return found.mask


def followed_from(annotated: Collection[int], scene: Scene) -> str:
    """The note that says from which frames of a shot the object is followed."""
    if len(annotated) == 1:
        return f"The mask is followed from frame {min(annotated)} through its shot, {scene}."
    frames = ", ".join(map(str, sorted(annotated)))
    return f"The masks of frames {frames} are followed through their shot, {scene}; between two from the nearer one."


_LOOK = "vrm track with --overlay look.png shows the outline at once."


def _instead(prompt: Point | BoxPrompt) -> str:
    """What to do where a prompt does not say what is meant."""
    if isinstance(prompt, Point):
        return (
            "Draw a box around the thing, --box LEFT,TOP,RIGHT,BOTTOM; with --static-mask that rectangle goes on every "
            "frame (a logo, a date)."
        )
    return (
        "Click on what it misses, --point X,Y, or on what is too much, --not-point X,Y. If the whole rectangle is to "
        "go, on every frame (a logo, a date), add --static-mask."
    )
