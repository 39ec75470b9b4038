"""Measure a result on the example clip against the truth, frame by frame.

    vrm remove examples/crab.mp4 --mask examples/crab.png -o clean.mp4
    python examples/score_example.py clean.mp4

Prints the PSNR (peak 255, over RGB) inside the crab and over the whole frame: of the result, of OpenCV's Telea
inpainting of each frame alone with the exact masks, and of the clip itself, which still has the crab and so shows what
the encoding alone costs outside it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from make_example import HERE, frames


def psnr(squares: list[float]) -> float:
    """dB from per-frame mean squared errors: the PSNR of each frame, averaged over frames."""
    return float(np.mean([10 * np.log10(255**2 / max(square, 1e-3)) for square in squares]))


def decode(path: Path) -> Iterator[np.ndarray]:
    """The frames of a video as uint8 RGB, BT.709."""
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            yield frame.to_ndarray(format="rgb24", src_colorspace="ITU709")


def score(result: Path, limit: int | None = None) -> dict[str, tuple[float, float]]:
    """``{"result" | "telea" | "source": (PSNR in the hole, PSNR of the frame)}`` over the first ``limit`` frames."""
    errors: dict[str, list[tuple[float, float]]] = {"result": [], "telea": [], "source": []}
    videos = zip(frames(), decode(result), decode(HERE / "crab.mp4"), strict=True)
    for t, (truth, ours, source) in enumerate(videos):
        if limit is not None and t >= limit:
            break
        hole = cv2.dilate(truth.mask.astype(np.uint8), np.ones((7, 7), np.uint8))
        telea = cv2.inpaint(source, hole, 5, cv2.INPAINT_TELEA)
        for name, picture in (("result", ours), ("telea", telea), ("source", source)):
            square = (picture.astype(np.float64) - truth.clean) ** 2
            errors[name].append((float(square[truth.mask].mean()), float(square.mean())))
    return {name: (psnr([h for h, _ in both]), psnr([f for _, f in both])) for name, both in errors.items()}


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--frames", type=int, help="only the first so many")
    args = parser.parse_args()
    print(f"{'':8}{'hole':>8}{'frame':>8}  PSNR in dB")
    for name, (hole, frame) in score(args.result, args.frames).items():
        print(f"{name:8}{hole:8.2f}{frame:8.2f}")


if __name__ == "__main__":
    main()
