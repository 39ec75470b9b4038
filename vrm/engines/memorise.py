"""The paper's own way: a network fitted to the known pixels of the video, nothing propagated (Eq. 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn

from vrm.engines.base import Progress, Shot, Window
from vrm.nets.gated import CoarseToFineNetwork
from vrm.nets.losses import reconstruction
from vrm.train.device import Compute
from vrm.train.fit import Budget, History, fit
from vrm.train.holes import translated
from vrm.train.initialise import unit_variance
from vrm.types import Bool, Box, Patch, bounding_box, grow_box, union_box

FRAMES = 80
"""Most frames one fit sees (the paper's quality falls with length: 48.8, 45.3, 41.2 dB at 5, 20, 80 frames)."""

LONGEST = 320
"""The crop around the mask is worked on at no more than this on its longer side, in pixels (the paper: 600)."""

CROP = 128
BATCH = 4


@dataclass(frozen=True)
class Field:
    """The part of the frame that is fitted, and the size it is worked on at."""

    box: Box
    size: tuple[int, int]

    def take(self, image: np.ndarray) -> np.ndarray:
        """The field of a frame or a mask, at working size: frames averaged, masks wherever any pixel is set."""
        y0, x0, y1, x1 = self.box
        part = image[y0:y1, x0:x1]
        if part.shape[:2] == self.size:
            return part
        if part.dtype == np.bool_:
            return cv2.resize(part.astype(np.float32), self.size[::-1], interpolation=cv2.INTER_AREA) > 0
        return cv2.resize(part, self.size[::-1], interpolation=cv2.INTER_AREA)


def field_of(shot: Shot) -> Field | None:
    """The union of all holes with half its size around it, or None where the shot has no hole."""
    around = union_box(bounding_box(shot.hole(t)) for w in shot.windows() for t in range(w.start, w.stop))
    if around is None:
        return None
    by = max(48, max(around[2] - around[0], around[3] - around[1]) // 2)
    box = grow_box(around, by, shot.size)
    h, w = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, LONGEST / max(h, w))
    return Field(box, (max(1, round(h * scale)), max(1, round(w * scale))))


def fit_memory(shot: Shot, compute: Compute, steps: int, width: int, seed: int, progress: Progress) -> MemorySession:
    """Fit the coarse-to-fine network to (at most ``FRAMES``, evenly spread) frames of a shot.

    Args:
        shot: motion is never asked.
        compute: where.
        steps: of Adam at 2e-4, as in the paper; the paper takes 60,000.
        width: of the network.
        seed: of the crops and masks.
        progress: told about the fit.
    """
    net = CoarseToFineNetwork(width)
    compute.place(net)
    field = field_of(shot)
    if field is None:
        return MemorySession(shot, net.eval(), None, compute, History())
    times = [t for w in shot.windows() for t in range(w.start, w.stop)]
    times = sorted({times[i] for i in np.linspace(0, len(times) - 1, min(FRAMES, len(times))).round().astype(int)})
    frames = np.stack([_eight_bit(field.take(shot.frame(t))) for t in times])
    holes = np.stack([field.take(shot.hole(t)) for t in times])
    rng = np.random.default_rng(seed)
    x, _, _ = _batch(frames, holes, rng, compute)
    unit_variance(net, x)

    def step_loss(net: nn.Module, step: int) -> torch.Tensor:
        x, frame, hole = _batch(frames, holes, rng, compute)
        fine, coarse = net(x)
        return reconstruction(fine.float(), frame, hole) + reconstruction(coarse.float(), frame, hole)

    budget = Budget(steps, 2e-4, check_every=min(100, max(1, steps // 10)))
    history = fit(net, step_loss, budget, compute, progress=lambda done, total: progress("fit", done, total))
    return MemorySession(shot, net, field, compute, history)


def _batch(
    frames: np.ndarray, holes: Bool, rng: np.random.Generator, compute: Compute
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Network input, frame in [-1, 1] and real hole of random crops (Eq. 1)."""
    n, h, w = holes.shape
    x = np.zeros((BATCH, 4, min(h, CROP), min(w, CROP)), np.float32)
    truth = np.zeros((BATCH, 3, *x.shape[2:]), np.float32)
    real = np.zeros((BATCH, 1, *x.shape[2:]), np.float32)
    for k in range(BATCH):
        i, t = int(rng.integers(n)), int(rng.integers(n))
        extra = translated(holes[t], bounding_box(holes[i]), rng)
        ys, xs = np.nonzero(extra)
        at = int(rng.integers(ys.size)) if ys.size else 0
        cy, cx = (int(ys[at]), int(xs[at])) if ys.size else (h // 2, w // 2)
        y, z = max(0, min(cy - CROP // 2, h - CROP)), max(0, min(cx - CROP // 2, w - CROP))
        part = np.s_[y : y + CROP, z : z + CROP]
        hidden = (holes[i] | extra)[part]
        truth[k] = frames[i][part].transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
        real[k, 0] = holes[i][part]
        x[k, :3] = np.where(hidden, 0, truth[k])
        x[k, 3] = hidden
    device = compute.device
    return compute.put(torch.from_numpy(x)), torch.from_numpy(truth).to(device), torch.from_numpy(real).to(device)


class MemorySession:
    """The fitted network alone fills the hole, each frame by itself."""

    def __init__(self, shot: Shot, net: nn.Module, field: Field | None, compute: Compute, history: History) -> None:
        self.shot, self.net, self.field, self.compute, self.history = shot, net, field, compute, history

    def fill(self, window: Window) -> dict[int, Patch]:
        """Patches of the window's frames that have a hole."""
        patches: dict[int, Patch] = {}
        if self.field is None:
            return patches
        with self.compute.running(0), torch.inference_mode():
            for t in range(window.start, window.stop):
                hole = self.shot.hole(t)
                if hole.any():
                    patches[t] = self._patch(t, hole, self.field)
        return patches

    def _patch(self, t: int, hole: Bool, field: Field) -> Patch:
        frame = self.shot.frame(t)
        hidden = field.take(hole)
        known = field.take(frame).astype(np.float32) / np.float32(np.iinfo(frame.dtype).max / 2) - 1
        x = np.concatenate([np.where(hidden[..., None], 0, known), hidden[..., None]], -1).astype(np.float32)
        with self.compute.autocast():
            fine, _ = self.net(self.compute.put(torch.from_numpy(x.transpose(2, 0, 1).copy())[None]))
        rgb = (fine[0].float().cpu().numpy().transpose(1, 2, 0) + 1) / 2
        y0, x0, y1, x1 = field.box
        rgb = cv2.resize(rgb, (x1 - x0, y1 - y0), interpolation=cv2.INTER_CUBIC).reshape(y1 - y0, x1 - x0, 3)
        box = bounding_box(hole)
        if box is None:
            raise ValueError(f"frame {t} has no hole")
        out = frame[box[0] : box[2], box[1] : box[3]].copy()
        inside = hole[box[0] : box[2], box[1] : box[3]]
        part = rgb[box[0] - y0 : box[2] - y0, box[1] - x0 : box[3] - x0]
        top = np.iinfo(frame.dtype).max
        out[inside] = np.clip(np.rint(part[inside] * top), 0, top).astype(frame.dtype)
        return Patch(box, out)


def _eight_bit(frame: np.ndarray) -> np.ndarray:
    return (frame >> 8).astype(np.uint8) if frame.dtype == np.uint16 else frame
