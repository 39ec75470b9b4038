"""Animated WebP as a video: FFmpeg does not read it, Pillow does."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from vrm.errors import VideoError
from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import layout_of
from vrm.media.read.picture_tags import stated
from vrm.types import Colour, StreamInfo, VideoInfo

WEBP = "webp"
"""What ``VideoInfo.container`` says of it."""
_TIME_BASE = Fraction(1, 1000)
_FEATURES, _ALPHA, _FRAME, _DURATION = b"VP8X", 0x10, b"ANMF", slice(12, 15)
"""Chunks of the WebP container specification, and where in them is what."""


def is_animated_webp(path: Path) -> bool:
    if not path.is_file():  # opening a pipe would wait
        return False
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:16] == b"WEBP" + _FEATURES and bool(head[20] & 0x02)


def probe_webp(path: Path) -> VideoInfo:
    """What ``probe`` says of it, from its chunks. Raises VideoError: it is damaged."""
    delays, alpha = _delays(path)
    try:
        with Image.open(path) as picture:
            width, height = picture.size
    except Exception as error:  # Pillow raises many kinds
        raise VideoError(f"{path} cannot be read: {error}.", "It is damaged or incomplete.") from error
    if not delays:
        raise VideoError(f"{path} holds no frames.", "It is damaged or incomplete.")
    pix_fmt, duration = "gbrap" if alpha else "gbrp", sum(delays) * _TIME_BASE
    kept, lost = stated([path], 4 if alpha else 3, animated=True)
    return VideoInfo(
        path=path,
        container=WEBP,
        stream=0,
        codec="webp",
        profile="",
        pix_fmt=pix_fmt,
        height=height,
        width=width,
        rotation=0,
        sample_aspect=Fraction(1),
        bit_depth=8,
        time_base=_TIME_BASE,
        frame_rate=(len(delays) / duration).limit_denominator(1001),
        n_frames=len(delays),
        duration=duration,
        colour=Colour(full_range=True),
        has_alpha=alpha,
        streams=(StreamInfo(0, "video", "webp", detail=f"{width}x{height} {pix_fmt}"),),
        extras=(*kept, *lost),
    )


def webp_times(path: Path) -> list[int]:
    """The pts of every frame."""
    return list(accumulate(_delays(path)[0][:-1], initial=0))


def read_webp(info: VideoInfo, start: int, stop: int | None) -> Iterator[Frame]:
    """The frames ``start..stop-1``. Raises VideoError: a frame is damaged."""
    layout = layout_of(info.pix_fmt)
    delays, _ = _delays(info.path)
    times = webp_times(info.path)
    with Image.open(info.path) as picture:
        for t in range(start, len(times) if stop is None else min(stop, len(times))):
            try:
                picture.seek(t)
                pixels = np.array(picture.convert("RGBA" if layout.alpha else "RGB"))
            except Exception as error:  # see ``probe_webp``
                raise VideoError(f"Frame {t} of {info.path} cannot be decoded: {error}.", "It is damaged.") from error
            planes = tuple(np.ascontiguousarray(pixels[..., c]) for c in ((1, 2, 0, 3) if layout.alpha else (1, 2, 0)))
            yield Frame.from_planes(planes, layout, t, times[t], delays[t], _TIME_BASE)


def _delays(path: Path) -> tuple[list[int], bool]:
    """How long each frame is shown, in milliseconds, at least one; and whether any has alpha."""
    delays, alpha = [], False
    with path.open("rb") as file:
        for name in chunks(file):
            if name == _FEATURES:
                alpha = bool(file.read(1)[0] & _ALPHA)
            elif name == _FRAME:
                delays.append(max(1, int.from_bytes(file.read(15)[_DURATION], "little")))
    return delays, alpha


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """The name of each chunk of a WebP file, which stands at the chunk's content then."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        yield name
        file.seek(start + size + size % 2)
