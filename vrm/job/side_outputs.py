"""What is written beside the video: masks, cleaned frames, the report. Whole or not at all, like the video itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import cv2
import numpy as np

from vrm.errors import OutputError
from vrm.media.frame.frame import Frame
from vrm.media.read.reader import Reader
from vrm.media.read.stills import write_png
from vrm.media.write.plan import OutputPlan
from vrm.media.write.preview import preview_frame, preview_plan
from vrm.media.write.writer import write_video
from vrm.report.html import Picture, render
from vrm.report.model import RemoveReport
from vrm.system.files import atomic_folder, atomic_write, disk_error, writing
from vrm.types import Masks, Pixels, VideoInfo, eight_bits

OVERLAY_SIDE = 1280
"""Longest side of a video with the masks laid over it."""
_TINT = (220, 40, 60)


class FolderOutput:
    """A folder of pictures that appears when the ``with`` block ends well.

    Args:
        folder: where to; pictures in it that have the same names are replaced.
        what: they are, as the error's subject: "Masks".
    """

    def __init__(self, folder: Path, what: str) -> None:
        self.folder, self._what = folder, what
        self._end = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._partial = self._end.enter_context(atomic_folder(self.folder, merge=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
        else:
            self._end.__exit__(kind, error, trace)

    def add(self, name: str, picture: Pixels) -> None:
        """Write one picture as PNG. Raises OutputError."""
        with self._writing():
            self._partial.mkdir(exist_ok=True)
        try:
            write_png(self._partial / name, picture)
        except OutputError as error:
            reason = disk_error(error) or error.what
            raise OutputError(f"{self._what} cannot be written to {self.folder}: {reason}.", error.fix) from error

    def finish(self) -> None:
        """Put what was added in its place, as the end of the block does. Raises OutputError."""
        with self._writing():
            self._end.close()

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(f"{self._what} cannot be written to {self.folder}")


def write_masks(info: VideoInfo, masks: Masks, out: FolderOutput) -> None:
    """Add masks of all frames as 0/255 PNGs named by frame number, in the displayed orientation. Raises OutputError."""
    for t in range(info.n_frames):
        turned = np.rot90(masks[t], -info.rotation // 90)
        out.add(f"{t:05d}.png", turned.astype(np.uint8) * 255)


def overlay_plan(info: VideoInfo, path: Path, overwrite: bool) -> OutputPlan:
    """How masks laid over a video are written, checked before any work. Raises UsageError or OutputError."""
    scale = min(1.0, OVERLAY_SIDE / max(info.size))
    height, width = (2 * max(1, round(n * scale / 2)) for n in info.size)
    return preview_plan(info, path, (height, width), overwrite=overwrite)


def write_overlay(info: VideoInfo, masks: Masks, plan: OutputPlan, told: Callable[[int], None]) -> None:
    """The video with what goes tinted red inside a white line, to be looked at; ``told`` how many frames are done."""
    size = plan.picture.size[::-1]

    def tinted(frame: Frame) -> Frame:
        picture = cv2.resize(eight_bits(frame.rgb()), size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(masks[frame.index].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        picture[mask > 0] = cv2.addWeighted(picture, 0.5, np.full_like(picture, _TINT), 0.5, 0)[mask > 0]
        picture[(mask > 0) & (cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1) == 0)] = 255
        return preview_frame(np.asarray(picture, np.uint8), frame)

    with Reader(info) as reader:
        write_video(plan, map(tinted, reader.frames()), progress=told)


def write_keyframe(info: VideoInfo, frame: Frame, out: FolderOutput) -> None:
    """A cleaned frame named by its number, in the displayed orientation, to be retouched and given back."""
    turned = np.ascontiguousarray(np.rot90(frame.rgb(), -info.rotation // 90))
    out.add(f"{frame.index:05d}.png", cast(Pixels, turned))


def write_report(report: RemoveReport, pictures: list[Picture], path: Path) -> None:
    """The report as a page or as JSON, by the ending. Raises OutputError."""
    text = report.to_json() if path.suffix.lower() == ".json" else render(report, pictures)
    atomic_write(path, text, f"The report cannot be written to {path}")


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
