"""Whether a mask has the shape of its video, from their headers alone: what does not fit is known before the work."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from PIL import Image

from vrm.errors import MaskError, VrmError
from vrm.media.read.container import open_input, video_stream
from vrm.media.read.frame_folder import PICTURE_ENDINGS, frame_files
from vrm.selection.masks.geometry import fits_some_way


def misfit(video: Path, mask: Path, stream: int | None = None) -> MaskError | None:
    """Why the mask cannot be the video's; None where it may be, or where one of the two cannot be read.

    Whatever else is wrong with them is found, and said, when their turn comes.
    """
    try:
        size, aspect = _shape(video, stream)
        own, _ = _shape(mask, None)
    except (VrmError, OSError, ValueError, Image.DecompressionBombError):
        return None
    if fits_some_way(own, size, float(aspect) or 1.0):
        return None
    (height, width), (h, w) = size, own
    return MaskError(
        f"Mask {mask} is {w}x{h}, but the video {video} is {width}x{height}.",
        "Draw the mask on a frame of this video; another size is scaled only if it has the same shape.",
    )


def _shape(path: Path, stream: int | None) -> tuple[tuple[int, int], Fraction]:
    """``(height, width)`` as stored, and width over height of a pixel (0: not stated), of a video or of pictures."""
    picture = frame_files(path)[0] if path.is_dir() else path
    if picture.suffix.lower() in PICTURE_ENDINGS:
        with Image.open(picture) as image:
            return (image.height, image.width), Fraction(0)
    with open_input(path) as container:
        found = video_stream(container, path, stream)
        return (found.height, found.width), Fraction(found.sample_aspect_ratio or 0)
