"""The jump where chunks meet: python benchmarks/borders.py CASES RESULTS [--every 20]

CASES/<clip>/{masks,truth} and RESULTS/<clip> as for ``benchmarks/removal.py``. The mean absolute difference between a
filled frame and the one before it, brought to it along the truth's own flow, in the hole: at every keyframe (both steps
that touch it) over everywhere else. 1 = no jump. The truth's own ratio stands beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from turns import spread, where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--every", type=int, default=20)
    args = parser.parse_args()
    rows = []
    for case in sorted(args.cases.iterdir()):
        if (args.results / case.name).is_dir():
            jumps = [steps(case, folder, args.every) for folder in (args.results / case.name, case / "truth")]
            rows.append(jumps)
            print(f"{case.name:20s} ours {jumps[0]:.3f}  truth {jumps[1]:.3f}", flush=True)
    ours, truth = zip(*rows, strict=True)
    print(f"{'mean':20s} ours {spread(ours, 3)}  truth {spread(truth, 3)}")
    print(f"{'ours over truth':20s} {spread([a / b for a, b in rows], 3)}")
    print(where())


def steps(case: Path, folder: Path, every: int) -> float:
    """The mean step at keyframes over the mean step elsewhere."""
    names = sorted(path.name for path in (case / "truth").glob("*.png"))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    at, inside = [], []
    for t in range(1, len(names)):
        truth = [cv2.imread(str(case / "truth" / n), 0) for n in (names[t], names[t - 1])]
        now, before = (cv2.imread(str(folder / n)) for n in (names[t], names[t - 1]))
        hole = cv2.imread(str(case / "masks" / names[t]), 0) > 127
        if not hole.any():
            continue
        flow = dis.calc(truth[0], truth[1], None)
        ys, xs = np.mgrid[: hole.shape[0], : hole.shape[1]].astype(np.float32)
        moved = cv2.remap(
            before, xs + flow[..., 0], ys + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        step = np.abs(now.astype(float) - moved)[hole].mean()
        (at if t > 1 and (t % every == 0 or (t - 1) % every == 0) else inside).append(step)
    return float(np.mean(at) / np.mean(inside))


if __name__ == "__main__":
    main()
