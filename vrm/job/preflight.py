"""What a job reads and what it writes: nothing that is read is ever written over, and no two results meet."""

from __future__ import annotations

import os
import re
from pathlib import Path

from vrm.errors import UsageError
from vrm.options.remove import RemoveOptions

_NUMBERED = re.compile(r"\d{5,}\.png")
"""What pictures of single frames are called that a job writes."""


def read_by(source: Path, options: RemoveOptions) -> dict[Path, str]:
    """Every path that a job reads, and what it is in words."""
    named: list[tuple[str, object]] = [
        ("input", source),
        ("mask", options.mask.path),
        ("label maps", options.mask.labels),
        *(("key frame", path) for _, path in options.engine.keyframes),
    ]
    models = (options.engine.weights, options.mask.sam, options.mask.segmenter)
    named += [("model", name) for name in models if name is not None and os.path.lexists(name)]
    return {Path(str(path)): what for what, path in named if path is not None}


def written_by(target: Path, options: RemoveOptions) -> dict[str, Path]:
    """Every path that a job writes, by the option that says it."""
    named = {
        "-o": target,
        "--report": options.report,
        "--save-masks": options.mask.save_to,
        "--export-keyframes": options.export_keyframes,
    }
    return {option: path for option, path in named.items() if path is not None}


def refuse_clashes(
    source: Path, target: Path, options: RemoveOptions, *, whole: bool = True, overlay: Path | None = None
) -> None:
    """Refuse a job that would write over what it reads, ``--overwrite`` or not, or two things to one place.

    Args:
        source, target: what the job is about.
        options: of the job.
        whole: a target that is a folder is replaced as a whole, not only the pictures in it.
        overlay: a further video that is written.

    Raises:
        UsageError: names both.
    """
    seen: dict[Path, str] = {}
    written = written_by(target, options) | ({} if overlay is None else {"--overlay": overlay})
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
