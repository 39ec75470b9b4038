"""Masks laid over the picture, with the points and boxes they come from, as a video or as one frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from vrm.media.frame.frame import Frame
from vrm.media.read.reader import Reader
from vrm.media.write.plan import OutputPlan
from vrm.media.write.preview import preview_frame, preview_plan
from vrm.media.write.writer import write_video
from vrm.options.remove import MaskOptions
from vrm.options.values import BoxPrompt, Point
from vrm.selection.prompts.places import stored_box, stored_point
from vrm.types import U8, Bool, Masks, Pixels, VideoInfo, eight_bits

LONGEST_SIDE = 1280
"""Of a video with the masks laid over it."""
_TINT, _EFFECT = (220, 40, 60), (255, 170, 0)
_BOX, _ON, _OFF, _RIM = (255, 210, 0), (70, 230, 90), (80, 170, 255), (0, 0, 0)
_SHOWN = 0.5
"""Seconds for which a point or a box is shown, from its frame on."""


def overlay_plan(info: VideoInfo, path: Path, overwrite: bool) -> OutputPlan:
    """How masks laid over a video are written, checked before any work. Raises UsageError or OutputError."""
    scale = min(1.0, LONGEST_SIDE / max(info.size))
    height, width = (2 * max(1, round(n * scale / 2)) for n in info.size)
    return preview_plan(info, path, (height, width), overwrite=overwrite)


def write_overlay(
    info: VideoInfo, masks: Masks, effects: Masks, options: MaskOptions, plan: OutputPlan, told: Callable[[int], None]
) -> None:
    """The video with the selection tinted red inside a white line, and points and boxes for half a second.

    ``effects``, what of the masks is shadow or reflection, is orange. ``told`` is called with how many frames are done.
    """
    height, width = plan.picture.size
    last = round(_SHOWN * info.frame_rate)

    def overlaid(frame: Frame) -> Frame:
        prompts = [
            prompt
            for prompt in options.pointed
            if 0 <= frame.index - prompt.frame <= last or (options.static and isinstance(prompt, BoxPrompt))
        ]
        prompts += options.rectangles
        picture = tinted(frame.rgb(), masks[frame.index], (height, width), effects[frame.index])
        return preview_frame(marked(picture, prompts, info), frame)

    with Reader(info) as reader:
        write_video(plan, map(overlaid, reader.frames()), progress=told)


def overlay_picture(
    info: VideoInfo, options: MaskOptions, t: int, frame: Pixels, mask: Bool, effect: Bool | None = None
) -> U8:
    """Frame t, RGB in the stored orientation, with all this, as displayed."""
    static = (*options.rectangles, *(options.boxes if options.static else ()))
    prompts = dict.fromkeys((*(p for p in options.pointed if p.frame == t), *static))
    picture = marked(tinted(frame, mask, info.size, effect), list(prompts), info)
    return np.ascontiguousarray(np.rot90(picture, -info.rotation // 90))


def tinted(frame: Pixels, mask: Bool, size: tuple[int, int], effect: Bool | None = None) -> U8:
    """A frame, RGB, at ``(height, width)`` with its mask in red inside a white line, what is effect of it in orange."""
    picture = cv2.resize(eight_bits(frame), size[::-1], interpolation=cv2.INTER_AREA)
    small = cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    tint = np.full_like(picture, _TINT)
    if effect is not None:
        tint[cv2.resize(effect.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0] = _EFFECT
    picture[small > 0] = cv2.addWeighted(picture, 0.5, tint, 0.5, 0)[small > 0]
    picture[(small > 0) & (cv2.erode(small, np.ones((3, 3), np.uint8), borderValue=1) == 0)] = 255
    return np.asarray(picture, np.uint8)


def marked(picture: U8, prompts: list[Point | BoxPrompt], info: VideoInfo) -> U8:
    """A picture, RGB in the stored orientation and drawn on, with boxes in yellow, clicks as green discs.

    Negative clicks are blue crosses.
    """
    scale = picture.shape[0] / info.height, picture.shape[1] / info.width
    unit = max(1, round(max(picture.shape[:2]) / 600))
    for prompt in prompts:
        for colour, more in ((_RIM, 2), (None, 0)):  # a dark rim shows on every ground
            if isinstance(prompt, BoxPrompt):
                y0, x0, y1, x1 = (v * scale[k % 2] for k, v in enumerate(stored_box(prompt, info)))
                ends = (round(x0), round(y0)), (round(x1) - 1, round(y1) - 1)
                cv2.rectangle(picture, *ends, colour or _BOX, unit + more)
                continue
            x, y = (v * scale[1 - k] for k, v in enumerate(stored_point(prompt, info)))
            place = int(x), int(y)
            if prompt.keep:
                cv2.drawMarker(picture, place, colour or _OFF, cv2.MARKER_TILTED_CROSS, 10 * unit, unit + 1 + more)
            else:
                cv2.circle(picture, place, 3 * unit + more // 2, colour or _ON, cv2.FILLED)
    return picture
