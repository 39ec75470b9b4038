"""Flicker of label maps: the share of pixels whose label changes along the motion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vrm.errors import MaskError, VideoError
from vrm.evaluate.cases.sequence import ImageSequence
from vrm.events import Events, counted
from vrm.media.read.reader import Reader
from vrm.media.read.stills import read_mask
from vrm.metrics.warping import Motion, grey, label_changes, visible
from vrm.report.tables import text_table
from vrm.types import U8, FlowEstimator


@dataclass(frozen=True)
class FlickerRow:
    """The flicker of one folder of label maps.

    ``flicker`` is the share of the visible pixels whose label changes, 0 to 1; None for a single frame. ``flow`` is the
    name of the estimator of motion.
    """

    name: str
    frames: int
    flicker: float | None
    flow: str


@dataclass(frozen=True)
class FlickerTable:
    """What ``vrm evaluate labels`` prints: the flicker of every folder of label maps."""

    results: tuple[FlickerRow, ...]

    def lines(self) -> str:
        return "".join(json.dumps(vars(result), ensure_ascii=False) + "\n" for result in self.results)

    def table(self) -> str:
        rows = [["labels", "flow", "frames", "flicker %"]]
        for r in self.results:
            rows.append([r.name, r.flow, str(r.frames), "-" if r.flicker is None else f"{100 * r.flicker:.3f}"])
        return text_table(rows)


def label_flicker(
    video: Path, labels: list[Path], events: Events, estimator: FlowEstimator, flow: str = "DIS"
) -> FlickerTable:
    """Label flicker of one or more folders of label maps of a video, or of a folder of frames.

    Args:
        labels: folders as ``vrm segment`` writes them (``classes/`` or ``classes.mkv``), or of one PNG for each frame
            (palette or grey: a pixel's value is its label).
        estimator, flow: of optical flow, and its name.

    Raises:
        VideoError: the video or a map cannot be read.
        MaskError: the maps are not as many or not as large as the frames.
    """
    frames = ImageSequence(video)
    count = len(frames)
    streams = []
    for folder in labels:
        maps = _maps(folder)
        if len(maps) != count:
            what = f"{folder} holds {counted(len(maps), 'label map')}, {video} has {counted(count, 'frame')}."
            raise MaskError(what, "Give the maps of this video.")
        streams.append(_planes(maps))
    changed = np.zeros((len(labels), 2), np.int64)
    previous: tuple[U8, list[U8]] | None = None
    events.stage("labels", count)
    for frame in frames.stream():
        now, planes = grey(frame), [next(stream) for stream in streams]
        for plane, folder in zip(planes, labels, strict=True):
            if plane.shape != now.shape:
                (h, w), (height, width) = plane.shape, now.shape
                raise MaskError(f"{folder} holds a map of {w}x{h}, the frames are {width}x{height}.")
        if previous is not None:
            forward = estimator(previous[0], now)
            motion = Motion(forward, visible(forward, estimator(now, previous[0])))
            changed += [label_changes(one, two, motion) for one, two in zip(previous[1], planes, strict=True)]
        previous = now, planes
        events.advance("labels")
    shares = [float(c / n) if n else None for c, n in changed]
    names = [folder.resolve().name for folder in labels]
    return FlickerTable(tuple(FlickerRow(name, count, share, flow) for name, share in zip(names, shares, strict=True)))


def _maps(folder: Path) -> ImageSequence:
    if not folder.exists():
        raise VideoError(f"{folder} is not there.", "Make label maps: vrm segment VIDEO -o DIR.")
    if (folder / "classes.mkv").is_file():
        return ImageSequence(folder / "classes.mkv")
    return ImageSequence(folder / "classes" if (folder / "classes").is_dir() else folder)


def _planes(maps: ImageSequence) -> Iterator[U8]:
    if not maps.listed:
        with Reader(maps.info) as reader:
            for frame in reader.frames(0, None):
                yield np.ascontiguousarray(np.rot90(np.asarray(frame.planes[0], np.uint8), -maps.info.rotation // 90))
    for path in maps.listed:
        plane, _ = read_mask(path)
        if plane.ndim != 2 or plane.dtype != np.uint8:
            raise MaskError(f"{path} is a colour or 16-bit picture, no label map.", "Save a palette or 8-bit grey PNG.")
        yield np.asarray(plane, np.uint8)
