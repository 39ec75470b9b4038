"""One keyframe of the truth per so many frames: python benchmarks/keyframes.py CASES OUT [--every 20] [--preset fast]

CASES/<clip>/{frames,masks,truth} as for ``benchmarks/removal.py``; OUT/<preset>/<clip> and OUT/motion-fast/<clip> get
the frames. Scored on the frames that were not given: frame PSNR of the keyframe engine without weights, and of
``internal --preset fast`` on the same frames.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from turns import spread, where

import vrm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--clips", default="")
    parser.add_argument("--frames", type=int, default=None)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    wanted = args.clips.split(",") if args.clips else sorted(p.name for p in args.cases.iterdir())
    gains = []
    for name in wanted:
        case = args.cases / name
        truth = sorted((case / "truth").glob("*.png"))[: args.frames]
        keys = {t: path for t, path in enumerate(truth) if t % args.every == 0}
        both = []
        for label, words in (
            (args.preset, {"engine": "keyframe", "preset": args.preset, "weights": "none", "keyframe": keys}),
            ("motion-fast", {"preset": "fast"}),
        ):
            out = args.out / label / name
            if not out.exists():
                out.parent.mkdir(parents=True, exist_ok=True)
                end = None if args.frames is None else f"{args.frames}f"
                vrm.remove(
                    case / "frames", out, mask=case / "masks", grow=0, end=end, threads=args.threads, **words
                )  # fmt: skip
            both.append(np.mean([psnr(case, out, path.name) for t, path in enumerate(truth) if t not in keys]))
        gains.append(both[0] - both[1])
        print(f"{name:20s} keyframes {both[0]:6.2f}  internal fast {both[1]:6.2f}  gain {gains[-1]:+.2f}", flush=True)
    print(f"mean gain {spread(gains, 2, '+')} dB, better on {sum(g > 0 for g in gains)} of {len(gains)} clips")
    print(where(args.threads))


def psnr(case: Path, out: Path, name: str) -> float:
    truth, ours = (cv2.imread(str(folder / name)).astype(float) for folder in (case / "truth", out))
    hole = cv2.imread(str(case / "masks" / name), 0) > 127
    error = np.square(truth - ours) * hole[..., None]
    return 10 * np.log10(255**2 / max(error.mean(), 1e-9))


if __name__ == "__main__":
    main()
