"""How a bound on memory, and the disk that scratch lies on, are shared out."""

from __future__ import annotations

from pathlib import Path

from vrm.options.remove import EngineOptions
from vrm.system.files import free_bytes
from vrm.types import VideoInfo

DEFAULT_GB = 3.0
LEAST_GB = 1.0
"""The smallest bound that ``--memory`` takes."""

CHUNKS = 64
"""Decoded frames that scratch must hold at least."""
FRAMES_ON_DISK = 4 << 30
"""Most decoded frames that scratch holds, in bytes."""


def frame_memory(options: EngineOptions) -> int:
    """Bytes of decoded frames that may be kept in memory."""
    return int((options.memory_gb or DEFAULT_GB) * 1e8)


def window_memory(options: EngineOptions) -> int:
    """Bytes that motion may keep for one window."""
    # Things that move by themselves need trajectories of their own.
    share = 0.1 if options.engine == "keyframe" else 0.2
    return int((options.memory_gb or DEFAULT_GB) * share * 1e9)


def frame_bytes(info: VideoInfo) -> int:
    """Bytes of one decoded frame as engines see it."""
    return info.height * info.width * (3 if info.bit_depth == 8 else 6)


def frames_on_disk(info: VideoInfo, folder: Path, at_once: int = 1) -> int:
    """Bytes of decoded frames that scratch may hold: at most a quarter of what is free, and two chunks at least.

    ``at_once`` processes share that.
    """
    least = CHUNKS * frame_bytes(info)
    return max(least, min(FRAMES_ON_DISK, free_bytes(folder) // 4) // at_once)
