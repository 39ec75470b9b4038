"""A model that goes on with the processor where its device has too little memory for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from vrm.options.remove import EngineOptions
from vrm.system.memory import free_caches, is_shortage

Note = Callable[[str], None]
Model = TypeVar("Model")
Answer = TypeVar("Answer")


def silent(text: str) -> None:
    """Ignore a note."""


class CpuFallback(Generic[Model]):
    """A model that is made again on the processor, and stays there, when its device runs out of memory.

    It does so only where ``options.fallback`` allows it, and then tells ``note``.
    """

    def __init__(self, make: Callable[[EngineOptions], Model], options: EngineOptions, note: Note) -> None:
        self._make, self._options, self._note = make, options, note
        self._model: Model | None = None
        self.use(lambda model: None)

    @property
    def model(self) -> Model:
        assert self._model is not None
        return self._model

    def use(self, ask: Callable[[Model], Answer]) -> Answer:
        """Ask the model; where memory runs out, ask again on the processor. Raises whatever else it raises."""
        try:
            self._model = self._make(self._options) if self._model is None else self._model
            return ask(self._model)
        except Exception as error:
            device = _device(self._options)
            if device == "cpu" or not self._options.fallback or not is_shortage(error):
                raise
        # Outside of the except clause: what failed is free by now.
        self._model = None
        free_caches()
        self._options = replace(self._options, device="cpu", dtype="auto")
        self._note(f"The device {device} ran out of memory: from here on this model works on the processor.")
        return self.use(ask)


def _device(options: EngineOptions) -> str:
    from vrm.system.device import choose

    return choose(options).device.type
