"""Which mask (or folder of label maps) belongs to which of many videos: the one that has its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from vrm.batch.inputs import Source
from vrm.errors import MaskError
from vrm.media.write.containers import VIDEO_ENDINGS, stem
from vrm.selection.masks.source import ENDINGS as PICTURES


def match(folder: Path, sources: Sequence[Source], what: str = "mask") -> list[Path]:
    """For each source the picture, folder or video in ``folder`` that has its name.

    ``a.mkv`` finds ``a.mkv.png`` or ``a.mkv/`` before ``a.png``, ``a/`` or ``a.mp4``. What lies in a sub-folder looks
    in the same sub-folder of ``folder`` first.

    Args:
        folder: where they lie.
        sources: the videos.
        what: how errors call them.

    Raises:
        MaskError: some have none, or two; all of them are named.
    """
    videos = {source.path.resolve() for source in sources}
    entries = {below: _entries(folder / below, videos) for below in {Path(), *(source.below for source in sources)}}
    places: dict[str, set[Path]] = defaultdict(set)
    for source in sources:
        places[stem(source.path)].add(source.below)
    found: list[Path] = []
    missing: list[str] = []
    for source in sources:
        names = (source.path.name, stem(source.path))
        # One mask without a sub-folder cannot be meant for two videos of one name in different sub-folders.
        only = len(places[stem(source.path)]) == 1
        candidates: list[Path] = []
        for below in dict.fromkeys((source.below, *([Path()] if only else []))):
            for name in names:
                candidates = candidates or entries[below].get(name, [])
        if len(candidates) > 1:
            listed = ", ".join(sorted(str(path) for path in candidates))
            raise MaskError(f"{source.path} has {len(candidates)} {what}s: {listed}.", "Leave one of them there.")
        if candidates:
            found.append(candidates[0])
        else:
            missing.append(str(source.below / names[1]))
    if missing:
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise MaskError(
            f"{folder} holds no {what} for {len(missing)} of {len(sources)} videos: {', '.join(missing[:10])}{more}.",
            f"A {what} has the video's name: {missing[0]}.png, a folder {missing[0]}, or {missing[0]}.mkv.",
        )
    return found


def _entries(folder: Path, videos: Collection[Path]) -> dict[str, list[Path]]:
    """By name (without a file's ending): what may be masks; not the videos themselves, where masks lie beside them."""
    found: dict[str, list[Path]] = defaultdict(list)
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name.startswith("."):
                continue
            if path.is_dir():
                found[path.name].append(path)
            elif path.suffix.lower() in (*PICTURES, *VIDEO_ENDINGS) and path.resolve() not in videos:
                found[path.stem].append(path)
    return found
