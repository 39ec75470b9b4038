"""Two checkouts on the same cases in one run: quality, processor time and memory of `vrm remove`.

    python benchmarks/before_after.py CASES [CASES ...] --before "OTHER/.venv/bin/python -m vrm" [--clips a,b]
        [--frames 20] [--options "--preset balanced --threads 1"] [--before-options ...]

Each CASES folder holds <clip>/{frames,masks,truth}/NNNNN.png (`vrm evaluate cases`). Masks are taken exactly
(--grow 0). Processor seconds are user and system time of the whole command, memory its largest resident size; the two
commands take turns, clip by clip, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from turns import where

from vrm.metrics.clip import measure_clip

COLUMNS = ("psnr", "ssim", "dt", "sharp", "cpu s", "MB")


def read(folder: Path, count: int | None) -> np.ndarray:
    return np.stack([cv2.imread(str(f)) for f in sorted(folder.glob("*.png"))[:count]])


def measured(command: list[str]) -> tuple[float, float]:
    """Processor seconds and peak MB of a command. Ends the program if it fails."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{shlex.join(command)}\n{said.decode()[-2000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def row(vrm: list[str], case: Path, out: Path, count: int | None, options: list[str]) -> list[float]:
    command = [*vrm, "remove", str(case / "frames"), "--mask", str(case / "masks"), "-o", str(out), "--grow", "0"]
    command += ["--overwrite", *options, *(["--end", f"{count}f"] if count else [])]
    seconds, peak = measured(command)
    truth, masks = read(case / "truth", count), read(case / "masks", count)[..., 0] > 127
    found = measure_clip(truth, masks, read(out, count)).values
    return [*(float(found[name]) for name in COLUMNS[:4]), seconds, peak]


def line(name: str, before: np.ndarray, after: np.ndarray) -> str:
    figures = "  ".join(f"{b:8.4g} {a:8.4g}" for b, a in zip(before, after, strict=True))
    return f"{name:22s} {figures}   {after[0] - before[0]:+.3f} dB  {after[4] / before[4]:.2f} x cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="+")
    parser.add_argument("--before", type=shlex.split, required=True, help="the other checkout's command")
    parser.add_argument("--after", type=shlex.split, default=[sys.executable, "-m", "vrm"])
    parser.add_argument("--options", type=shlex.split, default=["--preset", "balanced", "--threads", "1"])
    parser.add_argument("--before-options", type=shlex.split, help="default: those of --options")
    parser.add_argument("--clips", default="")
    parser.add_argument("--frames", type=int)
    args = parser.parse_args()
    other = args.options if args.before_options is None else args.before_options
    print(f"{'clip':22s} " + "  ".join(f"{name:>8s}, after" for name in COLUMNS), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for cases in args.cases:
            rows = []
            for case in sorted(p for p in cases.iterdir() if p.is_dir()):
                if not args.clips or case.name in args.clips.split(","):
                    out = Path(scratch) / case.name
                    before = row(args.before, case, out, args.frames, other)
                    rows.append((before, row(args.after, case, out, args.frames, args.options)))
                    print(line(f"{cases.name}/{case.name}", *np.array(rows[-1])), flush=True)
            print(line(f"{cases.name}, mean", *np.mean(rows, 0)), flush=True)
    print(where())


if __name__ == "__main__":
    main()
