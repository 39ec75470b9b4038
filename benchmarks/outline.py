"""How well a box alone outlines its object without any weights, how much clicks add, and whether "unsure" is true.

    python benchmarks/outline.py CLIPS_FOLDER [NAME ...] [--frames N] [--loose] [--clicks N] [--height H]

Each clip is a folder with ``masks/`` (pictures, or a video) and ``frames/`` (pictures) or a video. Given is the tight
box of the true mask on N frames spread over the clip (``--loose``: each side moved out or in by some 5 %). Then a
simulated user clicks: on the middle of the largest region that is wrong, a positive click if it was missed. Printed for
each clip, as means over its frames: J from the box and after each click, the confidences that were said, and seconds of
processor time of the first outline.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from tracking import truth
from turns import where

from vrm.media.read.stills import read_image, read_mask
from vrm.metrics.regions import region_similarity
from vrm.selection.prompts.box import BoxOutlines
from vrm.types import Bool, Box, bounding_box

AROUND = 9
"""Frames on either side that are kept at hand."""
LONGEST = 1920
LEAST = 0.002
"""Share of the picture from which on an object counts."""
Frames = Callable[[int], np.ndarray]


@dataclass
class Case:
    """One object on one frame: ``frame(t)`` of the clip's ``count`` frames, and its true mask."""

    name: str
    t: int
    count: int
    frame: Frames
    true: Bool


def decoded(path: Path, numbers: set[int], form: str) -> dict[int, np.ndarray]:
    """Some frames of a video, as ``rgb24`` or ``gray``."""
    found = {}
    with av.open(str(path)) as container:
        for k, frame in enumerate(container.decode(video=0)):
            if k in numbers:
                found[k] = frame.to_ndarray(format=form)
            if k >= max(numbers):
                break
    return found


def sized(picture: np.ndarray, height: int | None) -> np.ndarray:
    scale = height / picture.shape[0] if height else min(1.0, LONGEST / max(picture.shape[:2]))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return picture if scale == 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)


def objects(clip: Path, t: int) -> Iterator[Bool]:
    """The true masks of frame t: schoolgirls by instance, pedestrians by piece, everything else as one."""
    for path in sorted((clip / "masks").glob("*.mp4")):
        if path.stem != "total_mask":  # with its reflection
            grey = decoded(path, {t}, "gray")[t]
            yield grey < 96 if "quadmask" in path.stem else grey > 127
    pictures = sorted((clip / "masks").glob("*.png"))
    if pictures and clip.name == "schoolgirls":
        ids, _ = read_mask(pictures[t])
        yield from (ids == k for k in np.unique(ids) if k)
    elif pictures and clip.name == "vtest-pedestrians":
        _, pieces, facts, _ = cv2.connectedComponentsWithStats(truth(pictures[t]).astype(np.uint8))
        yield from (pieces == k for k in np.argsort(-facts[1:, cv2.CC_STAT_AREA])[:2] + 1)
    elif pictures:
        yield truth(pictures[t])


def cases(clip: Path, frames: int, height: int | None) -> Iterator[Case]:
    pictures = sorted((clip / "frames").glob("*")) if (clip / "frames").is_dir() else []
    video = next((path for path in clip.iterdir() if path.suffix in (".mp4", ".avi")), None)
    masks = sorted((clip / "masks").glob("*.png"))
    count = len(pictures or masks)
    if not count:
        with av.open(str(video)) as container:
            count = container.streams.video[0].frames
    for t in sorted({round(count * k / frames) for k in range(frames)}):
        numbers = {n for n in range(t - AROUND, t + AROUND + 1) if 0 <= n < count}
        found = {n: read_image(pictures[n]) for n in numbers} if pictures else decoded(video, numbers, "rgb24")
        found = {n: sized(picture, height) for n, picture in found.items()}
        size = found[t].shape[1::-1]
        for mask in objects(clip, t):
            true = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            if true.mean() > LEAST:
                yield Case(clip.name, t, count, found.__getitem__, true)


def loosened(box: Box, size: tuple[int, ...], seed: int) -> Box:
    """Each side moved by 3 to 7 % of the box, rather outwards."""
    random = np.random.default_rng(seed)
    sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    move = np.round(sides * (random.choice([-1, 1], 4) * random.uniform(0.03, 0.07, 4) + 0.02)).astype(int)
    y0, x0, y1, x1 = (int(v) for v in np.array(box) + move * (-1, -1, 1, 1))
    return max(0, y0), max(0, x0), min(size[0], y1), min(size[1], x1)


def click(found: Bool, true: Bool, box: Box) -> tuple[tuple[float, float], bool] | None:
    """The middle of the largest region that is wrong, in the box, and whether it is the object."""
    y0, x0, y1, x1 = box
    wrong = (found != true)[y0:y1, x0:x1]
    _, pieces, facts, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8), connectivity=4)
    if len(facts) < 2:
        return None
    largest = pieces == 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    depth = cv2.distanceTransform(np.pad(largest, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    y, x = y - 1 + y0, x - 1 + x0
    return (float(x) + 0.5, float(y) + 0.5), bool(true[y, x])


def measure(case: Case, loose: bool, clicks: int) -> list[float]:
    """J from the box and after each click, the confidence of each, and processor seconds of the first."""
    box = bounding_box(case.true)
    assert box is not None
    box = loosened(box, case.true.shape, case.t) if loose else box
    points: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    scores, sure, seconds = [], [], 0.0
    outlines = BoxOutlines(case.frame, (0, case.count))
    for k in range(clicks + 1):
        begin = time.process_time()
        found = outlines.outline(case.t, box, points[True], points[False])
        seconds = seconds or time.process_time() - begin
        scores.append(region_similarity(found.mask, case.true))
        sure.append(found.confidence)
        place = click(found.mask, case.true, box) if k < clicks else None
        if place:
            points[place[1]].append(place[0])
    return [*scores, *sure, seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("names", nargs="*", help="default: every davis-* clip")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--loose", action="store_true")
    parser.add_argument("--clicks", type=int, default=2)
    parser.add_argument("--height", type=int, help="scale the frames to it")
    parser.add_argument("--each", action="store_true", help="print every object of every frame, too")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    kinds = [*(f"J{k}" for k in range(chosen.clicks + 1)), *(f"sure{k}" for k in range(chosen.clicks + 1)), "cpu s"]
    print(f"{'clip':28s}" + "".join(f"{kind:>8s}" for kind in kinds))
    rows: dict[str, list[list[float]]] = {}
    for name in chosen.names or sorted(d.name for d in chosen.clips.glob("davis-*")):
        for case in cases(chosen.clips / name, chosen.frames, chosen.height):
            row = measure(case, chosen.loose, chosen.clicks)
            rows.setdefault(name, []).append(row)
            if chosen.each:
                print(f"  {case.t:<26d}" + "".join(f"{value:8.3f}" for value in row), flush=True)
        print(f"{name:28s}" + "".join(f"{value:8.3f}" for value in np.mean(rows[name], 0)), flush=True)
    print(f"{'mean':28s}" + "".join(f"{v:8.3f}" for v in np.mean([np.mean(each, 0) for each in rows.values()], 0)))
    n = chosen.clicks + 1
    apart = [np.abs(np.array(each)[:, :n] - np.array(each)[:, n : 2 * n]) for each in rows.values()]
    print(f"mean of |said - J|, each clip counting the same: {np.mean([a.mean() for a in apart]):.3f}")
    print(where(1))


if __name__ == "__main__":
    main()
