"""Networks that metrics are computed with: LPIPS's backbones, FID's Inception, I3D, and RAFT for the warping error.

Their published files hold a classifier too, which is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vrm.weights.convert.checkpoint import same_names
from vrm.weights.convert.registry import Converted


def alexnet(held: Mapping[str, Any]) -> Converted:
    """torchvision's AlexNet, for LPIPS. Raises WeightsError: a tensor is unknown, missing or of another shape."""
    from torchvision.models import alexnet as build  # type: ignore[import-untyped]

    return Converted(same_names(held, lambda: build(weights=None), "torchvision's alexnet", "classifier."), "lpips", {})


def vgg16(held: Mapping[str, Any]) -> Converted:
    """torchvision's VGG-16, for LPIPS. Raises WeightsError, as ``alexnet``."""
    from torchvision.models import vgg16 as build

    return Converted(same_names(held, lambda: build(weights=None), "torchvision's vgg16", "classifier."), "lpips", {})


def inception(held: Mapping[str, Any]) -> Converted:
    """FID's Inception of 2015 in the PyTorch port. Raises WeightsError, as ``alexnet``."""
    from vrm.nets.metric.inception import FidInception

    return Converted(same_names(held, FidInception, "FID's Inception", "AuxLogits."), "fid-inception", {})


def i3d(held: Mapping[str, Any]) -> Converted:
    """I3D's RGB stream in the PyTorch port. Raises WeightsError, as ``alexnet``."""
    from vrm.nets.metric.i3d import I3d

    return Converted(same_names(held, I3d, "I3D", "logits."), "i3d", {})


def raft(held: Mapping[str, Any]) -> Converted:
    """torchvision's large RAFT. Raises WeightsError, as ``alexnet``."""
    from torchvision.models.optical_flow import raft_large  # type: ignore[import-untyped]

    return Converted(same_names(held, lambda: raft_large(weights=None), "torchvision's raft_large"), "raft", {})
