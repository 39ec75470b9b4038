"""The encoder ``resnet50dilated`` of the published ADE20k segmentation (Zhou et al. 2017), for training alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vrm.nets.two_stream.ade20k import Ade20kFeatures
from vrm.weights.convert.checkpoint import rename, state_of
from vrm.weights.convert.registry import Converted


def convert(held: Mapping[str, Any]) -> Converted:
    """Its tensors under the same names. Raises WeightsError: says which is unknown, missing or of another shape."""
    state = state_of(held)
    with torch.device("meta"):
        wanted = Ade20kFeatures().state_dict()
    # Only what computes is needed: batches are counted in some versions of torch and not in others.
    counters = {name: torch.zeros((), dtype=torch.long) for name in wanted if name.endswith("num_batches_tracked")}
    needed = {name: like for name, like in wanted.items() if name not in counters}
    given = {name: tensor for name, tensor in state.items() if name not in counters}
    found = rename(given, lambda name: name, needed, "the encoder resnet50dilated of ADE20k")
    return Converted(found | counters, "ade20k-resnet50", {})
