"""A shot at the size that effects are looked for at: pictures, light, objects, and the flow between neighbours.

Only a bounded number of frames is held, so memory does not grow with the length of the shot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np

from vrm.motion.flow.camera import camera_motion, grid, transform
from vrm.motion.flow.estimators import DisFlow
from vrm.motion.frames import dilate
from vrm.selection.tracking.features import GetFrame, shrink
from vrm.types import F32, U8, Bool, Masks

GUARD = 6
"""Pixels around an object, at working size, that are not taken for surroundings: its rim and its motion blur."""

_FLOW_GUARD = 5
"""Pixels around what is hidden, at the size of flow, where flow is not believed."""

_HELD = 112
"""Frames held of each kind."""

_TEXTURE = 2e-3
"""Flow is believed in full from this smaller eigenvalue of the structure tensor on (grey 0..1, 5x5 windows)."""

Made = TypeVar("Made")


class EffectFrames:
    """Frames ``start`` to ``stop - 1`` of a video at working size, with what is to go from them.

    Attributes:
        size: working ``(height, width)``.
    """

    def __init__(self, frame: GetFrame, objects: Masks, start: int, stop: int) -> None:
        self._frame, self._objects = frame, objects
        self.start, self.stop = start, stop
        self._kept: dict[str, OrderedDict[int, object]] = {}
        self._flow = DisFlow()
        h, w = self.rgb(start).shape[:2]
        self.size = h, w

    def rgb(self, t: int) -> U8:
        """Frame t, uint8 ``(h, w, 3)``."""
        return self._keep("rgb", t, lambda: shrink(self._frame(t)))

    def object(self, t: int) -> Bool:
        """What is to go, bool ``(h, w)``: every pixel that holds any of it."""
        return self._keep("object", t, lambda: self._shrunk(self._objects[t]))

    def hidden(self, t: int) -> Bool:
        """What is not surroundings: the object with its rim."""
        return dilate(self.object(t), GUARD)

    def flow_hidden(self, t: int) -> Bool:
        """Where flow is not the surroundings', at the size of ``flow``: it follows the object some way beyond it."""
        h, w = self.flow_size
        hidden = cv2.resize(self.hidden(t).view(np.uint8), (w, h), interpolation=cv2.INTER_AREA) > 0
        return dilate(hidden, _FLOW_GUARD)

    @property
    def flow_size(self) -> tuple[int, int]:
        """Flow is estimated at half the working size: ``(height, width)``."""
        return max(16, self.size[0] // 2), max(16, self.size[1] // 2)

    def grey(self, t: int) -> U8:
        """Frame t, grey, at ``flow_size``."""

        def make() -> U8:
            h, w = self.flow_size
            grey = cv2.cvtColor(self.rgb(t), cv2.COLOR_RGB2GRAY)
            return np.asarray(cv2.resize(grey, (w, h), interpolation=cv2.INTER_AREA), np.uint8)

        return self._keep("grey", t, make)

    def flow(self, t: int, step: int) -> F32:
        """The surroundings' flow from frame t to t + 1 or t - 1, float32 ``(h, w, 2)`` at ``flow_size``.

        The camera's motion, and what departs from it where there is texture to see it by, spread over its
        surroundings. Over plain ground estimated flow follows the shadow that crosses it; this does not.
        """
        return self._keep(f"flow{step}", t, lambda: self._background_flow(t, t + step))

    def refine(self, t: int, warped: U8) -> F32:
        """What flow is left from frame t to another one that was warped to it: at most 3 pixels."""
        return np.clip(self._flow(self.grey(t), warped), -3, 3)

    def _background_flow(self, t: int, other: int) -> F32:
        raw = self._flow(self.grey(t), self.grey(other))
        known = ~self.flow_hidden(t)
        homography, _ = camera_motion(raw, known)
        camera = np.zeros_like(raw)
        if homography is not None:
            points = grid(*known.shape)
            camera = transform(points, homography) - points
        corner = cv2.cornerMinEigenVal(self.grey(t).astype(np.float32) / 255, 5)
        weight = np.where(known, np.minimum(1, corner / _TEXTURE), 0).astype(np.float32)[..., None]
        spread = _spread(np.concatenate([weight * (raw - camera), weight], 2))
        return np.asarray(camera + spread[..., :2] / (spread[..., 2:] + 0.1), np.float32)

    def _shrunk(self, mask: Bool) -> Bool:
        h, w = self.size
        if mask.shape == (h, w):
            return mask
        return cv2.resize(mask.view(np.uint8) * np.uint8(255), (w, h), interpolation=cv2.INTER_AREA) > 0

    def _keep(self, kind: str, t: int, make: Callable[[], Made]) -> Made:
        kept = self._kept.setdefault(kind, OrderedDict())
        if t in kept:
            kept.move_to_end(t)
            return kept[t]  # type: ignore[return-value]
        made = make()
        kept[t] = made
        if len(kept) > _HELD:
            kept.popitem(last=False)
        return made


def _spread(field: F32) -> F32:
    near, far = cv2.GaussianBlur(field, (0, 0), 3), cv2.GaussianBlur(field, (0, 0), 12)
    return np.asarray(near + 0.2 * far, np.float32)
