"""Short stretches of many clips with holes laid over them: what the shipped prior is taught with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from vrm.motion.propagate import MotionConfig, propagate
from vrm.train.holes import shift
from vrm.train.inputs import Sample, pack
from vrm.train.lessons import Lesson, lesson
from vrm.types import U8, Bool

CUT = 40.0
"""Mean absolute difference (0..255) between neighbours above which a scene is taken to end."""


@dataclass(frozen=True)
class SnippetConfig:
    """How snippets are made.

    Attributes:
        size: (height, width) they are made at.
        frames: how many in a row.
        strides: only every n-th frame is taken, n drawn from these.
        camera: chance that a moving virtual camera looks at the clip.
        holes: most shapes per snippet.
        most: the holes cover at most this share of the frame.
    """

    size: tuple[int, int] = (240, 432)
    frames: int = 20
    strides: tuple[int, ...] = (1, 1, 2, 3)
    camera: float = 0.6
    holes: int = 3
    most: float = 0.3


@dataclass
class Snippet:
    """Frames uint8 ``(H, W, 3)`` RGB and holes bool ``(H, W)``; what motion takes as a shot."""

    frames: list[U8]
    holes: list[Bool]

    def __post_init__(self) -> None:
        self.start, self.stop = 0, len(self.frames)
        self.size = (self.frames[0].shape[0], self.frames[0].shape[1])

    def frame(self, t: int) -> U8:
        """Frame t."""
        return self.frames[t]

    def hole(self, t: int) -> Bool:
        """Hole t."""
        return self.holes[t]


def make_snippet(
    clip: Sequence[U8], shapes: Sequence[Sequence[Bool]], config: SnippetConfig, rng: np.random.Generator
) -> Snippet | None:
    """Cut a snippet from a clip at random and lay holes over it; None where a scene cut is in it.

    Args:
        clip: all frames of a clip, uint8 RGB of one size.
        shapes: mask tracks (bool, any size) that may serve as holes beside boxes and ellipses.
        config: how.
        rng: the source of chance.
    """
    stride = int(rng.choice(config.strides))
    stride = max(1, min(stride, (len(clip) - 1) // max(1, config.frames - 1)))
    length = min(config.frames, len(clip))
    start = int(rng.integers(len(clip) - (length - 1) * stride))
    taken = [clip[start + i * stride] for i in range(length)]
    if rng.random() < 0.5:
        taken = taken[::-1]
    frames = _view(taken, config, rng)
    steps = [np.abs(a[::4, ::4].astype(np.int16) - b[::4, ::4]).mean() for a, b in pairwise(frames)]
    if max(steps, default=0) > CUT:
        return None
    return Snippet(frames, _holes(length, shapes, config, rng))


def _view(frames: Sequence[U8], config: SnippetConfig, rng: np.random.Generator) -> list[U8]:
    """The frames at the wanted size, seen whole or by a camera that moves, turns and zooms smoothly."""
    h, w = config.size
    if rng.random() >= config.camera:
        return [_resized(f, (w, h)) for f in frames]
    ends = []
    zoom = rng.uniform(1.15, 2.0)
    for _ in range(2):
        z = zoom * rng.uniform(0.93, 1.07)
        room_x, room_y = (1 - 1 / z) / 2, (1 - 1 / z) / 2
        ends.append((z, rng.uniform(-1, 1) * room_x, rng.uniform(-1, 1) * room_y, rng.uniform(-0.05, 0.05)))
    out = []
    for i, f in enumerate(frames):
        big = _resized(f, (round(w * zoom), round(h * zoom)))
        a = i / max(1, len(frames) - 1)
        z, x, y, turn = (np.array(ends[0]) * (1 - a) + np.array(ends[1]) * a).tolist()
        looked_at = (0.5 + x) * big.shape[1], (0.5 + y) * big.shape[0]
        matrix = cv2.getRotationMatrix2D(looked_at, float(np.degrees(turn)), z / zoom)
        matrix[:, 2] += (w / 2 - looked_at[0], h / 2 - looked_at[1])
        seen = cv2.warpAffine(big, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        out.append(seen.astype(np.uint8, copy=False))
    return out


def _resized(frame: U8, size: tuple[int, int]) -> U8:
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _holes(
    length: int, shapes: Sequence[Sequence[Bool]], config: SnippetConfig, rng: np.random.Generator
) -> list[Bool]:
    h, w = config.size
    total = [np.zeros((h, w), np.bool_) for _ in range(length)]
    for n in range(config.holes):
        kind = rng.random()
        if shapes and kind < 0.6:
            track = _borrowed(length, shapes[int(rng.integers(len(shapes)))], config, rng)
        else:
            track = _drawn(length, kind < 0.8, config, rng)
        joined = [a | b for a, b in zip(total, track, strict=True)]
        if n == 0 or float(np.mean([m.mean() for m in joined])) <= config.most:
            total = joined
    return total


def _borrowed(length: int, shape: Sequence[Bool], config: SnippetConfig, rng: np.random.Generator) -> list[Bool]:
    """A mask track of another clip, mirrored and moved as a whole, grown by 4 px."""
    h, w = config.size
    length_there = len(shape)
    start = int(rng.integers(max(1, length_there - length + 1)))
    mirror, dy, dx = rng.random() < 0.5, int(rng.integers(-h // 4, h // 4)), int(rng.integers(-w // 4, w // 4))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    out = []
    for i in range(length):
        there = min(start + i, 2 * (length_there - 1) - start - i) if length_there > 1 else 0
        mask = cv2.resize(shape[max(0, there)].astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST)
        grown = np.asarray(cv2.dilate(mask, kernel)) > 0
        out.append(shift(grown[:, ::-1] if mirror else grown, dy, dx))
    return out


def _drawn(length: int, box: bool, config: SnippetConfig, rng: np.random.Generator) -> list[Bool]:
    """A box that stands still, or an ellipse that moves evenly."""
    h, w = config.size
    sides = rng.uniform(0.12, 0.35, 2) * (h, w)
    centre = rng.uniform(0.15, 0.85, 2) * (h, w)
    speed = np.zeros(2) if box else rng.normal(0, 1.0, 2) * (h, w) / 100
    out = []
    for _ in range(length):
        mask = np.zeros((h, w), np.uint8)
        if box:
            (y0, x0), (y1, x1) = (centre - sides / 2).astype(int), (centre + sides / 2).astype(int)
            mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 1
        else:
            axes = (max(1, int(sides[1] / 2)), max(1, int(sides[0] / 2)))
            cv2.ellipse(mask, (int(centre[1]), int(centre[0])), axes, 0, 0, 360, 1, -1)
        out.append(mask > 0)
        centre = centre + speed
    return out


def lessons_of(snippet: Snippet, motion: MotionConfig) -> list[Lesson]:
    """Run motion on a snippet and keep what it found beside the truth."""
    n = len(snippet.frames)
    found = propagate(snippet, 0, n, 0, n, motion, distant=range(n))
    empty = np.zeros(snippet.size, np.bool_)
    made = (
        lesson(snippet.frames[t], empty, snippet.holes[t], pack(fill, found.size)) for t, fill in found.fills.items()
    )
    return [one for one in made if one is not None]


def save_lessons(path: Path, lessons: Sequence[Lesson]) -> None:
    """Write lessons to one file, compressed."""
    arrays: dict[str, np.ndarray] = {}
    for i, one in enumerate(lessons):
        s = one.sample
        arrays |= {
            f"{i}.box": np.array(one.box), f"{i}.frame": one.frame, f"{i}.where": np.packbits(one.where),
            f"{i}.size": np.array(s.size), f"{i}.index": s.index, f"{i}.colours": s.colours,
            f"{i}.valid": s.valid, f"{i}.facts": s.facts,
        }  # fmt: skip
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load_lessons(path: Path) -> list[Lesson]:
    """Read what ``save_lessons`` wrote."""
    out = []
    with np.load(path) as arrays:
        for i in range(sum(name.endswith(".box") for name in arrays.files)):
            a = {k: arrays[f"{i}.{k}"] for k in ("box", "frame", "where", "size", "index", "colours", "valid", "facts")}
            y0, x0, y1, x1 = (int(v) for v in a["box"])
            where = np.unpackbits(a["where"], count=(y1 - y0) * (x1 - x0)).reshape(y1 - y0, x1 - x0) > 0
            size = (int(a["size"][0]), int(a["size"][1]))
            sample = Sample(size, a["index"], a["colours"], a["valid"], a["facts"])
            out.append(Lesson((y0, x0, y1, x1), a["frame"], where, sample))
    return out
