"""The text of a video, line by line: found on samples, followed to its first and last frame, told from the scene's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.events import Progress, no_progress
from vrm.motion.flow.camera import transform
from vrm.motion.frames import dilate
from vrm.selection.text.chains import Chain, find_chains, grey_of, overlap, shifted, spread
from vrm.selection.text.life import Life, cut, life_of
from vrm.selection.text.motion import CameraMotion, Way, way_of, with_scene
from vrm.selection.text.reader import TextReader
from vrm.selection.text.strokes import Strokes, extended, find_strokes
from vrm.selection.tracking.features import GetFrame
from vrm.types import F32, U8, Bool, Box, Pixels, eight_bits

_PICTURES, _PICTURE_BYTES = 24, 64 << 20
"""Frames of a line that its strokes are found on, and what they may take."""
_PAIRS, _FEWEST_PAIRS, _NEAR = 6, 4, 16
"""Frames of a line that are compared with earlier and later ones, so many pairs at least, and how far these are."""
_APART = (0.5, 2.5)
"""By how many heights of the line the ground has moved between them, from the first to the last."""
_EDGE = 0.3
"""Share of a caption's height that may lie beyond the text's own box when it is read."""
_TALL = 0.2
"""Text taller than this share of the picture is no caption."""
_COMES = 3
"""Frames that a line comes after a cut, or goes before one, to be seen coming and going."""


@dataclass
class Line:
    """One line of text over its life.

    Attributes:
        box: where it is on its first sample; ``way.at(t)`` is by how much it is moved on frame t.
        overlay: it lies over the scene, and does not belong to it; ``why`` that is believed.
        sure: its motion tells that, not only its looks.
        text, confidence: what it says, and how sure that is.
        region: what ``strokes`` are of, placed as ``box``.
    """

    box: Box
    life: Life
    way: Way
    overlay: bool
    sure: bool
    why: str
    text: str = ""
    confidence: float = 0.0
    region: Box = (0, 0, 0, 0)
    strokes: Strokes | None = None

    @property
    def height(self) -> int:
        """Of its letters' line: also where that runs from top to bottom."""
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])


class TextFinder:
    """Text of a stretch of frames, uint8 RGB ``(H, W, 3)``, as displayed.

    Args:
        frame: asked for frames mostly in ascending order.
        shots: ``(start, stop)``; text may stand across cuts.
    """

    def __init__(
        self, frame: GetFrame, span: range, shots: Sequence[tuple[int, int]], reader: TextReader,
        progress: Progress = no_progress,
    ) -> None:  # fmt: skip
        self._frame, self._span, self._shots, self._reader = frame, span, shots, reader
        self._progress = progress

    def lines(self, rate: float) -> list[Line]:
        """All lines of text in the order in which they come; nothing is read or masked yet."""
        if not self._span:
            return []
        chains, found = find_chains(self._frame, self._span, rate, self._reader.find, self._progress)
        height, width = self._frame(self._span[0]).shape[:2]
        self._scene = CameraMotion(self._frame, found, (height, width))
        lines: list[Line] = []
        # What stands on averages first: on single frames its box may hold what is behind it too.
        order = sorted(chains, key=lambda chain: (not chain.windows, -len(chain.samples), chain.samples[0]))
        for n, chain in enumerate(order):
            way = way_of(chain)
            if not any(_known(line, chain, way) for line in lines):
                life = life_of(self._frame, chain, way, self._span)
                lines.append(Line(chain.box, life, way, *self._kind(chain, way, life)))
            self._progress("text", n + 1, 2 * len(chains))
        return sorted(lines, key=lambda line: (line.life.first, line.box))

    def _kind(self, chain: Chain, way: Way, life: Life) -> tuple[bool, bool, str]:
        """Whether a line lies over the scene, whether its motion tells, and why in words."""
        if way.stands and any(life.first < start <= life.last for start, _ in self._shots[1:]):
            return True, True, "stands across a cut"
        share = with_scene(self._frame, self._scene, chain, way, life.frames, self._shots)
        if share is not None:
            return (
                (False, True, "moves with the scene") if share >= 0.5 else (True, True, "does not move with the scene")
            )
        height, width = self._frame(chain.samples[0]).shape[:2]
        if not way.stands:
            steady = way.steady is not None
            return steady, steady, "moves evenly over a still scene" if steady else "moves with something in the scene"
        if min(chain.box[2] - chain.box[0], chain.box[3] - chain.box[1]) > _TALL * height:
            return False, False, "larger than captions are"
        shot = next((s for s in self._shots if s[0] <= life.first < s[1]), (self._span.start, self._span.stop))
        if life.first >= shot[0] + _COMES or life.last < shot[1] - _COMES:
            return True, False, "comes and goes where nothing tells how the camera moves"
        if _like_a_caption(chain.box, height, width):
            return True, False, "is placed as captions are"
        return False, False, "could be part of the scene"

    def read(self, line: Line) -> None:
        """Read what a line says, from the picture of it that all its frames make."""
        edge = round(_EDGE * line.height / 2)
        box = (line.box[0] - edge, line.box[1] - edge, line.box[2] + edge, line.box[3] + edge)
        times = spread(line.life.in_full, 5 if line.way.stands else 1)
        if not line.way.stands:
            times = [line.way.times[len(line.way.times) // 2]]
        pictures = np.stack([cut(self._frame(t), box, line.way.at(t))[0] for t in times])
        line.text, line.confidence = self._reader.read(np.median(pictures, 0).astype(np.uint8))

    def outline(self, line: Line, others: Sequence[Line]) -> None:
        """Find the strokes of a line; ``others`` are all lines, which may stand in its place before or after it."""
        height, width = self._frame(line.life.first).shape[:2]
        added, top = None, max(0, line.box[0] - line.height - 8)
        if line.way.stands and line.box[3] - line.box[1] > line.height:
            added = self._moving_ground(line, (top, 0, min(height, line.box[2] + line.height + 8), width))
        if added is not None:
            line.box = extended(line.box, added, top)
        y0, x0, y1, x1 = line.box
        along, across = (round(heights * line.height) + 8 for heights in (1.8, 0.9))  # a box behind it may be longer
        rows, cols = (along, across) if y1 - y0 > x1 - x0 else (across, along)
        r = (y0 - rows, x0 - cols, y1 + rows, x1 + cols)
        if line.way.stands:
            r = (max(0, r[0]), max(0, r[1]), min(height, r[2]), min(width, r[3]))
        line.region = r
        core: Bool = np.zeros((r[2] - r[0], r[3] - r[1]), np.bool_)
        core[max(0, y0 - r[0]) : y1 - r[0], max(0, x0 - r[1]) : x1 - r[1]] = True
        if line.way.steady is None:  # its size and shape change with the scene
            line.strokes = Strokes(dilate(core, min(12, max(2, line.height // 6))), False)
            return
        count = max(3, min(_PICTURES, _PICTURE_BYTES // (3 * core.size)))
        times = spread(line.life.in_full, count)
        pictures = np.stack([cut(self._frame(t), r, line.way.at(t))[0] for t in times])
        part = None if added is None else added[r[0] - top : r[2] - top, r[1] : r[3]]
        line.strokes = find_strokes(
            pictures, core, self._before_after(line, core, others), line.height, part, self._others(line, others)
        )

    @staticmethod
    def _others(line: Line, lines: Sequence[Line]) -> Bool:
        """Where in a line's region other lines are while it shows, bool ``(h, w)``."""
        y0, x0, y1, x1 = line.region
        out: Bool = np.zeros((y1 - y0, x1 - x0), np.bool_)
        t = (line.life.full_from + line.life.full_to) // 2
        here = line.way.at(t)
        for other in lines:
            if other is not line and other.overlay and t in other.life:
                there = other.way.at(t)
                top, left, bottom, right = shifted(other.box, (there[0] - here[0], there[1] - here[1]))
                out[max(0, top - y0) : max(0, bottom - y0), max(0, left - x0) : max(0, right - x0)] = True
        return out

    def _moving_ground(self, line: Line, region: Box) -> F32 | None:
        """What a line that stands adds to its ground, seen elsewhere on frames that the camera has moved on by.

        float32 ``(h, w, 3)`` of a region, levels; the median over pairs of frames, with the ground moved by another
        length in each, so that no other letter hides it in most of them. None where the camera does not move by enough.
        """
        found = []
        y0, x0, y1, x1 = line.box
        for n, t in enumerate(spread(line.life.in_full, _PAIRS)):
            shot = next((s for s in self._shots if s[0] <= t < s[1]), (t, t + 1))
            least = line.height * (_APART[0] + (_APART[1] - _APART[0]) * n / _PAIRS)
            for way in (-1, 1):
                steps = range(t + way, max(shot[0] - 1, t - _NEAR) if way < 0 else min(shot[1], t + _NEAR + 1), way)
                for other in steps:
                    matrix = self._scene.between(t, other)
                    if matrix is None:
                        break
                    middle = np.array([[(x0 + x1) / 2, (y0 + y1) / 2]], np.float32)
                    if float(np.linalg.norm(transform(middle, matrix) - middle)) >= least:
                        found.append(_difference(self._frame(t), self._frame(other), matrix, region))
                        break
        if len(found) < _FEWEST_PAIRS:
            return None
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a pixel that none of them shows
            return np.nan_to_num(np.nanmedian(np.stack(found), 0)).astype(np.float32)

    def _before_after(self, line: Line, core: Bool, others: Sequence[Line]) -> list[tuple[U8, U8]]:
        """What the line's region shows with it and, moved as the ground moves, just before or after it."""
        pairs = []
        life = line.life
        for inside, outside in ((life.full_from, life.first - 1), (life.full_to, life.last + 1)):
            low, high = sorted((inside, outside))
            cuts = any(low < start <= high for start, _ in self._shots)
            taken = any(o is not line and outside in o.life and self._meet(o, line, outside) for o in others)
            if outside not in self._span or cuts or taken:
                continue
            ground = self._scene.ground_shift(inside, outside, shifted(line.box, line.way.at(inside)))
            here, there = line.way.at(inside), line.way.at(outside)
            x, y = ground or (0.0, 0.0)
            moved = np.array([[1, 0, x - there[0] + here[0]], [0, 1, y - there[1] + here[1]]], np.float32)
            one, other = (cut(self._frame(t), line.region, line.way.at(t))[0] for t in (inside, outside))
            pairs.append((one, _aligned(one, other, moved, ~dilate(core, min(40, round(0.3 * line.height))))))
        return pairs

    @staticmethod
    def _meet(other: Line, line: Line, t: int) -> bool:
        return overlap(shifted(other.box, other.way.at(t)), shifted(line.region, line.way.at(t))) > 0.1


def _difference(one: Pixels, other: Pixels, matrix: np.ndarray, region: Box) -> F32:
    """A region of one frame minus what the other shows of its ground, NaN beyond the picture; ``(h, w, 3)``."""
    y0, x0, y1, x1 = region
    to_region = np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    there = cv2.warpPerspective(
        eight_bits(other).astype(np.float32), matrix @ to_region, (x1 - x0, y1 - y0), flags=flags,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(np.nan,) * 3,
    )  # fmt: skip
    return np.asarray(eight_bits(one)[y0:y1, x0:x1] - there, np.float32)


def _aligned(one: U8, other: U8, guess: F32, ground: Bool) -> U8:
    """The picture ``other`` as its ground, where that is seen, lies in ``one``; ``guess``: about how it has moved.

    By the enhanced correlation coefficient (Evangelidis and Psarakis, TPAMI 2008), where that finds anything.
    """
    size, flags = (other.shape[1], other.shape[0]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    ends = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    try:
        seen = ground.astype(np.uint8)
        _, found = cv2.findTransformECC(grey_of(one), grey_of(other), guess.copy(), cv2.MOTION_AFFINE, ends, seen, 3)
        guess = np.asarray(found, np.float32)
    except cv2.error:  # nothing to align by
        pass
    moved = cv2.warpAffine(other, guess, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _known(line: Line, chain: Chain, way: Way) -> bool:
    """Whether a chain is of a line that is known already, seen with other eyes on some samples."""
    t = chain.samples[0]
    if t not in line.life or chain.samples[-1] not in line.life:
        return False
    return overlap(shifted(line.box, line.way.at(t)), shifted(chain.box, way.at(t))) > 0.5


def _like_a_caption(box: Box, height: int, width: int) -> bool:
    """Whether text is placed as captions, dates and channels' names are: low or high and central, or in a corner."""
    y, x = (box[0] + box[2]) / 2 / height, (box[1] + box[3]) / 2 / width
    if box[2] - box[0] > 0.16 * height:  # on small pictures boxes are twice as high as their letters
        return False
    corner = (y < 0.18 or y > 0.82) and (box[1] < 0.12 * width or box[3] > 0.88 * width)
    return (y > 0.7 and abs(x - 0.5) < 0.12) or (y < 0.18 and abs(x - 0.5) < 0.12) or corner
