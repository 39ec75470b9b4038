"""How the threads, memory and GPUs of a machine are shared out among processes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from vrm.errors import UsageError
from vrm.events import counted
from vrm.job.budget import DEFAULT_GB, LEAST_GB
from vrm.options.remove import EngineOptions, RemoveOptions


@dataclass(frozen=True)
class Share:
    """What of the machine one process may use: threads, GB of memory (None: no bound), and its ``--device``."""

    threads: int
    memory_gb: float | None
    device: str

    def of(self, words: dict[str, Any]) -> dict[str, Any]:
        bound = {} if self.memory_gb is None else {"memory": self.memory_gb}
        return words | {"threads": self.threads, "device": self.device} | bound


def share_resources(processes: int, options: EngineOptions, gpus: int) -> tuple[list[Share], list[str]]:
    """A share of threads, ``--memory`` and GPUs for each process, and notes.

    ``processes`` is how many were asked for; where GPUs are used, no more than there are of those are made. Raises
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
        notes.append(f"--jobs {processes} is more than the {counted(threads, 'thread')} to share; each has one.")
    memory = None if options.memory_gb is None else options.memory_gb / processes
    if memory is not None and memory < LEAST_GB:
        raise UsageError(
            f"--memory {options.memory_gb:g} leaves {memory:.2g} GB for each of --jobs {processes}.",
            f"Each needs {LEAST_GB:g} at least: give --jobs {max(1, int(options.memory_gb or 1))}.",
        )
    installed = machine_memory()
    if memory is None and installed is not None and processes * DEFAULT_GB * 1e9 > installed:
        notes.append(
            f"--jobs {processes} may want {processes * DEFAULT_GB:.0f} GB, more than the machine's "
            f"{installed / 1e9:.0f}: bound it with --memory."
        )
    return [Share(max(1, threads // processes), memory, devices[k]) for k in range(processes)], notes


def may_use_gpu(options: RemoveOptions) -> bool:
    """Whether a network may be run; motion, clicks, boxes and tracked masks are the processor's work."""
    mask = options.mask
    return options.engine.engine != "motion" or mask.sam is not None or bool(mask.classes and mask.labels is None)


def machine_memory() -> int | None:
    """Bytes of memory the machine has; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
