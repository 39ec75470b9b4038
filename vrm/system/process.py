"""How the process behaves towards the machine: freed memory is given back, waiting threads go to sleep soon.

glibc raises the size from which it asks the system for a block of its own each time such a block is freed, up to
32 MB, and gives back the top of its heap often. A fixed size and a larger spare make motion a quarter faster (fewer
pages come and go); a much smaller size would make it half as fast. What lies free in the heap goes back after each
window (``vrm.system.memory``).

OpenMP's threads spin while they wait. Where anything else runs on the machine, networks then take two to three times
as long (and what else runs suffers too). So do those of NumPy's linear algebra (OpenBLAS), which takes all cores for
matrices too small to share, and whose sums depend on how many there are: it gets one thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from vrm.system.memory import c_library_call

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_OWN_BLOCK = 16 << 20
_SPARE = 64 << 20
_ARENAS = 1
_SPINS = "10000"
"""As quick as long spinning on a free machine; the gain on a busy one was measured with no spinning at all."""


def configure_process() -> None:
    """To be called before NumPy and torch are imported, which read the environment; what the user has set stays."""
    os.environ.update(environment())
    _give_back_freed_memory()


def environment() -> dict[str, str]:
    """The variables that NumPy and torch are to find; what the user has set stays."""
    wanted = {"OPENBLAS_NUM_THREADS": "1"}
    if "OMP_WAIT_POLICY" not in os.environ:
        wanted["GOMP_SPINCOUNT"] = _SPINS
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def _give_back_freed_memory() -> None:
    """Fix glibc's thresholds for this process; blocks of ``_OWN_BLOCK`` bytes or more go back when they are freed."""
    mallopt = c_library_call("mallopt")
    if mallopt is None:
        return
    for what, value in ((_MMAP_THRESHOLD, _OWN_BLOCK), (_TRIM_THRESHOLD, _SPARE), (_ARENA_MAX, _ARENAS)):
        mallopt(what, value)


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """Undo real-time priority that a library gives to the program's threads meanwhile.

    SVT-AV1, opened by root (as in most containers), makes the thread that opens it SCHED_FIFO with priority 99; so are
    its own threads then, and every program started later. Two of those that wait for one another hold up a machine.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    before = os.sched_getscheduler(0)
    try:
        yield
    finally:
        if before == os.SCHED_OTHER and os.sched_getscheduler(0) != before:
            for thread in Path("/proc/self/task").iterdir():
                with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                    os.sched_setscheduler(int(thread.name), before, os.sched_param(0))
