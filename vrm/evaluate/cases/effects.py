"""An object of one clip laid over another with a made shadow or reflection, so that the clip without both is known.

Everything is composed in linear light, 8 bits in and out. Lengths are in pixels of a frame 432 wide, and grow with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np

from vrm.errors import MaskError
from vrm.media.frame.linear_light import as_pixels, linear_light
from vrm.types import F32, U8, Bool

SCALE = 0.6
"""Of the object, against its own clip."""
STANDING = (0.5, 0.8)
"""Where the object's lowest point lies, as shares of width and height: its median over the frames."""
SHADE = np.array([0.30, 0.34, 0.42], np.float32)
"""What is left of the ground's light where the sun is blocked, for R, G and B: that of the sky, which is blue."""
OPACITY = 0.35
"""Of a reflection where it begins."""

_WIDTH = 432
_RIM = 0.02
"""An object that covers less of a pixel is not there."""
_NEAR, _FAR, _REACH = 1.2, 5.0, 0.4
"""Standard deviation of a shadow's blur at the lowest point, and from ``_REACH`` of the width on."""


class Laid(NamedTuple):
    """An object in its place: its light, float32 ``(H, W, 3)``, the share of each pixel it covers, float32 ``(H, W)``,
    and its lowest point ``(x, y)``."""

    light: F32
    cover: F32
    lowest: tuple[float, float]


class MadeEffect(Protocol):
    """A shadow or a reflection."""

    def __call__(self, t: int, ground: F32, laid: Laid) -> tuple[F32, F32]:
        """What an object does to the light of the ground, float32 ``(H, W, 3)``, in frame t.

        Returns:
            The share of the ground's light that is replaced, float32 ``(H, W)``, and by what, ``(H, W, 3)``.
        """


@dataclass(frozen=True)
class CastShadow:
    """The object laid on the ground by one sun: what is h above its lowest point falls ``shear * h`` aside and
    ``squash * h`` up, or down where that is negative."""

    shear: float
    squash: float

    def __call__(self, t: int, ground: F32, laid: Laid) -> tuple[F32, F32]:
        h, w = laid.cover.shape
        (x, y), unit = laid.lowest, w / _WIDTH
        falls = np.array([[1, -self.shear, self.shear * y], [0, self.squash, y - self.squash * y]], np.float32)
        sharp = cv2.warpAffine(laid.cover, falls, (w, h), flags=cv2.INTER_LINEAR)
        near, far = (cv2.GaussianBlur(sharp, (0, 0), unit * sigma) for sigma in (_NEAR, _FAR))
        rows, columns = np.mgrid[:h, :w].astype(np.float32)
        distance = np.minimum(np.hypot(columns - x, rows - y) / (_REACH * w), 1)
        return np.asarray(near + distance * (far - near), np.float32), ground * SHADE


@dataclass(frozen=True)
class Reflection:
    """The object upside down below its lowest point, moved by small waves, and fading."""

    def __call__(self, t: int, ground: F32, laid: Laid) -> tuple[F32, F32]:
        h, w = laid.cover.shape
        (_, y), unit = laid.lowest, w / _WIDTH
        rows, columns = np.mgrid[:h, :w].astype(np.float32)
        above = 2 * y - rows + 1.5 * unit * np.sin(rows / (3 * unit) + t / 2)
        aside = columns + 1.2 * unit * np.sin(rows / (4 * unit) + t / 3)
        light, cover = (cv2.remap(each, aside, above, cv2.INTER_LINEAR) for each in (laid.light, laid.cover))
        height = y - float(np.flatnonzero((laid.cover > 0.5).any(1))[0])
        fading = np.clip(1 - (rows - y) / max(1.0, 0.9 * height), 0, 1)
        return np.where(rows > y, OPACITY * cover * fading, 0).astype(np.float32), np.asarray(light, np.float32)


def draw_effect(kind: Literal["shadow", "reflection"], rng: np.random.Generator) -> CastShadow | Reflection:
    """A reflection, or the shadow of a sun that is drawn: shear of .7 to 1.3 to either side, squash of .25 to .5."""
    if kind == "reflection":
        return Reflection()
    shear, squash = rng.choice([-1, 1], 2) * rng.uniform([0.7, 0.25], [1.3, 0.5])
    return CastShadow(round(float(shear), 3), round(float(squash), 3))


class ObjectPlacement:
    """Where an object stands in frames of ``size``, ``(height, width)``.

    Args:
        masks: the object in its own clip, of any size.
        clip: the clip's name, for messages.

    Raises MaskError where no frame shows it.
    """

    def __init__(self, masks: Iterable[Bool], size: tuple[int, int], clip: str) -> None:
        self._size, self.small = size, (round(SCALE * size[0]), round(SCALE * size[1]))
        found = [lowest_point(self._shrunk(mask)) for mask in masks]
        if not (points := [point for point in found if point is not None]):
            raise MaskError(f"Clip {clip}: there is no object in the frames that are used.")
        moved = np.array(STANDING) * size[::-1] - np.median(points, axis=0)
        self._shift = np.hstack([np.eye(2), np.rint(moved)[:, None]]).astype(np.float32)

    def laid(self, picture: U8, mask: Bool) -> Laid | None:
        """An object of a frame of size ``small``, uint8 ``(h, w, 3)``; None where it is not to be seen."""
        cover = self._moved(self._shrunk(mask))
        cover[cover < _RIM] = 0
        lowest = lowest_point(cover)
        return None if lowest is None else Laid(self._moved(linear_light(picture)), cover, lowest)

    def _shrunk(self, mask: Bool) -> F32:
        return np.asarray(cv2.resize(mask.astype(np.float32), self.small[::-1], interpolation=cv2.INTER_AREA))

    def _moved(self, picture: F32) -> F32:
        moved = cv2.warpAffine(picture, self._shift, self._size[::-1], flags=cv2.INTER_NEAREST)
        return np.asarray(moved, np.float32)


def lowest_point(cover: F32) -> tuple[float, float] | None:
    """Where an object stands, ``(x, y)``: the row with only half a percent of it below, the middle of what is there.

    None where it covers no pixel by more than half.
    """
    rows, columns = np.nonzero(cover > 0.5)
    if not len(rows):
        return None
    y = float(np.percentile(rows, 99.5))
    return float(columns[rows >= y - 3].mean()), y


def lay_over(
    ground: Iterable[U8], objects: Iterable[tuple[U8, Bool]], placement: ObjectPlacement, effect: MadeEffect
) -> Iterator[dict[str, U8 | Bool]]:
    """The pictures of a case, frame by frame.

    Args:
        ground: true frames, uint8 ``(H, W, 3)``.
        objects: frames of the other clip, of size ``placement.small``, each with its mask.

    Returns:
        "frames", "masks" (the object alone), "truth", and "effect": uint8 ``(H, W)``, the share of the ground's light
        that is replaced outside the object. Outside object and effect, frames are the truth.
    """
    for t, (truth, (picture, mask)) in enumerate(zip(ground, objects, strict=False)):
        laid = placement.laid(picture, mask)
        if laid is None:
            nothing = np.zeros(truth.shape[:2], np.uint8)
            yield {"frames": truth, "masks": nothing > 0, "truth": truth, "effect": nothing}
            continue
        light = linear_light(truth)
        share, instead = effect(t, light, laid)
        levels = np.rint(share * 255).astype(np.uint8)
        light += (levels / np.float32(255))[..., None] * (instead - light)
        light += laid.cover[..., None] * (laid.light - light)
        hidden = laid.cover > 0
        yield {
            "frames": as_pixels(light),
            "masks": hidden,
            "truth": truth,
            "effect": np.where(hidden, 0, levels).astype(np.uint8),
        }
