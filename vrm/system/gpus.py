"""GPUs, without loading torch where there are none or where it is not installed."""

from __future__ import annotations

import ctypes
import sys


def count_gpus(device: str = "auto") -> int:
    """GPUs that ``--device`` may use: CUDA's, or the one of a Mac; torch is asked only where there is a driver."""
    if device == "cpu":
        return 0
    try:
        if sys.platform == "darwin":
            from torch.backends import mps

            return int(mps.is_available())
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        import torch

        return int(torch.cuda.device_count())
    except (OSError, ImportError):
        return 0


def gpu_name() -> str:
    """The first GPU's name, or "none"."""
    if not count_gpus():
        return "none"
    import torch

    return "Apple" if sys.platform == "darwin" else str(torch.cuda.get_device_name(0))
