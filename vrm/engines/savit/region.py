"""Which part of the frames SAVIT's network works on, and at what size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.engines.pixels import as_float, resized, resized_mask
from vrm.nets.savit.semantic import CELL
from vrm.types import F32, U8, Bool, Box, Pixels, bounding_box, grow_box, union_box

_LEAST_AROUND = 48
"""Pixels of the frame around the holes, at least."""


@dataclass(frozen=True)
class CropRegion:
    """A part of the frames, and the size the network works on it at."""

    box: Box  # the part, in pixels of the frame
    size: tuple[int, int]  # height and width for the network, multiples of 4

    @property
    def native(self) -> tuple[int, int]:
        """Height and width of the part."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    @property
    def cells(self) -> tuple[int, int]:
        """Height and width of the network's feature map."""
        return self.size[0] // CELL, self.size[1] // CELL

    def image(self, frame: Pixels) -> F32:
        """The part of a frame at the network's size, float32 ``(h, w, 3)`` in [0, 1]."""
        return resized(as_float(self._part(frame)), self.size)

    def mask(self, mask: Bool) -> Bool:
        """The part of a mask at the network's size: set wherever any pixel is."""
        return resized_mask(self._part(mask), self.size)

    def labels(self, labels: U8) -> U8:
        """The part of a label map at the network's size: the nearest pixel's label."""
        part = self._part(labels)
        return np.asarray(cv2.resize(part, self.size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)

    def to_frame(self, image: F32, at: Box, wanted: Box) -> F32:
        """The box ``wanted`` of the frame, cut from an image at the network's size.

        The image, float32 ``(h, w, 3)``, is of the box ``at`` in pixels of the network, which reaches around it.
        """
        h, w = wanted[2] - wanted[0], wanted[3] - wanted[1]
        if self.native == self.size:
            y, x = wanted[0] - self.box[0] - at[0], wanted[1] - self.box[1] - at[1]
            return image[y : y + h, x : x + w]
        sy, sx = self.size[0] / self.native[0], self.size[1] / self.native[1]
        ys = (np.arange(wanted[0], wanted[2], dtype=np.float32) - self.box[0] + 0.5) * sy - 0.5 - at[0]
        xs = (np.arange(wanted[1], wanted[3], dtype=np.float32) - self.box[1] + 0.5) * sx - 0.5 - at[1]
        grid = np.broadcast_to(xs, (h, w)).copy(), np.broadcast_to(ys[:, None], (h, w)).copy()
        made = cv2.remap(image, *grid, cv2.INTER_CUBIC if sy < 1 else cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(made, np.float32).reshape(h, w, 3)

    def to_network(self, box: Box) -> Box:
        """A box of the frame in pixels of the network, with two around for interpolation."""
        scale = [self.size[k % 2] / self.native[k % 2] for k in range(4)]
        y0, x0, y1, x1 = (scale[k] * (box[k] - self.box[k % 2]) for k in range(4))
        whole = int(np.floor(y0)), int(np.floor(x0)), int(np.ceil(y1)), int(np.ceil(x1))
        return grow_box(whole, 2, self.size)

    def _part(self, image: np.ndarray) -> np.ndarray:
        y0, x0, y1, x1 = self.box
        return np.ascontiguousarray(image[y0:y1, x0:x1])


def region_around(holes: Iterable[Bool], frame: tuple[int, int], pixels: float) -> CropRegion | None:
    """The surroundings of holes: half their extent on every side, or more where ``pixels`` allows at native size.

    ``frame`` is its height and width; a part of more than ``pixels`` is reduced to that. None where there is no hole.
    """
    box = union_box(bounding_box(hole) for hole in holes)
    if box is None:
        return None
    around = max(_LEAST_AROUND, (box[2] - box[0]) // 2, (box[3] - box[1]) // 2)
    box = grow_box(box, around, frame)
    height, width = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, (pixels / (height * width)) ** 0.5)
    if scale == 1.0:
        # Native size needs multiples of a cell: take more of the frame, or less if there is no more.
        box = _in_cells(box, frame)
        height, width = box[2] - box[0], box[3] - box[1]
    return CropRegion(
        box, (max(CELL, round(height * scale / CELL) * CELL), max(CELL, round(width * scale / CELL) * CELL))
    )


def _in_cells(box: Box, frame: tuple[int, int]) -> Box:
    """The box with sides that are multiples of a cell, as far as the frame has room."""
    out = list(box)
    for k in (0, 1):
        missing = -(box[k + 2] - box[k]) % CELL
        out[k + 2] = min(frame[k], box[k + 2] + missing)
        out[k] = max(0, box[k] - (missing - (out[k + 2] - box[k + 2])))
    return out[0], out[1], out[2], out[3]
