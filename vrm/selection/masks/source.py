"""Where masks come from: one picture, a folder of pictures, or a mask video, all read through one ``MaskSource``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from vrm.errors import MaskError, VrmError
from vrm.media.read.container import refuse_address
from vrm.media.read.frame_folder import natural
from vrm.media.read.open_video import open_video
from vrm.media.read.picture_tags import is_animation
from vrm.media.read.reader import Reader
from vrm.media.read.stills import read_mask
from vrm.options.remove import RemoveOptions
from vrm.selection.masks.levels import MaskPicture
from vrm.types import Pixels

LOSSLESS_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
LOSSY_ENDINGS = (".jpg", ".jpeg")
ENDINGS = LOSSLESS_ENDINGS + LOSSY_ENDINGS


@dataclass(frozen=True)
class MaskReaders:
    """How mask pictures and mask videos are opened; they raise ``VrmError``, ``OSError`` or ``ValueError``.

    Attributes:
        still: a picture file to its samples (see ``MaskPicture.pixels``), and whether they are palette indices.
        video: a video file to its frames, uint8 or uint16 RGB ``(H, W, 3)`` in the displayed or in the stored
            orientation (``load`` looks at the size), read one by one.
    """

    still: Callable[[Path], tuple[Pixels, bool]]
    video: Callable[[Path], Iterator[Pixels]]


def mask_readers(max_pixels: int = RemoveOptions.max_pixels, max_frames: int = RemoveOptions.max_frames) -> MaskReaders:
    def video(path: Path) -> Iterator[Pixels]:
        with Reader(open_video(path, max_pixels, max_frames)) as reader:
            for frame in reader.frames():
                yield frame.rgb()

    return MaskReaders(lambda path: read_mask(path, max_pixels), video)


@dataclass(frozen=True)
class MaskSource:
    """A sequence of mask pictures; there are no files for a video."""

    path: Path
    kind: Literal["image", "folder", "video"]
    files: tuple[Path, ...]
    readers: MaskReaders
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int | None:
        """How many pictures there are, or None where only reading tells (video)."""
        return None if self.kind == "video" else len(self.files)

    @property
    def lossy(self) -> bool:
        """True where codec noise must be expected around the levels."""
        return self.kind == "video" or any(f.suffix.lower() in LOSSY_ENDINGS for f in self.files)

    def pictures(self) -> Iterator[MaskPicture]:
        """The pictures in order, one in memory at a time. Raises MaskError naming the file that cannot be read."""
        if self.kind == "video":
            yield from self._video()
            return
        for path in self.files:
            try:
                pixels, indexed = self.readers.still(path)
            except (VrmError, OSError, ValueError) as error:
                raise MaskError(f"Mask {path} cannot be read: {_reason(error)}", "Save it again as a PNG.") from error
            yield MaskPicture(pixels, path.name, indexed, path.suffix.lower() in LOSSY_ENDINGS)

    def _video(self) -> Iterator[MaskPicture]:
        try:
            for t, pixels in enumerate(self.readers.video(self.path)):
                yield MaskPicture(pixels, f"{self.path.name} frame {t}", lossy=True)
        except MaskError:
            raise
        except (VrmError, OSError, ValueError) as error:
            raise MaskError(
                f"Mask {self.path} cannot be read: {_reason(error)}", "Give a PNG, a folder of PNGs or a video."
            ) from error


def open_source(path: Path, readers: MaskReaders, frames: Sequence[Sequence[Path]] = ()) -> MaskSource:
    """Find out what the user's mask is, without reading pictures.

    Args:
        frames: the pictures that a mask folder's pictures may belong to, where the video is a folder of pictures: all
            of them, or those of a range. Masks of their names, or else of their numbers, are paired by these.

    Raises MaskError: nothing there, a folder without pictures, or numbered pictures with a gap.
    """
    if path.is_dir():
        files = _pictures(path)
        for wanted in frames:
            if (paired := _paired(files, wanted)) is not None:
                unused = len(files) - len(paired)
                note = f"{unused} of the {len(files)} pictures in {path} have the name of no frame, and are not used."
                return MaskSource(path, "folder", paired, readers, (note,) if unused else ())
        _check_order(files, path)
        return MaskSource(path, "folder", tuple(files), readers)
    if not path.exists():
        if (address := refuse_address(path)) is not None:
            raise MaskError(address.what, address.fix)
        raise MaskError(f"Mask {path} does not exist.", "Give a PNG, a folder of PNGs or a mask video.")
    if path.suffix.lower() in ENDINGS and not is_animation(path):
        return MaskSource(path, "image", (path,), readers)
    return MaskSource(path, "video", (), readers)


def _pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order of the numbers in their names."""
    files = [f for f in folder.iterdir() if f.suffix.lower() in ENDINGS and not f.name.startswith(".") and f.is_file()]
    if not files:
        inside = sorted(d.name for d in folder.iterdir() if d.is_dir() and any(d.glob("*.png")))
        hint = f"Its folders {', '.join(inside[:5])} do: give one of them." if inside else "Give a folder of PNGs."
        raise MaskError(f"Mask folder {folder} holds no pictures.", hint)
    return sorted(files, key=natural)


def _paired(masks: list[Path], frames: Sequence[Path]) -> tuple[Path, ...] | None:
    """The mask of each frame by its name, or where both have exactly the same numbers by these; None = neither."""
    named = {mask.stem: mask for mask in masks}
    if len(named) == len(masks) and all(frame.stem in named for frame in frames):
        return tuple(named[frame.stem] for frame in frames)
    numbered = {_number(mask): mask for mask in masks}
    numbers = [_number(frame) for frame in frames]
    if None not in numbered and len(numbered) == len(masks) and sorted(numbered, key=str) == sorted(numbers, key=str):
        return tuple(numbered[number] for number in numbers)
    return None


def _number(path: Path) -> int | None:
    """The last number in a file's name."""
    found = re.findall(r"\d+", path.stem)
    return int(found[-1]) if found else None


def _check_order(files: list[Path], folder: Path) -> None:
    """Raise MaskError where the files are numbered alike, and a number is missing or there twice."""
    numbered = [re.fullmatch(r"(.*?)(\d+)(\D*)", f.stem) for f in files]
    parts = [(m[1], int(m[2]), m[3]) for m in numbered if m is not None]
    if len(parts) == len(files) > 1 and len({(prefix, suffix) for prefix, _, suffix in parts}) == 1:
        _check_numbers(files, [number for _, number, _ in parts], folder)


def _check_numbers(files: list[Path], numbers: list[int], folder: Path) -> None:
    """Numbers must run in equal steps: a gap shifts every later mask onto a wrong frame."""
    steps = [b - a for a, b in pairwise(numbers)]
    step = min(steps)
    if step == 0:
        twin = steps.index(0)
        raise MaskError(
            f"Mask folder {folder} has number {numbers[twin]} twice: {files[twin].name} and {files[twin + 1].name}.",
            "Keep one of them.",
        )
    for at, this in enumerate(steps):
        if this != step:
            raise MaskError(
                f"Mask folder {folder} has a gap: after {files[at].name} comes {files[at + 1].name}, "
                f"number {numbers[at] + step} is missing.",
                "Give a mask for every frame (an empty one where nothing is to be removed).",
            )


def _reason(error: Exception) -> str:
    text = (error.what if isinstance(error, VrmError) else str(error)).strip() or type(error).__name__
    return text if text.endswith(".") else text + "."
