"""The pictures of a run's page: strips of frames to scrub through, error maps, and slices through time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from vrm.evaluate.cases.sequence import ImageSequence, read_at
from vrm.evaluate.scoring.tables import write_file
from vrm.types import U8, Bool, Masks, eight_bits

MAX_WIDTH = 480
MAX_FRAMES = 10
"""In a strip."""
GAIN = 4
"""Error maps show differences times this."""
_QUALITY = 82
_SLICE_HEIGHT = 120


@dataclass(frozen=True)
class Filmstrip:
    """Frames below each other in one JPEG, to be shown one at a time.

    ``url`` is relative to the page; ``height`` and ``width`` are of one frame.
    """

    url: str
    height: int
    width: int


def sample_frames(masks: Masks, count: int) -> list[int]:
    """At most ``MAX_FRAMES`` of the frames that have a hole (of all frames if none has), spread evenly."""
    candidates = [t for t in masks.frames() if t < count] or list(range(count))
    return [candidates[k] for k in np.unique(np.linspace(0, len(candidates) - 1, MAX_FRAMES).round().astype(int))]


def slice_row(masks: Masks, count: int) -> int:
    """The row of pixels for slices through time: through the middle of the holes."""
    rows = [float(np.nonzero(mask.any(1))[0].mean()) for t, mask in masks.items() if t < count]
    return round(sum(rows) / len(rows)) if rows else masks.size[0] // 2


def write_strip(frames: list[U8], path: Path, root: Path) -> Filmstrip:
    """Write frames ``(H, W, 3)`` below each other. Raises OutputError."""
    height, width = frames[0].shape[:2]
    scale = min(1.0, MAX_WIDTH / width)
    if scale < 1:
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        frames = [np.asarray(cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA), np.uint8) for f in frames]
    return Filmstrip(_write(path, np.concatenate(frames), root), height, width)


def write_time_slice(pictures: ImageSequence, row: int, count: int, path: Path, root: Path) -> str:
    """Write one row of pixels of all frames, below each other (Ouyang et al. 2021, Fig. 9); returns its URL."""
    lines = np.stack([eight_bits(frame)[row] for frame in pictures.stream(count)])
    return _write(path, np.repeat(lines, max(1, -(-_SLICE_HEIGHT // len(lines))), axis=0), root)


def frames_at(pictures: ImageSequence, wanted: list[int]) -> list[U8]:
    found = read_at(pictures, wanted)
    return [eight_bits(found[t]) for t in wanted]


def error_map(frame: U8, truth: U8, mask: Bool) -> U8:
    """Largest difference over channels, times ``GAIN``, dark to bright; around the hole a dim copy of the truth."""
    difference = np.abs(frame.astype(np.int16) - truth).max(2)
    heat = cv2.applyColorMap(np.clip(difference * GAIN, 0, 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = cv2.cvtColor(np.ascontiguousarray(truth), cv2.COLOR_RGB2GRAY)[..., None] // 4
    return np.asarray(np.where(mask[..., None], heat, grey), np.uint8)


def _write(path: Path, picture: U8, root: Path) -> str:
    """Write a JPEG; returns its URL relative to ``root``. Raises OutputError."""
    data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    write_file(path, data.tobytes())
    return quote(path.relative_to(root).as_posix())
