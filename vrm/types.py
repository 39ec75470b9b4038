"""What the rooms hand each other: frozen dataclasses that check themselves.

Arrays: frames uint8 or uint16 ``(T, H, W, 3)`` RGB in the source's own transfer curve and primaries; masks bool
``(T, H, W)``, True = remove. Sizes are ``(height, width)``, points ``(x, y)``. Time is integer pts with a
``Fraction`` time base; there is no float frame rate anywhere. Everything here is in the *stored* orientation of
the video; only masks and points that come from the user are in the displayed one and are turned on entry.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Array = npt.NDArray[Any]
"""A float array in the middle of arithmetic, whose exact type numpy's stubs do not follow."""
MaskArray = Bool | U8 | npt.NDArray[np.uint16]
"""A mask that a program gives, in the displayed orientation: ``(H, W)``, or ``(T, H, W)`` with one for each frame."""
MaskInput = str | Path | Mapping[int | str, str | Path] | Iterable[str | Path] | MaskArray
"""A mask that a program gives: a path, paths of several frames, or an array."""
Box = tuple[int, int, int, int]
"""``(y0, x0, y1, x1)`` in pixels, the ends excluded."""


class FlowEstimator(Protocol):
    """Estimates where each pixel of one frame is in another."""

    def __call__(self, first: U8, second: U8) -> Array:
        """Flow from ``first`` to ``second``, both grey uint8 ``(H, W)``: float32 ``(H, W, 2)``, pixels, (x, y)."""
        ...


@dataclass(frozen=True)
class Colour:
    """Colour tags as the code points of ITU-T H.273 (1 = BT.709, 2 = unspecified, ...).

    Attributes:
        primaries, transfer, matrix: H.273 code points; 2 means the file does not say.
        full_range: True for 0..255 (or 0..2**n-1) luma, False for limited; None when the file does not say.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool | None = None


@dataclass(frozen=True)
class StreamInfo:
    """One stream of the container, as ``vrm info`` lists it."""

    index: int
    kind: str
    codec: str
    language: str = ""
    title: str = ""
    detail: str = ""


@dataclass(frozen=True)
class ClockRestart:
    """A place in a joined recording from where its clock counts anew.

    Attributes:
        shift: seconds to add to times from there on, so that they go on where the part before ended.
        positions: the byte from which that is so, by index of the sound and video streams that jump.
        position: that byte for all other streams; None where the video does not jump.
    """

    shift: Fraction
    positions: dict[int, int]
    position: int | None

    def holds(self, stream: int, position: int) -> bool:
        """Whether a packet of this stream, at this byte, is counted by the clock that starts here."""
        start = self.positions.get(stream, self.position)
        return start is not None and position >= start


@dataclass(frozen=True)
class VideoInfo:
    """The facts of one video stream and its container.

    Attributes:
        path: the file, or the folder of numbered frames.
        container: short name of the format ("mp4", "matroska", "frames" for a folder of pictures or a still one).
        stream: index of the chosen video stream in the container.
        codec, profile, pix_fmt: FFmpeg names; profile may be empty.
        height, width: stored size in pixels.
        rotation: degrees clockwise that a player turns the picture for display: 0, 90, 180 or 270.
        sample_aspect: width over height of one stored pixel.
        bit_depth: bits per sample, 8 to 16.
        time_base: seconds per pts unit.
        frame_rate: nominal frames per second, for display and for times in seconds only.
        n_frames: frames the container holds, counted from its packets (exact unless the file is damaged).
        duration: length in seconds, or None if unknown.
        colour: tags as the file states them.
        has_alpha, interlaced: what they say.
        streams: every stream of the container.
        chapters: how many chapters.
        extras: things that need a word, such as "hdr10", "dolby vision", "closed captions".
        metadata: container tags.
        restarts: where the clock of a joined recording starts again; times from the reader go on there.
        orientation: what EXIF says of pictures, which are turned so when they are read: ``size`` and ``rotation`` are
            of the pictures as shown. 1 = nothing.
    """

    path: Path
    container: str
    stream: int
    codec: str
    profile: str
    pix_fmt: str
    height: int
    width: int
    rotation: int
    sample_aspect: Fraction
    bit_depth: int
    time_base: Fraction
    frame_rate: Fraction
    n_frames: int
    duration: Fraction | None
    colour: Colour
    has_alpha: bool = False
    interlaced: bool = False
    streams: tuple[StreamInfo, ...] = ()
    chapters: int = 0
    extras: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    restarts: tuple[ClockRestart, ...] = ()
    orientation: int = 1

    def __post_init__(self) -> None:
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(f"rotation {self.rotation} is not a quarter turn")
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a video of {self.width}x{self.height} has no pixels")

    @property
    def size(self) -> tuple[int, int]:
        """Stored ``(height, width)``."""
        return self.height, self.width

    @property
    def display_size(self) -> tuple[int, int]:
        """``(height, width)`` after rotation (sample aspect not applied)."""
        return (self.width, self.height) if self.rotation in (90, 270) else (self.height, self.width)


class Masks:
    """A bool mask for each of ``n_frames`` frames, kept as packed, compressed bits of its bounding box.

    Frames without an entry are empty. A 1080p object mask takes a few kilobytes, so a long video's masks fit.

    Args:
        size: ``(height, width)``.
        n_frames: number of frames; indices run from 0.
    """

    def __init__(self, size: tuple[int, int], n_frames: int) -> None:
        if n_frames < 0 or size[0] < 1 or size[1] < 1:
            raise ValueError(f"no masks of size {size} for {n_frames} frames")
        self.size = size
        self.n_frames = n_frames
        self._packed: dict[int, tuple[Box, bytes]] = {}

    @classmethod
    def from_frames(cls, frames: Iterable[Bool], size: tuple[int, int]) -> Masks:
        """Pack an iterable of ``(H, W)`` bool arrays, one per frame from frame 0."""
        packed = cls(size, 0)
        for t, mask in enumerate(frames):
            packed.n_frames = t + 1
            packed[t] = mask
        return packed

    def __len__(self) -> int:
        return self.n_frames

    def __setitem__(self, t: int, mask: Bool) -> None:
        self._check(t)
        if mask.shape != self.size or mask.dtype != np.bool_:
            raise ValueError(f"mask {t} is {mask.dtype} {mask.shape}, expected bool {self.size}")
        box = bounding_box(mask)
        if box is None:
            self._packed.pop(t, None)
            return
        y0, x0, y1, x1 = box
        self._packed[t] = box, zlib.compress(np.packbits(mask[y0:y1, x0:x1]).tobytes(), 1)

    def __getitem__(self, t: int) -> Bool:
        """The mask of frame t, bool ``(H, W)``, a fresh array."""
        self._check(t)
        full = np.zeros(self.size, np.bool_)
        if t in self._packed:
            (y0, x0, y1, x1), data = self._packed[t]
            bits = np.unpackbits(np.frombuffer(zlib.decompress(data), np.uint8), count=(y1 - y0) * (x1 - x0))
            full[y0:y1, x0:x1] = bits.reshape(y1 - y0, x1 - x0)
        return full

    def repeat(self, t: int, source: int) -> None:
        """Give frame t the mask of frame ``source``; the packed bits are shared, so a still mask costs nothing."""
        self._check(t)
        self._check(source)
        if source in self._packed:
            self._packed[t] = self._packed[source]
        else:
            self._packed.pop(t, None)

    def packed(self, t: int) -> tuple[Box, bytes] | None:
        """Frame t's bounding box and its bits as they are kept, for ``put_packed``; None where it is empty."""
        self._check(t)
        return self._packed.get(t)

    def put_packed(self, t: int, box: Box, data: bytes) -> None:
        """Give frame t a mask that ``packed`` gave. Raises ValueError if it cannot be one of this size."""
        self._check(t)
        y0, x0, y1, x1 = box
        if not (0 <= y0 < y1 <= self.size[0] and 0 <= x0 < x1 <= self.size[1]):
            raise ValueError(f"no box {box} in masks of size {self.size}")
        if len(zlib.decompress(data)) != -(-(y1 - y0) * (x1 - x0) // 8):
            raise ValueError(f"the bits of mask {t} do not fill its box {box}")
        self._packed[t] = box, data

    def same(self, t: int, other: int) -> bool:
        """True where two frames have the same mask (compared packed)."""
        self._check(t)
        self._check(other)
        return self._packed.get(t) == self._packed.get(other)

    def window(self, start: int, stop: int) -> Bool:
        """Masks ``start..stop-1`` as bool ``(stop-start, H, W)``."""
        return np.stack([self[t] for t in range(start, stop)])

    def within(self, frames: range) -> Masks:
        """The masks of those frames; all others are empty."""
        out = Masks(self.size, self.n_frames)
        out._packed = {t: packed for t, packed in self._packed.items() if t in frames}
        return out

    def turned(self, turns: int) -> Masks:
        """All masks turned counter-clockwise by quarter turns, as ``np.rot90`` does."""
        if turns % 4 == 0:
            return self
        out = Masks(self.size[::-1] if turns % 2 else self.size, self.n_frames)
        for t, mask in self.items():
            out[t] = np.rot90(mask, turns)
        return out

    def united(self, other: Masks) -> Masks:
        """What is masked in either."""
        out = self.within(range(self.n_frames))
        for t, mask in other.items():
            out[t] = self[t] | mask
        return out

    def box(self, t: int) -> Box | None:
        """The bounding box of frame t's mask, or None where it is empty."""
        self._check(t)
        return self._packed[t][0] if t in self._packed else None

    def frames(self) -> Iterator[int]:
        """Indices of the frames whose mask is not empty, in order."""
        return iter(sorted(self._packed))

    def items(self) -> Iterator[tuple[int, Bool]]:
        """Frames whose mask is not empty, and that mask, in order; unpacked one at a time."""
        for t in self.frames():
            yield t, self[t]

    @property
    def empty(self) -> bool:
        """True when nothing is masked on any frame."""
        return not self._packed

    def _check(self, t: int) -> None:
        if not 0 <= t < self.n_frames:
            raise IndexError(f"frame {t} of {self.n_frames}")


def bounding_box(mask: Bool) -> Box | None:
    """The smallest box that holds every True pixel of ``(H, W)``, or None if there is none."""
    rows = np.flatnonzero(mask.any(1))
    if rows.size == 0:
        return None
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def union_box(boxes: Iterable[Box | None]) -> Box | None:
    """The smallest box that holds all given ones; None entries are ignored."""
    known = [b for b in boxes if b is not None]
    if not known:
        return None
    return (min(b[0] for b in known), min(b[1] for b in known), max(b[2] for b in known), max(b[3] for b in known))


def eight_bits(frame: Pixels) -> U8:
    """A picture of any shape with 8 bits a sample, for what needs no more: looking, labelling, motion."""
    return np.asarray(frame if frame.dtype == np.uint8 else frame >> 8, np.uint8)


def grow_box(box: Box, by: int, size: tuple[int, int]) -> Box:
    """The box enlarged by ``by`` pixels on all sides, cut at the frame ``(height, width)``."""
    y0, x0, y1, x1 = box
    return max(0, y0 - by), max(0, x0 - by), min(size[0], y1 + by), min(size[1], x1 + by)


@dataclass(frozen=True)
class Patch:
    """What replaces the pixels of one frame: the engine's result inside a box.

    Attributes:
        box: where it lies, in stored coordinates.
        rgb: uint8 or uint16 ``(h, w, 3)``, of the depth of the frames the engine was given.
    """

    box: Box
    rgb: Pixels

    def __post_init__(self) -> None:
        y0, x0, y1, x1 = self.box
        if self.rgb.shape != (y1 - y0, x1 - x0, 3):
            raise ValueError(f"patch {self.rgb.shape} does not fill its box {self.box}")

    def part(self, box: Box) -> Pixels:
        """Its pixels inside ``box``, which must lie within its own."""
        y0, x0, y1, x1 = box
        py, px, qy, qx = self.box
        if y0 < py or x0 < px or y1 > qy or x1 > qx:
            raise ValueError(f"patch {self.box} does not hold {box}")
        part: Pixels = self.rgb[y0 - py : y1 - py, x0 - px : x1 - px]
        return part
