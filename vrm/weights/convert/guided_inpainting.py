"""The official checkpoints of guided inpainting (Esser et al. 2022), in our names.

A Lightning checkpoint holds a ``state_dict`` whose generator lies under ``generator.``; the layers are numbered in one
sequence (``generator.model.N``), the deformable writes beside it. Everything else in it (discriminator, flow,
perceptual network, evaluators) is not needed. Every tensor of the generator must be used, and every one of ours found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vrm.errors import WeightsError
from vrm.nets.two_stream.model import TwoStreamConfig, TwoStreamGenerator
from vrm.weights.convert.checkpoint import rename
from vrm.weights.convert.registry import Converted

PREFIX = "generator."
_FIRST_BLOCK = 6

_ATTENTION = {
    "attn.layernorm1": "norm",
    "attn.query": "query",
    "attn.key": "key",
    "attn.value": "value",
    "projection": "project",
    "ln_premlp": "mlp_norm",
    "mlp.dense1": "mlp.0",
    "mlp.dense2": "mlp.2",
}
_EXCHANGE = {"ln1": "norm", "ln2": "mlp_norm", "to_values": "values", "projection": "project"}
_MLP = {"mlp.dense1": "mlp.0", "mlp.dense2": "mlp.2"}
_FOURIER = {
    "ffc.convl2l": "near_near",
    "ffc.convl2g": "near_wide",
    "ffc.convg2l": "wide_near",
    "ffc.convg2g.conv1.0": "wide_wide.reduce",
    "ffc.convg2g.conv1.1": "wide_wide.reduce_norm",
    "ffc.convg2g.fu.conv_layer": "wide_wide.filter",
    "ffc.convg2g.fu.bn": "wide_wide.filter_norm",
    "ffc.convg2g.conv2": "wide_wide.expand",
    "bn_l": "near_norm",
    "bn_g": "wide_norm",
}
_PARTS = {
    "read": {**_EXCHANGE, **_MLP, "to_logits": "logits"},
    "write": {**_EXCHANGE, **_MLP, "to_logits": "gates"},
    "attn1": _ATTENTION,
    "attn2": _ATTENTION,
}
_OURS = {"attn1": "attend1", "attn2": "attend2", "block1": "local1", "block2": "local2"}


def convert(checkpoint: Mapping[str, Any]) -> Converted:
    """Turn an official checkpoint, with a ``state_dict`` or the bare one, into the tensors of a ``TwoStreamGenerator``.

    Raises WeightsError: it holds something else, lacks tensors, has others, or shapes differ.
    """
    import torch

    state = checkpoint.get("state_dict", checkpoint)
    if not isinstance(state, Mapping):
        raise WeightsError("The checkpoint's state_dict is no table of tensors.")
    theirs = {str(k)[len(PREFIX) :]: v for k, v in state.items() if str(k).startswith(PREFIX)}
    numbers = [int(m[1]) for name in theirs if (m := re.match(r"model\.(\d+)\.read\.", name))]
    if not numbers or not all(isinstance(v, torch.Tensor) for v in theirs.values()):
        raise WeightsError("The checkpoint holds no two-stream generator.", "Give a checkpoint of guided-inpainting.")
    blocks = max(numbers) - _FIRST_BLOCK + 1
    config = _config(theirs, blocks)
    with torch.device("meta"):
        wanted = TwoStreamGenerator(config).state_dict()
    found = rename(theirs, lambda name: our_name(name, blocks), wanted, "a two-stream generator")
    return Converted(found, "two-stream", config.settings)


def _config(theirs: Mapping[str, object], blocks: int) -> TwoStreamConfig:
    def rows(name: str) -> int:
        tensor = theirs.get(name)
        shape = getattr(tensor, "shape", ())
        if not shape:
            raise WeightsError(f"The checkpoint lacks {PREFIX}{name}.")
        return int(shape[0])

    return TwoStreamConfig(
        blocks=blocks,
        cross=len({name.split(".")[1] for name in theirs if name.startswith("deformable_writes.")}),
        width=rows("model.1.conv.weight"),
        grid=round(rows("model.5.latents") ** 0.5),
        heads=rows(f"model.{_FIRST_BLOCK}.read.to_logits.weight"),
        spectral=any(".ffc." in name for name in theirs),
    )


def our_name(name: str, blocks: int) -> str | None:
    """Our name of a tensor of the published generator (without ``generator.``), or None if there is none."""
    module, _, leaf = name.rpartition(".")
    if module.startswith("deformable_writes."):
        _, which, part = module.split(".")
        ours = {"q": "confidence", "v": "value"}.get(part)
        return f"deformable.{which}.{ours}.{leaf}" if ours else None
    found = re.match(r"model\.(\d+)(?:\.(.+))?$", module)
    if found is None:
        return None
    number, rest = int(found[1]), found[2] or ""
    if 1 <= number <= 4:
        return f"encoder.{number - 1}.{rest}.{leaf}"
    if number == _FIRST_BLOCK - 1:
        return "latents" if leaf == "latents" else f"project.{leaf}"
    if number < _FIRST_BLOCK + blocks:
        inner = _block(rest)
        return f"blocks.{number - _FIRST_BLOCK}.{inner}.{leaf}" if inner else None
    # After the blocks: one layer without weights, three times (convolution, norm, activation), padding, convolution.
    place = number - _FIRST_BLOCK - blocks - 1
    if place == 10:
        return f"out.{leaf}"
    stage, kind = divmod(place, 3)
    return f"decoder.{stage}.{kind}.{leaf}" if 0 <= stage < 3 and kind < 2 else None


def _block(rest: str) -> str | None:
    part, _, inner = rest.partition(".")
    if part in _PARTS:
        ours = _PARTS[part].get(inner)
        return f"{_OURS.get(part, part)}.{ours}" if ours else None
    if part not in _OURS:
        return None
    conv, _, deeper = inner.partition(".")
    if conv in ("conv1", "conv2") and deeper in _FOURIER:
        return f"{_OURS[part]}.{'first' if conv == 'conv1' else 'second'}.{_FOURIER[deeper]}"
    return f"{_OURS[part]}.{inner}" if inner in ("conv", "norm") else None
