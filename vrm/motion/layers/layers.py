"""Candidates of a layer that moves by itself behind a hole, and which candidates show it and which the background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np

from vrm.motion.candidates.nonlocal_frames import Aligner
from vrm.motion.flow.camera import grid, transform
from vrm.motion.flow.warp import remap
from vrm.motion.frames import alignment_box, dilate, length_scale
from vrm.motion.fusion.candidate import Correspondences
from vrm.motion.layers.own_motion import OwnMotion
from vrm.motion.layers.path import layer_path
from vrm.motion.poisson import push_pull
from vrm.types import Array, Bool, Box

_OFFSETS = (1, 2, 3, 4, 6, 8, 11, 15, 20)
"""Frames before and after that a layer is looked for in."""

_NEAR = 40
"""Pixels around a hole in which its layer is looked for (in frames 432 wide)."""

_KEEP = 2
"""Candidates of the layer at each pixel."""

_DOUBT = np.float32(1.5)
"""Penalty for what moves by itself in the place of what does not, and the other way round."""

_LEAST = 0.2
"""Probability below which a pixel is not of the layer."""


class Layers:
    """The layers behind the holes; ``aligner`` works on frames whose holes are filled once more."""

    def __init__(self, aligner: Aligner) -> None:
        self._aligner, self._frames, self._path = aligner, aligner.frames, aligner.path
        self.own_motion = OwnMotion(aligner.frames, aligner.path, aligner.estimator)

    def split(
        self, t: int, rows: np.ndarray, cols: np.ndarray, seen: Mapping[str, Correspondences]
    ) -> dict[str, Correspondences]:
        """What is seen of N working pixels of frame t's hole, with what is seen of the layer; doubted where it is the
        other than what is hidden."""
        hole = self._frames.hole(t)
        box = alignment_box(hole)
        shot = self._frames.shot
        reach = range(max(shot.start, t - _OFFSETS[-1]), min(shot.stop, t + _OFFSETS[-1] + 1))
        matrices = layer_path(self._path, t, self._near(hole), reach)
        matrices = {s: m for s, m in matrices.items() if abs(s - t) in _OFFSETS}
        probability = self._probability(matrices, box) if box and matrices else None
        if box is None or probability is None:
            return dict(seen)
        share = probability[rows - box[0], cols - box[1]]
        if (share > 0.5).mean() < 0.02:
            return dict(seen)
        moves, known = self.own_motion.of(t)
        best = self._aligner.best(t, list(matrices), _KEEP, matrices, known & (moves > 0.5))
        found = dict(seen)
        if best is not None:
            for name, one in best.look_up(rows, cols).items():
                found[f"layer {name}"] = replace(one, source=np.where(share > _LEAST, one.source, -1))
        return {name: self._doubted(one, share) for name, one in found.items()}

    def _near(self, hole: Bool) -> Bool:
        """Where in frame t, as corners are tracked, its layer is looked for."""
        h, w = self._path.tracked_size
        small = cv2.resize(hole.view(np.uint8), (w, h), interpolation=cv2.INTER_AREA) > 0
        return dilate(small, round(_NEAR * length_scale((h, w))))

    def _probability(self, matrices: Mapping[int, np.ndarray], box: Box) -> Array | None:
        """How likely each pixel of a box of a frame is of the layer, float32 0..1: how often it moves by itself where
        the layer's motion leads it. None where too little is known of that."""
        y0, x0, y1, x1 = box
        points = grid(y1 - y0, x1 - x0) + np.array((x0, y0), np.float32)
        total, count = (np.zeros(points.shape[:2], np.float32) for _ in range(2))
        for s, matrix in matrices.items():
            moves, known = self.own_motion.of(s)
            xy = transform(points, matrix)
            x, y = xy[..., 0], xy[..., 1]
            there = cv2.remap(known.view(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
            total += there * cv2.remap(moves, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            count += there
        if not count.any():
            return None
        return push_pull(total / np.maximum(count, 1), np.minimum(count, 1))

    def _doubted(self, one: Correspondences, share: Array) -> Correspondences:
        """With a penalty where the source shows the layer and the frame does not, or the other way round."""
        penalty = np.zeros(len(share), np.float32)
        for s in np.unique(one.source[one.source >= 0]):
            at = np.flatnonzero(one.source == s)
            moves, known = self.own_motion.of(int(s))
            there = remap(moves, one.xy[at])
            counts = remap(known.astype(np.float32), one.xy[at])
            penalty[at] = _DOUBT * counts * np.abs(share[at] - there)
        return replace(one, penalty=one.penalty + penalty)
