"""A process that ends when the one that started it does, however that ends: one that is killed closes its pipes too."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from vrm.system.crash import descriptor, inheritable

_VARIABLE = "VRM_LIFELINE"


def lifeline() -> tuple[int, int, dict[str, str]]:
    """The end of a pipe that a process to be started inherits, the end that stays here, and that one's environment."""
    given, kept = os.pipe()
    return given, kept, os.environ | {_VARIABLE: str(inheritable(given))}


def end_with_starter(end: Callable[[], object] = lambda: os._exit(137)) -> None:
    """In a process with a ``lifeline``: call this in a thread when its other end closes. Elsewhere nothing happens."""
    handle = os.environ.pop(_VARIABLE, "")
    if handle:
        threading.Thread(target=_wait, args=(descriptor(int(handle)), end), daemon=True).start()


def _wait(pipe: int, end: Callable[[], object]) -> None:
    os.read(pipe, 1)
    end()
