"""The networks that others measure with: LPIPS's backbones, FID's Inception, I3D, and RAFT for the warping error.

Their published files hold a classifier too, which is left out, and may or may not count batches, which nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from vrm.weights.convert.checkpoint import rename, state_of
from vrm.weights.convert.registry import Converted


def alexnet(held: Mapping[str, Any]) -> Converted:
    """torchvision's AlexNet, for LPIPS. Raises WeightsError: a tensor is unknown, missing or of another shape."""
    from torchvision.models import alexnet as build  # type: ignore[import-untyped]

    return _same(held, lambda: build(weights=None), "torchvision's alexnet", "lpips", without="classifier.")


def vgg16(held: Mapping[str, Any]) -> Converted:
    """torchvision's VGG-16, for LPIPS. Raises WeightsError, as ``alexnet``."""
    from torchvision.models import vgg16 as build

    return _same(held, lambda: build(weights=None), "torchvision's vgg16", "lpips", without="classifier.")


def inception(held: Mapping[str, Any]) -> Converted:
    """FID's Inception of 2015 in the PyTorch port. Raises WeightsError, as ``alexnet``."""
    from vrm.nets.metric.inception import FidInception

    return _same(held, FidInception, "FID's Inception", "fid-inception", without="AuxLogits.")


def i3d(held: Mapping[str, Any]) -> Converted:
    """I3D's RGB stream in the PyTorch port. Raises WeightsError, as ``alexnet``."""
    from vrm.nets.metric.i3d import I3d

    return _same(held, I3d, "I3D", "i3d", without="logits.")


def raft(held: Mapping[str, Any]) -> Converted:
    """torchvision's large RAFT. Raises WeightsError, as ``alexnet``."""
    from torchvision.models.optical_flow import raft_large  # type: ignore[import-untyped]

    return _same(held, lambda: raft_large(weights=None), "torchvision's raft_large", "raft")


def _same(
    held: Mapping[str, Any], build: Callable[[], nn.Module], what: str, network: str, without: str = "-"
) -> Converted:
    """The tensors under the names that they have; those that begin with ``without`` are left out."""
    state = state_of(held)
    with torch.device("meta"):
        wanted = {name: like for name, like in build().state_dict().items() if not name.startswith(without)}
    counters = {name: torch.zeros((), dtype=torch.long) for name in wanted if name.endswith("num_batches_tracked")}
    needed = {name: like for name, like in wanted.items() if name not in counters}
    given = {name: tensor for name, tensor in state.items() if name not in counters and not name.startswith(without)}
    return Converted(rename(given, lambda name: name, needed, what) | counters, network, {})
