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

from vrm.motion.propagate import MotionConfig, propagate


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


def energy(frame: np.ndarray, mask: np.ndarray) -> float:
    gradients = [cv2.Sobel(frame, cv2.CV_32F, *d) for d in ((1, 0), (0, 1))]
    return float(sum(np.square(g).sum(-1)[mask].sum() for g in gradients))


def score(case: Case, filled: list[np.ndarray]) -> tuple[float, float, float]:
    """Mean frame PSNR (dB), mean temporal error (0..255) in the hole, gradient energy over the truth's."""
    psnr, dt, ours, truths = [], [], 0.0, 0.0
    for t, (y, m, x) in enumerate(zip(filled, case.masks, case.truth, strict=True)):
        if not m.any():
            continue
        psnr.append(10 * np.log10(255**2 / max(np.square(x.astype(float) - y).mean(), 1e-9)))
        inner = cv2.erode(m.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        ours, truths = ours + energy(y, inner), truths + energy(x, inner)
        if t:
            change = (x.astype(float) - case.truth[t - 1]) - (y.astype(float) - filled[t - 1])
            dt.append(np.abs(change)[m | case.masks[t - 1]])
    return float(np.mean(psnr)), float(np.concatenate(dt).mean()) if dt else 0.0, ours / max(truths, 1e-9)


def telea(case: Case) -> list[np.ndarray]:
    return [
        cv2.inpaint(f, m.astype(np.uint8), 5, cv2.INPAINT_TELEA) if m.any() else f
        for f, m in zip(case.frames, case.masks, strict=True)
    ]


def ours(case: Case, config: MotionConfig) -> list[np.ndarray]:
    found = propagate(case, 0, case.stop, 0, case.stop, config, distant=range(case.stop))
    return [
        np.clip(found.prefill(t, f.astype(np.float32) / 255) * 255 + 0.5, 0, 255).astype(np.uint8)
        for t, f in enumerate(case.frames)
    ]


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
    print(f"{'clip':20s} {'Telea':>7s} {'ours':>7s} {'gain':>6s} {'dt':>6s} {'sharp':>6s} {'s/frame':>8s}")
    rows = []
    for clip in clips:
        case = Case(args.cases / clip)
        base = score(case, telea(case))
        begin = time.perf_counter()
        filled = ours(case, MotionConfig.for_preset(args.preset))
        seconds = (time.perf_counter() - begin) / case.stop
        psnr, dt, sharp = score(case, filled)
        rows.append((base[0], psnr, psnr - base[0], dt, sharp, seconds))
        print(
            f"{clip:20s} {base[0]:7.2f} {psnr:7.2f} {psnr - base[0]:+6.2f} {dt:6.2f} {sharp:6.2f} {seconds:8.3f}",
            flush=True,
        )
        if args.save:
            (args.save / clip).mkdir(parents=True, exist_ok=True)
            for t, frame in enumerate(filled):
                cv2.imwrite(str(args.save / clip / f"{t:05d}.png"), frame[..., ::-1])
    mean = np.mean(rows, 0)
    print(f"{'mean':20s} {mean[0]:7.2f} {mean[1]:7.2f} {mean[2]:+6.2f} {mean[3]:6.2f} {mean[4]:6.2f} {mean[5]:8.3f}")


if __name__ == "__main__":
    main()
