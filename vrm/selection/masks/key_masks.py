"""Which frame each mask belongs to where there is one for some frames only: key masks, the rest is tracked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vrm.errors import MaskError
from vrm.media.read.frame_folder import frame_files, natural
from vrm.media.read.open_video import frame_number
from vrm.media.write.containers import FRAMES
from vrm.options.remove import MaskOptions
from vrm.selection.masks.source import ENDINGS, MaskReaders, MaskSource, open_source
from vrm.types import VideoInfo


@dataclass(frozen=True)
class PlacedMasks:
    """The masks that were named, and the frame that each belongs to.

    ``frames`` is empty where the masks say that themselves: a single picture, one for each frame, a mask video.
    """

    sources: tuple[MaskSource, ...]
    frames: tuple[int, ...] = ()
    note: str = ""


def place_masks(
    options: MaskOptions, info: VideoInfo, readers: MaskReaders, span: tuple[int, int] | None
) -> PlacedMasks:
    """Find out what the user's masks are and where they belong, without reading pictures.

    Raises MaskError: as ``open_source``, or something that is no single picture is to be the mask of one frame;
    UsageError: a frame is beyond the end.
    """
    if isinstance(options.path, Path):
        keys = _key_folder(options, info, span)
        if keys is None:
            return PlacedMasks((open_source(options.path, readers, _named_frames(options, info, span)),))
        frames, files, note = keys
        return PlacedMasks(tuple(MaskSource(f, "image", (f,), readers) for f in files), frames, note)
    folders = [path for path in options.paths if path.is_dir()]
    sources = () if folders and not options.static else tuple(open_source(path, readers) for path in options.paths)
    if options.static:
        return PlacedMasks(sources)
    if others := folders or [source.path for source in sources if source.kind == "video"]:
        raise MaskError(
            f"--mask {others[0]} is no picture, and only a picture is the mask of one frame.",
            "Give it alone, without a frame.",
        )
    moments = [(at, path) for at, path in options.key_masks]
    return PlacedMasks(
        sources,
        tuple(options.frame if at is None else frame_number(info, at, f"--mask {path}") for at, path in moments),
    )


def _named_frames(options: MaskOptions, info: VideoInfo, span: tuple[int, int] | None) -> list[list[Path]]:
    """The pictures of a folder of frames: all, and those of the range that is worked on; none for a video."""
    if info.container != FRAMES or options.static:
        return []
    files = frame_files(info.path)
    return [files] if span in (None, (0, len(files))) else [files, files[slice(*span)]]


def _key_folder(
    options: MaskOptions, info: VideoInfo, span: tuple[int, int] | None
) -> tuple[tuple[int, ...], list[Path], str] | None:
    """The frames, files and a note of a folder whose pictures are named by frame, and are fewer than the frames.

    None for any other folder. Pictures in an unbroken row are none of them: they may as well be counted from 1.
    """
    folder = options.path
    if options.static or options.frame or not isinstance(folder, Path) or not folder.is_dir():
        return None
    files = sorted((f for f in folder.iterdir() if f.suffix.lower() in ENDINGS and f.name[0] != "."), key=natural)
    there = _numbers(frame_files(info.path)) if info.container == FRAMES else list(range(info.n_frames))
    first, last = span or (0, info.n_frames)
    numbers = _numbers(files)
    if not numbers or there is None or len(files) in (info.n_frames, last - first) or not set(numbers) <= set(there):
        return None
    if all(b - a == 1 for a, b in pairwise(numbers)) and (len(files) > 1 or not files[0].stem.isdigit()):
        return None
    frames = [there.index(number) for number in numbers]
    inside = [k for k, t in enumerate(frames) if first <= t < last] or range(len(files))
    frames, files = [frames[k] for k in inside], [files[k] for k in inside]
    one = f"the mask of frame {frames[0]}" if len(frames) == 1 else f"masks of {len(frames)} frames, {_few(frames)}"
    return tuple(frames), files, f"{folder.name} holds {one}, by name: on the others the object is tracked from there."


def _numbers(files: list[Path]) -> list[int] | None:
    """The numbers in names that differ in nothing else, each once; None for other names."""
    found = [re.fullmatch(r"(.*?)(\d+)(\D*)", f.stem) for f in files]
    parts = [(m[1], int(m[2]), m[3]) for m in found if m is not None]
    alike = len(parts) == len(files) and len({(before, after) for before, _, after in parts}) == 1
    numbers = [number for _, number, _ in parts]
    return numbers if alike and len(set(numbers)) == len(numbers) else None


def _few(frames: Iterable[int], most: int = 6) -> str:
    texts = [str(t) for t in frames]
    return ", ".join(texts if len(texts) <= most else [*texts[: most - 1], "...", texts[-1]])
