"""How large an error to expect of each candidate: a log-linear model.

log(error) is a weighted sum of the logarithms of what is known about the candidate. The coefficients were fitted by
least squares on held-out pixels of a dozen clips of different kinds; the model explains 57% of the variance of the
logarithm for trajectories, 67% for non-local frames and 30% for single-frame inpainting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from vrm.motion.frames import mean_of_channels, odd
from vrm.motion.fusion.candidate import Candidate, Correspondences, Kind
from vrm.types import Array, Bool

ErrorCalibration = Mapping[Kind, float]
"""How errors in the clip at hand compare to the usual: what is added to the logarithm, 0 for a kind that is missing."""

UNCALIBRATED: ErrorCalibration = {}

_WINDOW = 7
"""Pixels over which candidates are compared (in frames 432 wide); odd."""


def correspondence_prior(found: Correspondences, t: int) -> Array:
    """The prior of what frame t's pixels show elsewhere, float32 ``(N,)``; see ``Candidate.prior``."""
    if found.kind == "trajectory":
        prior = _trajectory_prior(found.error, np.abs(found.source - t))
    else:
        prior = np.float32(0.4) + np.float32(0.75) * np.log(found.error + 0.01)
    return prior + found.penalty


def _trajectory_prior(error: Array, distance: Array) -> Array:
    """From the accumulated forward-backward error, and the number of frames to the source.

    Without any error the camera stood still: the place is exact then, however long ago it was seen.
    """
    error = np.minimum(error, 1e3)
    far = distance * np.minimum(1, error + 0.05)
    log = -1.63 + 0.15 * np.log(error + 0.1) + 0.28 * np.log1p(far) - 1.2 * (error < 0.02)
    prior: Array = log.astype(np.float32)
    return prior


def single_frame_prior(image: Array, hole: Bool, scale: float) -> Array:
    """The prior of single-frame inpainting: it errs more deep in the hole, and where the surroundings have contrast.

    Args:
        image: float32 ``(h, w[, 3])``, read outside the hole.
        hole: bool ``(h, w)``, N pixels; the result is float32 ``(N,)``.
        scale: see ``frames.length_scale``.
    """
    known = (~hole).astype(np.float32)
    grey = mean_of_channels(image) if image.ndim == 3 else image
    depth = cv2.distanceTransform(hole.view(np.uint8), cv2.DIST_L2, 3)[hole] / scale
    out = np.float32(-1.65) + np.float32(0.68) * np.log(np.minimum(np.maximum(depth, 0.5), 1000))
    for size, weight in ((15, 0.25), (31, 0.09), (63, 0.28)):
        window = (odd(size * scale),) * 2
        share = np.maximum(cv2.blur(known, window), 1e-4)
        mean = cv2.blur(grey * known, window) / share
        square = cv2.blur(grey * grey * known, window) / share
        contrast = np.sqrt(np.maximum(square - mean * mean, 0))[hole]
        out += np.float32(weight) * np.log(contrast + 0.01)
    result: Array = out.astype(np.float32)
    return result


def set_expected_errors(
    candidates: Sequence[Candidate], inside: Bool, scale: float, calibration: ErrorCalibration = UNCALIBRATED
) -> None:
    """Set ``Candidate.error`` from the priors and from how the candidates compare. In place.

    Two frames that show the same behind the hole confirm each other; a candidate that departs far from the smooth
    continuation of the surroundings risks more.

    Args:
        candidates: exactly one is of single-frame inpainting.
        inside: bool ``(h, w)`` with the N hole pixels.
        scale: see ``frames.length_scale``.
    """
    blur = HoleBlur(inside, _WINDOW, round(scale))
    fetched = [c for c in candidates if c.kind != "single-frame"]
    smooth = next(c for c in candidates if c.kind == "single-frame")
    difference, others = _differences(fetched, blur)
    for k, c in enumerate(fetched):
        confirmed = others[k] > 0
        mean = difference[k] / np.maximum(others[k], 1)
        texture = blur(np.abs(c.differences).mean(0), c.valid)
        departure = blur(np.abs(c.colour - smooth.colour), c.valid)
        if c.kind == "trajectory":
            constant, disagree, from_smooth = 1.1, 0.45, 0.41
        else:
            constant, disagree, from_smooth = 0.83, 0.3, 0.2
        log = c.prior + np.where(confirmed, constant + disagree * np.log(mean + 0.01), 0)
        log = log + 0.16 * np.log(texture + 0.005) + from_smooth * np.log(departure + 0.01)
        log = log + calibration.get(c.kind, 0.0)
        c.error = np.where(c.valid, np.clip(np.exp(log), 1e-3, 1), np.inf).astype(np.float32)
    log = smooth.prior + calibration.get(smooth.kind, 0.0)
    smooth.error = np.clip(np.exp(log), 1e-3, 1).astype(np.float32)


class HoleBlur:
    """Box average over those of the hole's pixels that count.

    Args:
        inside: bool ``(h, w)``: the hole, N pixels, at least one.
        size: side of the box in cells, odd.
        cell: side of a cell in pixels: what is averaged over large boxes is first averaged over small ones.
    """

    def __init__(self, inside: Bool, size: int, cell: int = 1) -> None:
        rows, cols = (places // cell for places in np.divmod(np.flatnonzero(inside), inside.shape[1]))
        rows, cols = rows - rows.min(), cols - cols.min()
        self._shape = int(rows.max()) + 1, int(cols.max()) + 1
        self._at = rows * self._shape[1] + cols
        self._window = (size, size)

    def __call__(self, values: Array, counts: Bool) -> Array:
        """Of float32 ``(N[, 3])``, of which channels are averaged, where ``counts`` is true: ``(N,)``."""
        counted = counts.astype(np.float32)
        values = values * counted if values.ndim == 1 else mean_of_channels(values) * counted
        n = self._shape[0] * self._shape[1]
        sums = np.stack([np.bincount(self._at, weights=v, minlength=n) for v in (values, counted)], -1)
        plane = cv2.blur(sums.astype(np.float32).reshape(*self._shape, 2), self._window, borderType=cv2.BORDER_CONSTANT)
        mean: Array = (plane[..., 0] / np.maximum(plane[..., 1], np.float32(1e-3))).reshape(-1)[self._at]
        return mean


def _differences(fetched: Sequence[Candidate], blur: HoleBlur) -> tuple[Array, Array]:
    """For each candidate and pixel the sum of its differences to the others, and how many others there are."""
    n = fetched[0].valid.size if fetched else 0
    total = np.zeros((len(fetched), n), np.float32)
    others = np.zeros((len(fetched), n), np.float32)
    for i, one in enumerate(fetched):
        for j in range(i + 1, len(fetched)):
            both = one.valid & fetched[j].valid
            if both.any():
                difference = blur(np.abs(one.colour - fetched[j].colour), both)
                for k in (i, j):
                    total[k] += np.where(both, difference, 0)
                    others[k] += both
    return total, others
