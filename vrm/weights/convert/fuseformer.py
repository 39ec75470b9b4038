"""The published checkpoint of FuseFormer (Liu et al., ICCV 2021): 160 tensors, bare or under ``netG``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vrm.errors import WeightsError
from vrm.nets.fuseformer.tokens import Grid
from vrm.nets.savit.model import ABLATIONS, Savit, SavitConfig
from vrm.weights.convert.checkpoint import rename, state_of
from vrm.weights.convert.registry import Converted

RULES = (
    (r"encoder\.layers\.(\d+)\.(weight|bias)", r"encoder.convs.\1.\2"),
    (r"ss\.embedding\.(weight|bias)", r"split.linear.\1"),
    (r"add_pos_emb\.pos_emb", "position"),
    (r"transformer\.(\d+)\.attention\.(query|key|value)_embedding\.(weight|bias)", r"blocks.\1.attention.\2.\3"),
    (r"transformer\.(\d+)\.attention\.output_linear\.(weight|bias)", r"blocks.\1.attention.output.\2"),
    (r"transformer\.(\d+)\.ffn\.conv1\.0\.(weight|bias)", r"blocks.\1.feed_forward.expand.\2"),
    (r"transformer\.(\d+)\.ffn\.conv2\.2\.(weight|bias)", r"blocks.\1.feed_forward.contract.\2"),
    (r"transformer\.(\d+)\.(norm[12])\.(weight|bias)", r"blocks.\1.\2.\3"),
    (r"sc\.embedding\.(weight|bias)", r"composition.linear.\1"),
    (r"sc\.bias", "composition.bias"),
    (r"decoder\.([0246])(?:\.conv)?\.(weight|bias)", r"decoder.convs.\1.\2"),
)
"""Their names and ours."""


def ours(name: str, rules: Iterable[tuple[str, str]] = RULES) -> str | None:
    """Our name for one of theirs, or None. Their convolutions are numbered with the layers between, two by two."""
    for pattern, own in rules:
        found = re.fullmatch(pattern, name)
        if found is not None:
            return re.sub(r"\b(convs|offsets)\.(\d+)\b", lambda m: f"{m[1]}.{int(m[2]) // 2}", found.expand(own))
    return None


def convert(held: Mapping[str, Any]) -> Converted:
    """The generator of a checkpoint; full size and the small one of SAVIT's ablations are told apart by width.

    Raises WeightsError: it is not FuseFormer's; names the tensor that is unknown, missing or of another shape.
    """
    state = state_of(held, "netG")
    width = next((v.shape[0] for k, v in state.items() if k.endswith("query_embedding.weight")), None)
    if width is None:
        raise WeightsError("This is not a FuseFormer checkpoint: no attention layer is in it.")
    config = replace(ABLATIONS["fuseformer"], width=width)
    grid = Grid(*config.field)
    embedding = state.get("add_pos_emb.pos_emb")
    if embedding is not None and embedding.shape == (1, 1, grid.tokens, width):
        state["add_pos_emb.pos_emb"] = embedding.reshape(grid.rows, grid.cols, width)
    return converted(state, ours, config, "FuseFormer at 432x240")


def converted(
    state: Mapping[str, Tensor], ours: Callable[[str], str | None], config: SavitConfig, what: str
) -> Converted:
    """A state by foreign names as a network of ours; strict, see ``vrm.weights.convert.checkpoint.rename``."""
    with torch.device("meta"):
        expected = Savit(config).state_dict()
    return Converted(rename(state, ours, expected, what), "savit", config.settings())
