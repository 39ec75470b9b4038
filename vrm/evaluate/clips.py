"""Which clips a folder holds, in each of the layouts people keep them in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from vrm.errors import UsageError, VideoError
from vrm.evaluate.pictures import Pictures, open_pictures
from vrm.jobs.find import VIDEOS
from vrm.jobs.naming import distinct_names

_DAVIS_SIZES = ("480p", "Full-Resolution", "1080p")


@dataclass(frozen=True)
class Clip:
    """One clip.

    Attributes:
        name: of its folder or file.
        frames: the pictures.
        masks: what marks an object or a hole, if it is there.
        truth: the same frames without the object, if they are there.
        missing_is_black: 0 is what is missing (DEVIL's convention).
    """

    name: str
    frames: Pictures
    masks: Pictures | None = None
    truth: Pictures | None = None
    missing_is_black: bool = False


def find_clips(folder: Path, wanted: tuple[str, ...] = ()) -> list[Clip]:
    """The clips of a folder, by name.

    Layouts: ``NAME/{frames,masks[,truth]}`` (folders or videos; a single video in NAME is its frames), the data sets'
    ``JPEGImages/[480p/]NAME`` beside ``Annotations/[480p/]NAME``, DEVIL's ``NAME/frame_0000_{gt,mask}.png``, and
    videos side by side (``a.mkv`` beside ``a.mp4`` keep their endings in their names).

    Args:
        folder: where they lie.
        wanted: names or patterns (``davis-*``) in the order wanted; empty = all.

    Raises:
        VideoError: no such folder, or no clips in it.
        UsageError: a name that is not there; all of them are listed. Two clips of one name.
    """
    if not folder.is_dir():
        raise VideoError(f"{folder} is not a folder.", "Give a folder of clips.")
    found: dict[str, Clip] = {}
    for clip in _scan(folder):
        other = found.setdefault(clip.name, clip)
        if other is not clip:
            raise UsageError(
                f"Two clips in {folder} are called {clip.name}: {other.frames.path} and {clip.frames.path}.",
                "Rename one: its name is in the tables.",
            )
    if not found:
        raise VideoError(
            f"No clips were found in {folder}.",
            "A clip is NAME/frames with NAME/masks, JPEGImages/NAME with Annotations/NAME, or a video.",
        )
    if not wanted:
        return [found[name] for name in sorted(found)]
    return [found[name] for name in choose(sorted(found), wanted, str(folder))]


def choose(names: list[str], wanted: tuple[str, ...], where: str) -> list[str]:
    """The names that the patterns ask for, in the order of the patterns, each once.

    Raises:
        UsageError: a pattern that matches nothing; all such are listed.
    """
    chosen = dict.fromkeys(name for pattern in wanted for name in names if fnmatchcase(name, pattern))
    missing = [p for p in wanted if not any(fnmatchcase(name, p) for name in names)]
    if missing:
        raise UsageError(f"No clip in {where} is called {', '.join(missing)}.", f"There are: {', '.join(names)}.")
    return list(chosen)


def _scan(folder: Path) -> Iterator[Clip]:
    if (folder / "JPEGImages").is_dir():
        yield from _data_set(folder)
        return
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    for path in filter(Path.is_dir, entries):
        clip = _clip(path)
        if clip is not None:
            yield clip
    videos = [path for path in entries if path.is_file() and path.suffix.lower() in VIDEOS]
    for name, path in zip(distinct_names(videos), videos, strict=True):
        yield Clip(name, Pictures(path))


def _data_set(folder: Path) -> Iterator[Clip]:
    """DAVIS and YouTube-VOS."""
    images, notes = folder / "JPEGImages", folder / "Annotations"
    for size in _DAVIS_SIZES:
        if (images / size).is_dir():
            images, notes = images / size, notes / size
            break
    for path in sorted(p for p in images.iterdir() if p.is_dir()):
        masks = notes / path.name
        yield Clip(path.name, Pictures(path), Pictures(masks) if masks.is_dir() else None)


def _clip(folder: Path) -> Clip | None:
    truths = tuple(sorted(folder.glob("*_gt.png")))
    if truths:
        masks = tuple(sorted(folder.glob("*_mask.png")))
        return Clip(
            folder.name,
            Pictures(folder, truths),
            Pictures(folder, masks) if masks else None,
            missing_is_black=True,
        )
    frames = open_pictures(folder, "frames", "images") or _only_video(folder)
    if frames is None:
        return None
    return Clip(folder.name, frames, open_pictures(folder, "masks", "mask"), open_pictures(folder, "truth", "gt"))


def _only_video(folder: Path) -> Pictures | None:
    videos = [
        p
        for p in folder.iterdir()
        if p.suffix.lower() in VIDEOS and not p.name.startswith(".") and p.stem not in ("mask", "masks", "truth", "gt")
    ]
    return Pictures(videos[0]) if len(videos) == 1 else None
