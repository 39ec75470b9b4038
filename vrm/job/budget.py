"""What a job needs of memory and disk: how a bound on memory is shared out, and what is refused before work starts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from vrm.errors import OutOfMemory, OutputError, UsageError, VrmError
from vrm.media.write.plan import OutputPlan
from vrm.options.remove import EngineOptions, RemoveOptions
from vrm.system.files import FREE, FULL, disk_error, existing, free_bytes, path_error
from vrm.system.memory import is_shortage
from vrm.types import Masks, VideoInfo
from vrm.weights.cards import find

DEFAULT_GB = 3.0
LEAST_GB = 1.0
"""The smallest bound that ``--memory`` takes."""

CHUNKS = 64
"""Decoded frames that scratch must hold at least."""
FRAMES_ON_DISK = 4 << 30
"""Most decoded frames that scratch holds, in bytes."""

_FILL_BYTES = 41  # what motion keeps in files for each pixel of a window's holes
_WINDOW = 110


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


def check_memory(info: VideoInfo, options: RemoveOptions) -> None:
    """Refuse a ``--memory`` that the video cannot be worked in, and say the least that would do.

    Raises:
        OutOfMemory: before any work.
    """
    engine = options.engine
    if engine.memory_gb is None:
        return
    least = least_gb(info, engine)
    if engine.memory_gb < least:
        raise OutOfMemory(
            f"{info.width}x{info.height} cannot be worked on in --memory {engine.memory_gb:g} (GB) "
            f"by --engine {engine.engine} --preset {engine.preset}.",
            f"The least that will do is --memory {least:g}.",
        )


def least_gb(info: VideoInfo, options: EngineOptions) -> float:
    """The smallest bound in GB, in tenths, that a video of this size should need; measured, see benchmarks/RESULTS.md.

    Raises:
        WeightsError: there are no weights of the name asked for.
    """
    fixed, each = LEAST[_kind(options)]
    return max(LEAST_GB, -(-int((fixed + each * frame_bytes(info)) / 1e7) // 10) / 10)


def _kind(options: EngineOptions) -> str:
    if options.engine == "internal" and options.preset != "paper" and options.prefill is not False:
        return "motion"
    if options.engine == "keyframe" and options.weights != "none" and find(options.weights, "two-stream") is not None:
        return "two-stream"
    return options.engine


LEAST = {
    "motion": (0.25e9, 38.0),
    "internal": (0.98e9, 55.0),
    "savit": (1.1e9, 38.0),
    "keyframe": (0.70e9, 38.0),
    "two-stream": (1.10e9, 38.0),
}
"""Bytes at least, and further bytes for each byte of a decoded frame: a little above the peaks of runs under such
bounds, with a hole of a fiftieth of the frame."""

_PER_HOLE = 1100
"""Further bytes for each pixel of a larger hole: 942 against 417 MB for motion, 1336 against 879 for key frames,
where a hole at 1920x1080 was a quarter of the frame."""


def hole_warning(info: VideoInfo, options: EngineOptions, holes: Masks) -> str | None:
    """What to tell the user where holes are so large that the bound on memory may not do; None where it should."""
    if options.memory_gb is None:
        return None
    times = list(holes.frames())
    largest = max((int(holes[t].sum()) for t in times[:: max(1, len(times) // 12)]), default=0)
    fixed, each = LEAST[_kind(options)]
    beyond = max(0, largest - info.height * info.width // 50)
    wanted = (fixed + each * frame_bytes(info) + _PER_HOLE * beyond) / 1e9
    if wanted <= options.memory_gb:
        return None
    return f"With so large a mask about {wanted:.1f} GB may be needed; --memory {options.memory_gb:g} may end the work."


def frames_on_disk(info: VideoInfo, folder: Path, at_once: int = 1) -> int:
    """Bytes of decoded frames that scratch may hold: at most a quarter of what is free, and two chunks at least.

    ``at_once`` processes share that.
    """
    least = CHUNKS * frame_bytes(info)
    return max(least, min(FRAMES_ON_DISK, free_bytes(folder) // 4) // at_once)


def check_disk(info: VideoInfo, folder: Path, holes: Masks, shots: list[tuple[int, int]], at_once: int = 1) -> None:
    """Refuse work whose frames, fills and patches do not fit into scratch.

    Args:
        info: the video.
        folder: scratch, maybe with an earlier run's windows.
        holes: what is to be filled.
        shots: where.
        at_once: processes that fill it.

    Raises:
        OutputError: before the engine starts.
    """
    each = 3 if info.bit_depth == 8 else 6
    times = [t for start, stop in shots for t in range(start, stop) if holes.box(t) is not None]
    boxes = [box for t in times if (box := holes.box(t)) is not None]
    patches = sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in boxes) * each
    looked = times[:: max(1, len(times) // 12)]
    largest = max((int(holes[t].sum()) for t in looked), default=0)
    fills = largest * _FILL_BYTES * min(_WINDOW, len(times))
    frames = min(CHUNKS, info.n_frames) * frame_bytes(info)
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    needed = patches + (fills + frames) * at_once - there
    _enough(needed, folder, "Scratch", "Set XDG_CACHE_HOME to a place with more room.")


def check_output_disk(info: VideoInfo, plan: OutputPlan, options: RemoveOptions, note: Callable[[str], None]) -> None:
    """Refuse an output that cannot fit where it goes, and say so where it may not.

    Raises:
        OutputError: before any work.
    """
    raw = frame_bytes(info) * info.n_frames
    if plan.lossless:
        least, likely = raw // 10, raw // 2
    else:
        size = info.path.stat().st_size if info.path.is_file() else raw // 20
        least, likely = size // 4, 2 * size
    folder = plan.path.absolute().parent
    _enough(least, folder, "The output", "Choose another folder for it.")
    free = free_bytes(folder)
    if free < likely:
        note(f"The output may take {gigabytes(likely)}; {gigabytes(free)} are free in {folder}.")


def _enough(needed: int, folder: Path, what: str, fix: str) -> None:
    free = free_bytes(folder)
    if needed > free:
        raise OutputError(
            f"{what} needs about {gigabytes(needed)}, and {gigabytes(free)} are free in {existing(folder)}.",
            f"Free some space. {fix}",
        )


def gigabytes(count: float) -> str:
    """Bytes in words, such as "1.2 GB" or "340 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """What no place further in has put into words: shortages of memory (OutOfMemory) and of disk (OutputError), paths
    that lead nowhere (UsageError)."""
    try:
        yield
    except VrmError:
        raise
    except Exception as error:
        if is_shortage(error):
            fix = "Give --memory GB, a smaller range, or --device cpu where the GPU's was too small."
            raise OutOfMemory("The machine ran out of memory.", fix) from error
        if (words := path_error(error)) is not None:
            raise UsageError(words, "Check the path and its permissions.") from error
        reason = disk_error(error, FULL)
        if reason is None:
            raise
        at = f" {error.filename}" if isinstance(error, OSError) and error.filename else ""
        raise OutputError(f"Writing{at} failed: {reason}.", FREE) from error
