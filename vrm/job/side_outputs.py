"""What is written beside the video: masks, cleaned frames, the report. Whole or not at all, like the video itself."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from vrm.errors import OutputError
from vrm.job.context import Job
from vrm.media.frame.frame import Frame
from vrm.media.write.png import write_png
from vrm.options.remove import RemoveOptions
from vrm.report.html import Highlight, render
from vrm.report.model import RemoveReport
from vrm.report.subtitles import subtitles
from vrm.shots.highlights import KEYFRAME_GRID, export_times, highlight_frames
from vrm.system.files import atomic_folder, atomic_write, disk_error, writing
from vrm.types import U8, Bool, Masks, Pixels, VideoInfo, eight_bits


class FolderOutput:
    """A folder of pictures that appears when the ``with`` block ends well and a picture was added.

    Pictures of the same names are replaced. ``what`` is the error's subject: "Masks".
    """

    def __init__(self, folder: Path, what: str) -> None:
        self.folder, self._what = folder, what
        self._place = atomic_folder(folder, merge=True)

    def __enter__(self) -> Self:
        self._partial = self._place.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        with self._writing():
            self._place.__exit__(*error)

    def add(self, name: str, picture: Pixels) -> None:
        """Write one picture as PNG. Raises OutputError."""
        with self._writing():
            self._partial.mkdir(exist_ok=True)
        try:
            write_png(self._partial / name, picture)
        except OutputError as error:
            reason = disk_error(error) or error.what
            raise OutputError(f"{self._what} cannot be written to {self.folder}: {reason}.", error.fix) from error

    def add_text(self, name: str, text: str) -> None:
        """Write a text file beside the pictures. Raises OutputError."""
        with self._writing():
            self._partial.mkdir(exist_ok=True)
            (self._partial / name).write_text(text + "\n", encoding="utf-8")

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(f"{self._what} cannot be written to {self.folder}")


def write_masks(info: VideoInfo, masks: Masks, out: FolderOutput) -> None:
    """Add masks of all frames as 0/255 PNGs named by frame number, in the displayed orientation. Raises OutputError."""
    for t in range(info.n_frames):
        turned = np.rot90(masks[t], -info.rotation // 90)
        out.add(f"{t:05d}.png", turned.astype(np.uint8) * 255)


class SideOutputs:
    """What a job writes beside the video: masks, cleaned keyframes, the report, whose page shows ``highlights``."""

    def __init__(self, job: Job) -> None:
        options = job.options
        self._info, self._options, self._report = job.info, options, job.report
        self._places = contextlib.ExitStack()
        enter = self._places.enter_context
        self._masks = enter(FolderOutput(options.mask.save_to or job.target, "Masks"))
        self._keyframes = enter(FolderOutput(options.export_keyframes or job.target, "Keyframes"))
        self.highlights: tuple[int, ...] = ()
        self._exported: Collection[int] = ()
        self._maps: Mapping[int, U8] = {}
        self._views: Mapping[int, list[tuple[str, U8]]] = {}
        self._pictures: list[Highlight] = []
        self._effects: Masks | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._places.__exit__(*error)

    def choose(
        self, objects: Masks, effects: Masks, holes: Masks, shots: list[tuple[int, int]], given: Collection[int]
    ) -> None:
        """Write the masks, and choose the frames to be looked at while they are composited.

        ``objects`` are the masks, ``effects`` what of them is shadow or reflection, ``holes`` the masks grown,
        ``given`` the frames that the user has cleaned.
        """
        self._effects = effects
        if self._options.mask.save_to is not None:
            write_masks(self._info, objects, self._masks)
        if self._options.export_keyframes is not None:
            self._exported = export_times(shots, holes, given, KEYFRAME_GRID)
        report = self._options.report
        if report is not None and report.suffix.lower() == ".html":
            self.highlights = tuple(highlight_frames(holes, shots))

    def explain(self, maps: Mapping[int, U8], views: Mapping[int, list[tuple[str, U8]]]) -> None:
        """Coverage maps of the highlights, and pictures that the engine has to show of them, by frame."""
        self._maps, self._views = maps, views

    def observe(self, before: Frame, after: Frame, hole: Bool) -> None:
        """Count a composited frame, and look at it as decoded and as it is now. Raises OutputError."""
        self._report.masked_frames += 1
        if before.index in self._exported:  # to be retouched and given back
            self._keyframes.add(f"{after.index:05d}.png", cast(Pixels, self._displayed(after.rgb())))
        if before.index in self.highlights:
            self._pictures.append(self._picture(before, after, hole))

    def finish(self, report: RemoveReport) -> None:
        """Put everything in its place, the report last. Raises OutputError."""
        self._places.close()
        write_subtitles(report, self._options)
        if self._options.report is not None:
            write_report(report, self._pictures, self._options.report)

    def _picture(self, before: Frame, after: Frame, hole: Bool) -> Highlight:
        t, shown = before.index, self._displayed
        coverage = self._maps.get(t)
        return Highlight(
            t,
            shown(eight_bits(before.rgb())),
            shown(eight_bits(after.rgb())),
            shown(hole),
            None if coverage is None else shown(coverage),
            tuple((name, shown(view)) for name, view in self._views.get(t, ())),
            shown(self._effects[t]) if self._effects is not None and self._effects.box(t) is not None else None,
        )

    def _displayed(self, array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(array, -self._info.rotation // 90))


def write_subtitles(report: RemoveReport, options: RemoveOptions) -> None:
    """What was read of the text that goes, where that is asked for. Raises OutputError."""
    path = options.mask.text.srt
    if path is None:
        return
    what = f"The subtitles cannot be written to {path}"
    with writing(what):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, subtitles(report.text_lines), what)


def write_report(report: RemoveReport, pictures: list[Highlight], path: Path) -> None:
    """The report as a page or as JSON, by the ending. Raises OutputError."""
    text = report.to_json() if path.suffix.lower() == ".json" else render(report, pictures)
    what = f"The report cannot be written to {path}"
    with writing(what):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text, what)
