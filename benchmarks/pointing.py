"""How well a box or a click finds its object without any weights, against OpenCV's GrabCut in the same run: mean J.

    python benchmarks/pointing.py CLIPS_FOLDER [NAME ...] [--follow N]

Each clip is a folder with ``frames/`` and ``masks/``. Given is the tight box of frame 0's true mask (to GrabCut as
well), and the point of that mask that is farthest from its rim. With ``--follow N`` the box's outline and the true mask
are followed over the first N frames, and the mean J of both is printed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from tracking import truth
from turns import spread, where

from vrm.media.read.stills import read_image
from vrm.metrics.regions import region_similarity
from vrm.selection.prompts.box import BoxOutlines
from vrm.selection.prompts.click import outline_points
from vrm.selection.tracking.tracker import track_mask
from vrm.types import Box, bounding_box


def grab_cut(picture: np.ndarray, box: Box) -> np.ndarray:
    """OpenCV's outline of what is in a box, five rounds."""
    y0, x0, y1, x1 = box
    found = np.zeros(picture.shape[:2], np.uint8)
    cv2.setRNGSeed(0)
    cv2.grabCut(
        np.ascontiguousarray(picture[..., ::-1]),
        found,
        (x0, y0, x1 - x0, y1 - y0),
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        5,
        cv2.GC_INIT_WITH_RECT,
    )
    return (found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)


def measure(clip: Path, frames: int) -> dict[str, float]:
    files, masks = sorted((clip / "frames").iterdir()), sorted((clip / "masks").iterdir())
    cache: dict[int, np.ndarray] = {}

    def frame(t: int) -> np.ndarray:
        if t not in cache:
            while len(cache) > 4:
                del cache[next(iter(cache))]
            cache[t] = read_image(files[t])
        return cache[t]

    first = truth(masks[0])
    box = bounding_box(first)
    assert box is not None
    begin = time.perf_counter()
    by_box = BoxOutlines(frame, (0, len(files))).outline(0, box)
    seconds = time.perf_counter() - begin
    depth = cv2.distanceTransform(first.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    by_point = outline_points(frame, 0, [(float(x) + 0.5, float(y) + 0.5)], (0, len(files)))
    begin = time.perf_counter()
    plain = grab_cut(frame(0), box)
    alone = time.perf_counter() - begin
    out = {
        "box": region_similarity(by_box.mask, first),
        "GrabCut": region_similarity(plain, first),
        "sure": by_box.confidence,
        "s": seconds,
        "GrabCut s": alone,
        "point": region_similarity(by_point.mask, first),
        "sure ": by_point.confidence,
    }
    if frames:
        stop = min(frames, len(files))
        for name, mask in (("followed truth", first), ("followed box", by_box.mask)):
            tracked = track_mask(frame, {0: mask}, 0, stop)
            out[name] = float(np.mean([region_similarity(tracked.masks[t], truth(masks[t])) for t in range(1, stop)]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("names", nargs="*", help="default: every davis-* clip")
    parser.add_argument("--follow", type=int, default=0, metavar="N")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    import torch

    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    rows = []
    for name in chosen.names or sorted(d.name for d in chosen.clips.glob("davis-*") if (d / "masks").is_dir()):
        rows.append(measure(chosen.clips / name, chosen.follow))
        if len(rows) == 1:
            print(f"{'clip':28s}" + "".join(f"{key:>16s}" for key in rows[0]))
        print(f"{name:28s}" + "".join(f"{value:16.3f}" for value in rows[-1].values()), flush=True)
    print(f"{'mean':28s}" + "".join(f"{np.mean([row[key] for row in rows]):16.3f}" for key in rows[0]))
    gains, slower = [r["box"] - r["GrabCut"] for r in rows], [r["s"] / r["GrabCut s"] for r in rows]
    print(f"the box's J more than GrabCut's: {spread(gains, 3, '+')}; times its time: {spread(slower, 1)}")
    print(where(chosen.threads))


if __name__ == "__main__":
    main()
