"""One mask picture, whatever it was saved as, to one plane of levels, and the threshold that says what is masked.

The same object comes as 0/255, as soft grey, as palette indices, as ids in grey levels (0, 1, 2, ...), as colours, in
the alpha channel, with one bit or with sixteen. A single picture often does not tell which: an id image may hold
only id 1 on this frame. So levels are counted over the whole sequence first and the threshold is chosen then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vrm.errors import MaskError
from vrm.types import Bool, eight_bits

GREY_SPREAD = 8
"""Largest difference between the channels, of 255, at which an RGB picture still counts as grey."""
ID_LIMIT = 32
"""Grey levels below this, with nothing between them and full white, are ids and not soft edges."""


class LevelKind(Enum):
    """What the levels of a picture mean."""

    IDS = "ids"
    GREY = "grey"
    COLOUR = "colour"


@dataclass(frozen=True)
class MaskPicture:
    """One mask picture as it was stored.

    Attributes:
        pixels: bool, uint8 or uint16; ``(H, W)`` grey or palette indices, ``(H, W, 2)`` grey and alpha, ``(H, W, 3)``
            RGB, ``(H, W, 4)`` RGBA.
        name: for messages: the file, or the file and the frame.
        indexed: the numbers are palette indices.
        lossy: the picture went through a lossy codec, so small levels mean nothing.
    """

    pixels: npt.NDArray[Any]
    name: str
    indexed: bool = False
    lossy: bool = False


@dataclass(frozen=True)
class Levels:
    """A plane of levels ``(H, W)``, uint8 or uint16, what they mean, and whether codec noise lies around them."""

    values: npt.NDArray[Any]
    kind: LevelKind
    lossy: bool

    @property
    def full(self) -> int:
        """The level of full white."""
        return int(np.iinfo(self.values.dtype).max)


def read_levels(picture: MaskPicture, want_ids: bool) -> Levels:
    """The one plane of a picture that says what is masked; colours are turned into ids where ``want_ids``.

    Raises MaskError: the array is no picture, or ids are wanted from colours that are not PASCAL VOC's.
    """
    pixels = picture.pixels
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(1 if want_ids else 255)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim not in (2, 3) or pixels.size == 0:
        raise MaskError(f"Mask {picture.name} holds {pixels.dtype} {pixels.shape}, which is no picture.", "Use a PNG.")
    if pixels.ndim == 2:
        return Levels(pixels, LevelKind.IDS if picture.indexed else LevelKind.GREY, picture.lossy)
    channels = pixels.shape[2]
    colour = pixels[:, :, : 1 if channels <= 2 else 3]
    if channels in (2, 4):
        alpha, full = pixels[:, :, -1], int(np.iinfo(pixels.dtype).max)
        if _alpha_is_the_mask(pixels, alpha, full):
            return Levels(np.ascontiguousarray(alpha), LevelKind.GREY, picture.lossy)
        colour = np.where(alpha[:, :, None] > full // 2, colour, colour.dtype.type(0))
    return _from_colour(np.ascontiguousarray(colour), picture, want_ids)


def _alpha_is_the_mask(pixels: npt.NDArray[Any], alpha: npt.NDArray[Any], full: int) -> bool:
    """True where transparency carries the shape: a cut-out, or strokes on a transparent layer."""
    if int(alpha.min()) == full:
        return False
    opaque = pixels[:, :, :-1][alpha > full // 2]
    if opaque.size == 0:
        return True
    # A black and white picture with a few transparent pixels is a picture; anything else is a cut-out.
    grey = int(np.ptp(opaque.astype(np.int32), axis=1).max()) <= GREY_SPREAD * full // 255
    return not (grey and int(opaque.min()) == 0 and int(opaque.max()) > full // 2)


def _from_colour(colour: npt.NDArray[Any], picture: MaskPicture, want_ids: bool) -> Levels:
    full = int(np.iinfo(colour.dtype).max)
    channels = list(cv2.split(colour)) if colour.shape[2] > 1 else [colour[:, :, 0]]
    highest = np.maximum.reduce(channels)
    spread = int((highest - np.minimum.reduce(channels)).max())
    if spread <= GREY_SPREAD * full // 255:
        return Levels(highest, LevelKind.GREY, picture.lossy)
    if picture.lossy:
        # The brightest channel: white is white, and a red or blue shape on black is not lost as its luma would be.
        return Levels(highest, LevelKind.COLOUR, True)
    if want_ids:
        return Levels(_voc_ids(colour, picture.name), LevelKind.IDS, False)
    return Levels(np.where(highest > 0, np.uint8(255), np.uint8(0)), LevelKind.COLOUR, False)


def _voc_ids(colour: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """Ids of RGB colours: bit k of the id lies in the high bits of R, G, B in turn (PASCAL VOC development kit)."""
    rgb = eight_bits(colour)
    ids = np.zeros(rgb.shape[:2], np.uint8)
    for bit in range(8):
        ids |= ((rgb[:, :, bit % 3] >> (7 - bit // 3)) & 1) << bit
    if not np.array_equal(voc_colours()[ids], rgb):
        raise MaskError(
            f"Mask {name} is in colour, and its colours are not those of the palette data sets share.",
            "--object needs a palette PNG, or ids as grey levels.",
        )
    return ids


def voc_colours() -> npt.NDArray[np.uint8]:
    """The PASCAL VOC palette: uint8 ``(256, 3)``, the colour of each id."""
    ids = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= (((ids >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    return palette


@dataclass
class LevelCount:
    """How many pixels hold each level over a whole sequence.

    Attributes:
        grey: int64 ``(256,)``: pixels of grey pictures by level; 16 bit divided by 257 and rounded up, so that level 1
            of 65,535 is not taken for 0.
        ids: those found, from palettes and from grey levels.
        highest: the highest grey level, as a share of full white.
    """

    grey: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    ids: set[int] = field(default_factory=set)
    highest: float = 0.0

    def add(self, levels: Levels) -> None:
        if levels.kind is LevelKind.COLOUR:
            return
        bins = levels.full + 1
        counts = cv2.calcHist([levels.values], [0], None, [bins], [0, bins]).ravel()
        used = np.flatnonzero(counts)
        self.ids.update(int(i) for i in used)
        if levels.kind is LevelKind.GREY:
            self.highest = max(self.highest, float(used[-1]) / levels.full)
            np.add.at(self.grey, used if bins == 256 else -(-used // 257), counts[used].astype(np.int64))

    @property
    def grey_is_ids(self) -> bool:
        """Grey levels are ids: nothing reaches half, or only small levels are used beside full white (void).

        One small level and full white, without 0 on any frame, is a mask whose black is not quite black.
        """
        if self.highest < 0.5:
            return True
        if not self.grey[0] and np.count_nonzero(self.grey) == 2:
            return False
        return bool(self.grey[1:ID_LIMIT].any() and not self.grey[ID_LIMIT:255].any())

    @property
    def quadmask(self) -> bool:
        """Four plateaus (0 remove, 63 remove and affected, 127 affected, 255 keep) as the VOID model's masks have."""
        middle = int(self.grey[120:136].sum())
        beside = int(self.grey[96:112].sum() + self.grey[144:160].sum())
        return middle > 4 * beside and middle > 0.001 * int(self.grey.sum())

    @property
    def dim_levels(self) -> list[int]:
        """Plateaus between black and half, which a threshold at half leaves out; empty for soft edges."""
        used = np.flatnonzero(self.grey).tolist()
        plateaus = len(used) <= 12 and int(self.grey[1:128].sum()) > 0.001 * int(self.grey.sum())
        return [v for v in used if 0 < v < 128] if plateaus else []


class Threshold(Enum):
    """From which level on a pixel is masked."""

    ANY = "every level but 0"
    HALF = "half"
    LOW = "three eighths"


def thresholded(levels: Levels, threshold: Threshold) -> Bool:
    """Bool ``(H, W)``: the levels that are masked. Ids are never thresholded; lossy levels at half at least."""
    if levels.lossy and threshold is Threshold.ANY:
        threshold = Threshold.HALF
    if levels.kind is LevelKind.IDS or threshold is Threshold.ANY:
        return np.asarray(levels.values > 0)
    least = (levels.full + 1) * (4 if threshold is Threshold.HALF else 3) // 8
    return np.asarray(levels.values >= least)
