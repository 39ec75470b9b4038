"""Non-local frames: frames far away in time, aligned directly by the camera's path and a flow that refines it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vrm.motion.flow.camera import grid, transform
from vrm.motion.flow.camera_path import CameraPath
from vrm.motion.flow.completion import complete
from vrm.motion.flow.warp import remap
from vrm.motion.frames import GUARD, WorkingFrames, alignment_box, dilate
from vrm.motion.fusion.candidate import Correspondences
from vrm.motion.poisson import push_pull
from vrm.types import Array, Bool, Box, FlowEstimator

_ALIKE = 2.0
"""Mean difference of grey levels (0..255) up to which a still camera's frames need no flow to refine them."""

_UNSURE = 7
"""Pixels next to a hole whose refining flow is not believed."""

_RINGS = ((12, 4), (32, 8), (96, 16), (1 << 30, 32))
"""Frames nearer than the first number are taken if their number is a multiple of the second. Fixed frame numbers,
not fixed offsets: neighbouring frames then copy from the same sources, and the fill does not flicker."""

_PER_FRAME = np.float32(0.0002)
"""Cost of a source per frame of distance, in grey levels of 1: of equal ones the nearer is taken."""


def choose_sources(t: int, allowed: Iterable[int], limit: int) -> list[int]:
    """Which non-local frames to align with frame t, nearest first."""
    near = sorted((s for s in allowed if s != t), key=lambda s: (abs(s - t), s))
    step = {s: next(k for reach, k in _RINGS if abs(s - t) < reach) for s in near}
    return [s for s in near if s % step[s] == 0 and abs(s - t) >= 2][:limit]


@dataclass
class Alignment:
    """Frame t in terms of a non-local frame, on a box around t's hole at working size. Arrays are of the box.

    Attributes:
        xy: float32 ``(h, w, 2)``: places in it, working pixels.
        valid: bool: inside that frame and not in its hole.
        error: float32: difference of grey levels (0..1) on the known pixels around, continued into the hole.
    """

    source: int
    xy: Array
    valid: Bool
    error: Array


@dataclass
class BestAlignments:
    """For each of the N working pixels of one frame's hole the K best non-local frames, best first.

    Attributes:
        hole: bool ``(h, w)`` with the N pixels.
        source: int32 ``(K, N)``, -1 = none.
        xy: float32 ``(K, N, 2)``.
        error: float32 ``(K, N)``, see ``Alignment``.
    """

    hole: Bool
    source: np.ndarray
    xy: Array
    error: Array

    def look_up(self, rows: np.ndarray, cols: np.ndarray) -> dict[str, Correspondences]:
        """Where working pixels (rows, cols) of the hole are seen, by name."""
        number = np.full(self.hole.shape, -1, np.int64)
        number[self.hole] = np.arange(self.source.shape[1])
        column = number[rows, cols]
        return {
            f"nonlocal {k}": Correspondences(
                "nonlocal", np.where(column >= 0, self.source[k][column], -1), self.xy[k][column], self.error[k][column]
            )
            for k in range(len(self.source))
        }


class Aligner:
    """Aligns filled grey frames directly; ``estimator`` refines what the camera's path says."""

    def __init__(self, frames: WorkingFrames, estimator: FlowEstimator) -> None:
        self.frames, self.estimator = frames, estimator
        self.path = CameraPath(frames.shot, frames.size)

    def best(
        self,
        t: int,
        sources: Sequence[int],
        keep: int,
        motions: Mapping[int, np.ndarray] | None = None,
        follows: Bool | None = None,
    ) -> BestAlignments | None:
        """Align frame t with each source and keep the ``keep`` best at each hole pixel; None if none aligns.

        Args:
            motions: homographies to the sources; the camera's by default.
            follows: bool ``(h, w)``, working size: the known pixels that follow these; all by default.

        A source is good where it fits the known pixels around, and where other sources show the same: background that
        is rigid looks alike from every frame, a thing that moved does not.
        """
        hole = self.frames.hole(t)
        box = alignment_box(hole)
        if box is None:
            return None
        aligned = (self.align(t, s, box, motions[s] if motions else self.path.between(t, s), follows) for s in sources)
        found = [one for one in aligned if one is not None]
        if not found:
            return None
        y0, x0, y1, x1 = box
        inside = hole[y0:y1, x0:x1]
        looks = np.stack([remap(self.frames.grey(a.source), a.xy[inside]).astype(np.float32) / 255 for a in found])
        valid = np.stack([a.valid[inside] for a in found])
        error = np.stack([a.error[inside] for a in found])
        distance = np.array([abs(a.source - t) for a in found], np.float32)[:, None]
        disagreement = _disagreement(looks, valid, inside)
        cost = error + disagreement + _PER_FRAME * distance + np.where(valid, 0, np.inf).astype(np.float32)
        order = np.argsort(cost, axis=0, kind="stable")[:keep]
        number = np.array([a.source for a in found], np.int32)[:, None].repeat(inside.sum(), 1)
        source = np.take_along_axis(np.where(valid, number, -1), order, 0)
        xy = np.take_along_axis(np.stack([a.xy[inside] for a in found]), order[..., None], 0)
        return BestAlignments(hole, source, xy, np.take_along_axis(error, order, 0))

    def align(
        self, t: int, s: int, box: Box, matrix: np.ndarray | None, follows: Bool | None = None
    ) -> Alignment | None:
        """Frame t against frame s on a box (working pixels), or None where they do not match."""
        if matrix is None:
            return None
        y0, x0, y1, x1 = box
        here = self.frames.grey(t)[y0:y1, x0:x1]
        hole = dilate(self.frames.hole(t), GUARD)[y0:y1, x0:x1]
        if follows is not None:
            hole = hole | ~follows[y0:y1, x0:x1]
        points = grid(y1 - y0, x1 - x0) + np.array((x0, y0), np.float32)
        xy = transform(points, matrix)
        there, covered = self.frames.warped(s, xy)
        known = covered & ~hole
        if not known.any():
            return None
        if float(cv2.absdiff(here, there)[known].mean()) > _ALIKE or not np.array_equal(matrix, np.eye(3)):
            flow = self.estimator(here, np.where(covered, there, here))
            xy = transform(points + complete(flow, hole | ~covered, _UNSURE), matrix)
            there, covered = self.frames.warped(s, xy)
            known = covered & ~hole
            if not known.any():
                return None
        difference = cv2.absdiff(here, there).astype(np.float32) / 255
        weight = cv2.blur(known.astype(np.float32), (7, 7))
        local = cv2.blur(difference * known, (7, 7)) / np.maximum(weight, 1e-3)
        return Alignment(s, xy, covered, push_pull(local, known.astype(np.float32)))


def _disagreement(looks: Array, valid: Bool, inside: Bool) -> Array:
    """For each alignment and pixel the mean difference over 9x9 pixels to what most of them show."""
    others = valid.sum(0)
    middle = np.maximum(others - 1, 0) // 2
    common = np.take_along_axis(np.sort(np.where(valid, looks, np.inf), axis=0), middle[None], 0)[0]
    out = np.zeros_like(looks)
    plane = np.zeros((*inside.shape, 2), np.float32)
    total = weight = 0.0
    for k, (look, shown) in enumerate(zip(looks, valid, strict=True)):
        confirmed = shown & (others > 1)
        plane[inside, 0] = np.abs(look - np.where(confirmed, common, look))
        plane[inside, 1] = confirmed
        mean = cv2.blur(plane, (9, 9))[inside]
        out[k] = mean[:, 0] / np.maximum(mean[:, 1], 1e-3)
        out[k][~confirmed] = np.nan
        total, weight = total + float(out[k][confirmed].sum()), weight + float(confirmed.sum())
    # What nothing else confirms is taken to differ as much as alignments typically do here.
    return np.where(np.isnan(out), np.float32(total / weight if weight else 0.1), out)
