"""The machine and the versions that something was measured with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from vrm.job.resume import versions
from vrm.options.remove import EngineOptions
from vrm.system.gpus import gpu_name


def machine() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cores": str(EngineOptions().cpu_threads),
        "memory": _memory(),
        "gpu": gpu_name(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    } | versions()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB"
    except (AttributeError, ValueError, OSError):  # AttributeError: Windows
        return "unknown"
