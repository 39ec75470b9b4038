"""Features that images are compared by in the ambiguity loss (Ouyang et al. 2021, Eq. 8)."""

from __future__ import annotations

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

    Args:
        path: torchvision's ``vgg19`` weights as safetensors; the names are ``features.N.weight`` and ``.bias``.

    Raises:
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


class RandomFeatures(nn.Module):
    """Three rectified convolutions of fixed random weights, at full, half and quarter size, joined at a quarter.

    Random filters describe texture well enough to synthesise it (Ustyuzhaninov et al. 2016), and need no download.
    The responses are centred by their filters: a filter's weights sum to zero over each colour.
    """

    name = "fixed random filters"

    def __init__(self, seed: int = 0, channels: int = 48) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.levels = 3
        for k in range(self.levels):
            weight = torch.randn(channels, 3, 5, 5, generator=generator)
            weight -= weight.mean((2, 3), keepdim=True)
            self.register_buffer(f"weight{k}", weight / weight.flatten(1).norm(dim=1)[:, None, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to ``(B, levels * channels, H / 4, W / 4)``."""
        h, w = image.shape[-2] // 4, image.shape[-1] // 4
        found = []
        for k in range(self.levels):
            weight: Tensor = getattr(self, f"weight{k}")
            response = F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), weight.to(image.dtype))
            found.append(F.adaptive_avg_pool2d(response.relu(), (h, w)))
            image = F.avg_pool2d(image, 2)
        return torch.cat(found, 1)


def counted(where: Tensor) -> Tensor:
    """Which feature points lie wholly where an image counts: ``(B, 1, H, W)`` bool to a quarter of the size."""
    h, w = where.shape[-2] // 4 * 4, where.shape[-1] // 4 * 4
    return F.avg_pool2d(where[..., :h, :w].float(), 4) == 1
