"""What is refused before work starts: paths that clash, and more memory or disk than there is."""

from __future__ import annotations

import re
from pathlib import Path

from vrm.errors import OutOfMemory, OutputError, UsageError
from vrm.job.budget import CHUNKS, LEAST_GB, frame_bytes
from vrm.job.scratch import sweep
from vrm.media.write.plan import OutputPlan
from vrm.options.build import paths_read, paths_written
from vrm.options.remove import EngineOptions, RemoveOptions
from vrm.system.files import existing, free_bytes
from vrm.types import Masks, VideoInfo
from vrm.weights.cards import find

_FILL_BYTES = 41  # what motion keeps in files for each pixel of a window's holes
_WINDOW = 110

_NUMBERED = re.compile(r"\d{5,}\.png")
"""What pictures of single frames are called that a job writes."""


def preflight(
    source: Path, target: Path, info: VideoInfo, output: OutputPlan, options: RemoveOptions
) -> tuple[str, ...]:
    """Check everything about a job that can be checked before its masks are known; first tidy up after killed ones.

    Returns what the user should know.

    Raises:
        UsageError: see ``refuse_clashes``.
        OutputError: something is where the job would write, or the output does not fit on the disk.
        OutOfMemory: the video cannot be worked on within ``--memory``.
    """
    sweep()
    refuse_clashes(source, target, options)
    for path in paths_written(options).values():
        refuse_existing(path, options.output.overwrite)
    check_memory(info, options)
    note = check_output_disk(info, output)
    return () if note is None else (note,)


def refuse_existing(path: Path | None, overwrite: bool) -> None:
    """Refuse a file or a folder that is in the way. Raises OutputError."""
    if path is None or overwrite:
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        raise OutputError(f"{path} exists.", "Choose another name or give --overwrite.")
    if not (parent := existing(path.absolute().parent)).is_dir():
        raise OutputError(f"{parent}, where {path} would lie, is not a folder.", "Choose another place.")


def check_filling(
    info: VideoInfo,
    options: RemoveOptions,
    folder: Path,
    holes: Masks,
    shots: list[tuple[int, int]],
    wanted: range,
    at_once: int = 1,
) -> str | None:
    """Check what filling the ``wanted`` frames by ``at_once`` processes takes; a warning if memory may not do.

    ``holes`` are the grown masks, ``folder`` is scratch. Raises OutputError: it has not enough room.
    """
    check_disk(info, folder, holes, [shot for shot in shots if touches(shot, wanted)], at_once)
    return hole_warning(info, options.engine, holes)


def touches(shot: tuple[int, int], wanted: range) -> bool:
    return shot[0] < wanted.stop and shot[1] > wanted.start


def read_by(source: Path, options: RemoveOptions) -> dict[Path, str]:
    """Every path that a job reads, and what it is in words."""
    return {source: "input"} | {path: what for what, path in paths_read(options)}


def written_by(target: Path, options: RemoveOptions) -> dict[str, Path]:
    """Every path that a job writes, by the option that says it."""
    return {"-o": target} | paths_written(options)


def refuse_clashes(
    source: Path, target: Path | None, options: RemoveOptions, *, whole: bool = True, overlay: Path | None = None
) -> None:
    """Refuse a job that would write over what it reads, ``--overwrite`` or not, or two things to one place.

    Args:
        whole: a target that is a folder is replaced as a whole, not only the pictures in it.
        overlay: a video or a picture that is written, too or alone.

    Raises UsageError: names both.
    """
    seen: dict[Path, str] = {}
    written = paths_written(options) if target is None else written_by(target, options)
    written |= {} if overlay is None else {"--overlay": overlay}
    for option, path in written.items():
        for read, what in read_by(source, options).items():
            if _meets(path, read, whole=whole and option == "-o"):
                raise UsageError(
                    f"{option} {path} would be written over the {what}, {read}.",
                    "Choose another place: what is read stays as it is.",
                )
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} both go to {path}.", "Give each a place of its own.")


def _meets(path: Path, read: Path, *, whole: bool) -> bool:
    """Whether writing to ``path`` touches what is read: a folder goes as a ``whole``, or numbered pictures in it."""
    place, kept = path.resolve(), read.resolve()
    if place == kept or (path.exists() and read.exists() and path.samefile(read)):
        return True
    if not path.is_dir():
        return False
    return kept.is_relative_to(place) if whole else kept.parent == place and bool(_NUMBERED.fullmatch(kept.name))


def check_memory(info: VideoInfo, options: RemoveOptions) -> None:
    """Refuse a ``--memory`` that the video cannot be worked in, naming the least that does. Raises OutOfMemory."""
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
    """The smallest bound in GB, in tenths, for a video of this size; measured, see benchmarks/RESULTS.md.

    Raises WeightsError: there are no weights of the name asked for.
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


def check_disk(info: VideoInfo, folder: Path, holes: Masks, shots: list[tuple[int, int]], at_once: int = 1) -> None:
    """Refuse frames, fills and patches that do not fit into scratch, which may hold an earlier run's windows.

    Raises OutputError: before the engine starts.
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


def check_output_disk(info: VideoInfo, plan: OutputPlan) -> str | None:
    """Refuse (OutputError) an output that cannot fit where it goes; a warning where it may not."""
    raw = frame_bytes(info) * info.n_frames
    if plan.lossless:
        least, likely = raw // 10, raw // 2
    else:
        size = info.path.stat().st_size if info.path.is_file() else raw // 20
        least, likely = size // 4, 2 * size
    folder = plan.path.absolute().parent
    _enough(least, folder, "The output", "Choose another folder for it.")
    free = free_bytes(folder)
    if free >= likely:
        return None
    return f"The output may take {gigabytes(likely)}; {gigabytes(free)} are free in {folder}."


def _enough(needed: int, folder: Path, what: str, fix: str) -> None:
    free = free_bytes(folder)
    if needed > free:
        raise OutputError(
            f"{what} needs about {gigabytes(needed)}, and {gigabytes(free)} are free in {existing(folder)}.",
            f"Free some space. {fix}",
        )


def gigabytes(count: float) -> str:
    """Bytes in words, such as "1.2 GB", "340 MB" or "12 kB"."""
    if count < 1e6:
        return f"{round(count / 1e3)} kB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{round(count / 1e6)} MB"
