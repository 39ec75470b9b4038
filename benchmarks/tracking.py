"""How well a mask of the first frame is followed, against carrying it along by optical flow alone, in one run.

    python benchmarks/tracking.py CLIPS_FOLDER [NAME ...]

Each clip is a folder with ``frames/`` and ``masks/`` (one picture per frame, non-zero palette index or at least half
white is the object). Frame 0's mask is given; J (region similarity, intersection over union) is the mean over all other
frames, as DAVIS 2016 counts it. "By flow": every mask is the one before it, moved along OpenCV's DIS flow.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from turns import spread, where

from vrm.media.read.stills import read_image, read_mask
from vrm.metrics.regions import region_similarity
from vrm.selection.tracking.tracker import Tracked, track_mask
from vrm.types import Bool


def truth(path: Path) -> Bool:
    pixels, indexed = read_mask(path)
    grey = pixels if pixels.ndim == 2 else pixels.max(2)
    return grey > 0 if indexed else grey > np.iinfo(grey.dtype).max // 2


def carried(frame, mask: Bool, count: int) -> list[Bool]:
    """The mask of each frame after the first, moved along the flow from frame to frame and nothing else."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    x, y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in mask.shape[::-1]))
    soft, found = mask.astype(np.float32), []
    now = cv2.cvtColor(np.ascontiguousarray(frame(0)), cv2.COLOR_RGB2GRAY)
    for t in range(1, count):
        before, now = now, cv2.cvtColor(np.ascontiguousarray(frame(t)), cv2.COLOR_RGB2GRAY)
        flow = dis.calc(now, before, None)
        soft = cv2.remap(soft, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        found.append(soft >= 0.5)
    return found


def measure(clip: Path, save: Path | None) -> tuple[Tracked, list[float], float, float, float]:
    """What was followed, its J on each frame, processor seconds a frame; mean J by flow alone, and its seconds."""
    frames = sorted((clip / "frames").iterdir())
    masks = sorted((clip / "masks").iterdir())
    cache: dict[int, np.ndarray] = {}

    def frame(t: int) -> np.ndarray:
        if t not in cache:
            while len(cache) > 4:
                del cache[next(iter(cache))]
            cache[t] = read_image(frames[t])
        return cache[t]

    begin = time.process_time()
    tracked = track_mask(frame, {0: truth(masks[0])}, 0, len(frames))
    seconds = (time.process_time() - begin) / len(frames)
    if save is not None:
        draw(frame, tracked, masks, save / f"{clip.name}.png")
    begin = time.process_time()
    plain = carried(frame, truth(masks[0]), len(frames))
    alone = (time.process_time() - begin) / len(frames)
    true = [truth(path) for path in masks[1 : len(frames)]]
    scores = [region_similarity(tracked.masks[t], mask) for t, mask in enumerate(true, 1)]
    by_flow = float(np.mean([region_similarity(found, mask) for found, mask in zip(plain, true, strict=True)]))
    return tracked, scores, seconds, by_flow, alone


def draw(frame, tracked: Tracked, masks: list[Path], path: Path) -> None:
    """Twelve frames: found in red, the truth's outline in green."""
    tiles = []
    for t in np.linspace(0, len(masks) - 1, 12).astype(int):
        picture = cv2.cvtColor(frame(int(t)), cv2.COLOR_RGB2BGR)
        picture[tracked.masks[int(t)]] = picture[tracked.masks[int(t)]] // 2 + np.array([0, 0, 127], np.uint8)
        outline, _ = cv2.findContours(truth(masks[t]).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outline, -1, (0, 255, 0), 2)
        cv2.putText(picture, f"{t}: {tracked.confidence[int(t)]:.2f}", (8, 40), 0, 1.2, (255, 255, 255), 3)
        tiles.append(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack([np.hstack(tiles[i : i + 4]) for i in (0, 4, 8)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("names", nargs="*", help="default: every davis-* clip")
    parser.add_argument("--save", type=Path, help="folder for contact sheets")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    cv2.setNumThreads(chosen.threads)
    names = chosen.names or sorted(d.name for d in chosen.clips.glob("davis-*") if (d / "masks").is_dir())
    print(f"{'clip':28s} mean J  by flow  J>0.5  confidence  corr(J, confidence)  s/frame  by flow")
    means, plains, slower = [], [], []
    for name in names:
        tracked, scores, seconds, by_flow, alone = measure(chosen.clips / name, chosen.save)
        plains.append(by_flow)
        slower.append(seconds / alone)
        sure = [tracked.confidence[t] for t in range(1, len(scores) + 1)]
        corr = float(np.corrcoef(scores, sure)[0, 1]) if np.std(scores) > 0 and np.std(sure) > 0 else float("nan")
        means.append(float(np.mean(scores)))
        recall = float(np.mean(np.array(scores) > 0.5))
        print(
            f"{name:28s} {means[-1]:6.3f} {by_flow:8.3f} {recall:6.2f} {np.mean(sure):10.2f} {corr:16.2f} "
            f"{seconds:12.2f} {alone:8.3f}",
            flush=True,
        )
    print(f"{'mean':28s} {np.mean(means):6.3f} {np.mean(plains):8.3f}")
    gains = [own - plain for own, plain in zip(means, plains, strict=True)]
    print(f"J more than by flow: {spread(gains, 3, '+')}; times its time: {spread(slower, 1)}")
    print(where(chosen.threads))


if __name__ == "__main__":
    main()
