"""Text drawn over made grounds, with Pillow's own font: which pixels it covers is known."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vrm.types import U8, Bool, Box

SIZE = (180, 320)
Drawn = tuple[np.ndarray, Bool, Box]
"""A layer, float RGBA 0..1 ``(h, w, 4)``; its pixels; the box around them."""


def drawn(text: str, *, at: tuple[int, int] = (70, 135), size: int = 26, fill: int = 255, alpha: int = 255,
          outline: bool = True, box: bool = False) -> Drawn:  # fmt: skip
    """A line of text, white with a dark outline; ``box``: on a dark box."""
    font = ImageFont.load_default(size)
    stroke = 2 if outline else 0
    picture = Image.new("RGBA", (SIZE[1], SIZE[0]), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    if box:
        x0, y0, x1, y1 = draw.textbbox(at, text, font=font, stroke_width=stroke)
        draw.rectangle((x0 - 6, y0 - 6, x1 + 6, y1 + 6), fill=(0, 0, 0, 255))
    colours = {"fill": (fill, fill, fill, alpha), "stroke_fill": (0, 0, 0, alpha)}
    draw.text(at, text, font=font, stroke_width=stroke, **colours)
    layer = np.asarray(picture, np.float32) / 255
    mask = layer[..., 3] > 0.08
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return layer, mask, (int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1)


@cache
def texture() -> np.ndarray:
    wide = np.random.default_rng(3).normal(0, 1, (SIZE[0] + 80, SIZE[1] + 160, 3)).astype(np.float32)
    fine, coarse = cv2.GaussianBlur(wide, (0, 0), 1.5), cv2.GaussianBlur(wide, (0, 0), 10)
    return np.asarray(110 + 15 * fine / fine.std() + 25 * coarse / coarse.std(), np.float32)


def ground(t: int, speed: tuple[float, float] = (3.0, 1.0)) -> U8:
    """A textured ground, uint8 RGB, that moves by so many pixels ``(x, y)`` per frame."""
    to_source = np.array([[1, 0, 20 + speed[0] * t], [0, 1, 20 + speed[1] * t]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.clip(cv2.warpAffine(texture(), to_source, SIZE[::-1], flags=flags), 0, 255).astype(np.uint8)


def over(frame: U8, layer: np.ndarray, share: float = 1.0) -> U8:
    alpha = layer[..., 3:] * share
    return np.rint(frame * (1 - alpha) + 255 * layer[..., :3] * alpha).astype(np.uint8)


def film(n: int, share: Callable[[int], float], text: Drawn, speed: tuple[float, float] = (3.0, 1.0)) -> list[U8]:
    """Frames of a moving ground with the text over it, as strong as ``share`` says."""
    return [over(ground(t, speed), text[0], share(t)) for t in range(n)]


def write(frames: list[U8], path: Path, **options: str) -> Path:
    """Encode as FFV1, without loss but for 4:2:0."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=12)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def wider(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by
