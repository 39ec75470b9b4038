"""A window's frames for SAVIT's network: what motion is sure of is filled in, the rest is predicted and mixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vrm.engines.base import Shot
from vrm.engines.motion import to_patch
from vrm.engines.pixels import from_float
from vrm.engines.savit.region import CropRegion
from vrm.motion.refinement.detail import restore_detail
from vrm.shots.windows import Window
from vrm.types import F32, Bool, Box, Masks, Patch, bounding_box

SURE, DOUBTFUL = 0.5, 0.25
"""Confidence of motion from which its colours are taken as they are, and up to which not at all."""


@dataclass(frozen=True)
class Prediction:
    """The network's image of one frame in one run."""

    region: CropRegion  # that the network worked on
    at: Box  # the part of it that the image shows, in pixels of the network
    image: F32  # (h, w, 3) in [0, 1]


class PrefilledFrames:
    """One window's frames with what motion is sure of filled in, and what is left for the network."""

    def __init__(self, shot: Shot, window: Window, prefill: bool) -> None:
        self.shot, self.window, self.prefill = shot, window, prefill
        self.key = window if prefill else None
        self._fills = shot.propagation(window).fills if prefill else {}
        self._left = Masks(shot.size, shot.stop)
        self._known: set[int] = set()

    def is_wanted(self, t: int) -> bool:
        """Whether frame t is to be predicted: where motion fills first, other windows fill their own frames."""
        return not self.prefill or self.window.start <= t < self.window.stop

    def key_of(self, t: int) -> Window | None:
        """Tells a frame that motion has filled from the same frame in another window or as it is."""
        return self.key if t in self._fills else None

    def unknown(self, t: int) -> Bool:
        """The part of the hole that is left for the network."""
        if t not in self._fills:
            return self.shot.hole(t)
        if t not in self._known:  # what motion found may lie in a file: it is read once
            fill = self._fills[t]
            hole = self.shot.hole(t).copy()
            hole.reshape(-1)[fill.index[fill.confidence >= SURE]] = False
            self._left[t] = hole
            self._known.add(t)
        return self._left[t]

    def image(self, t: int, region: CropRegion) -> F32:
        """Frame t as the network gets it: float32 ``(h, w, 3)`` in [-1, 1], 0 where it is unknown."""
        image = self.shot.frame(t)
        if t in self._fills:
            fill = self._fills[t]
            image = image.copy()
            image.reshape(-1, 3)[fill.index] = from_float(fill.rgb, image)
        x = region.image(image) * 2 - 1
        x[region.mask(self.unknown(t))] = 0
        return x

    def patch(self, t: int, predictions: list[tuple[float, Prediction]]) -> Patch:
        """The patch of frame t, mixed from the network's weighted predictions and from motion's fill."""
        frame, hole = self.shot.frame(t), self.shot.hole(t)
        box = bounding_box(hole)
        assert box is not None
        y0, x0, y1, x1 = box
        rgb = np.zeros((y1 - y0, x1 - x0, 3), np.float32)
        if predictions:
            inner = bounding_box(self.unknown(t))
            assert inner is not None
            part = rgb[inner[0] - y0 : inner[2] - y0, inner[1] - x0 : inner[3] - x0]
            for weight, prediction in predictions:
                part += np.float32(weight) * prediction.region.to_frame(prediction.image, prediction.at, inner)
        if t in self._fills:
            fill = self._fills[t]
            rows, cols = np.divmod(fill.index, frame.shape[1])
            at = rows - y0, cols - x0
            sure = np.clip((fill.confidence - DOUBTFUL) / (SURE - DOUBTFUL), 0, 1)[:, None]
            if not predictions:
                sure = np.ones_like(sure)
            motion = restore_detail(fill, fill.rgb, frame.shape[:2])
            rgb[at] = sure * motion + (1 - sure) * rgb[at]
        return to_patch(frame, np.flatnonzero(hole), rgb[hole[y0:y1, x0:x1]])
