"""What of the machine each of several processes may use."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from vrm.errors import UsageError
from vrm.options.remove import EngineOptions

_USUAL_GB = 3.0


@dataclass(frozen=True)
class Share:
    """One process's part.

    Attributes:
        threads: CPU threads.
        memory_gb: bound on memory, or None.
        device: what ``--device`` is for it.
    """

    threads: int
    memory_gb: float | None
    device: str

    def of(self, words: dict[str, Any]) -> dict[str, Any]:
        """The words of a job in this share."""
        bound = {} if self.memory_gb is None else {"memory": self.memory_gb}
        return words | {"threads": self.threads, "device": self.device} | bound


def shares(processes: int, options: EngineOptions, gpus: int) -> tuple[list[Share], list[str]]:
    """The machine's threads, ``--memory`` and GPUs, divided.

    Args:
        processes: how many were asked for; with GPUs no more than those are used.
        options: threads, memory and device of the whole.
        gpus: GPUs there are.

    Returns:
        A share for each process, and notes.

    Raises:
        UsageError: too little memory for each.
    """
    notes = []
    devices = [options.device]
    if options.device in ("auto", "cuda") and gpus:
        devices = ["mps"] if sys.platform == "darwin" else [f"cuda:{k}" for k in range(gpus)]
    if processes > len(devices) and ((gpus and options.device != "cpu") or options.device.startswith(("cuda", "mps"))):
        notes.append(f"--jobs {processes}: one process for each GPU, so {len(devices)}.")
        processes = len(devices)
    elif len(devices) == 1:
        devices *= processes
    threads = options.cpu_threads
    if processes > threads:
        notes.append(f"--jobs {processes} are more than the {threads} threads there are to share; each has one.")
    memory = None if options.memory_gb is None else options.memory_gb / processes
    if memory is not None and memory < 1:
        raise UsageError(
            f"--memory {options.memory_gb:g} leaves {memory:.2g} GB for each of --jobs {processes}.",
            f"Each needs 1 at least: give --jobs {max(1, int(options.memory_gb or 1))}.",
        )
    there = machine_memory()
    if memory is None and there is not None and processes * _USUAL_GB * 1e9 > there:
        notes.append(
            f"--jobs {processes} may want {processes * _USUAL_GB:.0f} GB, more than the machine's {there / 1e9:.0f}: "
            "bound it with --memory."
        )
    return [Share(max(1, threads // processes), memory, devices[k]) for k in range(processes)], notes


def machine_memory() -> int | None:
    """Bytes of memory the machine has; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
