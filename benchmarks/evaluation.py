"""`vrm evaluate score` against scikit-image on whole clips, in turns: frames per second, ratio, memory over length.

    python benchmarks/evaluation.py CASES RESULTS [--rounds 3] [--frames 40] [--threads 2] [--lengths 40,400]

Ours measures the whole standard set, which the other does not have: PSNR, SSIM, dt and sharpness as the other, and
E_warp with DIS flow both ways. "Without flow" is ours for what both measure. For memory, a clip is repeated to each of
the lengths, scored in a process of its own, and the peak is printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from skimage.metrics import structural_similarity
from turns import in_turns, ratio, where

from vrm.evaluate.commands import score
from vrm.events import Events
from vrm.system.process import configure_process

_PEAK = """
import sys
from vrm.cli.main import run
from vrm.system.memory import peak_mb
code = run(["evaluate", "score", sys.argv[1], sys.argv[2], "--json"])
print(f"{peak_mb():.0f}", file=sys.stderr)
sys.exit(code)
"""


def plain(case: Path, result: Path, count: int) -> None:
    """The same measures but E_warp over whole arrays."""

    def read(folder: Path) -> np.ndarray:
        return np.stack([cv2.imread(str(f)) for f in sorted(folder.glob("*.png"))[:count]])

    x, m, y = read(case / "truth"), read(case / "masks")[..., 0] > 127, read(result)
    y = np.where(m[..., None], y, x)
    for a, b in zip(x, y, strict=True):
        structural_similarity(a, b, channel_axis=2, data_range=255)
    d = (x.astype(float) - y) ** 2
    d.mean((1, 2, 3))
    np.abs(np.diff(x.astype(float), axis=0) - np.diff(y.astype(float), axis=0))[m[1:] | m[:-1]].mean()
    for frame in (*x, *y):
        [np.square(cv2.Sobel(frame, cv2.CV_32F, *way)).sum(-1) for way in ((1, 0), (0, 1))]


def memory(case: Path, result: Path, length: int, scratch: Path) -> float:
    """Peak MB of a process that scores the clip repeated to so many frames."""
    for source, target in ((case, scratch / "cases" / "clip"), (result, scratch / "results" / "clip")):
        for folder in (source / "frames", source / "masks", source / "truth") if source is case else (source,):
            into = target / folder.name if source is case else target
            into.mkdir(parents=True)
            files = sorted(folder.glob("*.png"))
            for t in range(length):
                os.link(files[t % len(files)], into / f"{t:06d}.png")
    command = [sys.executable, "-c", _PEAK, str(scratch / "cases"), str(scratch / "results")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stderr.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lengths", default="")
    args = parser.parse_args()
    configure_process()  # as the command does
    cv2.setNumThreads(args.threads)
    clip = sorted(p.name for p in args.results.iterdir() if p.is_dir())[0]
    case, result = args.cases / clip, args.results / clip
    count = min(args.frames, len(list((case / "truth").glob("*.png"))))
    ways = {
        "plain": lambda: plain(case, result, count),
        "ours, without flow": lambda: score(
            args.cases, [args.results], Events(), clips=clip, frames=count, measures="psnr,ssim,dt,sharp"
        ),
        "ours, standard": lambda: score(args.cases, [args.results], Events(), clips=clip, frames=count),
    }
    taken = in_turns(ways, args.rounds)
    speeds = {name: [count / turn.clock for turn in turns] for name, turns in taken.items()}
    print(f"{clip}, {count} frames; {where(args.threads)}")
    print(f"{'':20s} frames/s (of each round)         best  times as fast as plain  processor ms/frame")
    for name, own in speeds.items():
        rounds = ", ".join(f"{speed:.1f}" for speed in own)
        work = min(1000 * turn.processor / count for turn in taken[name])
        print(f"{name:20s} {rounds:28s} {max(own):8.1f}  {ratio(own, speeds['plain']):22s} {work:19.1f}")
    for length in map(int, filter(None, args.lengths.split(","))):
        with tempfile.TemporaryDirectory(dir=args.results.parent) as scratch:
            print(f"{length:6d} frames: peak {memory(case, result, length, Path(scratch)):.0f} MB")


if __name__ == "__main__":
    main()
