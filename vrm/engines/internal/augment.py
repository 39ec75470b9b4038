"""Augmentation: the small change ``g`` of Eq. 4 (Ouyang et al. 2021, Appendix A.3), a homography, brightness, blur."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SHIFT = 3.0
ANGLE = 2.0
SCALE = (0.95, 1.05)
SHEAR = 1.0
LIGHT = (0.95, 1.05)
"""The ranges of Appendix A.3: pixels either way, degrees either way, factors, degrees either way, factors."""

KERNELS = (1, 3, 5)
"""Sides of the Gaussian kernel; 1 = none."""


@dataclass(frozen=True)
class Augmentation:
    """One change ``g``."""

    # 2x3, row-major: pixel offsets from the centre in the changed image to those in the image
    matrix: tuple[float, ...]
    light: float = 1.0  # factor of the intensity
    kernel: int = 1  # side of the Gaussian, 1, 3 or 5

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Augmentation:
        """A random change of the paper's ranges."""
        angle, shear = (math.radians(rng.uniform(-1, 1) * most) for most in (ANGLE, SHEAR))
        scale = rng.uniform(*SCALE)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        linear = scale * turn @ np.array([[1, math.tan(shear)], [0, 1]])
        dx, dy = rng.uniform(-SHIFT, SHIFT, 2)
        matrix = np.hstack([linear, [[dx], [dy]]])
        return cls(tuple(matrix.ravel().tolist()), float(rng.uniform(*LIGHT)), int(rng.choice(KERNELS)))

    def of_mask(self, mask: Tensor) -> Tensor:
        """g of a mask ``(B, 1, H, W)`` 0 or 1, without the filters; a pixel is set where any part of it is."""
        return (self._moved(mask.float()) > 1e-3).to(mask.dtype)

    def of_image(self, image: Tensor) -> Tensor:
        """g of an image ``(B, C, H, W)`` in [-1, 1]."""
        moved = self._moved(image)
        lit = (moved + 1) * self.light - 1
        if self.kernel == 1:
            return lit
        line = torch.tensor(_gaussian(self.kernel), dtype=image.dtype, device=image.device)
        weight = (line[:, None] * line).expand(image.shape[1], 1, -1, -1)
        reach = self.kernel // 2
        return F.conv2d(F.pad(lit, (reach,) * 4, mode="replicate"), weight, groups=image.shape[1])

    def uncovered(self, like: Tensor) -> Tensor:
        """Bool ``(B, 1, H, W)``: pixels of the changed image that come from outside the image."""
        ones = torch.ones_like(like[:, :1], dtype=torch.float32)
        return self._moved(ones, padding="zeros") < 1 - 1e-3

    def _moved(self, image: Tensor, padding: str = "border") -> Tensor:
        h, w = image.shape[-2:]
        a, b, dx, c, d, dy = self.matrix
        # affine_grid counts in half widths and heights from the centre.
        theta = torch.tensor([[a, b * h / w, 2 * dx / w], [c * w / h, d, 2 * dy / h]], dtype=torch.float32)
        places = F.affine_grid(theta[None].expand(image.shape[0], -1, -1), list(image.shape), align_corners=False)
        return F.grid_sample(image.float(), places.to(image.device), padding_mode=padding, align_corners=False)


def _gaussian(side: int) -> tuple[float, ...]:
    """Binomial weights: the standard Gaussian kernels of 3 and 5 taps."""
    weights = [math.comb(side - 1, k) for k in range(side)]
    return tuple(w / sum(weights) for w in weights)
