"""Pictures written as PNG files, each whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from PIL import Image

from vrm.errors import OutputError
from vrm.media.frame.frame import Frame, widen
from vrm.media.read.picture_tags import PictureTags, png_with
from vrm.system.files import atomic_write
from vrm.types import U8, Pixels


def picture_of(frame: Frame) -> Pixels:
    """A frame as a picture file holds it: ``(H, W)`` grey, else RGB, or RGBA if it has alpha; 8 or 16 bit."""
    if frame.layout.family == "gray" and frame.colour.full_range:
        return widen(frame.planes[0], frame.layout.depth)
    rgb = frame.rgb()
    if not frame.layout.alpha:
        return rgb
    return cast(Pixels, np.dstack([rgb, widen(frame.planes[-1], frame.layout.depth)]))


def write_png(path: Path, picture: Pixels | Frame, tags: PictureTags | None = None) -> None:
    """Write a PNG, replacing it: a frame, or uint8 or uint16 ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA.

    ``tags``: what the file it was made of states. Raises OutputError.
    """
    pixels: Any = picture_of(picture) if isinstance(picture, Frame) else picture
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not done:
        raise OutputError(f"{path}: a picture {pixels.shape} of {pixels.dtype} cannot be written as PNG.")
    if tags is None:
        atomic_write(path, data.data)
    else:
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        atomic_write(path, png_with(data.tobytes(), tags.fitting(channels)))


def write_index(path: Path, index: U8, palette: U8) -> None:
    """Write palette indices, uint8 ``(H, W)``, as a palette PNG, replacing it; ``read_index`` gives them back.

    ``palette`` is uint8 ``(256, 3)`` RGB. Raises OutputError.
    """
    picture = Image.fromarray(np.ascontiguousarray(index))
    picture.putpalette(palette.tobytes())
    atomic_write(path, lambda file: picture.save(file, "PNG", compress_level=3))
