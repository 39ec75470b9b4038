"""Still pictures: their samples as they were stored, upright."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from PIL import Image

from vrm.errors import VideoError
from vrm.media.frame.pixel_layout import raw_plane
from vrm.media.read.picture_tags import read_tags, upright
from vrm.system.crash import reading
from vrm.types import U8, Pixels

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_PALETTE = 3
_CHANNELS = {"L": 1, "P": 3, "RGB": 3, "CMYK": 3, "RGBA": 4}
"""By Pillow's modes, as OpenCV reads them."""
_EIGHT_BIT = (".jpg", ".jpeg", ".bmp", ".webp")


MOST_PIXELS = 8192 * 8192
"""Pixels that a picture may have by default: a file of a few kilobytes can claim any size."""


def check_size(path: Path, most: int = MOST_PIXELS) -> None:
    """Refuse a picture by its header, before anything is unpacked. Raises VideoError: more than ``most`` pixels."""
    height, width, _, kind = png_header(path)
    if kind < 0:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(path) as picture:
                    width, height = picture.size
        except Image.DecompressionBombError as error:
            raise VideoError(f"{path} claims to be too large: {error}.", "Limits: --max-pixels.") from error
        except Exception:  # whatever is wrong with it, its reader says so
            return
    if height * width > most:
        raise VideoError(f"{path} has {width}x{height} pixels, more than --max-pixels {most}.", "Give a smaller one.")


def read_image(path: Path, most: int = MOST_PIXELS) -> Pixels:
    """A picture's samples as stored: uint8 or uint16, ``(H, W)`` grey, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA.

    Grey with alpha and palettes come as RGB(A). It is turned as a camera's orientation tag says.

    Raises:
        VideoError: the file is missing, is no picture, has more than ``most`` pixels, or holds other than 8 or 16 bit
            integers.
    """
    check_size(path, most)
    reading(path)
    return cast(Pixels, np.ascontiguousarray(upright(_decoded(path), read_tags(path).orientation)))


def _decoded(path: Path) -> Pixels:
    """The samples as they are stored."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise VideoError(f"The picture {path} cannot be read: {error.strerror}.") from error
    # The exception says what OpenCV would print about a damaged file.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except cv2.error:  # over OpenCV's own limit
        image = None
    if image is None:
        raise VideoError(f"{path} is not a picture that can be read.", "Save it again as a PNG.")
    if image.dtype not in (np.uint8, np.uint16):
        raise VideoError(f"The picture {path} has {image.dtype} samples.", "Save it with 8 or 16 bits per sample.")
    if image.ndim == 3:
        image = _from_opencv(image)
    return cast(Pixels, image)


def _from_opencv(image: Any) -> Pixels:
    """BGR, BGRA or grey with alpha as RGB(A). OpenCV reorders channels in a fiftieth of NumPy's time."""
    if image.shape[2] == 2:
        return cast(Pixels, np.ascontiguousarray(image[..., [0, 0, 0, 1]]))
    return cast(Pixels, cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB))


def read_index(path: Path, most: int = MOST_PIXELS) -> U8:
    """The palette indices ``(H, W)`` of a palette PNG. Raises VideoError: it is missing, too large, or another file."""
    check_size(path, most)
    if png_header(path)[3] != _PALETTE:
        raise VideoError(f"{path} is not a PNG with a palette.")
    reading(path)
    try:
        with av.open(str(path.absolute())) as container:
            frame = next(container.decode(video=0))
    except (av.error.FFmpegError, StopIteration) as error:
        raise VideoError(f"{path} is damaged: {error}.", "Save it again as a PNG.") from error
    index = raw_plane(frame, 0, "u1", frame.width)[: frame.height]
    return np.array(upright(index, read_tags(path).orientation))


def read_mask(path: Path, most: int = MOST_PIXELS) -> tuple[Pixels, bool]:
    """A mask as stored: ``(indices, True)`` of a palette PNG, else ``(read_image(path), False)``. Raises VideoError."""
    if png_header(path)[3] == _PALETTE:
        return read_index(path, most), True
    return read_image(path, most), False


def png_header(path: Path) -> tuple[int, int, int, int]:
    """``(height, width, bits per sample, colour type)`` of a PNG; zeros and -1 for another file. Raises VideoError."""
    try:
        if path.exists() and not path.is_file():
            raise VideoError(f"The picture {path} cannot be read: it is a folder, a pipe or a device.")
        with path.open("rb") as file:
            head = file.read(26)
    except OSError as error:
        raise VideoError(f"The picture {path} cannot be read: {error.strerror}.") from error
    if len(head) < 26 or not head.startswith(_PNG_SIGNATURE):
        return 0, 0, 0, -1
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    return height, width, bits, colour


def image_facts(path: Path) -> tuple[int, int, int, int]:
    """``(height, width, channels, bits)`` of ``read_image``, mostly from the header alone. Raises VideoError."""
    tags = read_tags(path)
    height, width, channels, bits = _stored_facts(path)
    if tags.orientation >= 5:
        height, width = width, height
    return height, width, 4 if tags.transparent else channels, bits


def _stored_facts(path: Path) -> tuple[int, int, int, int]:
    height, width, bits, colour = png_header(path)
    if colour in _PNG_CHANNELS:
        return height, width, _PNG_CHANNELS[colour], 16 if bits == 16 else 8
    if path.suffix.lower() in _EIGHT_BIT:
        try:
            with Image.open(path) as picture:
                if picture.mode in _CHANNELS:
                    return picture.height, picture.width, _CHANNELS[picture.mode], 8
        except (OSError, ValueError, SyntaxError):
            pass  # the other reader may know it, or say what is wrong
    check_size(path)
    image = _decoded(path)
    return (*image.shape[:2], 1 if image.ndim == 2 else image.shape[2], 8 * image.itemsize)
