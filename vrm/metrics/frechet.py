"""Fréchet distance between two sets of features (Heusel et al. 2017): what FID and VFID are, given the network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def frechet_distance(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """``|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))`` of the Gaussians fitted to features ``(n1, d)`` and ``(n2, d)``.

    With centred features A and B (so that ``C1 = A^T A / (n1 - 1)``), ``Tr (C1 C2)^(1/2)`` is the sum of the singular
    values of ``A B^T``, divided by the roots of ``n1 - 1`` and ``n2 - 1``. Unlike the usual matrix square root, this is
    exact for covariances without full rank too (50 videos in 1024 dimensions). Raises ValueError.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features of {a.shape} and {b.shape} cannot be compared")
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"{len(a)} and {len(b)} features have no covariance: at least two are needed")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features are not finite")
    apart = a.mean(0) - b.mean(0)
    a, b = _root(a), _root(b)
    cross = float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    return max(0.0, float(apart @ apart + np.vdot(a, a) + np.vdot(b, b) - 2 * cross))


def _root(features: F64) -> F64:
    """A matrix R of at most d rows with ``R^T R`` the covariance."""
    centred = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(centred) > centred.shape[1] else centred
