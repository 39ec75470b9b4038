"""Where text is on a picture, and what it says: the two networks in rapidocr's wheel, run by onnxruntime.

They read Latin, Greek, Chinese and Japanese. Cyrillic, Arabic, Korean and others are found as well, but not read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vrm.selection.tracking.features import shrink
from vrm.system.extras import needed_by
from vrm.types import U8, Box, Pixels

SIDE = 960
"""Longest side, in pixels, of the pictures that text is looked for on; letters of 8 pixels are found."""

_MODELS = {"Det": "PP-OCRv6_det_small.onnx", "Rec": "PP-OCRv6_rec_small.onnx"}
_LEAST = 32
"""Pictures with shorter sides are not looked at."""
_SURE, _FAINT = (0.3, 0.5), (0.1, 0.3)
"""How sure the network is of each pixel of a line at least, and of the line in the mean (rapidocr's own: the first)."""
_READABLE = 0.7
"""What is read with less confidence is not passed on."""


class TextReader:
    """Finds and reads text. Raises MissingPackage: the extra ``text`` is not installed."""

    def __init__(self, threads: int) -> None:
        with needed_by("--text", "text"):
            from rapidocr import RapidOCR
        # By their paths, or rapidocr would look whether it should fetch them.
        models = Path(str(importlib.util.find_spec("rapidocr").origin)).parent / "models"  # type: ignore[union-attr]
        self._ocr: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_type": "max",
                "Det.limit_side_len": SIDE,
            }
            | {f"{part}.model_path": str(models / name) for part, name in _MODELS.items()}
        )

    def find(self, frame: Pixels, faint: bool = False) -> list[Box]:
        """The box of each line of text on a frame ``(H, W, 3)``, pieces of one line joined.

        ``faint``: also what only may be text, for somebody who tells.
        """
        height, width = frame.shape[:2]
        small = _enlarged(shrink(frame, SIDE))
        if min(small.shape[:2]) < _LEAST:
            return []
        detector = self._ocr._load_det_model()
        detector.postprocess_op.thresh, detector.postprocess_op.box_thresh = _FAINT if faint else _SURE
        found = detector(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if found.boxes is None:
            return []
        scale = np.array([width / small.shape[1], height / small.shape[0]])
        boxes = []
        for quad in np.asarray(found.boxes, float) * scale:
            (x0, y0), (x1, y1) = np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)
            boxes.append((max(0, int(y0)), max(0, int(x0)), min(height, int(y1)), min(width, int(x1))))
        return joined([box for box in boxes if box[2] - box[0] >= 4 and box[3] - box[1] >= 4])

    def read(self, picture: U8) -> tuple[str, float]:
        """What a line of text says, uint8 RGB ``(h, w, 3)``, and how sure that is (0..1); empty where it is not."""
        from rapidocr.ch_ppocr_rec import TextRecInput

        if picture.shape[0] > 1.5 * picture.shape[1]:  # vertical text, from top to bottom
            picture = np.ascontiguousarray(np.rot90(picture))
        out = self._ocr._load_rec_model()(TextRecInput(img=cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)))
        text, sure = str(out.txts[0]).strip(), float(out.scores[0])
        return (text, sure) if sure >= _READABLE else ("", sure)


def _enlarged(picture: U8) -> U8:
    """Small pictures at twice or three times their size: their letters are too small for the network otherwise."""
    times = max(1, SIDE // (2 * max(picture.shape[:2])) + 1)
    if times == 1 or max(picture.shape[:2]) * 2 > SIDE:
        return picture
    size = (picture.shape[1] * times, picture.shape[0] * times)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def joined(boxes: Sequence[Box]) -> list[Box]:
    """Boxes side by side on one line, at most a letter's height apart, as one."""
    left = sorted(boxes, key=lambda box: box[1])
    out: list[Box] = []
    for box in left:
        for n, other in enumerate(out):
            if _one_line(other, box):
                out[n] = (min(other[0], box[0]), other[1], max(other[2], box[2]), max(other[3], box[3]))
                break
        else:
            out.append(box)
    return out


def _one_line(left: Box, right: Box) -> bool:
    heights = left[2] - left[0], right[2] - right[0]
    overlap = min(left[2], right[2]) - max(left[0], right[0])
    flat = right[3] - right[1] > 0.7 * heights[1] and left[3] - left[1] > 0.7 * heights[0]
    return (
        flat
        and overlap > 0.6 * min(heights)
        and max(heights) < 1.6 * min(heights)
        and right[1] - left[3] < 1.0 * min(heights)
    )
