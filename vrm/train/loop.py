"""The training loop: steps of a trainer, and what is done between them (logs, validation, checkpoints).

The number of steps is chosen before the first one and no clock plays a part, so equal inputs, seed and
threads give equal weights.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol, TypeVar

from vrm.errors import EngineError

Terms = dict[str, float]
"""Loss terms by name."""

BatchT = TypeVar("BatchT", contravariant=True)


class Trainer(Protocol[BatchT]):
    """Networks and their optimisers."""

    done: int  # steps taken so far

    def step(self, batch: BatchT) -> Terms:
        """Take one step on a batch and count it in ``done``; gives the terms of its loss."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What later steps depend on: plain tensors, numbers and text."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        ...


@dataclass(frozen=True)
class Every:
    """An action between steps."""

    steps: int  # it is done after each of these many steps, and after the last one
    # takes the number of steps done, and the mean of each loss term since its last call
    action: Callable[[int, Terms], None]


def train(
    trainer: Trainer[BatchT], batches: Iterator[BatchT], steps: int, progress: Callable[[int, int], None],
    actions: Sequence[Every] = (), interrupted: Callable[[], None] | None = None,
) -> None:  # fmt: skip
    """Train up to step ``steps``, from where the trainer is.

    Args:
        batches: at least as many as there are steps left.
        progress: called after each step and its actions with (done, steps).
        actions: done in this order.
        interrupted: called after Ctrl-C, once the step under way is complete: the place to save the trainer's state.

    Raises EngineError: a loss is no longer finite.
    """
    sums = [_Sums() for _ in actions]
    before = trainer.done
    complete = True
    try:
        while trainer.done < steps:
            batch = next(batches)
            complete = False
            with _interrupt_afterwards():
                terms = trainer.step(batch)
                complete = True
            wrong = [name for name, value in terms.items() if not math.isfinite(value)]
            if wrong:
                raise EngineError(
                    f"the training diverged at step {trainer.done}: '{wrong[0]}' is {terms[wrong[0]]}.",
                    "Try --dtype fp32, a lower rate, or another --seed.",
                )
            for every, summed in zip(actions, sums, strict=True):
                summed.add(terms)
                if trainer.done % every.steps == 0 or trainer.done == steps:
                    every.action(trainer.done, summed.take())
            progress(trainer.done, steps)
    except KeyboardInterrupt:
        if interrupted is not None and complete and trainer.done > before:
            interrupted()
        raise


class _Sums:
    """Sums of loss terms, from which means are taken."""

    def __init__(self) -> None:
        self._sums: Terms = {}
        self._count = 0

    def add(self, terms: Terms) -> None:
        self._sums = {name: self._sums.get(name, 0.0) + value for name, value in terms.items()}
        self._count += 1

    def take(self) -> Terms:
        means = {name: value / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


@contextlib.contextmanager
def _interrupt_afterwards() -> Iterator[None]:
    """Ctrl-C and SIGTERM inside take effect when the block is left; a second one does at once."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    before = {n: handler for n, handler in before.items() if callable(handler)}
    if not before or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    for n in before:
        signal.signal(n, press)
    try:
        yield
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
    if pressed:
        signal.raise_signal(pressed[0])
