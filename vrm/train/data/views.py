"""Synthetic key frames: one picture seen several times, each time from elsewhere and with another hole.

Esser et al. 2022, Section 4: random transformations, deformations and masks. Changes of light and colour are shared by
all views of a picture; perspective, scale, rotation, shear, distortion and the crop are each view's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torchvision.transforms import v2  # type: ignore[import-untyped]

from vrm.motion.flow.context import context_flow, square, square_hole
from vrm.motion.flow.estimators import DisFlow
from vrm.train.data.masks import strokes_or_boxes
from vrm.types import U8, Bool


@dataclass(frozen=True)
class Example:
    """What the generator learns from; arrays are float32."""

    truth: np.ndarray  # (3, H, W) in [0, 1]: the target, whole
    target: np.ndarray  # (4, H, W): the target without its hole, and the hole
    keys: np.ndarray  # (T, 4, H, W)
    flow: np.ndarray  # (T, 2, H, W), from the target to each
    error: np.ndarray  # (T, 1, H, W)


def picture_side(side: int) -> int:
    """The shorter side that pictures are brought to before views of ``side`` pixels are cut from them."""
    return round(1.78 * side)


class Views:
    """Makes ``count`` views of pictures, the target among them, square, of ``side`` pixels."""

    def __init__(self, side: int, count: int) -> None:
        self.side, self.count = side, count
        self.shared = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.RandomAutocontrast(1.0)], 0.2),
                v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03),
            ]
        )
        self.own = v2.Compose(
            [
                v2.RandomPerspective(0.12, 0.5),
                v2.RandomApply([v2.RandomAffine(0, scale=(0.7, 1.3))], 0.5),
                v2.RandomApply([v2.RandomAffine(40)], 0.5),
                v2.RandomApply([v2.RandomAffine(0, shear=(-5.7, 5.7, -5.7, 5.7))], 0.5),
                v2.RandomApply([v2.ElasticTransform(alpha=30.0, sigma=12.0)], 0.3),
                v2.RandomCrop(side),
                v2.ColorJitter(brightness=0.02, contrast=0.02),
            ]
        )

    def of(self, picture: U8) -> list[U8]:
        """``count`` views uint8 ``(side, side, 3)`` of a picture ``(H, W, 3)``, drawn with torch's generator."""
        wide = picture_side(self.side)
        h, w = picture.shape[:2]
        scale = wide / min(h, w)
        resized = cv2.resize(picture, (max(wide, round(w * scale)), max(wide, round(h * scale))))
        cut = v2.RandomCrop(wide)(torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1))))
        base = self.shared(cut)
        # Transforms leave black corners; a crop from the middle of a mirrored surrounding has none.
        border = torch.nn.functional.pad(base[None].float(), [wide // 4] * 4, mode="reflect")[0].to(torch.uint8)
        return [np.ascontiguousarray(self._view(border).permute(1, 2, 0).numpy()) for _ in range(self.count)]

    def _view(self, border: torch.Tensor) -> torch.Tensor:
        *transforms, crop, colour = self.own.transforms
        for transform in transforms:
            border = transform(border)
        middle = v2.CenterCrop(round(1.25 * self.side))(border)
        out: torch.Tensor = colour(crop(middle))
        return out


def example(views: Sequence[U8], rng: np.random.Generator) -> Example:
    """The first view as the target, the others as key frames, each with a hole of its own.

    Flow is estimated on whole frames, as in the paper, and interpolated in the holes.
    """
    side = views[0].shape[0]
    holes = [strokes_or_boxes(side, rng) for _ in views]
    squares = [square(view) for view in views]
    estimator = DisFlow()
    flows = [context_flow(estimator, squares[0], there, square_hole(holes[0]), (side, side)) for there in squares[1:]]
    inputs = [_input(view, hole) for view, hole in zip(views, holes, strict=True)]
    return Example(
        views[0].transpose(2, 0, 1).astype(np.float32) / 255,
        inputs[0],
        np.stack(inputs[1:]),
        np.stack([flow for flow, _ in flows]),
        np.stack([error for _, error in flows]),
    )


def _input(view: U8, hole: Bool) -> np.ndarray:
    mask = hole.astype(np.float32)
    rgb = view.astype(np.float32) / 255 * (1 - mask[..., None])
    return np.concatenate([rgb, mask[..., None]], -1).transpose(2, 0, 1)
