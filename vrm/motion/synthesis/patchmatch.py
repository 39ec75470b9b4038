"""PatchMatch: the unknown part of a picture completed from patches of its known parts.

Patches of the unknown part are matched to known ones and rebuilt from them, coarse to fine (Wexler, Shechtman, Irani,
"Space-Time Completion of Video", PAMI 2007), with texture features beside the colours (Newson et al., "Video
Inpainting of Complex Scenes", SIAM J. Imaging Sciences 2014, Section 3.3) and a randomised search (Barnes et al.,
"PatchMatch", SIGGRAPH 2009) that works on all pixels at once.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.frames import dilate
from vrm.types import Array, Bool

RADIUS = 3
"""Patches are squares of twice this and one pixel."""

_COARSEST_DEPTH = 4.0
"""At the coarsest size the unknown part is at most this deep, in pixels: a patch there sees its border."""

_FEATURES = 24
"""Principal components patches are compared by."""

_ROUNDS = (12, 5, 3)
"""Rounds of search and voting at the coarsest size, at those between, and at the finest."""

_MOST = 40_000
"""Unknown pixels up to which a size is searched; beyond it the nearest neighbours found at the coarser size are
enlarged, and copied from at the finer one: all detail, at little cost."""

_TEXTURE = 1.5
"""Weight of the texture features against the colours."""

_DECAY = 0.85
"""A patch's vote counts this much less for every pixel it lies deeper in the unknown."""


def complete_by_patches(image: Array, unknown: Bool, usable: Bool, seed: int = 0) -> Array:
    """Rebuild the unknown part of a picture from patches of its usable part.

    Args:
        image: float32 ``(h, w, 3)`` in [0, 1], smoothly inpainted where unknown.
        unknown: bool ``(h, w)``.
        usable: bool ``(h, w)``: what may be copied; unknown pixels never are.

    Returns float32 like the image; equal to it outside ``unknown``, and everywhere if nothing can be copied.
    """
    usable = usable & ~unknown
    if not unknown.any() or not _centres(usable).any():
        return image
    rng = np.random.default_rng(seed)
    pyramid = _pyramid(_described(image), unknown, usable)
    if np.count_nonzero(pyramid[0].unknown) > 2 * _MOST:  # nothing smaller holds a whole patch to copy
        return image
    field: Array | None = None
    for k, level in enumerate(pyramid):
        if k:
            level.start_from(pyramid[k - 1].image)
        search = _Search(level, field, rng)
        if k and np.count_nonzero(level.unknown) > _MOST:
            search.copy()
        else:
            rounds = _ROUNDS[0] if k == 0 else _ROUNDS[2] if k == len(pyramid) - 1 else _ROUNDS[1]
            search.complete(rounds)
        field = search.field
    out = image.copy()
    out[unknown] = np.clip(pyramid[-1].image[unknown][:, :3], 0, 1)
    return out


def _described(image: Array) -> Array:
    """Colours, and how much the grey level changes across and down around each pixel: float32 ``(h, w, 5)``."""
    grey = image.mean(-1)
    changes = [cv2.blur(np.abs(cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, scale=0.25)), (9, 9)) for dx in (1, 0)]
    return np.dstack([image, *(np.float32(_TEXTURE) * c for c in changes)]).astype(np.float32)


def _pyramid(image: Array, unknown: Bool, usable: Bool) -> list[_PyramidLevel]:
    """Coarse to fine, as far as there are patches to copy."""
    levels = [_PyramidLevel(image.copy(), unknown, usable)]
    while True:
        finer = levels[0]
        h, w = finer.unknown.shape
        depth = float(cv2.distanceTransform(finer.unknown.view(np.uint8), cv2.DIST_L2, 3).max())
        # A thin hole is shallow at every size and may yet be long: the pixels to be searched are counted too.
        few = np.count_nonzero(finer.unknown) <= _MOST
        if (depth <= _COARSEST_DEPTH and few) or min(h, w) < 8 * RADIUS:
            return levels
        size = ((w + 1) // 2, (h + 1) // 2)
        smaller = _resized(finer.image, size, cv2.INTER_AREA)
        lost = cv2.resize(finer.unknown.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        good = cv2.resize(finer.usable.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
        if not _centres(good & ~lost).any():
            return levels
        levels.insert(0, _PyramidLevel(smaller, lost, good & ~lost))


def _resized(image: Array, size: tuple[int, int], how: int) -> Array:
    """OpenCV resizes four channels at most."""
    return np.dstack(
        [cv2.resize(image[..., :3], size, interpolation=how), cv2.resize(image[..., 3:], size, interpolation=how)]
    )


def _centres(usable: Bool) -> Bool:
    """Pixels whose whole patch is usable."""
    side = 2 * RADIUS + 1
    inner = cv2.erode(usable.view(np.uint8), np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT,
                      borderValue=0)  # fmt: skip
    return inner > 0


@dataclass
class _PyramidLevel:
    """One size of the picture. ``image`` is float32 ``(h, w, c)``."""

    image: Array
    unknown: Bool
    usable: Bool

    def start_from(self, coarser: Array) -> None:
        """Enlarge what the coarser size made."""
        h, w = self.unknown.shape
        large = _resized(coarser, (w, h), cv2.INTER_LINEAR)
        self.image[self.unknown] = large[self.unknown]


class _Search:
    """The nearest-neighbour field of one size: a known patch for each of the N patches that hold an unknown pixel.

    Those N patches, around pixels (rows, cols), are the targets; (y, x) is the centre of the known patch of each.
    """

    def __init__(self, level: _PyramidLevel, coarser_field: Array | None, rng: np.random.Generator) -> None:
        self.level, self.rng = level, rng
        h, w = level.unknown.shape
        self.centres = _centres(level.usable)
        wanted = dilate(level.unknown, RADIUS)
        self.rows, self.cols = np.nonzero(wanted)
        self.number = np.full((h, w), -1, np.int32)
        self.number[self.rows, self.cols] = np.arange(self.rows.size)
        depth = cv2.distanceTransform(level.unknown.view(np.uint8), cv2.DIST_L2, 3)[self.rows, self.cols]
        self.certainty = np.float32(_DECAY) ** depth
        self.y, self.x = self._initial(coarser_field)

    def complete(self, rounds: int) -> None:
        """Search and vote in turns; the last two votes are sharp."""
        self.basis = self._principal_components()
        self.known = self._project(self.level.image)
        for n in range(rounds):
            self._improve()
            self._vote(sharp=n >= rounds - 2)

    def copy(self) -> None:
        """Rebuild from the enlarged field, without another search."""
        self.cost = np.zeros(self.rows.size, np.float32)
        self._vote(sharp=False)

    @property
    def field(self) -> Array:
        """The centre (y, x) of each target's known patch, int32 ``(h, w, 2)``; 0 where there is no target."""
        out = np.zeros((*self.number.shape, 2), np.int32)
        out[self.rows, self.cols] = np.stack([self.y, self.x], -1)
        return out

    def _principal_components(self) -> Array:
        """Principal components of the known patches, ``(side * side * c, _FEATURES)``."""
        ys, xs = np.nonzero(self.centres)
        pick = self.rng.integers(ys.size, size=min(3000, 4 * ys.size))
        span = np.arange(-RADIUS, RADIUS + 1)
        patches = self.level.image[ys[pick, None, None] + span[:, None], xs[pick, None, None] + span]
        flat = patches.reshape(len(pick), -1)
        flat = flat - flat.mean(0)
        _, vectors = np.linalg.eigh(flat.T @ flat)
        return np.ascontiguousarray(vectors[:, ::-1][:, :_FEATURES]).astype(np.float32)

    def _project(self, image: Array) -> Array:
        """Each pixel's patch in terms of the principal components, ``(h, w, _FEATURES)``."""
        side, channels = 2 * RADIUS + 1, image.shape[2]
        kernels = self.basis.reshape(side, side, channels, -1)
        out = np.zeros((*image.shape[:2], kernels.shape[3]), np.float32)
        for c, plane in enumerate(cv2.split(image)):
            for k in range(kernels.shape[3]):
                out[..., k] += cv2.filter2D(plane, -1, kernels[:, :, c, k], borderType=cv2.BORDER_REFLECT_101)
        return out

    def _targets(self) -> Array:
        """The targets' own patches in the same terms, ``(N, _FEATURES)``; projected around the hole only."""
        h, w = self.number.shape
        y0, x0 = max(0, self.rows.min() - RADIUS), max(0, self.cols.min() - RADIUS)
        y1, x1 = min(h, self.rows.max() + RADIUS + 1), min(w, self.cols.max() + RADIUS + 1)
        around = np.ascontiguousarray(self.level.image[y0:y1, x0:x1])
        found: Array = self._project(around)[self.rows - y0, self.cols - x0]
        return found

    def _initial(self, coarser: Array | None) -> tuple[np.ndarray, np.ndarray]:
        """The coarser field enlarged; random places where there is none or it leads outside."""
        ys, xs = np.nonzero(self.centres)
        pick = self.rng.integers(ys.size, size=self.rows.size)
        y, x = ys[pick].astype(np.int32), xs[pick].astype(np.int32)
        if coarser is None:
            return y, x
        ch, cw = coarser.shape[:2]
        r, c = np.minimum(self.rows // 2, ch - 1), np.minimum(self.cols // 2, cw - 1)
        there = coarser[r, c]
        up_y, up_x = 2 * there[:, 0] + self.rows - 2 * r, 2 * there[:, 1] + self.cols - 2 * c
        good = there.any(1) & self._allowed(up_y, up_x)
        return np.where(good, up_y, y), np.where(good, up_x, x)

    def _allowed(self, y: np.ndarray, x: np.ndarray) -> Bool:
        h, w = self.centres.shape
        inside = (y >= 0) & (x >= 0) & (y < h) & (x < w)
        allowed: Bool = inside & self.centres[np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)]
        return allowed

    def _improve(self) -> None:
        """One round of PatchMatch: the targets as they look now try their neighbours' offsets and random places."""
        self.wanted = self._targets()
        self.cost = self._distance(np.arange(self.rows.size), self.y, self.x)
        for reach in (4, 1, 2, 1):
            for dy, dx in ((reach, 0), (-reach, 0), (0, reach), (0, -reach)):
                self._from_neighbour(dy, dx)
            radius = max(self.centres.shape)
            while radius >= 1:
                jump = self.rng.integers(-radius, radius + 1, (2, self.rows.size))
                self._try(np.arange(self.rows.size), self.y + jump[0], self.x + jump[1])
                radius //= 4

    def _from_neighbour(self, dy: int, dx: int) -> None:
        """Try what a neighbour target copies from, moved back by the same step: good matches spread."""
        h, w = self.number.shape
        r, c = self.rows + dy, self.cols + dx
        inside = (r >= 0) & (c >= 0) & (r < h) & (c < w)
        other = np.where(inside, self.number[np.clip(r, 0, h - 1), np.clip(c, 0, w - 1)], -1)
        at = np.flatnonzero(other >= 0)
        self._try(at, self.y[other[at]] - dy, self.x[other[at]] - dx)

    def _try(self, at: np.ndarray, y: np.ndarray, x: np.ndarray) -> None:
        """Take over the patches around (y, x) for those of the targets ``at`` that they match better."""
        good = self._allowed(y, x)
        at, y, x = at[good], y[good], x[good]
        cost = self._distance(at, y, x)
        better = cost < self.cost[at]
        at = at[better]
        self.y[at], self.x[at], self.cost[at] = y[better], x[better], cost[better]

    def _distance(self, at: np.ndarray, y: np.ndarray, x: np.ndarray) -> Array:
        difference = self.wanted[at] - self.known[y, x]
        distance: Array = np.einsum("nk,nk->n", difference, difference)
        return distance

    def _vote(self, sharp: bool) -> None:
        """Each unknown pixel from all patches over it, weighted by how well they match; few of them if ``sharp``.

        How well is relative to the other patches there: a patch over the border of the unknown never matches as well
        as one deep inside, which agrees with itself, and yet it is the border that has to count.
        """
        level = self.level
        h, w = level.unknown.shape
        usual = self._around(self.cost) * np.float32(0.25 if sharp else 1.0) + np.float32(1e-6)
        weight = self.certainty * np.exp(-self.cost / (2 * usual)) + np.float32(1e-9)
        total = np.zeros_like(level.image)
        share = np.zeros(level.unknown.shape, np.float32)
        span = range(-RADIUS, RADIUS + 1)
        for dy, dx in itertools.product(span, span):
            r, c = self.rows + dy, self.cols + dx
            at = (r >= 0) & (c >= 0) & (r < h) & (c < w)
            at[at] = level.unknown[r[at], c[at]]
            r, c = r[at], c[at]
            total[r, c] += weight[at, None] * level.image[self.y[at] + dy, self.x[at] + dx]
            share[r, c] += weight[at]
        done = level.unknown & (share > 0)
        level.image[done] = total[done] / share[done][:, None]

    def _around(self, values: Array) -> Array:
        """The mean of the targets' values over one patch."""
        plane = np.zeros((*self.number.shape, 2), np.float32)
        plane[self.rows, self.cols, 0], plane[self.rows, self.cols, 1] = values, 1
        mean = cv2.blur(plane, (2 * RADIUS + 1,) * 2)[self.rows, self.cols]
        ratio: Array = mean[:, 0] / np.maximum(mean[:, 1], 1e-6)
        return ratio
