"""Models that label and outline, moved to the processor where a device has too little memory for them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from vrm.options.remove import EngineOptions
from vrm.selection.labels.base import Panoptic
from vrm.selection.prompts.box import Outline
from vrm.selection.tracking.tracker import Tracked
from vrm.system.memory import is_shortage
from vrm.types import Bool, Box, Pixels

Note = Callable[[str], None]


def silent(text: str) -> None:
    """A note that nobody hears."""


class Movable:
    """A model that is made again on the processor when its device runs out of memory; from there on it stays there.

    Args:
        make: gives the model for options.
        options: device and number format, and whether moving is allowed (``fallback``).
        note: told when it is moved.
    """

    def __init__(self, make: Callable[[EngineOptions], Any], options: EngineOptions, note: Note) -> None:
        self._make, self._options, self._note = make, options, note
        self._model: Any = None
        self.use(lambda model: None)

    @property
    def model(self) -> Any:
        """Where it is now."""
        return self._model

    def use(self, ask: Callable[[Any], Any]) -> Any:
        """Ask the model; once more after it was moved. Raises whatever it raises for another reason."""
        short: str | None = None
        try:
            self._model = self._make(self._options) if self._model is None else self._model
            return ask(self._model)
        except Exception as error:
            where = _device(self._options)
            if where == "cpu" or not self._options.fallback or not is_shortage(error):
                raise
            short = where
        # Outside of the except clause: what failed is free by now.
        self._model = None
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._options = replace(self._options, device="cpu", dtype="auto")
        self._note(f"The device {short} ran out of memory: from here on this model works on the processor.")
        return self.use(ask)


def _device(options: EngineOptions) -> str:
    from vrm.system.device import choose

    return choose(options).device.type


class MovableSegmenter:
    """A ``vrm.selection.labels.base.Segmenter`` that can be moved."""

    def __init__(self, make: Callable[[EngineOptions], Any], options: EngineOptions, note: Note) -> None:
        self._model = Movable(make, options, note)
        self.name, self.taxonomy = self._model.model.name, self._model.model.taxonomy
        self.device, self.dtype = self._model.model.device, self._model.model.dtype

    def label(self, frame: Pixels, t: int = 0) -> Panoptic:
        """See ``Segmenter``."""
        found: Panoptic = self._model.use(lambda model: model.label(frame, t))
        self.device, self.dtype = self._model.model.device, self._model.model.dtype
        return found


class MovablePrompter:
    """A ``vrm.selection.prompts.registry.Prompter`` that can be moved, and follows if the model does (``video``)."""

    def __init__(self, make: Callable[[EngineOptions], Any], options: EngineOptions, note: Note) -> None:
        self._model = Movable(make, options, note)
        self.name = self._model.model.name
        self.video = bool(getattr(self._model.model, "video", False))

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
        found: Outline = self._model.use(lambda model: model.outline(t, frame, points, not_points, box, before))
        return found

    def follow(
        self,
        frame: Callable[[int], Pixels],
        annotated: dict[int, Bool],
        start: int,
        stop: int,
        *,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Tracked:
        """See ``Follower``."""
        found: Tracked = self._model.use(lambda model: model.follow(frame, annotated, start, stop, progress=progress))
        return found
