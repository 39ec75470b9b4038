"""What answers a click or a box: SAM, SAM 2, or colour and motion alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vrm.events import Progress
from vrm.options.remove import EngineOptions
from vrm.selection.cpu_fallback import CpuFallback, Note, silent
from vrm.selection.prompts.base import MaskTracker, Outline, Prompt, Prompter
from vrm.selection.prompts.box import outline_box
from vrm.selection.prompts.click import correct, outline_points
from vrm.selection.tracking.tracker import Tracked
from vrm.system.extras import needed_by
from vrm.types import Pixels
from vrm.weights.cards import located


class ColourAndMotion:
    """A prompter without learned weights.

    Args:
        frame: gives frame n of the video.
        span: ``(start, stop)`` of the frames that may be asked for.
    """

    name = "colour and motion"

    def __init__(self, frame: Callable[[int], Pixels], span: tuple[int, int]) -> None:
        self._frame, self._span = frame, span

    def outline(self, t: int, frame: Pixels, prompt: Prompt) -> Outline:
        if prompt.box is not None:
            return outline_box(
                self._frame, t, prompt.box, self._span, points=prompt.points, negative_points=prompt.negative_points
            )
        mask = prompt.mask
        beside = [(x, y) for x, y in prompt.points if mask is None or not mask[int(y), int(x)]]
        found = outline_points(self._frame, t, beside, self._span, prompt.negative_points) if beside else None
        if mask is None:
            assert found is not None
            return found
        mask = correct(frame, mask, prompt.negative_points) if prompt.negative_points else mask
        return Outline(mask, 1.0) if found is None else Outline(mask | found.mask, found.confidence)


class MovablePrompter:
    """A SAM that falls back to the processor."""

    def __init__(self, make: Callable[[EngineOptions], Any], options: EngineOptions, note: Note) -> None:
        self._fallback = CpuFallback(make, options, note)
        self.name = self._fallback.model.name
        self.tracks = bool(getattr(self._fallback.model, "tracks", False))

    def outline(self, t: int, frame: Pixels, prompt: Prompt) -> Outline:
        found: Outline = self._fallback.use(lambda model: model.outline(t, frame, prompt))
        return found

    def track(self, *args: Any, progress: Progress | None = None) -> Tracked:
        found: Tracked = self._fallback.use(lambda model: model.track(*args, progress=progress))
        return found


def create_prompter(
    sam: str | None, options: EngineOptions, frame: Callable[[int], Pixels], span: tuple[int, int], note: Note = silent
) -> Prompter:
    """The prompter that ``--sam`` names, or the one without weights.

    ``note`` is told if it does not fit into a device's memory.

    Raises:
        WeightsError: there are no such weights, or they are no SAM.
        MissingPackage: see ``vrm.system.extras``.
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


def mask_tracker(prompter: Prompter | None) -> MaskTracker | None:
    """What tracks masks instead of vrm's own tracker: a SAM 2 video model; else None."""
    if getattr(prompter, "tracks", False):
        return prompter.track  # type: ignore[union-attr, no-any-return]
    return None
