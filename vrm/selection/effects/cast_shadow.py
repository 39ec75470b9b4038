"""The light that casts a shadow, found by laying the object's outline on the ground until it fits what got darker.

A shadow on even ground is the object's outline, sheared and squashed about its foot: two numbers that one light keeps
through a shot. So they are looked for in many frames at once, and where they fit, the shadow is known whole, also
where the plate is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.frames import dilate
from vrm.selection.effects.evidence import Evidence
from vrm.selection.effects.stance import Stance, into_object
from vrm.types import F32, Bool

_UNIT = 40.0
"""An object's height, in pixels, on the pictures that lights are tried on."""
_SIZE = 64, 176
_FOOT = 88.0, 32.0
"""Their ``(height, width)``, and where the foot lies ``(x, y)``."""
_TALL = 44
"""Rows of the upright object's picture, down to its foot."""

_FRAMES = 20
_SHEARS = tuple(np.linspace(-2, 2, 17))
_SQUASHES = (-0.7, -0.55, -0.4, -0.25, -0.15, 0.15, 0.25, 0.4, 0.55, 0.7)
_FINER = tuple((a, b) for a in (-0.16, -0.08, 0, 0.08, 0.16) for b in (-0.08, -0.04, 0, 0.04, 0.08))

STEADY, SWAYING = 0.35, 0.2
"""Correlation of outline and light lost that three of four frames must have, where support is steady and where it is
not. Made shadows have .39 to .77, a car's .57, a horse's .35, clips without a cast shadow .32 at most; of the other
support a tennis player's .20, clips without one less."""

_SLANTED = 0.5
"""Shear from which a light that is sure comes from one side, so that no shadow lies on the other, ..."""
_ASIDE = 0.06
"""and heights from the outline laid down, or from the object, within which what else got darker must begin."""
DOUBTFUL = 0.28
"""Steady correlation from which a light is worth a word where it is not taken."""

_SUPPORTED = 2.5
"""Standard deviations of the association from which a loss of light counts in full."""

_BRIGHT = -0.03
"""Log-ratio above which a place that is seen is not in the shadow."""


@dataclass(frozen=True)
class Light:
    """How the outline lies: a point one height above the foot falls ``shear`` heights aside, ``squash`` above it.

    Attributes:
        grounded: the foot is the ground below the object, not its own lowest point.
        score: correlation with the light that was lost, -1..1, on the frame at the lower quartile.
    """

    shear: float
    squash: float
    grounded: bool
    score: float


def find_light(
    evidences: Mapping[int, Evidence], support: Mapping[int, F32], objects: Mapping[int, Bool],
    places: Mapping[int, Stance],
) -> Light | None:  # fmt: skip
    """The light that explains best what got darker and goes with the object; None where nothing can be explained."""
    times = [t for t in evidences if t in support]
    times = times[:: max(1, len(times) // _FRAMES)][:_FRAMES]
    if not times:
        return None
    lost = {t: np.clip(evidences[t].loss, 0, 1) * np.clip(support[t] / _SUPPORTED, 0, 1) for t in times}
    best: tuple[float, Light] = -1.0, Light(0, 0, False, -1)
    for grounded in (False, True):
        views = _TriedFrames(lost, evidences, objects, places, grounded)
        best = max(best, views.best(), key=lambda one: one[0])
    return best[1]


class _TriedFrames:
    """Some frames in the object's coordinates: outlines, light lost, and where that is known."""

    def __init__(
        self, lost: Mapping[int, F32], evidences: Mapping[int, Evidence], objects: Mapping[int, Bool],
        places: Mapping[int, Stance], grounded: bool,
    ) -> None:  # fmt: skip
        self._grounded = grounded
        self._outlines, known, losses = [], [], []
        for t, loss in lost.items():
            size = loss.shape
            upright = places[t].to_frame(size, _UNIT, (_FOOT[0], _TALL), False)
            self._outlines.append(into_object(objects[t].astype(np.float32), upright, (_TALL + 1, _SIZE[1])))
            matrix = places[t].to_frame(size, _UNIT, _FOOT, grounded)
            shown = into_object(evidences[t].known.astype(np.float32), matrix, _SIZE) > 0.9
            known.append(shown.ravel())
            losses.append(into_object(loss.astype(np.float32), matrix, _SIZE).ravel())
        self._known = np.stack(known).astype(np.float32)
        self._lost = self._standard(np.stack(losses))

    def best(self) -> tuple[float, Light]:
        """The light that fits best, and the correlation over all frames that it was chosen by."""
        coarse = max((self._fit(a, b), a, b) for a in _SHEARS for b in _SQUASHES)
        fine = max((self._fit(coarse[1] + a, coarse[2] + b), coarse[1] + a, coarse[2] + b) for a, b in _FINER)
        laid = self._standard(self._laid(*fine[1:]))
        frames = (laid * self._lost).sum(1) / (_norm(laid) * _norm(self._lost))
        return fine[0], Light(fine[1], fine[2], self._grounded, float(np.percentile(frames, 25)))

    def _fit(self, shear: float, squash: float) -> float:
        laid = self._standard(self._laid(shear, squash))
        return float((laid * self._lost).sum() / (np.sqrt((laid**2).sum() * (self._lost**2).sum()) + 1e-3))

    def _laid(self, shear: float, squash: float) -> F32:
        return np.stack(
            [laid_down(outline, (shear, squash), _TALL, _FOOT[1], _SIZE).ravel() for outline in self._outlines]
        )

    def _standard(self, values: F32) -> F32:
        """Less the mean of what is known on each frame, zero elsewhere; ``(frames, pixels)``."""
        mean = (values * self._known).sum(1) / np.maximum(self._known.sum(1), 1)
        return np.asarray((values - mean[:, None]) * self._known, np.float32)


def _norm(values: F32) -> F32:
    return np.asarray(np.sqrt((values**2).sum(1)) + 1e-3, np.float32)


def laid_down(outline: F32, light: tuple[float, float], foot: float, ground: float, size: tuple[int, int]) -> F32:
    """An outline laid on the ground: float32 ``(h, w)`` of ``size``, 0..1.

    Args:
        light: shear and squash, see ``Light``.
        foot, ground: the y of the outline's foot, and the y at which it comes to lie.
    """
    shear, squash = light
    matrix = np.array([[1, -shear, shear * foot], [0, squash, ground - squash * foot]], np.float32)
    return np.asarray(cv2.warpAffine(outline, matrix, size[::-1], flags=cv2.INTER_LINEAR), np.float32)


def cast_shadow(light: Light, found: Evidence, outline: Bool, place: Stance, others: Bool) -> Bool:
    """The shadow on one frame, bool ``(h, w)``: the outline laid down, less what is seen to be as bright as ever.

    ``others``: what else of the light lost seems to go with the object; all that is not on the wrong side of it counts.
    """
    ground = place.ground if light.grounded else place.y
    whole = outline.astype(np.float32)
    laid = laid_down(whole, (light.shear, light.squash), place.y, ground, (whole.shape[0], whole.shape[1])) > 0.3
    if light.score > STEADY and abs(light.shear) > _SLANTED:
        near = dilate(laid | outline, max(1, round(_ASIDE * place.height)))
        _, labels = cv2.connectedComponents(others.astype(np.uint8), connectivity=8)
        others = others & np.isin(labels, labels[near])
    bright = found.known & (found.loss < -_BRIGHT)
    return np.asarray(((laid & ~bright) | others) & ~outline)
