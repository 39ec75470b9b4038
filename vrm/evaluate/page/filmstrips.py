"""The pictures of a run's page: strips of frames to scrub through, error maps, and slices through time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vrm.errors import OutputError
from vrm.evaluate.cases.pictures import Pictures, read_at
from vrm.report.html import outline
from vrm.types import U8, Bool, Masks, eight_bits

WIDEST = 480
MOST = 10
"""Frames in a strip."""
GAIN = 4
"""Error maps show differences times this."""
_QUALITY = 82
_TALL = 120


@dataclass(frozen=True)
class Strip:
    """Frames below each other in one file, to be shown one at a time.

    Attributes:
        path: the JPEG, relative to the page.
        size: ``(height, width)`` of one frame in it.
    """

    path: str
    size: tuple[int, int]


def telling(masks: Masks, count: int) -> list[int]:
    """At most ``MOST`` frames with a hole, spread evenly; of all frames if none has one."""
    holed = [t for t in masks.frames() if t < count] or list(range(count))
    return [holed[k] for k in np.unique(np.linspace(0, len(holed) - 1, MOST).round().astype(int))]


def cut_line(masks: Masks, count: int) -> int:
    """The row that a slice through time follows: through the middle of the holes."""
    rows: list[float] = []
    for t, mask in masks.items():
        if t < count:
            rows.append(float(np.nonzero(mask.any(1))[0].mean()))
    return round(sum(rows) / len(rows)) if rows else masks.size[0] // 2


def film(frames: list[U8], path: Path, root: Path) -> Strip:
    """Write a strip of frames ``(H, W, 3)``. Raises OutputError."""
    height, width = frames[0].shape[:2]
    scale = min(1.0, WIDEST / width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    if scale < 1:
        frames = [np.asarray(cv2.resize(f, size[::-1], interpolation=cv2.INTER_AREA), np.uint8) for f in frames]
    _write(path, np.concatenate(frames))
    return Strip(path.relative_to(root).as_posix(), size)


def slice_through_time(pictures: Pictures, row: int, count: int, path: Path, root: Path) -> str:
    """Write the pixels of one row, of all frames below each other (Ouyang et al. 2021, Fig. 9)."""
    lines = np.stack([eight_bits(frame)[row] for frame in pictures.stream(count)])
    times = max(1, -(-_TALL // len(lines)))
    _write(path, np.repeat(lines, times, axis=0))
    return path.relative_to(root).as_posix()


def frames_at(pictures: Pictures, wanted: list[int], change: Callable[[U8, int], U8] | None = None) -> list[U8]:
    """Frames by number, in 8 bits, each changed by ``change(frame, number)``."""
    found = read_at(pictures, wanted)
    return [eight_bits(found[t]) if change is None else change(eight_bits(found[t]), t) for t in wanted]


def outlined(masks: Masks) -> Callable[[U8, int], U8]:
    """Draws the hole's border into a frame."""
    return lambda frame, t: outline(frame, masks[t])


def error_map(frame: U8, truth: U8, mask: Bool) -> U8:
    """Largest difference over channels, times ``GAIN``, dark to bright; around the hole a dim copy of the frame."""
    difference = np.abs(frame.astype(np.int16) - truth).max(2)
    heat = cv2.applyColorMap(np.clip(difference * GAIN, 0, 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = cv2.cvtColor(np.ascontiguousarray(truth), cv2.COLOR_RGB2GRAY)[..., None] // 4
    return np.asarray(np.where(mask[..., None], heat, grey), np.uint8)


def _write(path: Path, picture: U8) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
