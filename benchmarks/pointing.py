"""How well a box or a click finds its object without any weights: mean J on first frames, and over all frames.

    python benchmarks/pointing.py CLIPS_FOLDER [NAME ...] [--follow N]

Each clip is a folder with ``frames/`` and ``masks/``. Given is the tight box of frame 0's true mask, and the point of
that mask that is farthest from its rim. With ``--follow N`` the box's outline and the true mask are followed over the
first N frames, and the mean J of both is printed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from tracking import truth

from vrm.media.stills import read_image
from vrm.metrics.regions import region_similarity
from vrm.segment.click import outline_points
from vrm.segment.outline import outline_box
from vrm.track.follow import follow
from vrm.types import bounding_box


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
    by_box = outline_box(frame, 0, box, (0, len(files)))
    seconds = time.perf_counter() - begin
    depth = cv2.distanceTransform(first.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    by_point = outline_points(frame, 0, [(float(x) + 0.5, float(y) + 0.5)], (0, len(files)))
    out = {
        "box": region_similarity(by_box.mask, first),
        "sure": by_box.confidence,
        "s": seconds,
        "point": region_similarity(by_point.mask, first),
        "sure ": by_point.confidence,
    }
    if frames:
        stop = min(frames, len(files))
        for name, mask in (("followed truth", first), ("followed box", by_box.mask)):
            tracked = follow(frame, {0: mask}, 0, stop)
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


if __name__ == "__main__":
    main()
