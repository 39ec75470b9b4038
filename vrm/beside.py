"""What is written beside the video: masks, cleaned frames, the report. Whole or not at all, like the video itself."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Self, cast

import numpy as np

from vrm.disk import disk_error, existing, writing
from vrm.errors import OutputError
from vrm.media.frame import Frame
from vrm.media.stills import write_png
from vrm.report.html import Picture, render
from vrm.report.model import RemoveReport
from vrm.types import Masks, Pixels, VideoInfo


class FolderOutput:
    """A folder of pictures that appears when it is complete; at the end of a ``with`` block what is not in place goes.

    Args:
        folder: where to; pictures in it that have the same names are replaced.
        what: they are, as the error's subject: "Masks".
    """

    def __init__(self, folder: Path, what: str) -> None:
        self.folder, self._what = folder, what
        self._aside = existing(folder.absolute().parent) / f".{folder.name}.{os.getpid()}.part"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.drop()

    def add(self, name: str, picture: Pixels) -> None:
        """Write one picture as PNG. Raises OutputError."""
        with self._writing():
            self._aside.mkdir(exist_ok=True)
        try:
            write_png(self._aside / name, picture)
        except OutputError as error:
            reason = disk_error(error) or error.what
            raise OutputError(f"{self._what} cannot be written to {self.folder}: {reason}.", error.fix) from error

    def finish(self) -> None:
        """Put what was added in its place. Raises OutputError."""
        with self._writing():
            if not self._aside.exists():
                return
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            if not self.folder.exists():
                self._aside.rename(self.folder)
                return
            for path in sorted(self._aside.iterdir()):
                path.replace(self.folder / path.name)
            self._aside.rmdir()

    def drop(self) -> None:
        """Forget what was added and is not in its place."""
        shutil.rmtree(self._aside, ignore_errors=True)

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(f"{self._what} cannot be written to {self.folder}")


def write_masks(info: VideoInfo, masks: Masks, out: FolderOutput) -> None:
    """Add masks of all frames as 0/255 PNGs named by frame number, in the displayed orientation. Raises OutputError."""
    for t in range(info.n_frames):
        turned = np.rot90(masks[t], -info.rotation // 90)
        out.add(f"{t:05d}.png", turned.astype(np.uint8) * 255)


def write_keyframe(info: VideoInfo, frame: Frame, out: FolderOutput) -> None:
    """A cleaned frame named by its number, in the displayed orientation, to be retouched and given back."""
    turned = np.ascontiguousarray(np.rot90(frame.rgb(), -info.rotation // 90))
    out.add(f"{frame.index:05d}.png", cast(Pixels, turned))


def write_report(report: RemoveReport, pictures: list[Picture], path: Path) -> None:
    """The report as a page or as JSON, by the ending. Raises OutputError."""
    text = report.to_json() if path.suffix.lower() == ".json" else render(report, pictures)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(f"The report cannot be written to {path}"):
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def refuse_existing(path: Path | None, overwrite: bool) -> None:
    """Refuse a file or a folder that is in the way, before any work. Raises OutputError."""
    if path is None or overwrite:
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        raise OutputError(f"{path} exists.", "Choose another name or give --overwrite.")
    if path.suffix and not path.parent.is_dir():
        raise OutputError(f"{path.parent} is not a folder.", "Make it first.")
