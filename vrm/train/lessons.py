"""Lessons for the fuser: frames with pixels hidden on purpose, and what motion made of them.

The same lessons come from one shot (fitting) or from many clips (the prior that ships).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vrm.nets.losses import inside
from vrm.train.device import Compute
from vrm.train.holes import Copy
from vrm.train.inputs import DIFFERENCE_ROWS, DISTANT, Sample, unpack
from vrm.types import Bool, Box, Pixels, bounding_box, eight_bits, grow_box

MARGIN = 32
"""Known pixels around a hole that the fuser sees."""


@dataclass(frozen=True)
class Lesson:
    """One frame with a hidden hole.

    Attributes:
        box: the part of the frame that is kept.
        frame: uint8 ``(h, w, 3)``: the truth in the box (with the object itself where the real hole is).
        where: bool ``(h, w)``: hidden pixels whose truth is known: under a copy, outside the real hole.
        sample: what motion found with both holes missing, whole frame.
    """

    box: Box
    frame: np.ndarray
    where: Bool
    sample: Sample


def lesson(frame: Pixels, real: Bool, hidden: Bool, sample: Sample) -> Lesson | None:
    """The lesson of one frame, or None where nothing known is hidden.

    Args:
        frame: uint8 or uint16 ``(H, W, 3)``: the truth.
        real: bool ``(H, W)``: the real hole.
        hidden: bool ``(H, W)``: what was hidden on purpose.
        sample: what motion found with real and hidden holes missing.
    """
    hidden = hidden & ~real
    box = bounding_box(hidden)
    if box is None:
        return None
    box = grow_box(box, MARGIN, real.shape)
    y0, x0, y1, x1 = box
    part = eight_bits(frame[y0:y1, x0:x1])
    return Lesson(box, part.copy(), hidden[y0:y1, x0:x1].copy(), sample)


def hide(masks: Bool, copies: Iterable[Copy]) -> Bool:
    """All copies of one frame's mask, united."""
    out = np.zeros_like(masks)
    for copy in copies:
        out |= copy.of(masks)
    return out


@dataclass(frozen=True)
class Batch:
    """Crops of lessons, stacked: the fuser's three inputs, the truth and where it is judged."""

    x: torch.Tensor
    colours: torch.Tensor
    valid: torch.Tensor
    truth: torch.Tensor
    where: torch.Tensor


def draw(
    lessons: Sequence[Lesson], count: int, side: int, rng: np.random.Generator, compute: Compute, vary: bool = False
) -> Batch:
    """A batch of random square crops, each around a hidden pixel, flipped and turned at random.

    Args:
        lessons: at least one.
        count: crops.
        side: their side in pixels.
        rng: the source of chance.
        compute: where the batch goes.
        vary: also change contrast and brightness, and now and then leave candidates out (for training on many
            clips; a single clip is fitted as it is).
    """
    items = []
    for _ in range(count):
        one = lessons[int(rng.integers(len(lessons)))]
        rows, cols = np.nonzero(one.where)
        pick = int(rng.integers(rows.size))
        y = int(rows[pick]) - int(rng.integers(side // 4, side - side // 4))
        x = int(cols[pick]) - int(rng.integers(side // 4, side - side // 4))
        item = _turn(crop(one, y, x, side), int(rng.integers(8)))
        items.append(_vary(item, rng) if vary else item)
    return _stack(items, compute)


def tiles(lessons: Sequence[Lesson], side: int, count: int, compute: Compute) -> list[Batch]:
    """Fixed crops for looking at the held-back loss: ``count`` at most, spread evenly, one batch each."""
    places = [(one, y, x) for one in lessons for y, x in _places(one, side)]
    picked = [places[i] for i in np.unique(np.linspace(0, len(places) - 1, count).astype(int))] if places else []
    return [_stack([crop(one, y, x, side)], compute) for one, y, x in picked]


Item = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def crop(one: Lesson, y: int, x: int, side: int) -> Item:
    """The square of a lesson nearest to (y, x) in its box, edge pixels repeated where the box is smaller."""
    h, w = one.where.shape
    y, x = max(0, min(y, h - side)), max(0, min(x, w - side))
    bottom, right = min(h, y + side), min(w, x + side)
    frame = one.frame[y:bottom, x:right] * np.float32(1 / 255)
    where = one.where[y:bottom, x:right]
    y0, x0 = one.box[:2]
    described, colours, valid = unpack(one.sample, frame, (y0 + y, x0 + x, y0 + bottom, x0 + right))
    truth = torch.from_numpy(frame.transpose(2, 0, 1).copy())
    judged = torch.from_numpy(where.copy())[None]
    pad = (0, side - (right - x), 0, side - (bottom - y))
    if any(pad):
        described, truth = _edge(described, pad), _edge(truth, pad)
        colours = _edge(colours, pad)
        valid = _edge(valid.float(), pad) > 0.5
        judged = torch.nn.functional.pad(judged, pad)
    return described, colours, valid, truth, judged


def _edge(x: torch.Tensor, pad: tuple[int, int, int, int]) -> torch.Tensor:
    flat = x.reshape(1, -1, *x.shape[-2:])
    return torch.nn.functional.pad(flat, pad, mode="replicate").reshape(
        *x.shape[:-2], x.shape[-2] + pad[3], x.shape[-1] + pad[1]
    )


def _turn(item: Item, how: int) -> Item:
    """One of the eight symmetries of the square."""
    out = []
    for x in item:
        if how & 1:
            x = x.flip(-1)
        if how & 2:
            x = x.flip(-2)
        out.append(x.transpose(-1, -2) if how & 4 else x)
    return out[0], out[1], out[2], out[3], out[4]


def _vary(item: Item, rng: np.random.Generator) -> Item:
    """Another contrast and brightness of each channel; one time in four without its distant candidates."""
    x, colours, valid, truth, where = item
    gain = torch.from_numpy(rng.uniform(0.7, 1.0, (3, 1, 1)).astype(np.float32))
    if rng.random() < 0.5:
        gain = gain[:1].expand(3, 1, 1)
    lift = torch.from_numpy(rng.uniform(0, 1, (3, 1, 1)).astype(np.float32)) * (1 - gain)
    x = x.clone()
    x[:3] = (x[:3] + 0.5) * gain + lift - 0.5
    for row in DIFFERENCE_ROWS:
        x[row : row + 3] *= gain
    colours, truth = colours * gain + lift, truth * gain + lift
    if rng.random() < 0.25:
        valid = valid.clone()
        valid[DISTANT] = False
        for k in DISTANT:
            row = DIFFERENCE_ROWS[k - 1]
            x[row : row + 4], x[row + 4 : row + 6] = 0, x[3]
    return x, colours, valid, truth, where


def _stack(items: list[Item], compute: Compute) -> Batch:
    x, colours, valid, truth, where = (torch.stack(parts) for parts in zip(*items, strict=True))
    device = compute.device
    return Batch(compute.put(x), colours.to(device), valid.to(device), truth.to(device), where.to(device))


def _places(one: Lesson, side: int) -> list[tuple[int, int]]:
    h, w = one.where.shape
    return [
        (y, x)
        for y in range(0, max(1, h - side // 2), side)
        for x in range(0, max(1, w - side // 2), side)
        if one.where[y : y + side, x : x + side].any()
    ]


def fuser_loss(net: torch.nn.Module, batch: Batch, gradient: float = 0.5, square: float = 8.0) -> torch.Tensor:
    """The fuser's training loss on a batch (see ``vrm.nets.losses.inside``)."""
    fused, _ = net(batch.x, batch.colours, batch.valid)
    return inside(fused, batch.truth, batch.where, gradient, square)
