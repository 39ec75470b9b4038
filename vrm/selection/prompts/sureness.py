"""How sure an outline is: the overlap (intersection over union) with the true one that is to be expected.

A linear guess from what can be seen of the outline alone, chosen on clips whose true outlines are known;
``benchmarks/outline.py`` says how far off it is, on these and on others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vrm.types import Bool


class OutlineFacts(NamedTuple):
    """What can be seen of an outline, each about 0 to 1.

    Attributes:
        sharp: how clear its border is, see ``PixelGraph.sharpness``.
        gap: share of the box's height or width that it stays away from the side it is farthest from.
        agreed: overlap of what motion found at first with what colours did.
        kept: overlap of the outline with what was found at first.
        clicks: clicks on it, of 3 at most, as a share.
    """

    sharp: float
    gap: float
    agreed: float
    kept: float
    clicks: float


_WEIGHTS = OutlineFacts(0.6, -0.6, 0.1, 0.3, 0.08)
_OFFSET = 0.08
_MOST = 0.92
"""Even a perfect outline at the size that is worked at comes to about this."""


def expected_overlap(facts: OutlineFacts) -> float:
    """0 (a guess) to 1."""
    return float(np.clip(_OFFSET + np.dot(_WEIGHTS, facts), 0.05, _MOST))


def largest_gap(mask: Bool, inside: Bool) -> float:
    """The largest distance of a mask to a side of the box, as a share of the box; 1 for an empty mask.

    A box is drawn around a thing, which so reaches all four sides of it.
    """
    gaps = []
    for axis in (0, 1):
        there, box = (np.flatnonzero(plane.any(axis)) for plane in (mask & inside, inside))
        if not there.size:
            return 1.0
        gaps += [there[0] - box[0], box[-1] - there[-1]]
        gaps[-2:] = [gap / (box[-1] - box[0] + 1) for gap in gaps[-2:]]
    return float(max(gaps))
