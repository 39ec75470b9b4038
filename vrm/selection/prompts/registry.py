"""Who answers to a click or a box: SAM, SAM 2, or colour and motion alone; one contract for all three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from vrm.options.remove import EngineOptions
from vrm.selection.cpu_fallback import MovablePrompter, Note, silent
from vrm.selection.prompts.box import Outline, outline_box
from vrm.selection.prompts.click import correct, discs, outline_points
from vrm.selection.tracking.tracker import Tracked
from vrm.types import Bool, Box, Pixels
from vrm.weights.cards import located


class Prompter(Protocol):
    """Outlines what was pointed at on one frame."""

    name: str

    def outline(
        self,
        t: int,
        frame: Pixels,
        points: Sequence[tuple[float, float]] = (),
        not_points: Sequence[tuple[float, float]] = (),
        box: Box | None = None,
        before: Bool | None = None,
    ) -> Outline:
        """See ``vrm.selection.prompts.sam.Sam.outline``."""
        ...


class Follower(Protocol):
    """Follows masks itself, as ``vrm.selection.tracking.tracker.track_mask`` does."""

    def __call__(
        self,
        frame: Callable[[int], Pixels],
        annotated: dict[int, Bool],
        start: int,
        stop: int,
        *,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Tracked:
        """The mask of every frame of the shot."""
        ...


class ColourAndMotion:
    """Without any weights.

    Args:
        frame: gives frame n of the video.
        span: ``(start, stop)`` of the frames that may be asked for.
    """

    name = "colour and motion"

    def __init__(self, frame: Callable[[int], Pixels], span: tuple[int, int]) -> None:
        self._frame, self._span = frame, span

    def outline(
        self,
        t: int,
        frame: Pixels,
        points: Sequence[tuple[float, float]] = (),
        not_points: Sequence[tuple[float, float]] = (),
        box: Box | None = None,
        before: Bool | None = None,
    ) -> Outline:
        """See ``Prompter``."""
        size = (frame.shape[0], frame.shape[1])
        if box is not None:
            ours = discs(points, size) if points else None
            others = discs(not_points, size) if not_points else None
            return outline_box(self._frame, t, box, self._span, ours=ours, others=others)
        missing = [(x, y) for x, y in points if before is None or not before[int(y), int(x)]]
        found = outline_points(self._frame, t, missing, self._span, not_points) if missing else None
        if before is None:
            assert found is not None
            return found
        mask = correct(frame, before, not_points) if not_points else before
        return Outline(mask if found is None else mask | found.mask, 1.0 if found is None else found.confidence)


def create_prompter(
    sam: str | None, options: EngineOptions, frame: Callable[[int], Pixels], span: tuple[int, int], note: Note = silent
) -> Prompter:
    """The prompter that ``--sam`` names, or the one without weights.

    ``note`` is told where it does not fit into a device's memory.

    Raises:
        WeightsError: there are no such weights, or they are no SAM.
    """
    if sam is None:
        return ColourAndMotion(frame, span)
    path = located(sam, "sam", "--sam")
    return MovablePrompter(lambda options: _sam(path, options), options, note)


def _sam(path: Path, options: EngineOptions) -> Prompter:
    from vrm.system.device import choose

    if path.is_dir():
        from vrm.selection.prompts.sam2 import Sam2

        return Sam2(path, choose(options))
    from vrm.selection.prompts.sam import Sam

    return Sam(path, choose(options))


def follower(prompter: Prompter) -> Follower | None:
    """What follows masks instead of vrm's own tracker: a SAM 2 video model; else None."""
    if getattr(prompter, "video", False):
        return prompter.follow  # type: ignore[attr-defined, no-any-return]
    return None
