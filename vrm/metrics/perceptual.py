"""The distance between a network's activations: PVCS, given the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

EPS = 1e-10


def activation_distance(first: Sequence[npt.NDArray[np.float32]], second: Sequence[npt.NDArray[np.float32]]) -> float:
    """The sum over layers of the mean squared distance of unit vectors (Zhang et al., CVPR 2018, Eq. 1 with w = 1).

    At each position of a layer ``(C, ...)`` the channels are normalised to unit length, their squared differences are
    summed, and the mean is over positions. With I3D's Conv3d_2c, Mixed_3c, 4f and 5c over windows of 10 frames it is
    PVCS (DEVIL).
    """
    total = 0.0
    for a, b in zip(first, second, strict=True):
        if a.shape != b.shape:
            raise ValueError(f"activations of {a.shape} and {b.shape} cannot be compared")
        total += float(np.square(_unit(a) - _unit(b)).sum(0, dtype=np.float64).mean())
    return total


def _unit(layer: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    unit: npt.NDArray[np.float32] = layer / (np.sqrt(np.square(layer).sum(0, keepdims=True)) + np.float32(EPS))
    return unit
