"""Write the picture that README opens with: one frame of the example before and after.

vrm remove examples/crab.mp4 --mask examples/crab.png -o clean.mp4
python docs/make_picture.py clean.mp4
"""

import sys
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
FRAME = 45
GAP = 12


def frame(path: Path, number: int) -> np.ndarray:
    """One frame of a video, uint8 ``(H, W, 3)`` BGR."""
    video = cv2.VideoCapture(str(path))
    found = [video.read()[1] for _ in range(number + 1)][-1]
    video.release()
    return found


def main() -> None:
    before, after = (frame(path, FRAME) for path in (HERE.parent / "examples" / "crab.mp4", Path(sys.argv[1])))
    gap = np.full((before.shape[0], GAP, 3), 255, np.uint8)
    cv2.imwrite(str(HERE / "before-after.jpg"), np.hstack([before, gap, after]), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
