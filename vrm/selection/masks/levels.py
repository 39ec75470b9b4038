"""One mask picture, whatever it was saved as, to one plane of levels, and the rule that says which levels are masked.

The same object comes as 0/255, as soft grey, as palette indices, as ids in grey levels (0, 1, 2, ...), as colours, in
the alpha channel, with one bit or with sixteen. A single picture often does not tell which: an id image may hold
only id 1 on this frame. So levels are counted over the whole sequence first and the rule is chosen then.
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


class Nature(Enum):
    """What the levels of a picture are."""

    IDS = "ids"
    GREY = "grey"
    COLOUR = "colour"


@dataclass(frozen=True)
class Picture:
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
    """A plane of levels ``(H, W)``, uint8 or uint16, and what they are."""

    values: npt.NDArray[Any]
    nature: Nature
    lossy: bool

    @property
    def full(self) -> int:
        """The level of full white."""
        return int(np.iinfo(self.values.dtype).max)


def read_levels(picture: Picture, want_ids: bool) -> Levels:
    """The one plane of a picture that says what is masked.

    Args:
        picture: as stored.
        want_ids: objects are chosen by id, so colours are turned into ids.

    Raises:
        MaskError: the array is no picture, or ids are wanted from colours that are not those of the palette that
            segmentation data sets share (PASCAL VOC).
    """
    pixels = picture.pixels
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(1 if want_ids else 255)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim not in (2, 3) or pixels.size == 0:
        raise MaskError(f"Mask {picture.name} holds {pixels.dtype} {pixels.shape}, which is no picture.", "Use a PNG.")
    if pixels.ndim == 2:
        return Levels(pixels, Nature.IDS if picture.indexed else Nature.GREY, picture.lossy)
    channels = pixels.shape[2]
    alpha = pixels[:, :, -1] if channels in (2, 4) else None
    if alpha is not None and _alpha_is_the_mask(pixels, alpha):
        return Levels(np.ascontiguousarray(alpha), Nature.GREY, picture.lossy)
    colour = pixels[:, :, : 1 if channels <= 2 else 3]
    if alpha is not None and int(alpha.min()) < int(np.iinfo(alpha.dtype).max):
        colour = np.where(alpha[:, :, None] > np.iinfo(alpha.dtype).max // 2, colour, colour.dtype.type(0))
    return _from_colour(np.ascontiguousarray(colour), picture, want_ids)


def _alpha_is_the_mask(pixels: npt.NDArray[Any], alpha: npt.NDArray[Any]) -> bool:
    """True where transparency carries the shape: a cut-out, or strokes on a transparent layer."""
    full = int(np.iinfo(alpha.dtype).max)
    if int(alpha.min()) == full:
        return False
    opaque = pixels[:, :, :-1][alpha > full // 2]
    if opaque.size == 0:
        return True
    # A black and white picture with a few transparent pixels is a picture; anything else is a cut-out.
    grey = int(np.ptp(opaque.astype(np.int32), axis=1).max()) <= GREY_SPREAD * full // 255
    return not (grey and int(opaque.min()) == 0 and int(opaque.max()) > full // 2)


def _from_colour(colour: npt.NDArray[Any], picture: Picture, want_ids: bool) -> Levels:
    full = int(np.iinfo(colour.dtype).max)
    channels = list(cv2.split(colour)) if colour.shape[2] > 1 else [colour[:, :, 0]]
    highest = np.maximum.reduce(channels)
    spread = int((highest - np.minimum.reduce(channels)).max())
    if spread <= GREY_SPREAD * full // 255:
        return Levels(highest, Nature.GREY, picture.lossy)
    if picture.lossy:
        # The brightest channel: white is white, and a red or blue shape on black is not lost as its luma would be.
        return Levels(highest, Nature.COLOUR, True)
    if want_ids:
        return Levels(_voc_ids(colour, picture.name), Nature.IDS, False)
    return Levels(np.where(highest > 0, np.uint8(255), np.uint8(0)), Nature.COLOUR, False)


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
    """How many pixels hold each level over a whole sequence (16-bit levels scaled to 8 for the shape of it).

    Attributes:
        grey: int64 ``(256,)``: pixels of lossless and lossy grey pictures by level, 16 bit divided by 257, rounded up
            so that level 1 of 65,535 is not taken for 0.
        ids: the ids met, from palettes and from grey levels.
        highest: the highest grey level, as a share of full white.
    """

    grey: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    ids: set[int] = field(default_factory=set)
    highest: float = 0.0

    def add(self, levels: Levels) -> None:
        """Count one picture."""
        if levels.nature is Nature.COLOUR:
            return
        bins = levels.full + 1
        counts = cv2.calcHist([levels.values], [0], None, [bins], [0, bins]).ravel()
        used = np.flatnonzero(counts)
        self.ids.update(int(i) for i in used)
        if levels.nature is Nature.GREY:
            self.highest = max(self.highest, float(used[-1]) / levels.full)
            np.add.at(self.grey, used if bins == 256 else -(-used // 257), counts[used].astype(np.int64))

    @property
    def grey_is_ids(self) -> bool:
        """Grey levels are ids: nothing reaches half, or only small levels are used beside full white (void)."""
        if self.highest < 0.5:
            return True
        return bool(self.grey[1:ID_LIMIT].any() and not self.grey[ID_LIMIT:255].any())

    @property
    def quadmask(self) -> bool:
        """Four plateaus (0 remove, 63 remove and affected, 127 affected, 255 keep) as the VOID model's masks have."""
        middle = int(self.grey[120:136].sum())
        beside = int(self.grey[96:112].sum() + self.grey[144:160].sum())
        return middle > 4 * beside and middle > 0.001 * int(self.grey.sum())

    @property
    def dim_levels(self) -> list[int]:
        """Plateaus between black and half that a cut at half leaves out; empty for soft edges."""
        used = np.flatnonzero(self.grey)
        dim = [int(v) for v in used if 0 < v < 128]
        return dim if len(used) <= 12 and int(self.grey[1:128].sum()) > 0.001 * int(self.grey.sum()) else []


class Cut(Enum):
    """Where levels are cut into masked and not masked."""

    ANY = "every level but 0"
    HALF = "at half"
    LOW = "at three eighths"


def cut(levels: Levels, where: Cut) -> Bool:
    """Bool ``(H, W)``: the levels at or above the cut. Palette ids are never thresholded; lossy ones always are."""
    if levels.lossy and where is Cut.ANY:
        where = Cut.HALF
    if levels.nature is Nature.IDS or where is Cut.ANY:
        return np.asarray(levels.values > 0)
    threshold = (levels.full + 1) * (4 if where is Cut.HALF else 3) // 8
    return np.asarray(levels.values >= threshold)
