"""Clips in a folder, in the layouts that people keep them in. Only names are looked at, nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vrm.errors import VideoError
from vrm.media.read.frame_folder import PICTURE_ENDINGS
from vrm.media.write.containers import VIDEO_ENDINGS, distinct_names

_DATA_SETS = ("train_all_frames", "train", "")
_SIZES = ("480p", "Full-Resolution", "1080p", "")
"""YouTube-VOS and DAVIS keep frames in ``[DATA_SET/]JPEGImages/[SIZE/]NAME``, masks beside them in ``Annotations``."""


@dataclass(frozen=True)
class ClipPath:
    """Where a clip lies.

    Attributes:
        name: of its folder, or of its file without the ending (with it where another file differs only there).
        frames: the folder of pictures or the video that holds its frames; None if ``path`` holds none.
        masks: the folder of its masks, in a data set that keeps them apart from the frames.
    """

    name: str
    path: Path
    frames: Path | None
    masks: Path | None = None
    error: VideoError | None = None


def clip_paths(folder: Path, bare: bool = True) -> list[ClipPath]:
    """Every video and every folder in an existing folder of clips, or in a data set's folder of frames, by path.

    Hidden files are left out. ``bare``: pictures may also lie in a clip's folder itself, as they do in data sets; see
    ``clip_frames``.
    """
    places = ((folder / name, size) for name in _DATA_SETS for size in _SIZES)
    data_set = next((p for p in places if (p[0] / "JPEGImages" / p[1]).is_dir()), None)
    root = folder if data_set is None else data_set[0] / "JPEGImages" / data_set[1]
    entries = [path for path in sorted(root.iterdir()) if not path.name.startswith(".")]
    videos = [path for path in entries if path.is_file() and path.suffix.lower() in VIDEO_ENDINGS]
    names = dict(zip(videos, distinct_names(videos), strict=True))
    found = []
    for path in entries:
        if path in names:
            found.append(ClipPath(names[path], path, path))
        elif path.is_dir():
            masks = None if data_set is None else data_set[0] / "Annotations" / data_set[1] / path.name
            masks = masks if masks is not None and masks.is_dir() else None
            try:
                frames = clip_frames(path, bare or data_set is not None)
                found.append(ClipPath(path.name, path, frames, masks))
            except VideoError as error:
                found.append(ClipPath(path.name, path, None, masks, error))
    return found


def clip_frames(folder: Path, bare: bool) -> Path | None:
    """The frames in a clip's folder: its pictures if ``bare``, ``frames``, ``images``, or its only video.

    Videos of masks and of the truth do not count. Raises VideoError: there are several videos.
    """
    if bare and _pictures(folder):
        return folder
    named = named_pictures(folder, "frames", "images")
    if named is not None:
        return named
    videos = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in VIDEO_ENDINGS
        and not path.name.startswith(".")
        and "mask" not in path.stem
        and path.stem not in ("truth", "gt")
    ]
    if len(videos) > 1:
        raise VideoError(
            f"{folder} holds several videos: {', '.join(path.name for path in videos)}.",
            "Call the clip's own frames.mp4.",
        )
    return videos[0] if videos else None


def named_pictures(folder: Path, *names: str) -> Path | None:
    """The first of ``folder/name`` that exists: a folder of pictures or the one video in it, or a video ``name.mp4``.

    Raises VideoError: there are several videos of that name.
    """
    for name in names:
        path = folder / name
        if path.is_dir():
            inside = [p for p in path.iterdir() if not p.name.startswith(".")]
            return inside[0] if len(inside) == 1 and inside[0].suffix.lower() in VIDEO_ENDINGS else path
        if path.is_file() and path.suffix.lower() in VIDEO_ENDINGS:
            return path
        videos = [folder / f"{name}{ending}" for ending in VIDEO_ENDINGS if (folder / f"{name}{ending}").is_file()]
        if len(videos) > 1:
            raise VideoError(
                f"{folder} holds {name} more than once: {', '.join(v.name for v in videos)}.",
                "Leave one of them there.",
            )
        if videos:
            return videos[0]
    return None


def _pictures(folder: Path) -> bool:
    return any(p.suffix.lower() in PICTURE_ENDINGS and not p.name.startswith(".") for p in folder.iterdir())
