"""The one place where device, number format and threads are chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from vrm.errors import UsageError


class ComputeOptions(Protocol):
    """The options that decide where and how networks run; ``vrm.options.remove.EngineOptions`` has them."""

    @property
    def device(self) -> str:
        """auto, cpu, cuda, cuda:N or mps."""

    @property
    def dtype(self) -> str:
        """auto, fp32, bf16 or fp16."""

    @property
    def cpu_threads(self) -> int:
        """Threads for what runs on the processor."""


@dataclass(frozen=True)
class Compute:
    """Where and how networks run: autocast computes convolutions in ``dtype`` (float32: no autocast)."""

    device: torch.device
    dtype: torch.dtype
    threads: int

    @property
    def names(self) -> tuple[str, str]:
        """Device and number format in words, for reports."""
        return str(self.device), {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(self.dtype, "fp32")

    def place(self, net: nn.Module) -> nn.Module:
        """The network on the device, weights in channels_last order (what CPU and GPU convolutions like best)."""
        net.to(self.device)
        return net.to(memory_format=torch.channels_last)

    def put(self, x: torch.Tensor) -> torch.Tensor:
        """A batch ``(B, C, H, W)`` on the device in channels_last order."""
        return x.to(self.device).contiguous(memory_format=torch.channels_last)

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    @contextlib.contextmanager
    def running(self, seed: int) -> Iterator[torch.Generator]:
        """Set threads and seed torch for a stretch of work, give a CPU generator, and put both back afterwards."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(seed)
                yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(before)


def choose(options: ComputeOptions) -> Compute:
    """Device, dtype and threads: cuda, else mps, else cpu; bf16 where the hardware declares it.

    Nothing is timed to choose, so that equal runs give equal bytes. Raises UsageError: what is asked for is not there.
    """
    device = _device(options.device)
    return Compute(device, _dtype(options.dtype, device), options.cpu_threads)


def choose_for_training(options: ComputeOptions) -> Compute:
    """The same for training on many clips; UsageError for fp16 too, whose losses would have to be scaled."""
    if options.dtype == "fp16":
        raise UsageError("--dtype fp16 is not trained in.", "Use bf16 or fp32.")
    return choose(options)


def _device(name: str) -> torch.device:
    mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    if name.startswith("cuda"):
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise UsageError(f"--device {name} is not there.", "Use --device auto or cpu.")
    if name == "mps" and not mps:
        raise UsageError("--device mps is not there.", "Use --device auto or cpu.")
    return torch.device(name)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "fp32":
        return torch.float32
    if name == "fp16":
        if device.type == "cpu":
            raise UsageError("--dtype fp16 is slow and unstable on a CPU.", "Use --dtype bf16 or fp32.")
        return torch.float16
    if name == "bf16":
        return torch.bfloat16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    if device.type == "cpu" and _cpu_has_fast_bf16():
        return torch.bfloat16
    return torch.float32


def _cpu_has_fast_bf16() -> bool:
    """True where the CPU multiplies bf16 in hardware (AVX512-BF16 or AMX); elsewhere it is slower than fp32."""
    return any(
        bool(getattr(torch.cpu, check, bool)()) for check in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
