"""Text on sampled frames linked into chains: one chain is one line of text, standing or moving, over its life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np

from vrm.events import Progress, no_progress
from vrm.selection.tracking.features import GetFrame
from vrm.types import F32, U8, Box, Pixels, eight_bits, grow_box

Value = TypeVar("Value")
Find = Callable[[Pixels, bool], list[Box]]
"""The boxes of text on a picture; True: also of faint text."""

_SAME = 0.45
"""Two pictures whose gradients correlate at least so much show the same line."""
_ALIKE = 0.3
"""They do as well if this share of the strong ones are the same: the others belong to what moves behind the line."""
_MOVED = 0.6
"""The same where the line is looked for elsewhere: by chance the best of many places agrees a little."""
_FARTHEST = 0.14
"""How far a line moves from one sample to the next at most, as a share of the frame's longest side."""
_AVERAGED = 6
"""Frames that are averaged, out of half a second."""
_RESTLESS = 3.0
"""Levels by which they differ from their average where that is worth a look."""
STANDING = 0.3
"""Agreement of the averages of the first and of the last of them in what stands."""
_BIG = 220
"""Lines are looked for elsewhere on pictures of them no longer than this, in pixels."""


@dataclass
class Chain:
    """One line of text on the samples that show it.

    Attributes:
        samples: the frames, ascending; between two neighbours the line is taken to be there.
        boxes: where it is on each of them.
        path: by how much it has moved since the first of them, ``(x, y)`` pixels.
        windows: the frames of each average that it was found on; of single frames, none.
    """

    samples: list[int]
    boxes: list[Box]
    path: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])
    windows: list[list[int]] = field(default_factory=list)

    def add(self, t: int, box: Box, moved: tuple[float, float]) -> None:
        x, y = self.path[-1]
        self.samples.append(t)
        self.boxes.append(box)
        self.path.append((x + moved[0], y + moved[1]))

    @property
    def box(self) -> Box:
        """What holds the line on its first sample: the boxes of all samples, moved back there; the middle of them."""
        moved = zip(self.boxes, self.path, strict=True)
        back = [(y0 - my, x0 - mx, y1 - my, x1 - mx) for (y0, x0, y1, x1), (mx, my) in moved]
        low, high = np.percentile(np.array(back), [15, 85], axis=0)
        return int(low[0]), int(low[1]), int(np.ceil(high[2])), int(np.ceil(high[3]))


def sample_times(span: range, rate: float) -> list[int]:
    """Every half second, and the last frame."""
    step = max(1, round(rate / 2))
    return sorted({*span[::step], span[-1]}) if span else []


class ChainBuilder:
    """Links the text found on pictures of one kind, handed in ascending order of time.

    Attributes:
        found: the boxes found on each picture, by frame.
    """

    def __init__(self) -> None:
        self.found: dict[int, list[Box]] = {}
        self._done: list[Chain] = []
        self._open: list[Chain] = []
        self._before: U8 = np.zeros((0, 0), np.uint8)

    def add(self, t: int, picture: Pixels, boxes: list[Box]) -> None:
        grey = grey_of(picture)
        self.found[t] = boxes
        going_on: list[Chain] = []
        free = list(boxes)
        for chain in self._open:
            (going_on if _continued(chain, t, self._before, grey, free) else self._done).append(chain)
        self._open = going_on + [Chain([t], [box]) for box in free]
        self._before = grey

    def chains(self) -> list[Chain]:
        return sorted(self._done + self._open, key=lambda chain: (chain.samples[0], chain.boxes[0]))


def find_chains(
    frame: GetFrame, span: range, rate: float, find: Find, progress: Progress = no_progress
) -> tuple[list[Chain], dict[int, list[Box]]]:
    """The chains of all text of a span of frames, and the boxes found on each sample.

    Where the ground moves, every other sample is an average of frames, on which it is smooth: what stands is looked for
    there, also half-transparent text, and text over a text of the scene.
    """
    single, averaged = ChainBuilder(), ChainBuilder()
    samples = sample_times(span, rate)
    windows = {t: around for t in samples[1:-1:2] if (around := _around(t, span, rate))}
    for n, t in enumerate(samples):
        picture = eight_bits(frame(t))
        mean = average(frame, windows[t]) if t in windows else picture
        if float(cv2.absdiff(picture, mean)[::4, ::4].mean()) < _RESTLESS:
            single.add(t, picture, find(picture, False))
        else:
            early, late = (grey_of(average(frame, half)) for half in halves(windows[t]))
            standing = [b for b in find(mean, True) if match(_cut(early, b), late, b, 1)[1] >= STANDING]
            averaged.add(t, mean, standing)
        progress("find text", n + 1, len(samples))
    return [_over(chain, windows) for chain in averaged.chains()] + single.chains(), single.found


def _around(t: int, span: range, rate: float) -> list[int]:
    """The frames of the half second around a frame that are averaged, ascending; none where these are few."""
    half = max(1, round(rate)) // 4
    near = range(max(span.start, t - half), min(span.stop, t + half + 1))
    return spread(near, _AVERAGED) if len(near) >= _AVERAGED else []


def average(frame: GetFrame, times: Sequence[int]) -> U8:
    """The mean of some frames."""
    first = eight_bits(frame(times[0]))
    total = np.zeros(first.shape, np.float32)
    for t in times:
        cv2.accumulate(eight_bits(frame(t)), total)
    return np.rint(total / len(times)).astype(np.uint8)


def halves(window: list[int]) -> tuple[list[int], list[int]]:
    return window[: len(window) // 2], window[len(window) // 2 :]


def _over(chain: Chain, windows: dict[int, list[int]]) -> Chain:
    """A chain of averages, with all frames that were averaged as its samples."""
    out = Chain([], [], [])
    for t, box, at in zip(chain.samples, chain.boxes, chain.path, strict=True):
        window = windows[t]
        out.windows.append(window)
        out.samples += window
        out.boxes += [box] * len(window)
        out.path += [at] * len(window)
    return out


def spread(values: Sequence[Value], most: int) -> list[Value]:
    """At most so many of the values, evenly spread."""
    if len(values) <= most:
        return list(values)
    return [values[round(i)] for i in np.linspace(0, len(values) - 1, most)]


def grey_of(picture: Pixels) -> U8:
    return np.asarray(cv2.cvtColor(eight_bits(picture), cv2.COLOR_RGB2GRAY), np.uint8)


def gradients(grey: U8) -> F32:
    """Signed gradient of a grey picture: float32 ``(h, w, 2)``."""
    return np.stack([cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)], -1)


def same_text(one: F32, other: F32) -> bool:
    """Whether two gradient pictures of one size show the same text, whatever moves behind it."""
    strengths = np.linalg.norm(one, axis=-1), np.linalg.norm(other, axis=-1)
    product = (one * other).sum(-1)
    scale = float(np.sqrt((strengths[0] ** 2).sum() * (strengths[1] ** 2).sum()))
    if scale == 0:
        return False
    if float(product.sum()) / scale >= _SAME:
        return True
    strong = strengths[0] > 0.35 * np.percentile(strengths[0], 98)
    alike = (product > 0.85 * strengths[0] * strengths[1]) & (np.abs(strengths[0] - strengths[1]) < 0.35 * strengths[0])
    return float(alike[strong].mean()) >= _ALIKE


def _continued(chain: Chain, t: int, before: U8, grey: U8, free: list[Box]) -> bool:
    """Whether the chain, whose last sample is the picture ``before``, goes on at t; takes its box from ``free``."""
    box = chain.boxes[-1]
    here = gradients(_cut(before, box))
    standing = same_text(here, gradients(_cut(grey, box)))
    if standing:
        moved, matched = _nudge(before, grey, box), _best(free, box)
    else:
        shift, agreement = _search(before, grey, box)
        if agreement < _MOVED:
            return False
        moved, matched = shift, _best(free, shifted(box, shift))
    place = shifted(box, moved)
    if matched is None and not standing and outside(place, grey.shape):
        return False
    if matched is not None:
        free.remove(matched)
        place = matched
    chain.add(t, place, moved)
    return True


def _nudge(before: U8, grey: U8, box: Box) -> tuple[float, float]:
    """By how much a line that is hardly moved is moved: up to three pixels, ``(x, y)``."""
    return match(_cut(before, box), grey, box, 3)[0]


def _search(before: U8, grey: U8, box: Box) -> tuple[tuple[float, float], float]:
    """Where a line went: ``(x, y)`` by which it moved, and how much its picture agrees there."""
    reach = round(_FARTHEST * max(grey.shape))
    times = max(1, -(-max(box[2] - box[0], box[3] - box[1]) // _BIG))
    if times == 1:
        return match(_cut(before, box), grey, box, reach)
    height, width = grey.shape[0] // times, grey.shape[1] // times
    small = [np.asarray(cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA), np.uint8) for p in (before, grey)]
    y0, x0, y1, x1 = (v // times for v in box)
    (x, y), _ = match(_cut(small[0], (y0, x0, y1, x1)), small[1], (y0, x0, y1, x1), -(-reach // times))
    coarse = shifted(box, (x * times, y * times))
    if outside(coarse, grey.shape):
        return (0.0, 0.0), 0.0
    (dx, dy), agreement = match(_cut(before, box), grey, coarse, times + 1)
    return (x * times + dx, y * times + dy), agreement


def match(line: U8, grey: U8, box: Box, reach: int) -> tuple[tuple[float, float], float]:
    """The shift of the box at which the picture ``line`` agrees best with what is there, and how much (-1..1)."""
    y0, x0, y1, x1 = grow_box(box, reach, (grey.shape[0], grey.shape[1]))
    there = grey[y0:y1, x0:x1]
    if min(line.shape) < 4 or there.shape[0] < line.shape[0] or there.shape[1] < line.shape[1]:
        return (0.0, 0.0), 0.0
    score = cv2.matchTemplate(_edges(there), _edges(line), cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(score)
    return (float(x0 + x - box[1]), float(y0 + y - box[0])), float(best)


def _edges(grey: U8) -> F32:
    return np.asarray(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1), cv2.CV_32F), np.float32)


def _best(free: Sequence[Box], place: Box) -> Box | None:
    """The box that is about there."""
    shares = [(overlap(place, box), box) for box in free]
    best = max(shares, default=(0.0, place))
    return best[1] if best[0] >= 0.5 else None


def overlap(one: Box, other: Box) -> float:
    """Overlap of two boxes, of the smaller one's area."""
    height, width = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return max(0, height) * max(0, width) / max(1, min(areas))


def shifted(box: Box, by: tuple[float, float]) -> Box:
    x, y = round(by[0]), round(by[1])
    return box[0] + y, box[1] + x, box[2] + y, box[3] + x


def outside(box: Box, size: Sequence[int]) -> bool:
    return box[0] < 0 or box[1] < 0 or box[2] > size[0] or box[3] > size[1]


def _cut(grey: U8, box: Box) -> U8:
    return grey[max(0, box[0]) : box[2], max(0, box[1]) : box[3]]
