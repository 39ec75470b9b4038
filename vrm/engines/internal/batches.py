"""Batches and the loss of the internal fit (Ouyang et al. 2021): Eq. 1 and Eq. 7.

Coarse batches hide a translated mask of the whole region. Fine ones (Section 4.1, Appendix A.4) are patches of the
full-size region with the enlarged coarser result as a further input; they hide a piece of a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vrm.engines.internal.augment import Augmentation
from vrm.engines.internal.training_masks import near_place, shift, translated
from vrm.nets.internal.features import counted
from vrm.nets.internal.losses import ambiguity, reconstruction, stabilisation
from vrm.system.device import Compute
from vrm.types import U8, Bool, bounding_box

PATCH = 128
"""Side of a training patch in pixels (the paper: 960x540 on a GPU)."""

BATCH = 4

AMBIGUITY_WEIGHT, STABILISATION_WEIGHT = 0.1, 0.2
"""Lambda_a and lambda_s of Eq. 7."""

LEAST_PIECE = 1000 / (960 * 540)
"""Pieces of a mask that cover less of their cell are left out of the grid mask set (Appendix A.4)."""


@dataclass(frozen=True)
class TrainingRegion:
    """The region of a shot that a network is fitted to, at one size."""

    frames: U8  # (T, h, w, 3)
    holes: Bool  # (T, h, w)
    coarser: U8 | None = None  # (T, h, w, 3), the enlarged result of the coarser network; None for the coarsest

    def grid_masks(self) -> list[Bool]:
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
    """Patches of a region. All ``(B, ., h, w)``; colours in [-1, 1]."""

    frame: Tensor  # X_i, with the object itself in the hole
    hole: Tensor  # M_i, 0 or 1
    hidden: Tensor  # M_i or M'_t, 0 or 1
    coarser: Tensor | None  # the enlarged result of the coarser network
    target: Tensor  # X_t of another frame, at the same place
    target_hole: Tensor  # M_t

    @property
    def x(self) -> Tensor:
        return network_input(self.frame, self.hidden, self.coarser)


def network_input(frame: Tensor, hidden: Tensor, coarser: Tensor | None) -> Tensor:
    """The frame with 0 where it is hidden, the mask of that, and the coarser result if there is one.

    ``(B, 3, h, w)``, ``(B, 1, h, w)`` and ``(B, 3, h, w)`` to ``(B, 4 or 7, h, w)``.
    """
    parts = [frame * (1 - hidden), hidden] + ([] if coarser is None else [coarser])
    return torch.cat(parts, 1)


_Patch = tuple[int, int, tuple[slice, slice], Bool]
"""Frames i and t, where the patch lies, and M'_t in it."""


def draw_batch(region: TrainingRegion, pieces: Sequence[Bool], rng: np.random.Generator, compute: Compute) -> FitBatch:
    """A random batch; ``pieces``: the grid mask set for fine batches, empty for coarse ones, which hide whole masks."""
    count, h, w = region.holes.shape
    drawn: list[_Patch] = []
    for _ in range(BATCH):
        i, t = int(rng.integers(count)), int(rng.integers(count))
        box = bounding_box(region.holes[i])
        if pieces:
            cy, cx = near_place((h, w), box, rng)
            part = _patch(cy, cx, h, w)
            moved = _scattered(pieces[int(rng.integers(len(pieces)))], region.holes[i][part].shape, rng)
        else:
            mask = translated(region.holes[t], box, rng)
            ys, xs = np.nonzero(mask)
            at = int(rng.integers(ys.size)) if ys.size else 0
            part = _patch(int(ys[at]) if ys.size else h // 2, int(xs[at]) if ys.size else w // 2, h, w)
            moved = mask[part]
        drawn.append((i, t, part, moved))
    return _stacked(region, drawn, compute)


def _patch(cy: int, cx: int, h: int, w: int) -> tuple[slice, slice]:
    """The patch around a place, inside the region."""
    y, x = max(0, min(cy - PATCH // 2, h - PATCH)), max(0, min(cx - PATCH // 2, w - PATCH))
    return slice(y, y + PATCH), slice(x, x + PATCH)


def _scattered(piece: Bool, shape: tuple[int, ...], rng: np.random.Generator) -> Bool:
    """A piece of a mask somewhere in a patch; at least a part of it lies inside."""
    out = np.zeros(shape, np.bool_)
    h, w = min(piece.shape[0], shape[0]), min(piece.shape[1], shape[1])
    out[:h, :w] = piece[:h, :w]
    return shift(out, int(rng.integers(-h // 2, shape[0] - h // 2)), int(rng.integers(-w // 2, shape[1] - w // 2)))


def _stacked(region: TrainingRegion, drawn: Sequence[_Patch], compute: Compute) -> FitBatch:
    def colours(images: list[U8]) -> Tensor:
        stack = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1  # (B, 3, h, w)
        return torch.from_numpy(stack).to(compute.device)

    def flags(masks: list[Bool]) -> Tensor:
        return torch.from_numpy(np.stack(masks)[:, None].astype(np.float32)).to(compute.device)  # (B, 1, h, w)

    coarser = region.coarser
    return FitBatch(
        frame=colours([region.frames[i][part] for i, _, part, _ in drawn]),
        hole=flags([region.holes[i][part] for i, _, part, _ in drawn]),
        hidden=flags([region.holes[i][part] | moved for i, _, part, moved in drawn]),
        coarser=None if coarser is None else colours([coarser[i][part] for i, _, part, _ in drawn]),
        target=colours([region.frames[t][part] for _, t, part, _ in drawn]),
        target_hole=flags([region.holes[t][part] for _, t, part, _ in drawn]),
    )


def total_loss(
    net: nn.Module, batch: FitBatch, compute: Compute, features: nn.Module | None, rng: np.random.Generator
) -> Tensor:
    """Eq. 7 on a batch; with ``features=None`` (the first stage) the reconstruction loss alone.

    ``net`` gives (fine, coarse); both are supervised with Eq. 2, the fine one by all terms. ``features`` are those of
    the ambiguity loss, see ``vrm.nets.internal.features``; ``rng`` draws the change of Eq. 4.
    """
    fine, coarse = net(compute.put(batch.x))
    loss = reconstruction(fine.float(), batch.frame, batch.hole)
    loss = loss + reconstruction(coarse.float(), batch.frame, batch.hole)
    if features is None:
        return loss
    g = Augmentation.draw(rng)
    changed, hole = g.of_image(batch.frame), g.of_mask(batch.hole)
    coarser = None if batch.coarser is None else g.of_image(batch.coarser)
    again, _ = net(compute.put(network_input(changed, g.of_mask(batch.hidden), coarser)))
    unknown = (torch.maximum(batch.hole, hole) > 0) | g.uncovered(batch.frame)
    stable = stabilisation(again, fine, changed, batch.frame, unknown)
    known = counted(batch.target_hole == 0)
    ours, theirs = features((fine.float() + 1) / 2), features((batch.target + 1) / 2)
    known = known[..., : ours.shape[-2], : ours.shape[-1]]
    ambiguous = ambiguity(ours, theirs, known, known)
    return loss + AMBIGUITY_WEIGHT * ambiguous + STABILISATION_WEIGHT * stable
