"""Image features of the ambiguity loss (Ouyang et al. 2021, Eq. 8)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vrm.errors import WeightsError

_VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256)
"""Channels of VGG-19's convolutions up to relu3_4; 0 = the image is halved."""

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VggFeatures(nn.Module):
    """VGG-19 (Simonyan and Zisserman 2015) up to relu3_4, as the paper takes it.

    ``path`` holds torchvision's ``vgg19`` weights as safetensors, named ``features.N.weight`` and ``.bias``. Raises
    WeightsError: the file is missing or holds something else.
    """

    name = "VGG-19 relu3_4"
    mean: Tensor
    deviation: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.features = nn.Sequential(*_vgg_layers())
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)
        self._load(path)
        self.requires_grad_(False)

    def _load(self, path: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"VGG-19 weights cannot be read from {path}: {error}.") from error
        wanted = self.state_dict()
        missing = [n for n, v in wanted.items() if n not in tensors or tensors[n].shape != v.shape]
        if missing:
            raise WeightsError(
                f"{path} does not hold torchvision's vgg19: {missing[0]} is missing or of another shape.",
                "Save its state_dict with safetensors.torch.save_file.",
            )
        self.load_state_dict({n: tensors[n].float() for n in wanted})

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to ``(B, 256, H / 4, W / 4)``."""
        out: Tensor = self.features((image - self.mean) / self.deviation)
        return out


def _vgg_layers() -> Iterator[nn.Module]:
    before = 3
    for channels in _VGG:
        if channels == 0:
            yield nn.MaxPool2d(2)
            continue
        yield nn.Conv2d(before, channels, 3, padding=1)
        yield nn.ReLU(inplace=True)
        before = channels


_GABOR = (
    (3.0, (0.299, 0.587, 0.114), 6),
    (5.0, (0.299, 0.587, 0.114), 6),
    (5.0, (0.294, 0.294, -0.588), 4),
    (5.0, (0.588, -0.588, 0.0), 4),
)
"""Wavelength in pixels, weights of red, green and blue, and number of orientations."""


class GaborFeatures(nn.Module):
    """Edges and lines by orientation (Gabor 1946), at full, half and quarter size, joined at a quarter.

    They need no download. What matters is that a blurred picture lies farther from another frame than a sharp one does:
    with these filters it does in all of 22 crops of real clips, with random filters in a fifth of 33. Coarse detail is
    stronger than fine in pictures, whose spectra fall with the frequency, so each level counts half of the one before.
    """

    name = "fixed Gabor filters"
    levels = 3
    reach = 3
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        bank = [
            gabor(wavelength, colour, math.pi * k / count, phase, self.reach)
            for wavelength, colour, count in _GABOR
            for k in range(count)
            for phase in (0.0, math.pi / 2)
        ]
        self.register_buffer("weight", torch.stack(bank), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to ``(B, levels * 80, H / 4, W / 4)``, none below 0."""
        h, w = image.shape[-2] // 4, image.shape[-1] // 4
        found = []
        for k in range(self.levels):
            padded = F.pad(image, (self.reach,) * 4, mode="replicate")
            response = F.conv2d(padded, self.weight.to(image.dtype)) / 2**k
            both = torch.cat([response.relu(), (-response).relu()], 1)
            found.append(F.adaptive_avg_pool2d(both, (h, w)))
            image = F.avg_pool2d(image, 2)
        return torch.cat(found, 1)


def gabor(wavelength: float, colour: tuple[float, float, float], angle: float, phase: float, reach: int) -> Tensor:
    """A zero-mean wave of unit norm under a bell, times colour weights: ``(3, 2 * reach + 1, 2 * reach + 1)``.

    Args:
        wavelength: in pixels; the bell's deviation is 0.4 of it.
        colour: weights of red, green and blue.
        angle: of the wave's direction, in radians from the x axis.
        phase: of the wave in its middle, in radians.
        reach: pixels each way.
    """
    y, x = torch.meshgrid(*(torch.arange(-reach, reach + 1.0),) * 2, indexing="ij")
    bell = torch.exp(-(x * x + y * y) / (2 * (0.4 * wavelength) ** 2))
    wave = bell * torch.cos(2 * math.pi / wavelength * (x * math.cos(angle) + y * math.sin(angle)) + phase)
    wave = wave - wave.mean()
    weights: Tensor = torch.tensor(colour)[:, None, None] * wave / wave.norm()
    return weights


def counted(where: Tensor) -> Tensor:
    """Feature points whose whole patch of the image counts: ``(B, 1, H, W)`` bool to a quarter of the size."""
    h, w = where.shape[-2] // 4 * 4, where.shape[-1] // 4 * 4
    return F.avg_pool2d(where[..., :h, :w].float(), 4) == 1
