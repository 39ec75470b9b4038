"""Features of true and made frames or videos, kept by clip so that a later run can go on, and the distances of sets."""

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
"""By measure ("fid", "vfid", ...): the true and the made ones of one clip, ``(n, d)`` each."""


def set_distances(clips: Iterable[Features]) -> dict[str, float | str]:
    """By measure: the Fréchet distance over all clips together; a text says why there is none."""
    sides: dict[str, tuple[list[Array], list[Array]]] = {}
    for features in clips:
        for name, pair in features.items():
            for side, found in zip(sides.setdefault(name, ([], [])), pair, strict=True):
                side.append(found)
    distances: dict[str, float | str] = {}
    for name, (true, made) in sides.items():
        n = sum(map(len, true))
        if not all(np.isfinite(part).all() for part in (*true, *made)):
            distances[name] = "needs features that are finite, and some are not"
            continue
        what = "frames" if name == "fid" else "videos or windows"
        distances[name] = (
            f"needs two {what} or more, there are {n}"
            if n < 2
            else frechet_distance(np.concatenate(true), np.concatenate(made))
        )
    return distances


def save_features(path: Path, features: Features) -> None:
    """Write the features of a clip, whole or not at all. Raises OutputError."""
    arrays = {f"{name}/{side}": pair[k] for name, pair in features.items() for k, side in enumerate(("true", "made"))}
    atomic_write(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def load_features(path: Path) -> Features | None:
    """What ``save_features`` wrote, or None where it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as held:
            names = dict.fromkeys(key.rpartition("/")[0] for key in held.files)
            return {name: (held[f"{name}/true"], held[f"{name}/made"]) for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
