"""Features of true and filled frames or videos, stored by clip so that a run can be resumed, and their distances."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vrm.metrics.frechet import frechet_distance
from vrm.system.files import atomic_write

Array = npt.NDArray[np.float32]
Features = dict[str, tuple[Array, Array]]
"""By measure ("fid", "vfid", ...), those of one clip's true and filled frames: float32 ``(n, d)`` each."""


def set_distances(clips: Iterable[Features]) -> dict[str, float | str]:
    """By measure, the Fréchet distance between all clips' true and filled features; a text says why there is none."""
    sides: dict[str, tuple[list[Array], list[Array]]] = {}
    for features in clips:
        for name, pair in features.items():
            for side, found in zip(sides.setdefault(name, ([], [])), pair, strict=True):
                side.append(found)
    return {name: _distance(name, *pair) for name, pair in sides.items()}


def _distance(name: str, true: list[Array], filled: list[Array]) -> float | str:
    if not all(np.isfinite(part).all() for part in (*true, *filled)):
        return "needs features that are finite, and some are not"
    if (n := sum(map(len, true))) < 2:
        return f"needs two {'frames' if name == 'fid' else 'videos or windows'} or more, there are {n}"
    return frechet_distance(np.concatenate(true), np.concatenate(filled))


def save_features(path: Path, features: Features) -> None:
    arrays = {f"{name}/{side}": pair[k] for name, pair in features.items() for k, side in enumerate(("true", "made"))}
    atomic_write(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def load_features(path: Path) -> Features | None:
    """What ``save_features`` wrote; None if the file is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as held:
            names = dict.fromkeys(key.rpartition("/")[0] for key in held.files)
            return {name: (held[f"{name}/true"], held[f"{name}/made"]) for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
