"""The published checkpoint of E2FGVI (Li et al., CVPR 2022), bare or under ``netG``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vrm.errors import WeightsError
from vrm.nets.savit.model import ABLATIONS
from vrm.weights.convert import fuseformer
from vrm.weights.convert.checkpoint import state_of
from vrm.weights.convert.registry import Converted

_RULES = (
    (r"transformer\.(\d+)\.attn\.(query|key|value)\.(weight|bias)", r"blocks.\1.attention.\2.\3"),
    (r"transformer\.(\d+)\.attn\.proj\.(weight|bias)", r"blocks.\1.attention.output.\2"),
    (r"transformer\.(\d+)\.pool_layers\.0\.(weight|bias)", r"blocks.\1.attention.pool.\2"),
    (r"transformer\.(\d+)\.mlp\.conv1\.0\.(weight|bias)", r"blocks.\1.feed_forward.expand.\2"),
    (r"transformer\.(\d+)\.mlp\.conv2\.1\.(weight|bias)", r"blocks.\1.feed_forward.contract.\2"),
    (r"feat_prop_module\.deform_align\.(\w+)_\.(weight|bias)", r"guide.align.\1s.\2"),
    (r"feat_prop_module\.deform_align\.(\w+)_\.conv_offset\.([0246])\.(weight|bias)", r"guide.align.\1s.offsets.\2.\3"),
    (r"feat_prop_module\.backbone\.(\w+)_\.([02])\.(weight|bias)", r"guide.mix.\1s.\2.\3"),
    (r"feat_prop_module\.fusion\.(weight|bias)", r"guide.fusion.\1"),
    (r"update_spynet\.basic_module\.(\d)\.basic_module\.(\d)\.conv\.(weight|bias)", r"guide.flow.levels.\1.\2.\3"),
)
"""Their names and ours, where they differ from FuseFormer's; ``qkv`` is split before."""

_CONSTANT = re.compile(r"update_spynet\.(mean|std)|transformer\.\d+\.attn\.valid_ind_rolled")
"""Tensors that are not learned and computed here."""


def ours(name: str) -> str | None:
    return fuseformer.ours(name, (*_RULES, *fuseformer.RULES))


def split_qkv(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The learned tensors, with query, key and value as layers of their own. Raises WeightsError."""
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if _CONSTANT.fullmatch(name):
            continue
        if ".attn.qkv." not in name:
            out[name] = tensor
            continue
        if len(tensor) % 3:
            raise WeightsError(f"This is not E2FGVI: {name} is {tuple(tensor.shape)}, which three layers cannot share.")
        for part, own in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
            out[name.replace("qkv", part)] = own.clone()
    return out


def convert(held: Mapping[str, Any]) -> Converted:
    """The generator of a checkpoint.

    Raises WeightsError: it is not E2FGVI's; names the tensor that is unknown, missing or of another shape.
    """
    state = state_of(held, "netG")
    if any(name.startswith("sc.bias_conv.") for name in state):
        raise WeightsError(
            "This is E2FGVI-HQ, which composes tokens with one layer more than E2FGVI and is not converted.",
            "Give the checkpoint of E2FGVI itself.",
        )
    if not any(name.startswith("feat_prop_module.") for name in state):
        raise WeightsError("This is not an E2FGVI checkpoint: nothing in it propagates features (feat_prop_module).")
    return fuseformer.converted(split_qkv(state), ours, ABLATIONS["e2fgvi"], "E2FGVI at 432x240")
