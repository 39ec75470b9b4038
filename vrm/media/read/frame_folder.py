"""A folder of pictures, or a single one, as a video: one frame each, in the order of their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np

from vrm.errors import VideoError
from vrm.events import counted
from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import PixelLayout, Planes, layout_of
from vrm.media.read.picture_tags import is_animation, read_tags, stated
from vrm.media.read.stills import image_facts, read_image
from vrm.types import Pixels, StreamInfo, VideoInfo

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
FRAME_RATE = Fraction(25)
"""Frames per second of a folder of frames, which does not say: what ``--fps`` is by default."""


def is_frames(path: Path) -> bool:
    """Whether a path is a folder of pictures or one still picture, and no video file."""
    return path.is_dir() or (path.suffix.lower() in PICTURE_ENDINGS and path.is_file() and not is_animation(path))


def frame_files(folder: Path) -> list[Path]:
    """The folder's pictures in the order of the numbers in their names; of a picture, itself.

    Raises VideoError: there is no such folder, or it holds no pictures.
    """
    if folder.is_file():
        return [folder]
    try:
        files = [p for p in folder.iterdir() if p.suffix.lower() in PICTURE_ENDINGS and not p.name.startswith(".")]
    except OSError as error:
        raise VideoError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if not files:
        raise VideoError(
            f"The folder {folder} holds no frames.",
            f"Frames are numbered pictures: {', '.join(e[1:] for e in PICTURE_ENDINGS)}.",
        )
    return sorted(files, key=natural)


def natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """A sort key by which 2 comes before 10; by full name where only leading zeros differ."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts], path.name


def probe_folder(folder: Path, rate: Fraction = FRAME_RATE) -> VideoInfo:
    """What ``probe`` says of a folder of frames (or of a picture), from the headers of all its files.

    Raises VideoError: no frames, or frames of different sizes or depths; names the file.
    """
    files = frame_files(folder)
    height, width, channels, bits = image_facts(files[0])
    most = channels
    for path in files[1:]:
        h, w, c, b = image_facts(path)
        if (h, w) != (height, width):
            raise VideoError(
                f"{path} has {w}x{h} pixels, but {files[0].name} has {width}x{height}.", "Frames must be of one size."
            )
        if b != bits:
            raise VideoError(f"{path} has {b} bits per sample, but {files[0].name} has {bits}.", "Save all alike.")
        most = _joined(most, c)
    pix_fmt = {1: "gray", 3: "gbrp", 2: "gbrap", 4: "gbrap"}[most] + ("16le" if bits == 16 else "")
    layout = layout_of(pix_fmt)
    kept, lost = stated(files, most)
    orientations = {read_tags(path).orientation for path in files}
    codec = files[0].suffix.lower()[1:].replace("jpeg", "jpg").replace("tiff", "tif")
    return VideoInfo(
        path=folder,
        container="frames",
        stream=0,
        codec=codec,
        profile="",
        pix_fmt=pix_fmt,
        height=height,
        width=width,
        rotation=0,
        sample_aspect=Fraction(1),
        bit_depth=bits,
        time_base=1 / rate,
        frame_rate=rate,
        n_frames=len(files),
        duration=len(files) / rate,
        colour=read_tags(files[0]).colour,
        has_alpha=layout.alpha,
        orientation=orientations.pop() if len(orientations) == 1 else 1,
        extras=tuple(dict.fromkeys((*kept, *lost))),
        streams=(StreamInfo(0, "video", codec, detail=f"{width}x{height} {pix_fmt}, {counted(len(files), 'file')}"),),
    )


def _joined(a: int, b: int) -> int:
    """Channels that hold both kinds of picture: grey with alpha and colour become colour with alpha."""
    return 4 if a != b and 2 in (a, b) and max(a, b) > 2 else max(a, b)


def read_folder(info: VideoInfo, start: int, stop: int | None) -> Iterator[Frame]:
    """The frames ``start..stop-1``; to the last where ``stop`` is None.

    Raises VideoError: a picture cannot be read, or has changed since the folder was probed.
    """
    layout = layout_of(info.pix_fmt)
    files = frame_files(info.path)
    for t in range(start, len(files) if stop is None else min(stop, len(files))):
        planes = _planes(read_image(files[t]), layout, files[t])
        if planes[0].shape != info.size:
            raise VideoError(f"{files[t]} changed its size.")
        yield Frame.from_planes(planes, layout, t, t, 1, info.time_base)


def _planes(image: Pixels, layout: PixelLayout, path: Path) -> Planes:
    if image.dtype != layout.dtype:
        raise VideoError(f"{path} has {image.itemsize * 8} bits per sample, the other frames {layout.depth}.")
    if layout.family == "gray":
        if image.ndim == 3:
            raise VideoError(f"{path} is in colour, the other frames are grey.")
        return (image,)
    channels: list[Any] = [image] * 3 if image.ndim == 2 else [image[..., c] for c in range(image.shape[2])]
    if len(channels) == 4 and not layout.alpha:
        raise VideoError(f"{path} has an alpha channel, the other frames have none.")
    if len(channels) == 3 and layout.alpha:
        channels.append(np.full(image.shape[:2], np.iinfo(image.dtype).max, image.dtype))
    red, green, blue, *opacity = (np.ascontiguousarray(c) for c in channels)
    return cast(Planes, (green, blue, red, *opacity))
