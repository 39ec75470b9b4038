"""What this process holds of the machine's memory: looked at, bounded, and given back when it is free."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from vrm.errors import OutOfMemory
from vrm.events import Progress

_LIBRARIES_SAY = ("can't allocate memory", "Insufficient memory", "out of memory", "Cannot allocate memory")
"""How torch (CPU), OpenCV, CUDA and FFmpeg word it."""


def c_library_call(name: str) -> Callable[..., int] | None:
    """A function of the C library by name; None where there is none (other systems than Linux)."""
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


def free_caches() -> None:
    """After memory ran out: collect garbage, give free pages back, and what torch keeps of a GPU's memory."""
    gc.collect()
    give_back()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def resident() -> int | None:
    """Bytes of memory this process holds; None where the system does not say (other than Linux)."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def peak_mb() -> float:
    """Largest resident size of this process so far in MB; 0 where the system does not say."""
    try:  # getrusage would count the process that started this one too
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def bounded(progress: Progress, most: float, held: Callable[[], int | None] = resident) -> Progress:
    """A progress callback ``(stage, done, total)`` that raises OutOfMemory if more than ``most`` bytes are ``held``."""

    def watched(stage: str, done: int, total: int) -> None:
        progress(stage, done, total)
        now = held()
        if now is not None and now > most:
            give_back()
            now = held() or 0
            if now > most:
                raise OutOfMemory(
                    f"{now / 1e9:.1f} GB are held while --memory allows {most / 1e9:g} ({stage}).",
                    "Allow more, give a smaller mask or a smaller video, or --preset fast.",
                )

    return watched


def is_shortage(error: BaseException) -> bool:
    """Whether any library's error means that memory ran out."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(words in str(error) for words in _LIBRARIES_SAY)
