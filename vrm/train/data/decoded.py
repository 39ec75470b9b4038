"""Clips decoded once, at the size of training, into files that several processes may read and make at the same time."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from vrm.errors import VideoError
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.system.files import atomic_write, writing
from vrm.types import U8, eight_bits

_ONE_AT_A_TIME = threading.Lock()


def decoded(path: Path, folder: Path, size: tuple[int, int], frames: range) -> U8:
    """Frames of a clip, uint8 ``(T, H, W, 3)``, read-only: mapped from a file in ``folder`` that is made on first use.

    It is written under a name of its own and renamed, so a reader sees all of it or nothing; processes that make it at
    the same time make the same file. Its name depends on the clip's path and on when it was changed, so that two clips
    of one name have two files.

    Args:
        path: a video, or a folder of numbered frames.
        size: ``(height, width)``; frames are brought to it by ``at_size``.
        frames: which are decoded; those beyond the clip's end do not count.

    Raises VideoError: the clip cannot be read; OutputError: the folder cannot be written.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}.") from error
    facts = f"{path.resolve()} {about.st_mtime_ns} {about.st_size} {frames}"
    key = hashlib.sha256(facts.encode()).hexdigest()[:12]
    file = folder / f"{path.stem}-{size[1]}x{size[0]}-{key}.rgb"
    with _ONE_AT_A_TIME:  # of this process's threads; processes write under names of their own
        if not file.exists():
            _decode(path, file, size, frames)
    count = file.stat().st_size // (size[0] * size[1] * 3)
    return np.memmap(file, np.uint8, "r", shape=(count, *size, 3))


def at_size(image: np.ndarray, size: tuple[int, int]) -> U8:
    """A picture of any kind, with or without colours and alpha, as uint8 ``(H, W, 3)``; its shape is not kept."""
    image = eight_bits(image)
    image = image[..., :3] if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
    if image.shape[:2] == size:
        return image
    how = cv2.INTER_AREA if image.shape[0] >= size[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size[::-1], interpolation=how), np.uint8)


def _decode(path: Path, file: Path, size: tuple[int, int], frames: range) -> None:
    def write(out: BinaryIO) -> None:
        with Reader(probe(path)) as reader:
            for frame in reader.frames(frames.start, frames.stop):
                out.write(np.ascontiguousarray(at_size(frame.rgb(), size)).tobytes())
        if not out.tell():
            raise VideoError(f"Nothing of {path} can be decoded.")

    what = f"Decoded frames cannot be kept in {file.parent}"
    with writing(what):
        file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, write, what)
