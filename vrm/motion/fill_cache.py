"""Fills on disk: those of a window of 1080p frames would not fit into the memory of a laptop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from vrm.motion.result import HoleFill
from vrm.system.array_folder import ArrayFolder


class FillFolder(ArrayFolder[HoleFill]):
    """Fills by frame number: the recent ones in memory, others in files in a folder of their own, deleted with it."""

    def __init__(self, parent: Path) -> None:
        super().__init__(parent, None, _arrays, _fill)


def _arrays(t: int, fill: HoleFill) -> Sequence[np.ndarray]:
    return [array for one in fields(HoleFill) if (array := getattr(fill, one.name)) is not None]


def _fill(t: int, arrays: Sequence[np.ndarray]) -> HoleFill:
    return HoleFill(*arrays)
