"""Holes that pass over an annotated thing that moves: what no measure over whole frames shows is scored inside it."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from vrm.errors import MaskError
from vrm.evaluate.cases.sizing import stretched
from vrm.types import Bool, Masks, bounding_box

LEAST = 0.3
"""Share of the holes' pixels that must hide the thing, over the clip."""

_AREAS = (0.6, 0.4, 0.25)
"""Of the holes, against that of the thing, at most: larger ones are made smaller."""

_BESIDE = ((0.5, 0.4, 0.3, 0.2), (0.1, 0.0))
"""How far beside the thing a hole begins and ends, in widths of both. The widest passage of the largest holes that hide
enough is made; a short one only where no area has a wider one."""


def crossing_holes(own: Masks, donor: Masks, size: tuple[int, int], count: int, name: str) -> list[tuple[Bool, Bool]]:
    """For each frame the hole, and the part of the thing that it hides: bool ``(H, W)`` each.

    The donor's masks pass over the thing from its left to its right, at its height, while it moves.

    Args:
        own: masks of the thing in the clip itself.
        donor: masks of another clip's thing: the shapes of the holes.

    Raises:
        MaskError: nothing moves in the clip, or less than ``LEAST`` of the holes can be laid over it.
    """
    things = [stretched(own[t], size) for t in range(count)]
    sizes = [np.median([np.mean(masks[t]) for t in range(min(count, masks.n_frames))]) for masks in (own, donor)]
    for area, beside in (each for some in _BESIDE for each in itertools.product(_AREAS, some)):
        scale = min(1.0, float(np.sqrt(area * sizes[0] / max(float(sizes[1]), 1e-6))))
        small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        shapes = (stretched(donor[t % donor.n_frames], small) for t in range(count))
        holes = [_moved(*each) for each in zip(shapes, things, np.linspace(-beside, beside, count), strict=True)]
        hidden = [hole & thing for hole, thing in zip(holes, things, strict=True)]
        if sum(int(h.sum()) for h in hidden) >= LEAST * max(1, sum(int(hole.sum()) for hole in holes)):
            return list(zip(holes, hidden, strict=True))
    raise MaskError(f"No hole hides enough of the thing of clip {name}.", "Choose clips with larger things.")


def _moved(shape: Bool, thing: Bool, place: float) -> Bool:
    """The shape, its centroid beside the middle of the thing by ``place`` widths of both; nothing without either."""
    out = np.zeros_like(thing)
    here, there = bounding_box(shape), bounding_box(thing)
    if here is None or there is None:
        return out
    ys, xs = np.nonzero(shape)
    # Its thickest part rather than its centroid, which may lie beside a thing that is bent.
    depth = cv2.distanceTransform(thing.view(np.uint8), cv2.DIST_L2, 3)[thing]
    depth = np.minimum(depth, max(thing.shape)) ** 3  # a thing all over the frame has no border to be far from
    y, x = np.average(np.nonzero(thing), axis=1, weights=depth)
    x += place * (here[3] - here[1] + there[3] - there[1])
    ys, xs = ys + round(y - ys.mean()), xs + round(x - xs.mean())
    inside = (ys >= 0) & (xs >= 0) & (ys < out.shape[0]) & (xs < out.shape[1])
    out[ys[inside], xs[inside]] = True
    return out
