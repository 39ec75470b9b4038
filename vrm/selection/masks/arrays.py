"""Masks that a program has as NumPy arrays: written as PNGs for the time of a call, and from there on as any others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vrm.errors import UsageError
from vrm.job.scratch import scratch_folder
from vrm.media.write.png import write_png
from vrm.types import MaskArray, MaskInput

_SHAPES = "Give bool or uint8, (H, W) for one frame (or, with static_mask=True, all) or (T, H, W) for each frame."


@contextmanager
def mask_files(mask: MaskInput | None, words: Mapping[str, Any], many: bool = False) -> Iterator[dict[str, Any]]:
    """The words of a call with its mask among them: an array as the path of pictures, until the block ends.

    ``many``: the mask is of several videos, so it can be only one picture. Raises UsageError: it is no mask.
    """
    if not isinstance(mask, np.ndarray):
        yield dict(words) | {"mask": mask}
        return
    _check(mask, many)
    if words.get("resume"):
        raise UsageError("resume=True needs a mask that is still there later.", "Save the array, and give its path.")
    with scratch_folder({"what": "a mask given as an array"}) as folder:
        yield dict(words) | {"mask": _written(mask, folder)}


def _check(mask: MaskArray, many: bool) -> None:
    if mask.dtype not in (np.bool_, np.uint8, np.uint16):
        raise UsageError(f"The mask is an array of {mask.dtype}.", _SHAPES)
    if mask.ndim not in (2, 3) or not mask.size:
        raise UsageError(f"The mask is an array of shape {mask.shape}.", _SHAPES)
    if mask.ndim == 3 and mask.shape[2] in (1, 3, 4):
        raise UsageError(f"The mask is an array of shape {mask.shape}, as a colour picture is.", _SHAPES)
    if many and mask.ndim == 3:
        raise UsageError("An array of one mask per frame belongs to one video.", "Give one of shape (H, W), or paths.")


def _written(mask: MaskArray, folder: Path) -> Path:
    frames = mask[None] if mask.ndim == 2 else mask
    place = folder / "array"
    place.mkdir()
    for t, frame in enumerate(frames):
        write_png(place / f"{t:05d}.png", frame.astype(np.uint8) * 255 if frame.dtype == np.bool_ else frame)
    return place if mask.ndim == 3 else place / "00000.png"
