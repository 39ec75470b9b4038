"""Propagation alone against OpenCV's Telea, in one run: frame PSNR per clip, temporal error, sharpness, time.

    python benchmarks/propagation.py CASES [--preset fast] [--clips a,b] [--threads 2] [--save DIR]

CASES holds <clip>/{frames,masks,truth}/NNNNN.png.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from turns import spread, where

from vrm.evaluate.runs.baselines import inpainted
from vrm.metrics.clip import measure_clip
from vrm.motion.config import MotionConfig
from vrm.motion.propagation import propagate


class Case:
    """A clip in memory, as a shot."""

    def __init__(self, folder: Path) -> None:
        def read(kind: str) -> list[np.ndarray]:
            return [cv2.imread(str(f))[..., ::-1].copy() for f in sorted((folder / kind).glob("*.png"))]

        self.frames, self.truth = read("frames"), read("truth")
        self.masks = [m[..., 0] > 127 for m in read("masks")]
        self.start, self.stop, self.size = 0, len(self.frames), self.frames[0].shape[:2]

    def frame(self, t: int) -> np.ndarray:
        return self.frames[t]

    def hole(self, t: int) -> np.ndarray:
        return self.masks[t]


def ours(case: Case, config: MotionConfig) -> np.ndarray:
    found = propagate(case, range(case.stop), range(case.stop), config, nonlocal_frames=range(case.stop))
    filled = [found.filled(t, f.astype(np.float32) / 255) for t, f in enumerate(case.frames)]
    return np.clip(np.stack(filled) * 255 + 0.5, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--clips", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    clips = args.clips.split(",") if args.clips else sorted(p.name for p in args.cases.iterdir() if p.is_dir())
    print(f"{'clip':20s} {'Telea':>7s} {'ours':>7s} {'gain':>6s} {'ssim':>7s} {'dt':>6s} {'sharp':>6s} {'s/frame':>8s}")
    rows, slower = [], []
    for clip in clips:
        case = Case(args.cases / clip)
        truth, masks = np.stack(case.truth), np.stack(case.masks)
        begin = time.perf_counter()
        telea = np.stack([inpainted(f, m) for f, m in zip(case.frames, masks, strict=True)])
        alone = (time.perf_counter() - begin) / case.stop
        base = measure_clip(truth, masks, telea).values
        begin = time.perf_counter()
        filled = ours(case, MotionConfig.for_preset(args.preset))
        seconds = (time.perf_counter() - begin) / case.stop
        found = measure_clip(truth, masks, filled).values
        gain = found["psnr"] - base["psnr"]
        rows.append((base["psnr"], found["psnr"], gain, found["ssim"], found["dt"], found["sharp"], seconds))
        slower.append(seconds / alone)
        print(line(clip, rows[-1]), flush=True)
        if args.save:
            (args.save / clip).mkdir(parents=True, exist_ok=True)
            for t, frame in enumerate(filled):
                cv2.imwrite(str(args.save / clip / f"{t:05d}.png"), frame[..., ::-1])
    print(line("mean", np.mean(rows, 0)))
    print(f"gain over Telea {spread([row[2] for row in rows], 2, '+')} dB, in {spread(slower, 1)} times its time")
    print(where(args.threads))


def line(name: str, row: tuple[float, ...] | np.ndarray) -> str:
    base, psnr, gain, ssim, dt, sharp, seconds = row
    return f"{name:20s} {base:7.2f} {psnr:7.2f} {gain:+6.2f} {ssim:7.4f} {dt:6.2f} {sharp:6.2f} {seconds:8.3f}"


if __name__ == "__main__":
    main()
