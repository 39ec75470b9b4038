"""Frames the user has already cleaned: read, checked against the video, and brought to its stored form."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from vrm.errors import UsageError, VideoError, WeightsError
from vrm.events import counted, span
from vrm.media.read.stills import MOST_PIXELS, read_image
from vrm.types import Bool, Masks, Pixels, VideoInfo

_ASPECT = 0.02
"""Most relative difference between the aspect ratios of a keyframe and of the video; larger ones are refused."""

_STRANGE = 12.0
"""Mean difference (of 255) outside the mask above which the user is asked whether it is another frame's."""


@dataclass(frozen=True)
class UserKeyframes:
    """Frames that the user has cleaned."""

    images: Mapping[int, Pixels]  # by frame number, in the stored orientation and at the depth that engines see
    notes: tuple[str, ...] = ()  # what the user should know, one sentence each


def load_keyframes(
    wanted: Sequence[tuple[int, Path]], info: VideoInfo, depth: int, most: int = MOST_PIXELS,
    store: MutableMapping[int, Pixels] | None = None,
) -> UserKeyframes:  # fmt: skip
    """Read the pictures of ``--keyframe``, at the video's size and orientation.

    Args:
        wanted: frame numbers and pictures, in the displayed orientation.
        depth: 8 or 16: bits of the frames that engines see.
        most: pixels that a picture may have.
        store: an empty mapping for the pictures (they may lie on disk); a dict by default.

    Raises:
        UsageError: a number outside the video, or a picture of another shape.
        VideoError: a picture cannot be read.
    """
    images: MutableMapping[int, Pixels] = {} if store is None else store
    notes = []
    for t, path in wanted:
        if t >= info.n_frames:
            raise UsageError(
                f"--keyframe {t}={path}: the video has {counted(info.n_frames, 'frame')}, 0 to {info.n_frames - 1}.",
                "Frames are counted from 0.",
            )
        image, note = _fitted(_rgb(path, most), t, path, info.display_size)
        if note:
            notes.append(note)
        images[t] = cast(Pixels, np.ascontiguousarray(np.rot90(_of_depth(image, depth), info.rotation // 90)))
    return UserKeyframes(images, tuple(notes))


def judge_keyframe(t: int, image: Pixels, frame: Pixels, hole: Bool) -> str | None:
    """A warning if a keyframe differs from the video outside the hole, as another frame would, or is not used.

    ``image`` and ``frame`` are the keyframe and the video's frame, of one size and depth.
    """
    if not hole.any():
        return f"The keyframe of frame {t} is not used: nothing is removed there."
    if hole.all():
        return None
    step = np.s_[::3, ::3]
    known = ~hole[step]
    if not known.any():
        return None
    scale = 255 / np.iinfo(frame.dtype).max
    difference = np.abs(image[step][known].astype(np.float32) - frame[step][known].astype(np.float32)).mean() * scale
    if difference <= _STRANGE:
        return None
    return (
        f"The keyframe of frame {t} differs from the video outside the mask by {difference:.0f} of 255 on average. "
        "Is it of another frame? Only its pixels under the mask are used."
    )


def check_shots(
    shots: Sequence[tuple[int, int]], holes: Masks, keyframes: Mapping[int, Pixels], generates: bool
) -> None:
    """Refuse a shot that has a hole and no keyframe, unless a network generates keyframes.

    Raises UsageError where other shots have keyframes, WeightsError where there are none at all.
    """
    if generates:
        return
    for start, stop in shots:
        holed = [t for t in range(start, stop) if holes.box(t) is not None]
        if not holed or any(t in keyframes for t in holed):
            continue
        middle = holed[len(holed) // 2]
        fix = f"Clean one frame of it yourself and give it, for example --keyframe {middle}=clean.png"
        if keyframes:
            raise UsageError(f"The shot of {span(start, stop - 1)} has no keyframe.", f"{fix}.")
        raise WeightsError(
            "The keyframe engine has no weights here, so it needs keyframes of yours: "
            f"the shot of {span(start, stop - 1)} has none.",
            f"{fix}, import weights, or use --engine motion.",
        )


def _rgb(path: Path, most: int) -> Pixels:
    try:
        image = read_image(path, most)
    except VideoError as error:
        raise VideoError(f"--keyframe: {error.what}", error.fix) from error
    if image.ndim == 2:
        image = cast(Pixels, np.repeat(image[..., None], 3, -1))
    return image[..., :3]


def _fitted(image: Pixels, t: int, path: Path, size: tuple[int, int]) -> tuple[Pixels, str | None]:
    """The picture at the video's size, and a note if it was scaled."""
    h, w = image.shape[:2]
    if (h, w) == size:
        return image, None
    if abs((w / h) / (size[1] / size[0]) - 1) > _ASPECT:
        raise UsageError(
            f"--keyframe {t}={path} is {w}x{h}, the video {size[1]}x{size[0]}: another shape, so it cannot be scaled.",
            "Export the frame again at the video's size.",
        )
    way = cv2.INTER_AREA if h > size[0] else cv2.INTER_CUBIC
    scaled = cast(Pixels, cv2.resize(image, size[::-1], interpolation=way))
    return scaled, f"The keyframe of frame {t} is {w}x{h} and is scaled to the video's {size[1]}x{size[0]}."


def _of_depth(image: Pixels, depth: int) -> Pixels:
    if depth == 8 and image.dtype == np.uint16:
        return ((image.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if depth == 16 and image.dtype == np.uint8:
        return image.astype(np.uint16) * 257
    return image
