"""The end of the network only where its output is wanted: last block, composition and decoder on parts of frames.

Exact: what is computed is what the whole network would give there. Earlier blocks work on all tokens, because later
ones attend to all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from vrm.nets.fuseformer.fusion import Fusion
from vrm.nets.fuseformer.tokens import Grid, crop_tokens, fold_part
from vrm.nets.savit.model import Savit, SavitBlock
from vrm.nets.savit.semantic import CELL
from vrm.types import Box, grow_box

_REACH = 3
"""Cells around a pixel's own that the decoder reads: two rows of pixels for its last convolutions, two of half cells
for the first, and what lies between two of a map where it doubles one, half a place further at most."""


def last_block(
    block: nn.Module, tokens: Tensor, grid: Grid, histogram: Tensor | None, wanted: Sequence[tuple[int, Box]]
) -> list[Tensor]:
    """The last block for some tokens only: for each wanted box its tokens ``(1, n, width)``.

    Args:
        tokens: ``(1, T * tokens, width)``, of all frames.
        histogram: ``(1, T * tokens, C)`` if the block is semantic-aware.
        wanted: frame and box of token rows and columns.
    """
    assert isinstance(block, SavitBlock)
    frames = tokens.reshape(-1, grid.tokens, tokens.shape[-1])
    shares = None if histogram is None else histogram.reshape(len(frames), grid.tokens, -1)
    # Fusion mixes overlapping tokens, so neighbours are needed before it.
    near = [grid.cover(grid.cells(box)) for _, box in wanted]
    places = [(t, around) for (t, _), around in zip(wanted, near, strict=True)]
    attended = block.attention.at(block.normed(tokens), grid, places)
    made = []
    for (t, box), around, change in zip(wanted, near, attended, strict=True):
        x = crop_tokens(frames[t : t + 1], grid, around) + change
        share = None if shares is None else crop_tokens(shares[t : t + 1], grid, around)
        made.append(block.fed(x, Fusion(grid, block.activation, around, box), share)[0])
    return made


def cells_for(pixels: Box, grid: Grid) -> Box:
    """The cells that the decoder needs to make a box of pixels."""
    cells = pixels[0] // CELL, pixels[1] // CELL, -(-pixels[2] // CELL), -(-pixels[3] // CELL)
    return grow_box(cells, _REACH, (grid.height, grid.width))


def render(net: Savit, tokens: Tensor, features: Tensor, grid: Grid, box: Box, cells: Box, pixels: Box) -> Tensor:
    """Composition and decoder for a box of pixels, ``(1, 3, H, W)`` in [-1, 1].

    Args:
        tokens: ``(1, n, width)``, those of ``box``.
        features: the encoder's ``(1, C, h, w)`` of the whole frame.
        grid: of the whole frame.
        box: of token rows and columns, at least ``grid.cover(cells)``.
        cells: at least ``cells_for(pixels, grid)``.
    """
    at = (..., slice(cells[0], cells[2]), slice(cells[1], cells[3]))
    part = features[at] + fold_part(net.composition.linear(tokens), box, cells) + net.composition.bias_for(grid)[at]
    size = grid.height, grid.width
    half = _doubled(cells, size)
    full = _doubled(half, (2 * size[0], 2 * size[1]))
    made = net.decoder.run(
        part,
        (
            partial(_double_part, at=cells, to=half, size=size),
            partial(_double_part, at=half, to=full, size=(2 * size[0], 2 * size[1])),
        ),
    )
    y, x = full[:2]
    return torch.tanh(made[..., pixels[0] - y : pixels[2] - y, pixels[1] - x : pixels[3] - x])


def _doubled(box: Box, size: tuple[int, int]) -> Box:
    """The part of a doubled map that a part of the map gives, corners aligned to corners."""
    (y0, y1), (x0, x1) = (_span(box[k], box[k + 2], size[k]) for k in (0, 1))
    return y0, x0, y1, x1


def _span(start: int, stop: int, length: int) -> tuple[int, int]:
    """Places o of the doubled axis whose source ``o (n - 1) / (2 n - 1)`` lies in ``start..stop-1``."""
    if length == 1:
        return 0, 2
    first = -(-start * (2 * length - 1) // (length - 1))
    last = (stop - 1) * (2 * length - 1) // (length - 1)
    return first, last + 1


def _double_part(x: Tensor, at: Box, to: Box, size: tuple[int, int]) -> Tensor:
    """Bilinear doubling with aligned corners of a part of a map."""
    for axis in (0, 1):
        length = size[axis]
        ratio = (length - 1) / (2 * length - 1)
        source = torch.arange(to[axis], to[axis + 2], device=x.device, dtype=torch.float64) * ratio - at[axis]
        low = source.floor().clamp(0, x.shape[2 + axis] - 1)
        share = (source - low).to(x.dtype)
        high = (low + 1).clamp(max=x.shape[2 + axis] - 1).long()
        share = share[:, None] if axis == 0 else share
        a, b = (x.index_select(2 + axis, index) for index in (low.long(), high))
        x = torch.lerp(a, b, share.expand_as(a).contiguous()) if x.dtype == torch.float32 else a + (b - a) * share
    return x
