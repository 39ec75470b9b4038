"""A picture cut in two: colour models of object and background, and the cheapest border between them.

The energy is that of GrabCut (Rother et al., SIGGRAPH 2004): a cost per pixel, and a cost for every pair of neighbours
that the border separates, lower where colours differ. OpenCV's own GrabCut takes no evidence but colour, so the parts
are here, and what the cost of a pixel is made of is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vrm.types import F32, U8, Bool

F64 = npt.NDArray[np.float64]
Points = Sequence[tuple[float, float]]
"""Places ``(x, y)`` in a frame."""

_SCALE = 200
"""The maximum flow algorithm takes integers: costs are multiplied by this."""
_CERTAIN = 8.0
"""Log odds are cut off here."""
_LEAST_VARIANCE = 0.01
"""Added to a colour model's variances, so that a flat area does not make it infinitely sure."""
_DIRECTIONS = ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.7), (1, -1, 0.7))
"""``(dy, dx, 1 / distance)`` of half of the 8-neighbourhood, so that each pair of pixels comes once."""


def smooth_lab(rgb: U8) -> F32:
    """Lab colours, slightly blurred, in units of ten: ``(h, w, 3)`` of uint8 RGB."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) / np.float32(10)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), 0.7), np.float32)


def seeds(points: Points, size: tuple[int, int]) -> Bool:
    """A small disc around each point, bool ``(height, width)``."""
    out = np.zeros(size, np.uint8)
    radius = max(1, round(max(size) / 240))
    for x, y in points:
        cv2.circle(out, (int(x), int(y)), radius, 1, -1)
    return np.asarray(out > 0)


class PixelGraph:
    """The pixels of a picture, each linked to its eight neighbours at the cost of a border there (GrabCut, Eq. 11).

    The picture is float32 ``(h, w, 3)`` in any linear scale, such as ``smooth_lab``'s.
    """

    def __init__(self, lab: F32) -> None:
        height, width = self._shape = lab.shape[0], lab.shape[1]
        squares = [((lab[a] - lab[b]) ** 2).sum(-1) for a, b in map(_slices, _DIRECTIONS)]
        self._beta = 1 / (2 * float(np.mean(np.concatenate([s.ravel() for s in squares]))) + 1e-6)
        self._costs = [np.exp(-self._beta * square) for square in squares]
        index = np.arange(height * width).reshape(height, width)
        rows, columns = (np.concatenate([index[_slices(d)[k]].ravel() for d in _DIRECTIONS]) for k in (0, 1))
        costs = np.concatenate([(d[2] * c + 0.002).ravel() for d, c in zip(_DIRECTIONS, self._costs, strict=True)])
        self._edges = rows, columns, costs

    def min_cut(self, odds: F32, strength: float) -> Bool:
        """The object that costs least, exactly (minimum cut by maximum flow).

        Args:
            odds: log odds of each pixel for the object, ``(h, w)``; beyond 8 they are certain.
            strength: how much a border counts against the pixels.
        """
        counts = (np.clip(odds.ravel(), -_CERTAIN, _CERTAIN) * _SCALE).astype(np.int32)
        rows, columns, costs = self._edges
        for_object, against = counts > 0, counts < 0
        if not for_object.any() or not against.any():
            return np.asarray(odds > 0)
        from scipy.sparse import csr_matrix  # slow to import, and few runs cut
        from scipy.sparse.csgraph import breadth_first_order, maximum_flow

        # What is certain is the source or the sink itself: the outside of a box is most of its crop.
        open_ = np.abs(counts) < _CERTAIN * _SCALE
        n = int(np.count_nonzero(open_))
        source, sink = n, n + 1
        node = np.where(for_object, source, sink).astype(np.int32)
        node[open_] = np.arange(n)
        cut = open_[rows] | open_[columns]
        one, other = node[rows[cut]], node[columns[cut]]
        each = (costs[cut] * strength * _SCALE).astype(np.int32)
        for_object, against = for_object & open_, against & open_
        start = np.concatenate([one, other, np.full(np.count_nonzero(for_object), source), node[against]])
        end = np.concatenate([other, one, node[for_object], np.full(np.count_nonzero(against), sink)])
        capacity = np.concatenate([each, each, counts[for_object], -counts[against]])
        graph = csr_matrix((capacity, (start, end)), shape=(n + 2, n + 2))
        graph.eliminate_zeros()
        rest = graph - maximum_flow(graph, source, sink, method="dinic").flow
        rest.data = np.maximum(rest.data, 0)
        rest.eliminate_zeros()
        found = np.zeros(n + 2, np.bool_)
        found[breadth_first_order(rest, source, return_predecessors=False)] = True
        return found[node].reshape(odds.shape)

    def sharpness(self, mask: Bool) -> float:
        """How clear the border of a mask is, 0 (through flat areas) to 1 (along the strongest edges)."""
        total = length = 0.0
        for direction, costs in zip(_DIRECTIONS[:2], self._costs, strict=False):
            one, other = _slices(direction)
            crossed = mask[one] != mask[other]
            total += float((1 - costs[crossed]).sum())
            length += float(crossed.sum())
        return total / length if length else 0.0

    def distances(self, points: list[int]) -> F32:
        """Geodesic distance ``(h, w)`` to the nearest point, an index into ``ravel()``: edges are far to cross."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import dijkstra

        rows, columns, costs = self._edges
        n = self._shape[0] * self._shape[1]
        steps = csr_matrix((np.maximum(1.02 - costs, 0.01), (rows, columns)), shape=(n, n))
        found = dijkstra(steps, directed=False, indices=points, min_only=True)
        return np.asarray(found.reshape(self._shape), np.float32)


class ColourModel:
    """A mixture of at most ``gaussians`` Gaussians over those of the colours ``(n, 3)`` that are members ``(n,)``."""

    def __init__(self, colours: F64, members: Bool, gaussians: int) -> None:
        weights = members + 1e-9  # so that there is something to draw from even if no colour is a member
        random = np.random.default_rng(0)
        drawn = colours[random.choice(len(colours), min(len(colours), 4000), p=weights / weights.sum())]
        cv2.setRNGSeed(0)
        until = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 20, 1e-3)
        _, labels, _ = cv2.kmeans(drawn.astype(np.float32), gaussians, np.empty(0), until, 1, cv2.KMEANS_PP_CENTERS)
        self._gaussians = []
        for k in range(gaussians):
            part = drawn[labels.ravel() == k]
            if len(part) >= 10:
                spread = np.cov(part.T) + _LEAST_VARIANCE * np.eye(3)
                shape = np.linalg.inv(spread), float(np.linalg.slogdet(spread)[1])
                self._gaussians.append((len(part) / len(drawn), part.mean(0), *shape))

    def __call__(self, colours: F64) -> F64:
        """Log likelihood of each colour, up to a constant that all models share."""
        terms = []
        for share, mean, inverse, volume in self._gaussians:
            away = colours - mean
            terms.append(np.log(share) - 0.5 * (volume + np.einsum("nj,nj->n", away @ inverse, away)))
        likely = np.array(terms)
        highest = likely.max(0)
        return np.asarray(
            highest + np.log(np.exp(likely - highest).sum(0))
        )  # numpy's logaddexp takes ten times as long


def _slices(direction: tuple[int, int, float]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where the first and the second pixels of all pairs in this direction lie in a picture."""
    dy, dx, _ = direction
    down, up = slice(dy, None), slice(None, -dy or None)
    if dx >= 0:
        return (up, slice(None, -dx or None)), (down, slice(dx, None))
    return (up, slice(-dx, None)), (down, slice(None, dx))
