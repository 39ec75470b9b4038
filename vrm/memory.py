"""What the C library still holds of freed memory, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable


def c_library_call(name: str) -> Callable[..., int] | None:
    """A function of the C library by name; None where there is no such function (other systems)."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return found


def give_back() -> None:
    """Give free pages between those in use back; a heap that has served one window would else only grow."""
    trim = c_library_call("malloc_trim")
    if trim is not None:
        trim(0)
