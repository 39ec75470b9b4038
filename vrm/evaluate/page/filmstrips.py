"""The pictures of a run's page: strips of frames to scrub through, error maps, and slices through time."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vrm.evaluate.cases.sequence import ImageSequence, read_at
from vrm.report.html import data_uri, shrunk
from vrm.types import U8, Bool, Masks, eight_bits

MAX_SIDE = 400
MAX_FRAMES = 10
"""In a strip."""
_LEAST_FRAMES = 3
_BUDGET = 12e6
"""Bytes of all pictures of a page, roughly: it is to be mailed."""
_FRAME_BYTES = 9e3
"""What a frame of ``MAX_SIDE`` takes, roughly."""
GAIN = 4
"""Error maps show differences times this."""
_QUALITY = 75
_SLICE_HEIGHT = 120


@dataclass(frozen=True)
class Filmstrip:
    """Frames below each other in one picture, to be shown one at a time.

    ``url`` holds the picture itself; ``height`` and ``width`` are of one frame.
    """

    url: str
    height: int
    width: int


def frames_per_strip(strips: int) -> int:
    """How many frames each of so many strips shows, for the page to stay of a size that can be mailed."""
    return round(min(MAX_FRAMES, max(_LEAST_FRAMES, _BUDGET / _FRAME_BYTES / max(1, strips))))


def sample_frames(masks: Masks, count: int, most: int = MAX_FRAMES) -> list[int]:
    """At most ``most`` of the frames that have a hole (of all frames if none has), spread evenly."""
    candidates = [t for t in masks.frames() if t < count] or list(range(count))
    return [candidates[k] for k in np.unique(np.linspace(0, len(candidates) - 1, most).round().astype(int))]


def slice_row(masks: Masks, count: int) -> int:
    """The row of pixels for slices through time: through the middle of the holes."""
    rows = [float(np.nonzero(mask.any(1))[0].mean()) for t, mask in masks.items() if t < count]
    return round(sum(rows) / len(rows)) if rows else masks.size[0] // 2


def film_strip(frames: list[U8]) -> Filmstrip:
    """Frames ``(H, W, 3)`` below each other."""
    frames = [shrunk(frame, MAX_SIDE) for frame in frames]
    height, width = frames[0].shape[:2]
    return Filmstrip(data_uri(np.concatenate(frames), "webp", _QUALITY), height, width)


def time_slice(pictures: ImageSequence, row: int, count: int) -> str:
    """One row of pixels of all frames, below each other (Ouyang et al. 2021, Fig. 9), as a URL that holds it."""
    lines = np.stack([eight_bits(frame)[row] for frame in pictures.stream(count)])
    tall = np.repeat(lines, max(1, -(-_SLICE_HEIGHT // len(lines))), axis=0)
    return data_uri(tall, "webp", _QUALITY)


def frames_at(pictures: ImageSequence, wanted: list[int]) -> list[U8]:
    found = read_at(pictures, wanted)
    return [eight_bits(found[t]) for t in wanted]


def error_map(frame: U8, truth: U8, mask: Bool) -> U8:
    """Largest difference over channels, times ``GAIN``, dark to bright; around the hole a dim copy of the truth."""
    difference = np.abs(frame.astype(np.int16) - truth).max(2)
    heat = cv2.applyColorMap(np.clip(difference * GAIN, 0, 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = cv2.cvtColor(np.ascontiguousarray(truth), cv2.COLOR_RGB2GRAY)[..., None] // 4
    return np.asarray(np.where(mask[..., None], heat, grey), np.uint8)
