"""The published inference of FuseFormer and SAVIT, written out plainly: what the engine is measured against.

Every run encodes all its frames, attends with explicit score matrices, folds and unfolds overlapping tokens whole,
decodes all frames whole, and blends in order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterator
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from vrm.nets.fuseformer import blocks as fuseformer
from vrm.nets.fuseformer.tokens import Grid, fold, overlaps, unfold
from vrm.nets.savit.model import Savit, SavitBlock
from vrm.nets.savit.semantic import SemanticFeedForward


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.matmul(q, k.transpose(-2, -1)) / q.shape[-1] ** 0.5
    return torch.matmul(scores.softmax(-1), v)


def block(self: SavitBlock, tokens: Tensor, grid: Grid, histogram: Tensor | None) -> tuple[Tensor, Tensor | None]:
    def between(x: Tensor) -> Tensor:
        frames = x.reshape(-1, grid.tokens, x.shape[-1])
        return self.activation(unfold(fold(frames, grid) / overlaps(grid))).reshape(x.shape)

    tokens = tokens + self.attention(self.norm1(tokens), grid)
    inner, layer = self.norm2(tokens), self.feed_forward
    if isinstance(layer, SemanticFeedForward):
        change, routing = layer(inner, histogram, between)
        return tokens + change, routing
    return tokens + layer.contract(between(layer.expand(inner))), None


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Networks of ours work as the published code does."""
    with (
        mock.patch.object(fuseformer.F, "scaled_dot_product_attention", attention),
        mock.patch.object(SavitBlock, "forward", block),
    ):
        yield


def windows(length: int) -> Iterator[tuple[int, list[int], list[int]]]:
    """Each run's centre, neighbours and references: every fifth frame, five around it, every tenth of the others."""
    for f in range(0, length, 5):
        near = [t for t in range(f - 5, f + 6) if 0 <= t < length]
        yield f, near, [t for t in range(0, length, 10) if t not in near]


def decided(length: int, centres: Container[int]) -> list[int]:
    """The frames all of whose runs stand around these centres."""
    short = {t for f, near, _ in windows(length) if f not in centres for t in near}
    return [t for t in range(length) if t not in short]


def inpaint(
    net: Savit,
    frames: np.ndarray,
    holes: np.ndarray,
    labels: np.ndarray | None = None,
    centres: Container[int] | None = None,
    ran: Callable[[int], None] = lambda seen: None,
) -> np.ndarray:
    """Fill a clip.

    Args:
        net: in eval mode.
        frames: float32 ``(T, H, W, 3)`` in [0, 1].
        holes: bool ``(T, H, W)``.
        labels: uint8 ``(T, H, W)``, or None.
        centres: the runs that are made; None = all. Only frames that these decide are of use then.
        ran: told after each run how many frames it saw.

    Returns:
        Float32 ``(T, H, W, 3)``; known pixels as they were.
    """
    masked = torch.from_numpy(frames).permute(0, 3, 1, 2) * 2 - 1
    masked = masked * ~torch.from_numpy(holes)[:, None]
    made: list[np.ndarray | None] = [None] * len(frames)
    with torch.inference_mode(), plainly():
        for centre, near, far in windows(len(frames)):
            if centres is not None and centre not in centres:
                continue
            seen = near + far
            maps = None if labels is None else torch.from_numpy(labels[seen])[None]
            out = net(masked[seen][None], maps, len(near))
            images = ((out.frames[0, : len(near)] + 1) / 2).permute(0, 2, 3, 1).numpy()
            for t, image in zip(near, images, strict=True):
                before = made[t]
                made[t] = image if before is None else 0.5 * before + 0.5 * image
            ran(len(seen))
    return np.stack(
        [np.where(h[..., None], f if m is None else m, f) for m, h, f in zip(made, holes, frames, strict=True)]
    )
