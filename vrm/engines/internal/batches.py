"""Teaching the paper's network one video (Ouyang et al. 2021): batches of Eq. 1, the total loss of Eq. 7.

Coarse lessons hide a translated mask of the whole field. Fine ones (Section 4.1, Appendix A.4) are patches of the
full-size field with the coarser result as a further input; they hide a piece of a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vrm.engines.internal.augment import Change
from vrm.engines.internal.training_masks import near_place, shift, translated
from vrm.nets.internal.features import counted
from vrm.nets.internal.losses import ambiguity, reconstruction, stabilisation
from vrm.system.device import Compute
from vrm.types import U8, Bool, bounding_box

PATCH = 128
"""Side of a lesson in pixels (the paper: 960x540 on a GPU)."""

BATCH = 4

AMBIGUITY_WEIGHT, STABILISATION_WEIGHT = 0.1, 0.2
"""Lambda_a and lambda_s of Eq. 7."""

LEAST_PIECE = 1000 / (960 * 540)
"""Pieces of a mask that cover less of their cell are left out of the grid mask set (Appendix A.4)."""


@dataclass(frozen=True)
class TrainingRegion:
    """Frames of the part of a shot that is memorised, at one size.

    Attributes:
        frames: uint8 ``(T, h, w, 3)``.
        holes: bool ``(T, h, w)``.
        prior: uint8 ``(T, h, w, 3)``, the enlarged result of the coarser network; None for the coarsest.
    """

    frames: U8
    holes: Bool
    prior: U8 | None = None

    def pieces(self) -> list[Bool]:
        """The grid mask set: cells of ``PATCH`` pixels of all masks, without those that hold next to nothing."""
        found = []
        for hole in self.holes:
            for y in range(0, hole.shape[0], PATCH):
                for x in range(0, hole.shape[1], PATCH):
                    cell = hole[y : y + PATCH, x : x + PATCH]
                    if LEAST_PIECE <= cell.mean() < 1:
                        found.append(cell)
        return found


@dataclass(frozen=True)
class FitBatch:
    """Crops of a field. All ``(B, ., h, w)``; colours in [-1, 1].

    Attributes:
        frame: X_i, with the object itself in the hole.
        hole: M_i, 0 or 1.
        hidden: M_i or M'_t, 0 or 1.
        prior: the coarser result, or None.
        target, target_hole: X_t and M_t of another frame, at the same place.
    """

    frame: Tensor
    hole: Tensor
    hidden: Tensor
    prior: Tensor | None
    target: Tensor
    target_hole: Tensor

    @property
    def x(self) -> Tensor:
        """The network's input, see ``describe``."""
        return describe(self.frame, self.hidden, self.prior)


def describe(frame: Tensor, hidden: Tensor, prior: Tensor | None) -> Tensor:
    """The network's input: the frame with what is hidden at 0, the mask, and the prior if there is one."""
    parts = [frame * (1 - hidden), hidden] + ([] if prior is None else [prior])
    return torch.cat(parts, 1)


def draw(field: TrainingRegion, pieces: Sequence[Bool], rng: np.random.Generator, compute: Compute) -> FitBatch:
    """A random batch.

    Args:
        field: what is memorised.
        pieces: the grid mask set for fine lessons; empty for coarse ones, which hide whole masks.
        rng: the source of chance.
        compute: where the batch goes.
    """
    count, h, w = field.holes.shape
    shown = []
    for _ in range(BATCH):
        i, t = int(rng.integers(count)), int(rng.integers(count))
        box = bounding_box(field.holes[i])
        if pieces:
            cy, cx = near_place((h, w), box, rng)
            part = _patch(cy, cx, h, w)
            extra = _scattered(pieces[int(rng.integers(len(pieces)))], field.holes[i][part].shape, rng)
        else:
            whole = translated(field.holes[t], box, rng)
            ys, xs = np.nonzero(whole)
            at = int(rng.integers(ys.size)) if ys.size else 0
            part = _patch(int(ys[at]) if ys.size else h // 2, int(xs[at]) if ys.size else w // 2, h, w)
            extra = whole[part]
        shown.append((field, i, t, part, extra))
    return _stacked(shown, compute)


def _patch(cy: int, cx: int, h: int, w: int) -> tuple[slice, slice]:
    """The patch around a place, inside the field."""
    y, x = max(0, min(cy - PATCH // 2, h - PATCH)), max(0, min(cx - PATCH // 2, w - PATCH))
    return slice(y, y + PATCH), slice(x, x + PATCH)


def _scattered(piece: Bool, shape: tuple[int, ...], rng: np.random.Generator) -> Bool:
    """A piece of a mask somewhere in a patch; at least a part of it lies inside."""
    out = np.zeros(shape, np.bool_)
    h, w = min(piece.shape[0], shape[0]), min(piece.shape[1], shape[1])
    out[:h, :w] = piece[:h, :w]
    return shift(out, int(rng.integers(-h // 2, shape[0] - h // 2)), int(rng.integers(-w // 2, shape[1] - w // 2)))


_Shown = tuple[TrainingRegion, int, int, tuple[slice, slice], Bool]


def _stacked(shown: Sequence[_Shown], compute: Compute) -> FitBatch:
    def colours(images: list[U8]) -> Tensor:
        stack = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        return torch.from_numpy(stack).to(compute.device)

    def flags(masks: list[Bool]) -> Tensor:
        return torch.from_numpy(np.stack(masks)[:, None].astype(np.float32)).to(compute.device)

    return FitBatch(
        frame=colours([f.frames[i][part] for f, i, _, part, _ in shown]),
        hole=flags([f.holes[i][part] for f, i, _, part, _ in shown]),
        hidden=flags([f.holes[i][part] | extra for f, i, _, part, extra in shown]),
        prior=None
        if shown[0][0].prior is None
        else colours([f.prior[i][part] for f, i, _, part, _ in shown if f.prior is not None]),
        target=colours([f.frames[t][part] for f, _, t, part, _ in shown]),
        target_hole=flags([f.holes[t][part] for f, _, t, part, _ in shown]),
    )


def memory_loss(
    net: nn.Module, batch: FitBatch, compute: Compute, features: nn.Module | None, rng: np.random.Generator
) -> Tensor:
    """Eq. 7 on a batch; with ``features=None`` (the first stage) the reconstruction loss alone.

    Args:
        net: gives (fine, coarse); both are supervised with Eq. 2, the fine one by all terms.
        batch: what to learn.
        compute: where.
        features: of the ambiguity loss; see ``vrm.nets.internal.features``.
        rng: draws the change of Eq. 4.
    """
    fine, coarse = net(compute.put(batch.x))
    loss = reconstruction(fine.float(), batch.frame, batch.hole)
    loss = loss + reconstruction(coarse.float(), batch.frame, batch.hole)
    if features is None:
        return loss
    g = Change.draw(rng)
    changed, hole = g.of_image(batch.frame), g.of_mask(batch.hole)
    prior = None if batch.prior is None else g.of_image(batch.prior)
    again, _ = net(compute.put(describe(changed, g.of_mask(batch.hidden), prior)))
    unknown = (torch.maximum(batch.hole, hole) > 0) | g.uncovered(batch.frame)
    stable = stabilisation(again, fine, changed, batch.frame, unknown)
    known = counted(batch.target_hole == 0)
    ours, theirs = features((fine.float() + 1) / 2), features((batch.target + 1) / 2)
    known = known[..., : ours.shape[-2], : ours.shape[-1]]
    unclear = ambiguity(ours, theirs, known, known)
    return loss + AMBIGUITY_WEIGHT * unclear + STABILISATION_WEIGHT * stable
