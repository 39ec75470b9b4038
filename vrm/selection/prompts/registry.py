"""What answers a click or a box: SAM, SAM 2, or colour and motion alone."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from vrm.events import Progress, no_progress
from vrm.options.remove import EngineOptions
from vrm.selection.cpu_fallback import CpuFallback, Note, silent
from vrm.selection.prompts.base import Outline, Prompt, Prompter
from vrm.selection.prompts.box import BoxOutlines
from vrm.selection.prompts.click import correct, outline_points
from vrm.selection.tracking.features import GetFrame
from vrm.selection.tracking.tracker import Tracked
from vrm.system.extras import needed_by
from vrm.types import Pixels
from vrm.weights.cards import located


class ColourAndMotion:
    """A prompter without learned weights; ``span`` is ``(start, stop)`` of the frames that it may ask for."""

    name = "colour and motion"

    def __init__(self, frame: GetFrame, span: tuple[int, int]) -> None:
        self._frame, self._span = frame, span
        self._boxes = BoxOutlines(frame, span)

    def outline(self, t: int, frame: Pixels, prompt: Prompt) -> Outline:
        on, off = prompt.points, prompt.negative_points
        if prompt.box is not None:
            return self._boxes.outline(t, prompt.box, on, off)
        mask = prompt.mask
        beside = [(x, y) for x, y in on if mask is None or not mask[int(y), int(x)]]
        found = outline_points(self._frame, t, beside, self._span, off) if beside else None
        if mask is None:
            assert found is not None
            return found
        mask = correct(frame, mask, off) if off else mask
        return Outline(mask, 1.0) if found is None else Outline(mask | found.mask, found.confidence)

    def at_once(self, t: int, frame: Pixels, prompt: Prompt) -> Outline:
        """A box by its first cut, as far as it is known before the frames around were looked at."""
        if prompt.box is None:
            return self.outline(t, frame, prompt)
        return self._boxes.outline(t, prompt.box, prompt.points, prompt.negative_points, at_once=True)


class FirstCut:
    """Answers a box at once; the prompter that answers it in full goes on from there."""

    def __init__(self, prompter: ColourAndMotion) -> None:
        self.name, self.outline = prompter.name, prompter.at_once


class MovablePrompter:
    """A SAM that falls back to the processor."""

    def __init__(self, make: Callable[[EngineOptions], Any], options: EngineOptions, note: Note) -> None:
        self._fallback = CpuFallback(make, options, note)
        self.name = self._fallback.model.name
        self.tracks = bool(getattr(self._fallback.model, "tracks", False))

    def outline(self, t: int, frame: Pixels, prompt: Prompt) -> Outline:
        found: Outline = self._fallback.use(lambda model: model.outline(t, frame, prompt))
        return found

    def track(self, *args: Any, without: Container[int] = (), progress: Progress = no_progress) -> Tracked:
        found: Tracked = self._fallback.use(lambda model: model.track(*args, without=without, progress=progress))
        return found


def create_prompter(
    sam: str | None, options: EngineOptions, frame: GetFrame, span: tuple[int, int], note: Note = silent
) -> Prompter:
    """The prompter that ``--sam`` names, or the one without weights; a note says if it moves to the processor.

    Raises WeightsError: there are no such weights, or they are no SAM; MissingPackage: see ``vrm.system.extras``.
    """
    if sam is None:
        return ColourAndMotion(frame, span)
    path = located(sam, "sam", "--sam")
    with needed_by("--sam", "panoptic" if path.is_dir() else "torch"):
        return MovablePrompter(lambda options: _sam(path, options), options, note)


def _sam(path: Path, options: EngineOptions) -> Prompter:
    from vrm.system.device import choose

    if path.is_dir():
        from vrm.selection.prompts.sam2 import Sam2

        return Sam2(path, choose(options))
    from vrm.selection.prompts.sam import Sam

    return Sam(path, choose(options))
