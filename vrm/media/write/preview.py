"""Videos that are only looked at: H.264 with 8 bits, of any even size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vrm.media.frame.frame import Frame
from vrm.media.frame.pixel_layout import layout_of
from vrm.media.write.plan import OutputPlan, plan_output
from vrm.options.remove import OutputOptions
from vrm.types import U8, VideoInfo


def preview_plan(info: VideoInfo, path: Path, size: tuple[int, int], *, overwrite: bool = False) -> OutputPlan:
    """How a preview is written, its frames of stored ``(height, width)`` ``size``, even. Raises as ``plan_output``."""
    height, width = size
    shown = replace(info, height=height, width=width, pix_fmt="yuv420p", bit_depth=8, codec="h264")
    return plan_output(shown, path, OutputOptions(codec="h264", crf=23, overwrite=overwrite), copy_streams=False)


def preview_frame(picture: U8, source: Frame) -> Frame:
    """RGB ``(h, w, 3)`` in the stored orientation as a frame with the times of ``source``."""
    planes = tuple(np.ascontiguousarray(picture[..., k]) for k in (1, 2, 0))
    return Frame.from_planes(planes, layout_of("gbrp"), source.index, source.pts, source.duration, source.time_base)
