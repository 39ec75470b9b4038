"""A small video that the page's tests open: a square that crosses a textured ground."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

SIZE, FRAMES = (96, 128), 20


def square(t: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the square on frame t."""
    x = 10 + 4 * t
    return x, 30, x + 24, 54


def picture(t: int) -> np.ndarray:
    """Frame t as RGB."""
    rng = np.random.default_rng(7)
    small = rng.integers(60, 150, (SIZE[0] // 4, SIZE[1] // 4, 3))
    rgb = np.kron(small, np.ones((4, 4, 1))).astype(np.uint8)
    x0, y0, x1, y1 = square(t)
    rgb[y0:y1, x0:x1] = (230, 40, 30)
    return rgb


def write(path: Path, frames: int = FRAMES, group: int = 6, **stream_options: str) -> Path:
    """Write the video as H.264 in a file, a key frame every ``group`` frames."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        stream.options = {"crf": "10", "g": str(group), "bf": "2", **stream_options}
        for t in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(t), "rgb24")))
        out.mux(stream.encode())
    return path
