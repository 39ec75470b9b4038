"""Where points and boxes lie on a video: checked before the work, and turned into its stored orientation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vrm.errors import MaskError
from vrm.job.context import Job
from vrm.options.values import BoxPrompt, Point
from vrm.types import Bool, Box, Masks, VideoInfo

_FAR = 0.1
"""A box that reaches beyond the picture by more than this share of it was hardly drawn on it."""


def check_prompts(job: Job) -> None:
    """Refuse points and boxes that are not on the video, and say which reach beyond it. Raises MaskError."""
    options = job.options.mask
    for rectangle in options.rectangles:
        job.note(_check_place(rectangle, job.info, "--static-box"))
    for prompt in options.pointed:
        everywhere = options.static and isinstance(prompt, BoxPrompt)
        if not everywhere and not job.first <= prompt.frame < job.last:
            raise MaskError(
                f"{prompt_text(prompt)} is on frame {prompt.frame}, but the frames are {job.first} to {job.last - 1}.",
                "Point at it on one of these: frames are counted from 0.",
            )
        job.note(_check_place(prompt, job.info))


def _check_place(prompt: Point | BoxPrompt, info: VideoInfo, option: str = "--box") -> str | None:
    height, width = info.display_size
    text = prompt_text(prompt, option)
    _refuse_shares(prompt, width, height, text)
    if isinstance(prompt, Point):
        inside = prompt.x < width and prompt.y < height
    else:
        inside = prompt.x0 < width and prompt.y0 < height and prompt.x1 > 0 and prompt.y1 > 0
    if not inside:
        raise MaskError(
            f"{text} lies outside the frame.",
            f"The video is shown at {width}x{height}: x from 0 to {width - 1}, y from 0 to {height - 1}.",
        )
    if isinstance(prompt, Point):
        return None
    beyond = max(-prompt.x0 / width, -prompt.y0 / height, prompt.x1 / width - 1, prompt.y1 / height - 1)
    if beyond <= 0:
        return None
    why = (
        " Was it measured on a picture of another size? vrm frame --grid shows the right one." if beyond > _FAR else ""
    )
    return f"{text} reaches beyond the picture, which is {width}x{height}, and is cut off there.{why}"


def _refuse_shares(prompt: Point | BoxPrompt, width: int, height: int, text: str) -> None:
    """Raise MaskError for places that are given as shares of the picture, 0 to 1."""
    if isinstance(prompt, BoxPrompt):
        values: tuple[float, ...] = (prompt.x0, prompt.y0, prompt.x1, prompt.y1)
    else:
        values = (prompt.x, prompt.y)
    in_pixels = isinstance(prompt, Point) and all(float(value).is_integer() for value in values)
    if max(values) > 1 or in_pixels:
        return
    pixels = ",".join(str(round(value * (width, height)[k % 2])) for k, value in enumerate(values))
    option = text.split()[0]
    raise MaskError(
        f"{text} is given in shares of the picture.",
        f"Places are counted in pixels; on these {width}x{height} that would be {option} {pixels}.",
    )


def prompt_text(prompt: Point | BoxPrompt, box_option: str = "--box") -> str:
    if isinstance(prompt, Point):
        return f"--{'not-' if prompt.keep else ''}point {prompt.x:g},{prompt.y:g}@{prompt.frame}"
    place = f"{box_option} {prompt.x0:g},{prompt.y0:g},{prompt.x1:g},{prompt.y1:g}"
    return place if box_option == "--static-box" else f"{place}@{prompt.frame}"


def stored_point(point: Point, info: VideoInfo) -> tuple[float, float]:
    """The middle of the pixel that a click is on, ``(x, y)`` in the stored picture."""
    return stored(int(point.x) + 0.5, int(point.y) + 0.5, info.rotation, info.display_size)


def stored_box(box: BoxPrompt, info: VideoInfo) -> Box:
    """A box in the stored picture, cut off at its rim, and of one pixel at least."""
    corners = [stored(x, y, info.rotation, info.display_size) for x, y in ((box.x0, box.y0), (box.x1, box.y1))]
    (xa, xb), (ya, yb) = (sorted(c[k] for c in corners) for k in (0, 1))
    x0, y0 = max(0, int(xa)), max(0, int(ya))
    return y0, x0, min(info.height, max(y0 + 1, round(yb))), min(info.width, max(x0 + 1, round(xb)))


def stored(x: float, y: float, rotation: int, shown: tuple[int, int]) -> tuple[float, float]:
    """A place on the picture as displayed, in the stored picture, which a player turns clockwise by ``rotation``."""
    height, width = shown
    return {0: (x, y), 90: (y, width - x), 180: (width - x, height - y), 270: (height - y, x)}[rotation]


def drawn(boxes: Iterable[BoxPrompt], info: VideoInfo) -> Bool:
    """Boxes as the rectangles they are, in the stored picture."""
    rectangles: Bool = np.zeros(info.size, np.bool_)
    for box in boxes:
        y0, x0, y1, x1 = stored_box(box, info)
        rectangles[y0:y1, x0:x1] = True
    return rectangles


def add_rectangles(boxes: Iterable[BoxPrompt], info: VideoInfo, masks: Masks) -> None:
    """Put boxes into the masks of all frames, as the rectangles they are."""
    rectangles = drawn(boxes, info)
    plain: int | None = None  # a frame that holds the rectangles and nothing else
    for t in range(info.n_frames):
        if masks.box(t) is not None:
            masks[t] = masks[t] | rectangles
        elif plain is None:
            masks[t], plain = rectangles, t
        else:
            masks.repeat(t, plain)
