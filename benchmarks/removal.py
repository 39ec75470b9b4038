"""`vrm remove` on clips with a known truth, against OpenCV's Telea in the same run.

    python benchmarks/removal.py CASES [CASES ...] [--preset fast] [--clips a,b] [--frames 20] [--out DIR]

Each CASES folder holds <clip>/{frames,masks,truth}/NNNNN.png. The command itself is run on each clip (with --grow 0,
as the masks are exact; more with --options="..."), and timed by the clock from start to end. Per clip and as means:

- frame PSNR (dB) over whole frames, ours and Telea's, and the gain;
- SSIM over whole frames (Wang et al. 2004), ours minus Telea's beside it;
- dt: mean error of the change from frame to frame, in the hole (0..255);
- sharp: Sobel gradient energy in the hole, 2 pixels off its border, over the truth's;
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
from skimage.metrics import structural_similarity


def read(folder: Path, count: int | None) -> np.ndarray:
    return np.stack([cv2.imread(str(f)) for f in sorted(folder.glob("*.png"))[:count]])


def energy(frame: np.ndarray, mask: np.ndarray) -> float:
    gradients = [cv2.Sobel(frame, cv2.CV_32F, *d) for d in ((1, 0), (0, 1))]
    return float(sum(np.square(g).sum(-1)[mask].sum() for g in gradients))


def score(truth: np.ndarray, masks: np.ndarray, filled: np.ndarray) -> tuple[float, float, float, float]:
    """Frame PSNR, SSIM, dt and sharpness of one clip."""
    filled = np.where(masks[..., None], filled, truth)
    used = [t for t in range(len(truth)) if masks[t].any()]
    psnr, ssim, ours, theirs = [], [], 0.0, 0.0
    for t in used:
        x, y, m = truth[t], filled[t], masks[t]
        psnr.append(10 * np.log10(255**2 / max(np.square(x.astype(float) - y).mean(), 1e-9)))
        ssim.append(structural_similarity(x, y, channel_axis=2, data_range=255))
        inner = cv2.erode(m.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        ours, theirs = ours + energy(y, inner), theirs + energy(x, inner)
    change = np.abs(np.diff(truth.astype(float), axis=0) - np.diff(filled.astype(float), axis=0))
    dt = change[masks[1:] | masks[:-1]]
    return float(np.mean(psnr)), float(np.mean(ssim)), float(dt.mean()) if dt.size else 0.0, ours / max(theirs, 1e-9)


def telea(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    pairs = zip(frames, masks.astype(np.uint8), strict=True)
    return np.stack([cv2.inpaint(f, m, 5, cv2.INPAINT_TELEA) if m.any() else f for f, m in pairs])


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
        base = score(truth, masks, telea(read(case / "frames", args.frames), masks))
        filled, work, whole = ours(case, out / case.name, args.frames, ["--preset", args.preset, *args.options])
        found = score(truth, masks, filled)
        n = len(truth)
        rows.append(
            (base[0], found[0], found[0] - base[0], found[1], found[1] - base[1], *found[2:], work / n, whole / n)
        )
        print(line(case.name, rows[-1]), flush=True)
    print(line("mean", np.mean(rows, 0)), flush=True)


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


if __name__ == "__main__":
    main()
