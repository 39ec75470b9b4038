"""Means that count the infinite values they leave out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Mean:
    """The mean of several values.

    Attributes:
        value: of the finite ones; +inf if all are infinite; None if there are none.
        spread: standard deviation of the finite ones (of the sample, n - 1); None for fewer than two.
        n: how many are finite.
        infinite: how many are infinite (PSNR of equal frames) and were left out.
    """

    value: float | None
    spread: float | None = None
    n: int = 0
    infinite: int = 0


def mean(values: Iterable[float | None]) -> Mean:
    """The mean of the finite values; None and nan (nothing to measure) are ignored, infinite values are counted."""
    known = [v for v in values if v is not None and not math.isnan(v)]
    finite = [v for v in known if math.isfinite(v)]
    infinite = len(known) - len(finite)
    if not finite:
        return Mean(math.inf if infinite else None, None, 0, infinite)
    centre = math.fsum(finite) / len(finite)
    if len(finite) < 2:
        return Mean(centre, None, 1, infinite)
    spread = math.sqrt(math.fsum((v - centre) ** 2 for v in finite) / (len(finite) - 1))
    return Mean(centre, spread, len(finite), infinite)
