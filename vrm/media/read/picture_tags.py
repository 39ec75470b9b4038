"""What picture files state beside their samples (orientation, colour, EXIF), as chunks of a PNG that is made of them.

Chunks are those of the PNG specification (third edition); the orientation is tag 0x0112 of EXIF.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy.typing as npt
from PIL import Image

from vrm.types import Colour

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 1 << 26
"""Bytes of a chunk that is kept, at most."""
CICP = "colour tags (cICP)"
_WORDS = {
    b"iCCP": "ICC profile",
    b"cICP": CICP,
    b"mDCV": "HDR static metadata",
    b"cLLI": "HDR static metadata",
    b"sRGB": "sRGB tag",
    b"gAMA": "gamma",
    b"cHRM": "primaries (cHRM)",
    b"pHYs": "pixel density",
    b"eXIf": "EXIF",
    b"tEXt": "text",
    b"zTXt": "text",
    b"iTXt": "text",
}
"""The chunks that hold for a picture of the same size with other samples, and what messages call them."""
_FURTHER = "further pictures in a file"
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
_ORIENTATION = 0x0112
_TIFF_TEXTS = (270, 271, 272, 305, 306, 315, 33432)
_TIFF_PARTS = (0x8769, 0x8825)
"""The tags of a TIFF that are EXIF's: description, camera, software, date, artist, copyright; exposure, place."""


@dataclass(frozen=True)
class PictureTags:
    """What one file states.

    Attributes:
        orientation: EXIF's: 1 = as stored, 6 = to be turned clockwise, ...; see ``upright``.
        chunks: name and data of PNG chunks that say the same of the upright picture.
        transparent: a PNG's colour or palette has transparent entries.
        lost: in words, what of the picture itself is not read.
    """

    orientation: int = 1
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    transparent: bool = False
    lost: tuple[str, ...] = ()

    @property
    def colour(self) -> Colour:
        """What cICP states; a folder of pictures is full range."""
        primaries, transfer = next((tuple(data[:2]) for name, data in self.chunks if name == b"cICP"), (2, 2))
        return Colour(primaries, transfer, full_range=True)

    def fitting(self, channels: int) -> tuple[tuple[bytes, bytes], ...]:
        """The chunks, without an ICC profile that is of another kind than a picture of so many channels."""
        space = b"GRAY" if channels <= 2 else b"RGB "
        return tuple((name, data) for name, data in self.chunks if name != b"iCCP" or _icc_space(data) == space)


def read_tags(path: Path) -> PictureTags:
    """The tags of a picture file; none where it cannot be read: its reader says what is wrong with it."""
    if not path.is_file():  # opening a pipe would wait
        return PictureTags()
    try:
        with path.open("rb") as file:
            if file.read(8) == _SIGNATURE:
                return _of_png(file)
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("ignore")
            return _of_other(picture)
    except Exception:  # Pillow raises many kinds for damaged files
        return PictureTags()


def stated(files: Sequence[Path], channels: int, animated: bool = False) -> tuple[list[str], list[str]]:
    """In words what the files state that pictures of so many channels, written upright as PNG, keep, and what not.

    ``animated``: all their pictures are read.
    """
    kept: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for path in files:
        tags = read_tags(path)
        fitting = {name for name, _ in tags.fitting(channels)}
        for name in {name for name, _ in tags.chunks}:
            (kept if name in fitting else lost)[_WORDS[name]] += 1
        lost.update(word for word in tags.lost if not (animated and word == _FURTHER))
    return list(kept), list(lost)


def upright(picture: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """A picture ``(H, W)`` or ``(H, W, C)`` as a viewer shows it that follows EXIF's orientation."""
    turned = picture.swapaxes(0, 1) if orientation >= 5 else picture
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return turned[::-1] if orientation in (3, 4, 7, 8) else turned


def is_animation(path: Path) -> bool:
    """Whether a file that may be a picture holds a sequence of pictures with times: APNG, animated WebP, GIF."""
    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("ignore")
            return picture.format in ("PNG", "WEBP", "GIF") and getattr(picture, "n_frames", 1) > 1
    except Exception:  # see ``read_tags``
        return False


def plays(path: Path) -> int:
    """How often an animation is played; 0 = without end, which is also said of what is none."""
    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("ignore")
            stated = picture.info.get("loop")
            if picture.format == "GIF":
                return 1 if stated is None else stated and stated + 1
            return int(stated or 0)
    except Exception:  # see ``read_tags``
        return 0


def png_with(data: bytes, chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A PNG file's bytes with chunks put behind its header."""
    header = len(_SIGNATURE) + 25
    made = b"".join(_chunk(name, content) for name, content in chunks)
    return data[:header] + made + data[header:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Name and data of the chunks that are looked at; the others are passed over."""
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name in (*_WORDS, b"IHDR", b"tRNS", b"acTL") and size <= _LARGEST:
            yield name, file.read(size)
            size = 0
        file.seek(size + 4, 1)


def _of_png(file: BinaryIO) -> PictureTags:
    orientation, grey, kept, transparent, lost = 1, False, [], False, []
    for name, data in _png_chunks(file):
        if name == b"IHDR":
            grey = data[9] == 0
        elif name == b"acTL":
            lost.append(_FURTHER)
        elif name == b"tRNS":
            transparent = not grey
            lost += ["the transparent grey level"] if grey else []
        else:
            if name == b"eXIf":
                orientation, data = _without_orientation(data)
            kept.append((name, data))
    return PictureTags(orientation, tuple(kept), transparent, tuple(lost))


def _of_other(picture: Image.Image) -> PictureTags:
    chunks: list[tuple[bytes, bytes]] = []
    if profile := picture.info.get("icc_profile"):
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    found = picture.getexif()
    orientation = int(found.get(_ORIENTATION, 1))
    if exif := _tiff_exif(found) if picture.format == "TIFF" else picture.info.get("exif"):
        chunks.append((b"eXIf", _without_orientation(exif)[1]))
    if xmp := picture.info.get("xmp"):
        chunks.append((b"iTXt", _XMP + (xmp if isinstance(xmp, bytes) else xmp.encode())))
    lost = (_FURTHER,) if getattr(picture, "n_frames", 1) > 1 else ()
    return PictureTags(orientation if 1 <= orientation <= 8 else 1, tuple(chunks), lost=lost)


def _tiff_exif(tags: Image.Exif) -> bytes:
    """What is EXIF's among the tags of a TIFF; empty where nothing is."""
    exif = Image.Exif()
    for tag in _TIFF_TEXTS:
        if tag in tags:
            exif[tag] = tags[tag]
    for tag in _TIFF_PARTS:
        if part := tags.get_ifd(tag):
            exif[tag] = part
    return exif.tobytes() if len(exif) else b""


def _without_orientation(data: bytes) -> tuple[int, bytes]:
    """The orientation in EXIF data, and the data with a normal one, as PNG holds it."""
    exif = Image.Exif()
    try:
        exif.load(data)
        orientation = int(exif.get(_ORIENTATION, 1))
    except Exception:  # see ``read_tags``
        return 1, data
    if 2 <= orientation <= 8:
        exif[_ORIENTATION] = 1
        data = exif.tobytes()
    return orientation if 1 <= orientation <= 8 else 1, data.removeprefix(b"Exif\0\0")


def _icc_space(chunk: bytes) -> bytes:
    """The kind of samples an ICC profile is for (ICC.1, 7.2.8)."""
    try:
        return zlib.decompressobj().decompress(chunk.split(b"\0", 1)[1][1:], 20)[16:20]
    except (zlib.error, IndexError):
        return b""
