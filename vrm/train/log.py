"""What a training writes down while it runs: a table of losses, and pictures of clips held out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vrm.system.files import writing
from vrm.types import U8, Bool

Cell = str | int | float


class Log:
    """A CSV file that grows by rows; its folder is made. Raises OutputError.

    ``columns`` are the first row of a new file; a file that exists is emptied, unless ``append`` says to go on with it.
    """

    def __init__(self, path: Path, columns: Sequence[str], append: bool) -> None:
        self.path = path
        with writing(f"The log cannot be written to {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not append or not path.exists():
                path.write_text("", encoding="utf-8")
                self.add(columns)

    def add(self, *rows: Sequence[Cell]) -> None:
        """Add rows; fractions are written with six digits. Raises OutputError."""
        what = f"The log cannot be written to {self.path}"
        with writing(what), self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows
            )


def comparison(frames: U8, holes: Bool, filled: U8) -> U8:
    """Three rows of up to five frames, uint8 ``(3 H, T W, 3)``: with grey holes, as filled, and as they were.

    Frames and filled are uint8 ``(T, H, W, 3)``, holes bool ``(T, H, W)``.
    """
    seen = frames.copy()
    seen[holes] = 128
    return np.concatenate([np.concatenate(list(row[:5]), 1) for row in (seen, filled, frames)], 0)
