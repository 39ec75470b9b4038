"""Small shots with known truth, for the engines' tests."""

import numpy as np

from vrm.engines.shot import KeyframedShot
from vrm.motion.config import MotionConfig
from vrm.motion.propagation import propagate
from vrm.shots.windows import Window


class SmallShot:
    """A camera that pans over smooth texture; frame numbers start at 100 to catch confusion with positions."""

    def __init__(self, holes, depth=8, windows=None, seed=0, pan=2, keyframes=False):
        n, h, w = holes.shape
        rng = np.random.default_rng(seed)
        wide = rng.random((h // 4 + 1, (w + pan * n) // 4 + 2, 3)).astype(np.float32)
        wide = np.kron(wide, np.ones((4, 4, 1), np.float32))
        top = 255 if depth == 8 else 65535
        kind = np.uint8 if depth == 8 else np.uint16
        self.truth = np.stack([(wide[:h, pan * t : pan * t + w] * top).astype(kind) for t in range(n)])
        self.frames = self.truth.copy()
        self.frames[holes] = top // 2
        self.holes = holes
        self.start, self.stop, self.size, self.depth = 100, 100 + n, (h, w), depth
        self._windows = windows
        holed = np.flatnonzero(holes.any((1, 2)))
        key = int(holed[len(holed) // 2]) if keyframes and len(holed) else None
        self.keyframes = {} if key is None else {100 + key: self.truth[key]}
        self.labels = self.scratch = None
        self.asked = 0

    def frame(self, t):
        return self.frames[t - self.start]

    def hole(self, t):
        return self.holes[t - self.start]

    def windows(self):
        if self._windows is not None:
            return self._windows
        return [Window(self.start, self.stop, self.start, self.stop)] if self.holes.any() else []

    def propagation(self, window, given=None):
        self.asked += 1
        view = KeyframedShot(self, given) if given else self
        whole = view.filled(range(window.context_start, window.context_stop)) if given else None
        config = MotionConfig(rounds=1)
        config = config.with_keyframes() if given else config
        frames, context = range(window.start, window.stop), range(window.context_start, window.context_stop)
        return propagate(view, frames, context, config, keyframes=whole)


def box_holes(n, h, w, box):
    holes = np.zeros((n, h, w), bool)
    holes[:, box[0] : box[2], box[1] : box[3]] = True
    return holes


def empty_window():
    holes = box_holes(6, 64, 96, (20, 30, 40, 50))
    holes[2:] = False
    return holes


def one_frame_covered():
    holes = box_holes(4, 64, 96, (20, 30, 40, 50))
    holes[1] = True
    return holes


CASES = {
    "plain": lambda: box_holes(6, 64, 96, (20, 30, 40, 54)),
    "odd size": lambda: box_holes(4, 61, 83, (20, 30, 37, 51)),
    "at the border": lambda: box_holes(4, 64, 96, (0, 70, 30, 96)),
    "one pixel": lambda: box_holes(3, 64, 96, (20, 30, 21, 31)),
    "one frame": lambda: box_holes(1, 64, 96, (20, 30, 40, 54)),
    "two frames": lambda: box_holes(2, 64, 96, (20, 30, 40, 54)),
    "three frames": lambda: box_holes(3, 64, 96, (20, 30, 40, 54)),
    "everything": lambda: np.ones((3, 64, 96), bool),
    "everything in one frame": one_frame_covered,
    "frames without a hole": empty_window,
    "nothing": lambda: np.zeros((3, 64, 96), bool),
    "tiny frames": lambda: box_holes(4, 9, 12, (2, 3, 6, 8)),
    "most of it": lambda: box_holes(3, 64, 96, (4, 4, 60, 92)),
}
