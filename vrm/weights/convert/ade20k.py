"""The encoder ``resnet50dilated`` of the published ADE20k segmentation (Zhou et al. 2017), for training alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vrm.nets.two_stream.ade20k import Ade20kFeatures
from vrm.weights.convert.checkpoint import same_names
from vrm.weights.convert.registry import Converted


def convert(held: Mapping[str, Any]) -> Converted:
    """Its tensors under the same names. Raises WeightsError: a tensor is unknown, missing or of another shape."""
    found = same_names(held, Ade20kFeatures, "the encoder resnet50dilated of ADE20k")
    return Converted(found, "ade20k-resnet50", {})
