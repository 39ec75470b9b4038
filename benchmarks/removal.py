"""`vrm remove` on clips with a known truth, against OpenCV's Telea in the same run.

    python benchmarks/removal.py CASES [CASES ...] [--preset fast] [--clips a,b] [--frames 20] [--out DIR]

Each CASES folder holds <clip>/{frames,masks,truth}/NNNNN.png. The command itself is run on each clip (with --grow 0,
as the masks are exact; more with --options="..."), and timed by the clock from start to end. Per clip and as means:

- frame PSNR (dB), ours and Telea's, and the gain; SSIM, ours minus Telea's beside it; dt, sharp: docs/evaluate.md;
- seconds per frame: of the work, as the report says it, and of the whole command with Python's start.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from turns import spread, where

from vrm.evaluate.runs.baselines import inpainted
from vrm.metrics.clip import measure_clip


def read(folder: Path, count: int | None) -> np.ndarray:
    return np.stack([cv2.imread(str(f)) for f in sorted(folder.glob("*.png"))[:count]])


def ours(case: Path, out: Path, count: int | None, options: list[str]) -> tuple[np.ndarray, float, float]:
    """The filled frames, seconds of the work and of the whole command."""
    report = out.with_suffix(".json")
    command = [sys.executable, "-m", "vrm", "remove", str(case / "frames"), "--mask", str(case / "masks")]
    command += ["-o", str(out), "--grow", "0", "--report", str(report), "--overwrite", *options]
    if count:
        command += ["--end", f"{count}f"]
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    return read(out, count), json.loads(report.read_text())["seconds"], seconds


def run(cases: Path, args: argparse.Namespace, out: Path) -> None:
    print(
        f"\n{cases.name}\n{'clip':20s}  Telea   ours   gain    ssim (+)        dt   sharp  s/frame  whole", flush=True
    )
    rows = []
    out.mkdir(parents=True, exist_ok=True)
    for case in sorted(p for p in cases.iterdir() if p.is_dir()):
        if args.clips and case.name not in args.clips.split(","):
            continue
        truth, masks = read(case / "truth", args.frames), read(case / "masks", args.frames)[..., 0] > 127
        given = read(case / "frames", args.frames)
        telea = np.stack([inpainted(f, m) for f, m in zip(given, masks, strict=True)])
        base = measure_clip(truth, masks, telea).values
        filled, work, whole = ours(case, out / case.name, args.frames, ["--preset", args.preset, *args.options])
        found = measure_clip(truth, masks, filled).values
        n = len(truth)
        gain, better = found["psnr"] - base["psnr"], found["ssim"] - base["ssim"]
        own = (found["ssim"], better, found["dt"], found["sharp"])
        rows.append((base["psnr"], found["psnr"], gain, *own, work / n, whole / n))
        print(line(case.name, rows[-1]), flush=True)
    print(line("mean", np.mean(rows, 0)), flush=True)
    gains, seconds = [row[2] for row in rows], [row[-2] for row in rows]
    print(f"gain over Telea {spread(gains, 2, '+')} dB; {spread(seconds)} s/frame", flush=True)


def line(name: str, row: tuple[float, ...] | np.ndarray) -> str:
    b, o, g, s, ds, dt, sharp, work, whole = row
    return f"{name:20s} {b:6.2f} {o:6.2f} {g:+6.2f}  {s:.4f} {ds:+.4f} {dt:6.2f} {sharp:6.2f} {work:8.2f} {whole:6.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="+")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--clips", default="")
    parser.add_argument("--frames", type=int, help="only the first so many")
    parser.add_argument("--out", type=Path, help="keep the filled frames here")
    parser.add_argument("--options", type=shlex.split, default=[], help="further options of vrm remove, in one string")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for cases in args.cases:
            run(cases, args, (args.out or Path(scratch)) / cases.name)
    print(where())


if __name__ == "__main__":
    main()
