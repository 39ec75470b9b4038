"""Frames and masks of a clip, read one by one: from a folder of pictures, a video, or chosen files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np

from vrm.errors import MaskError, VideoError
from vrm.events import counted
from vrm.media.read.clips import named_pictures
from vrm.media.read.frame_folder import frame_files
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.stills import image_facts, read_image, read_mask
from vrm.options.remove import MaskOptions
from vrm.selection.masks.load import MOSTLY, load
from vrm.selection.masks.source import mask_readers
from vrm.types import Masks, Pixels, VideoInfo

_READ_AHEAD = 4
NEARLY_ALL = 0.9
"""If more of the picture is masked than this, on average, the mask is of the other polarity."""
_INVERT = "give --invert-mask"


@dataclass(frozen=True)
class ImageSequence:
    """The frames or masks of one clip, in order.

    ``path`` is a folder of numbered pictures, or a video file; ``files`` the pictures, unless they are all those of the
    folder.
    """

    path: Path
    files: tuple[Path, ...] = ()

    @cached_property
    def info(self) -> VideoInfo:
        return probe(self.path)

    @cached_property
    def listed(self) -> tuple[Path, ...]:
        """The picture files; empty for a video. Raises VideoError."""
        if self.files or not self.path.is_dir():
            return self.files
        return tuple(frame_files(self.path))

    def __len__(self) -> int:
        return len(self.listed) or self.info.n_frames

    @cached_property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` as displayed: a rotated video is turned."""
        return image_facts(self.listed[0])[:2] if self.listed else self.info.display_size

    @cached_property
    def bits(self) -> int:
        """Bits per channel of the frames from ``stream``: 8 or 16."""
        return image_facts(self.listed[0])[3] if self.listed else (8 if self.info.bit_depth == 8 else 16)

    def stream(self, stop: int | None = None) -> Iterator[Pixels]:
        """RGB frames ``0 .. stop - 1`` (None = all), ``(H, W, 3)`` as displayed.

        Raises VideoError where a frame is unreadable, missing, or has another size than the first.
        """
        count = len(self) if stop is None else min(stop, len(self))
        t = -1
        for t, frame in enumerate(self._files(count) if self.listed else self._decoded(count)):
            if frame.shape[:2] != self.size:
                (h, w), (height, width) = frame.shape[:2], self.size
                where = self.listed[t] if self.listed else f"{self.path}, frame {t},"
                raise VideoError(f"{where} is {w}x{h}, those before it {width}x{height}.", "They must be of one size.")
            yield frame
        if t + 1 < count:
            raise VideoError(
                f"{self.path} ends after {t + 1} of its {counted(count, 'frame')}.", "The file is damaged."
            )

    def _decoded(self, count: int) -> Iterator[Pixels]:
        turns = -self.info.rotation // 90
        with Reader(self.info) as reader:
            for frame in reader.frames(0, count):
                yield cast(Pixels, np.ascontiguousarray(np.rot90(frame.rgb(), turns)))

    def _files(self, count: int) -> Iterator[Pixels]:
        with ThreadPoolExecutor(1) as pool:
            coming: deque[Future[Pixels]] = deque()
            for path in self.listed[:count]:
                coming.append(pool.submit(_rgb, path))
                if len(coming) > _READ_AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()

    def part(self, stop: int | None) -> ImageSequence:
        """The first pictures only; a video stays whole."""
        return self if stop is None or not self.listed else replace(self, files=self.listed[:stop])


def open_sequence(folder: Path, *names: str) -> ImageSequence | None:
    path = named_pictures(folder, *names)
    return None if path is None else ImageSequence(path)


def load_masks(masks: ImageSequence, frames: ImageSequence, name: str, invert: bool = False) -> Masks:
    """The masks of a clip, one picture for each frame or one for all, as the frames are displayed; True = missing.

    ``name`` of the clip is for messages; ``invert``: 0 is missing.

    Raises:
        MaskError: they are unreadable, not as many or as large as the frames, or nearly everything is masked.
    """
    if masks.files:
        return _checked(_read_files(masks, frames, invert), name)
    info = frames.info if not frames.files else replace(probe(frames.path), n_frames=len(frames))
    single = bool(masks.listed) and len(masks) == 1 and len(frames) != 1
    options = MaskOptions(path=masks.path, invert=invert, static=single)
    try:
        loaded = load(options, info, mask_readers())
    except MaskError as error:
        inverted = "--invert" in error.fix
        fix = error.fix.replace("add --invert-mask", _INVERT) if inverted else "A clip has one mask per frame, or one."
        raise MaskError(f"Clip {name}: {error.what}", fix) from error
    return _checked(_displayed(loaded.masks, info), name)


def _displayed(masks: Masks, info: VideoInfo) -> Masks:
    """Masks in stored orientation, rotated as the video is for display."""
    if not info.rotation:
        return masks
    turned = Masks(info.display_size, masks.n_frames)
    for t, mask in masks.items():
        turned[t] = np.ascontiguousarray(np.rot90(mask, -info.rotation // 90))
    return turned


def _read_files(masks: ImageSequence, frames: ImageSequence, invert: bool) -> Masks:
    """Masks that share a folder with the frames, thresholded at half of the largest value."""
    if len(masks) != len(frames):
        raise MaskError(f"{masks.path} has {counted(len(masks), 'mask')} for {counted(len(frames), 'frame')}.")
    packed = Masks(frames.size, len(frames))
    for t, path in enumerate(masks.listed):
        pixels, indexed = read_mask(path)
        grey = pixels if pixels.ndim == 2 else pixels[..., :3].max(2)
        mask = grey > (0 if indexed else np.iinfo(grey.dtype).max // 2)
        if mask.shape != packed.size:
            raise MaskError(f"{path} is {mask.shape[1]}x{mask.shape[0]}, its frame {packed.size[1]}x{packed.size[0]}.")
        packed[t] = ~mask if invert else mask
    return packed


def _checked(masks: Masks, name: str) -> Masks:
    if (share := _masked_share(masks)) > NEARLY_ALL:
        raise MaskError(
            f"Clip {name}: {100 * share:.0f}% of the picture is masked.",
            f"White is what is missing; if black is, {_INVERT}.",
        )
    return masks


def doubt(masks: Masks, name: str, inverted: bool = False) -> str | None:
    """A warning where more of the picture is masked than not, so that black and white may be interchanged.

    ``inverted``: black was read as missing.
    """
    share = _masked_share(masks)
    if share <= MOSTLY:
        return None
    read, other = ("black", "white") if inverted else ("white", "black")
    return (
        f"Clip {name}: {100 * share:.0f}% of the picture is masked. {read.capitalize()} was read as missing; "
        f"if {other} is, change --invert-mask."
    )


def _masked_share(masks: Masks) -> float:
    return sum(float(mask.mean()) for _, mask in masks.items()) / max(1, masks.n_frames)


def _rgb(path: Path) -> Pixels:
    image = read_image(path)
    return cast(Pixels, np.repeat(image[..., None], 3, 2) if image.ndim == 2 else np.ascontiguousarray(image[..., :3]))


def at_depth(frame: Pixels, bits: int) -> Pixels:
    """A frame with 8 or 16 bits per channel: multiplied by 257, which is exact, or rounded."""
    if bits == 16 and frame.dtype == np.uint8:
        return frame.astype(np.uint16) * np.uint16(257)
    if bits == 8 and frame.dtype == np.uint16:
        return ((frame.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return frame


def same_shape(one: ImageSequence, other: ImageSequence, what: str, reference: str, name: str) -> None:
    """Refuse sequences with different counts or sizes. Raises VideoError."""
    if len(one) != len(other):
        raise VideoError(
            f"Clip {name}: {what} has {counted(len(one), 'frame')}, {reference} has {len(other)} "
            f"({one.path}, {other.path}).",
            "They must show the same frames.",
        )
    if one.size != other.size:
        (h, w), (height, width) = one.size, other.size
        raise VideoError(
            f"Clip {name}: {what} is {w}x{h}, {reference} is {width}x{height} ({one.path}, {other.path}).",
            "They must be of one size.",
        )


def read_at(pictures: ImageSequence, wanted: list[int]) -> dict[int, Pixels]:
    if pictures.listed:
        return {t: _rgb(pictures.listed[t]) for t in wanted}
    return {t: frame for t, frame in enumerate(pictures.stream(max(wanted, default=-1) + 1)) if t in set(wanted)}
