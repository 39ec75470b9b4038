"""Which videos are meant: files, folders of videos, folders of numbered frames, and lists of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vrm.errors import UsageError, VideoError
from vrm.media.read.frame_folder import PICTURE_ENDINGS, natural
from vrm.media.write.containers import VIDEO_ENDINGS, stem


@dataclass(frozen=True)
class Source:
    """One input.

    Attributes:
        path: a video file, or a folder of numbered frames.
        below: the sub-folder it was found in, below the folder that was given; empty for what was named itself.
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


def find_sources(
    inputs: Sequence[Path], recursive: bool = False, leave: Collection[Path] = (), results: bool = False
) -> tuple[list[Source], list[str]]:
    """The videos meant by files and folders, each once, in the order given and by name within a folder.

    A folder of numbered frames is one input; any other folder stands for the videos in it.

    Args:
        inputs: files and folders.
        recursive: look into sub-folders too; those of numbered frames are then inputs as well.
        leave: folders that are not looked into (where results and masks lie).
        results: leave out ``NAME-clean`` beside ``NAME``, which an earlier run has written there.

    Returns:
        The inputs, and notes on what was left out.

    Raises:
        VideoError: something is missing, or a folder holds no videos.
        UsageError: a folder holds videos and frames.
    """
    missing = [str(path) for path in inputs if not path.exists()]
    if missing:
        raise VideoError(f"{_few(missing)} cannot be found.", "Check the name, and the folder you are in.")
    shut = {path.resolve() for path in leave}
    found: dict[Path, Source] = {}
    twice: list[str] = []
    for given in inputs:
        for source in _sources(given, recursive, shut):
            if found.setdefault(source.path.resolve(), source) is not source:
                twice.append(str(source.path))
    notes = [f"{_few(twice)}: given twice, worked on once."] if twice else []
    looked_into = dict.fromkeys(source.path.parent for source in found.values() if source.path not in inputs)
    if odd := [str(path) for folder in looked_into for path in _odd(folder)]:
        notes.append(f"{_few(odd)}: a link to nothing, a pipe or a device, and left out.")
    sources = list(found.values())
    if results:
        there = {(source.path.parent.resolve(), stem(source.path)) for source in sources}
        made = [s for s in sources if (s.path.parent.resolve(), stem(s.path).removesuffix("-clean")) in there - _key(s)]
        if made:
            notes.append(f"{_few([str(s.path) for s in made])}: taken for a result of an earlier run, and left out.")
            sources = [source for source in sources if source not in made]
    return sources, notes


def _key(source: Source) -> set[tuple[Path, str]]:
    return {(source.path.parent.resolve(), stem(source.path))}


def _sources(given: Path, recursive: bool, shut: Collection[Path]) -> Iterator[Source]:
    if not given.is_dir():
        yield Source(given)
        return
    inside = _inside(given, recursive)
    if inside.frames:
        yield Source(given)
        return
    found = list(_walk(given, Path(), recursive, shut))
    if not found:
        deeper = " Add --recursive to look into its sub-folders." if inside.folders and not recursive else ""
        raise VideoError(f"The folder {given} holds no videos.{deeper}", f"Videos end in {', '.join(VIDEO_ENDINGS)}.")
    yield from found


def _walk(folder: Path, below: Path, recursive: bool, shut: Collection[Path]) -> Iterator[Source]:
    inside = _inside(folder, recursive)
    if inside.frames:
        yield Source(folder, below.parent)
        return
    for path in inside.videos:
        yield Source(path, below)
    if recursive:
        for path in inside.folders:
            if path.resolve() not in shut:
                yield from _walk(path, below / path.name, recursive, shut)


def _inside(folder: Path, strict: bool = False) -> _Inside:
    """Sort what a folder holds; ``strict``: one picture, or pictures without numbers, do not make it one of frames."""
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


def _odd(folder: Path) -> list[Path]:
    """What is called like a video, and is neither file nor folder."""
    entries = (
        path for path in folder.iterdir() if path.suffix.lower() in VIDEO_ENDINGS and not path.name.startswith(".")
    )
    return sorted(path for path in entries if not path.is_file() and not path.is_dir())


def _few(names: Sequence[str], most: int = 5) -> str:
    """The first few of many names."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
