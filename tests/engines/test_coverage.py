"""What counts as found: the surroundings of a hole that move by themselves make it unsure."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vrm.engines.coverage import CoverageLog
from vrm.motion.result import HoleFill, Propagation
from vrm.report.coverage import NEVER, SEEN, UNRELIABLE
from vrm.shots.windows import Window

N, HEIGHT, WIDTH = 8, 120, 160
WINDOW = Window(0, N, 0, N)


def texture(width: int) -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 256, (HEIGHT, width, 3), np.uint8)
    return np.clip((cv2.GaussianBlur(noise, (0, 0), 1.5).astype(np.float32) - 128) * 2.5 + 128, 0, 255).astype(np.uint8)


class View:
    """A shot whose camera pans; around the hole a patch drifts by itself, at so many pixels a frame."""

    start, stop, size = 0, N, (HEIGHT, WIDTH)

    def __init__(self, drift: int | None) -> None:
        ground, patch = texture(WIDTH + 4 * N), texture(400)[:, ::-1]
        self.frames = [ground[:, 4 * t : 4 * t + WIDTH].copy() for t in range(N)]
        for t, frame in enumerate(self.frames):
            if drift is not None:
                frame[20:92, 40:120] = patch[24:96, 150 + drift * t : 230 + drift * t]

    def frame(self, t: int) -> np.ndarray:
        return self.frames[t]

    def hole(self, t: int) -> np.ndarray:
        hole = np.zeros(self.size, bool)
        hole[44:64, 64:96] = True
        return hole

    def found(self, window: Window) -> Propagation:
        """A quarter never seen, a quarter seen with little confidence."""
        index = np.flatnonzero(self.hole(0))
        part = np.arange(index.size) * 4 // index.size
        rgb, detail = np.zeros((index.size, 3), np.float32), np.zeros(index.size, np.float32)
        fill = HoleFill(index, rgb, part > 0, np.where(part > 1, 0.9, 0.2).astype(np.float32), detail)
        return Propagation(self.size, dict.fromkeys(range(N), fill))


class Plain:
    notes = ()


@pytest.mark.parametrize(("drift", "sure"), [(None, True), (-3, False)])
def test_what_moves_by_itself_around_a_hole_makes_what_was_found_unsure(drift: int | None, sure: bool) -> None:
    log = CoverageLog((2,))
    covered, _ = log.add(View(drift), Plain(), WINDOW)
    frame = covered[2]
    assert frame.never == 0.25
    assert (frame.seen, frame.unreliable) == ((0.5, 0.25) if sure else (0.0, 0.75))
    assert (frame.moving < 0.5) == sure
    assert set(np.unique(log.maps[2])) == ({0, SEEN, UNRELIABLE, NEVER} if sure else {0, UNRELIABLE, NEVER})
