"""Frames that need no file."""

from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest

from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import fill, layout_of


@pytest.fixture
def make_frame(textured) -> Callable[..., Frame]:
    """A decoded frame of any planar format: smooth texture, or noise over the whole code range if a seed is given."""

    def make(pix_fmt: str, size=(37, 51), matrix: int = 1, full: bool | None = False, seed: int | None = None) -> Frame:
        layout = layout_of(pix_fmt)
        native = av.VideoFrame(size[1], size[0], pix_fmt)
        planes = textured(3, layout.name, size)
        if seed is not None:
            rng = np.random.default_rng(seed)
            planes = tuple(rng.integers(0, 2**layout.depth, p.shape).astype(p.dtype) for p in planes)
        fill(native, planes, layout)
        native.pts = 7
        native.time_base = Fraction(1, 25)
        native.colorspace = 0 if layout.family == "rgb" else matrix
        native.color_range = {None: 0, False: 1, True: 2}[full]
        return Frame.from_native(native, 0, Fraction(1, 25))

    return make
