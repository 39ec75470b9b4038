"""SAVIT's discriminators: of temporal patches, and the semantic-aware one (SAD)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from vrm.nets.fuseformer.blocks import PatchEncoder, SoftSplit
from vrm.nets.init import normal_weights
from vrm.nets.savit.semantic import SemanticLinear

_SLOPE = 0.2


class TemporalPatchDiscriminator(nn.Module):
    """T-PatchGAN (Chang et al. 2019) as FuseFormer has it: six 3x5x5 convolutions, five of them spectrally normalised.

    ``base`` is the width of the first layer (32 in the paper).
    """

    def __init__(self, base: int = 32) -> None:
        super().__init__()
        widths = (3, base, 2 * base, 4 * base, 4 * base, 4 * base)
        convs: list[nn.Module] = []
        for k in range(5):
            around = (1, 1, 1) if k == 0 else (1, 2, 2)
            convs.append(nn.Conv3d(widths[k], widths[k + 1], (3, 5, 5), (1, 2, 2), around, bias=False))
        convs.append(nn.Conv3d(4 * base, 4 * base, (3, 5, 5), (1, 2, 2), (1, 2, 2)))
        for conv in convs:
            nn.init.normal_(conv.weight, std=0.02)  # type: ignore[arg-type]
        self.convs = nn.ModuleList(parametrizations.spectral_norm(conv) for conv in convs[:-1])
        self.last = convs[-1]

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``(B, T, 3, H, W)`` in [-1, 1] to scores ``(B, T, 4 base, h, w)``: high where it looks real."""
        x = clips.transpose(1, 2)
        for conv in self.convs:
            x = F.leaky_relu(conv(x), _SLOPE)
        out: Tensor = self.last(x)
        return out.transpose(1, 2)


class SemanticDiscriminator(nn.Module):
    """SAD (Lee et al. 2023, Sec. 3.3): an encoder and tokens like the generator's, and one SAL to a score per token.

    ``experts`` is C; as many classes are in the label maps, which are channels beside the image.
    """

    def __init__(self, experts: int, base: int = 64, width: int = 512) -> None:
        super().__init__()
        self.encoder = PatchEncoder(3 + experts, base)
        self.split = SoftSplit(2 * base, width)
        self.score = SemanticLinear(width, 1, experts)
        self.apply(normal_weights)

    def forward(self, images: Tensor, routing: Tensor) -> Tensor:
        """Scores ``(N, tokens)``: high where it looks real.

        Args:
            images: ``(N, 3 + C, H, W)``: the image in [-1, 1] and its one-hot label map.
            routing: the generator's mixture weights ``(N, tokens, C)``; no gradient flows to them.
        """
        scores: Tensor = self.score(self.split(self.encoder(images)), routing.detach())
        return scores[..., 0]
