"""Which videos are meant by files, folders and lists, and which mask belongs to which of them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vrm.batch.manifest import MOST_BYTES
from vrm.batch.naming import CLEAN, PREVIEW
from vrm.errors import MaskError, UsageError, VideoError
from vrm.events import counted
from vrm.media.read.container import refuse_address
from vrm.media.read.frame_folder import PICTURE_ENDINGS, natural
from vrm.media.write.containers import VIDEO_ENDINGS, stem
from vrm.selection.masks.source import ENDINGS as MASK_ENDINGS


@dataclass(frozen=True)
class Source:
    """One input: a video file, or a folder of numbered frames.

    ``below``: the sub-folder it was found in, below the folder that was given; empty for what was named itself.
    """

    path: Path
    below: Path = Path()


@dataclass(frozen=True)
class _Inside:
    """What a folder holds directly, hidden things left out."""

    videos: list[Path]
    frames: list[Path]
    folders: list[Path]


def is_folder_of_videos(path: Path) -> bool:
    """True where a folder stands for the videos in it, False for a file or a folder of numbered frames."""
    return path.is_dir() and not _inside(path).frames


def read_list(stream: BinaryIO) -> list[Path]:
    """The paths of a list: one a line, or ended by zero bytes (``find -print0``). Raises UsageError: it never ends."""
    data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageError(f"The list on standard input is longer than {MOST_BYTES >> 20} MB.", "Is it a list of names?")
    text = os.fsdecode(data)
    # Not splitlines: names may hold what Unicode counts as the end of a line.
    names = text.split("\0") if "\0" in text else [line.removesuffix("\r") for line in text.split("\n")]
    return [Path(name) for name in names if name.strip()]


def find_sources(
    inputs: Sequence[Path], recursive: bool = False, leave: Collection[Path] = (), results: bool = False
) -> tuple[list[Source], list[str]]:
    """The videos meant by files and folders, each once, in the order given and by name within a folder.

    A folder of numbered frames is one input; any other folder stands for the videos in it.

    Args:
        recursive: look into sub-folders too; those of numbered frames are then inputs as well.
        leave: sub-folders to pass over, because results and masks lie there.
        results: leave out ``NAME-clean`` and ``NAME-preview`` beside ``NAME``: an earlier run has written them.

    Returns the inputs, and notes on what was left out.

    Raises:
        VideoError: something is missing, or a folder holds no videos.
        UsageError: a folder holds videos and frames.
    """
    missing = [str(path) for path in inputs if not path.exists()]
    for name in missing:
        if (address := refuse_address(Path(name))) is not None:
            raise address
    if missing:
        raise VideoError(f"{_few(missing)} cannot be found.", "Check the name, and the folder you are in.")
    skipped = {path.resolve() for path in leave}
    found: dict[Path, Source] = {}
    twice: list[str] = []
    for given in inputs:
        for source in _sources(given, recursive, skipped):
            if found.setdefault(source.path.resolve(), source) is not source:
                twice.append(str(source.path))
    notes = [f"{_few(twice)}: given twice, worked on once."] if twice else []
    looked_into = dict.fromkeys(source.path.parent for source in found.values() if source.path not in inputs)
    if odd := [str(path) for folder in looked_into for path in _not_files(folder)]:
        notes.append(f"{_few(odd)}: a link to nothing, a pipe or a device, and left out.")
    sources = list(found.values())
    if results:
        names = {(source.path.parent.resolve(), stem(source.path)) for source in sources}
        made = [source for source in sources if _made_from(source.path) in names]
        if made:
            notes.append(f"{_few([str(s.path) for s in made])}: taken for a result of an earlier run, and left out.")
            sources = [source for source in sources if source not in made]
    return sources, notes


def _made_from(path: Path) -> tuple[Path, str] | None:
    """Folder and name of the video that a file called ``NAME-clean`` or ``NAME-preview`` would be made from."""
    name = stem(path)
    end = next((end for end in (CLEAN, PREVIEW) if name.endswith(end)), None)
    return None if end is None else (path.parent.resolve(), name.removesuffix(end))


def _sources(given: Path, recursive: bool, skipped: Collection[Path]) -> Iterator[Source]:
    if not given.is_dir():
        yield Source(given)
        return
    inside = _inside(given, recursive)
    if inside.frames:
        yield Source(given)
        return
    found = list(_walk(given, Path(), recursive, skipped))
    if not found:
        deeper = " Add --recursive to look into its sub-folders." if inside.folders and not recursive else ""
        raise VideoError(f"The folder {given} holds no videos.{deeper}", f"Videos end in {', '.join(VIDEO_ENDINGS)}.")
    yield from found


def _walk(folder: Path, below: Path, recursive: bool, skipped: Collection[Path]) -> Iterator[Source]:
    inside = _inside(folder, recursive)
    if inside.frames:
        yield Source(folder, below.parent)
        return
    for path in inside.videos:
        yield Source(path, below)
    if recursive:
        for path in inside.folders:
            if path.resolve() not in skipped:
                yield from _walk(path, below / path.name, recursive, skipped)


def _inside(folder: Path, strict: bool = False) -> _Inside:
    """Sort what a folder holds; ``strict``: a single picture, or pictures without numbers, are not taken for frames."""
    try:
        entries = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=natural)
    except OSError as error:
        raise VideoError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    files = [path for path in entries if path.is_file()]
    videos = [path for path in files if path.suffix.lower() in VIDEO_ENDINGS]
    pictures = [path for path in files if path.suffix.lower() in PICTURE_ENDINGS]
    # A link to a folder is not followed: it may lead back to where we came from.
    folders = [path for path in entries if path.is_dir() and not path.is_symlink()]
    # Pictures of the videos' names are masks or thumbnails of theirs, single ones a logo or a poster.
    names = {path.stem for path in videos}
    numbered = [path for path in pictures if path.stem[-1:].isdigit() and path.stem not in names]
    if not videos:
        return _Inside([], pictures if not strict or len(numbered) > 1 else [], folders)
    if len(numbered) > 1:
        raise UsageError(
            f"The folder {folder} holds videos ({videos[0].name}, ...) and numbered frames ({numbered[0].name}, ...).",
            "Name the videos themselves, or move one kind elsewhere.",
        )
    return _Inside(videos, [], folders)


def _not_files(folder: Path) -> list[Path]:
    """What is called like a video, and is neither file nor folder."""
    named = [p for p in folder.iterdir() if p.suffix.lower() in VIDEO_ENDINGS and not p.name.startswith(".")]
    return sorted(path for path in named if not path.is_file() and not path.is_dir())


def match_masks(folder: Path, sources: Sequence[Source], what: str = "mask") -> list[Path | MaskError]:
    """For each source what has its name in ``folder``: a picture, a folder of pictures or label maps, or a video.

    ``a.mkv`` finds ``a.mkv.png`` or ``a.mkv/`` before ``a.png``, ``a/`` or ``a.mp4``. What lies in a sub-folder looks
    in the same sub-folder of ``folder`` first. In the place of one that is missing is what to say of it.

    Raises MaskError: none of them has one, or one has two.
    """
    videos = {source.path.resolve() for source in sources}
    entries = {below: _entries(folder / below, videos) for below in {Path(), *(source.below for source in sources)}}
    places: dict[str, set[Path]] = defaultdict(set)
    for source in sources:
        places[stem(source.path)].add(source.below)
    found: list[Path | MaskError] = []
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
            own = source.below / names[1]
            fix = f"A {what} has the video's name: {own}.png, a folder {own}, or {own}.mkv."
            found.append(MaskError(f"{folder} holds no {what} for {source.path}.", fix))
    missing = [each for each in found if isinstance(each, MaskError)]
    if len(missing) == len(sources):
        lacking = _few([str(source.below / stem(source.path)) for source in sources], 10)
        raise MaskError(
            f"{folder} holds no {what} for any of {counted(len(sources), 'video')}: {lacking}.", missing[0].fix
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
            elif path.suffix.lower() in (*MASK_ENDINGS, *VIDEO_ENDINGS) and path.resolve() not in videos:
                found[path.stem].append(path)
    return found


def _few(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
