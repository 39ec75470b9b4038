"""FuseFormer: counted parameters, the published layout, and the same function as a naive one."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from vrm.cli.main import run
from vrm.errors import WeightsError
from vrm.nets.fuseformer import tokens as tk
from vrm.nets.fuseformer.blocks import attend
from vrm.nets.savit.model import ABLATIONS, Savit, SavitConfig
from vrm.weights.cards import find, load_into
from vrm.weights.convert.fuseformer import convert

from . import naive_fuseformer as naive

COUNTED = {"fuseformer": 36_591_299, "A": 18_857_411, "savit": 50_933_355, "E": 25_972_075, "blocks-2": 33_082_131}


@pytest.mark.parametrize("name", COUNTED)
def test_parameters_are_as_counted(name):
    with torch.device("meta"):
        net = Savit(ABLATIONS[name])
    assert sum(p.numel() for p in net.parameters()) == COUNTED[name]


def test_the_published_layout_is_the_same_function(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    state = naive.random_state()
    assert len(state) == 160
    torch.save({"netG": state}, tmp_path / "fuseformer.pth")
    assert run(["weights", "import", "fuseformer", str(tmp_path / "fuseformer.pth")]) == 0
    card, folder = find("fuseformer", "savit")
    config = SavitConfig.from_settings(card.settings)
    assert config == ABLATIONS["fuseformer"]
    net = Savit(config).eval()
    load_into(net, card, folder)
    frames = torch.rand(2, 3, 240, 432, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        expected, found = naive.run(state, frames), net(frames[None]).frames[0]
    assert expected.std() > 0.1
    assert torch.allclose(found, expected, atol=2e-5)


def test_the_small_one_is_told_apart_by_its_width():
    made = convert({k: torch.zeros(v) for k, v in naive.layout(256).items()})
    assert SavitConfig.from_settings(made.settings) == ABLATIONS["A"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("sc.bias"), "lacks tensors: composition.bias"),
        (lambda s: s.update({"sc.bias": torch.zeros(128, 60, 107)}), r"sc.bias is \(128, 60, 107\)"),
        (lambda s: s.update({"flow.0.weight": torch.zeros(1)}), "unknown tensors: flow.0.weight"),
        (lambda s: s.update({"add_pos_emb.pos_emb": torch.zeros(1, 1, 100, 512)}), "add_pos_emb.pos_emb is"),
        (lambda s: s.clear() or s.update({"a": torch.zeros(1)}), "no attention layer"),
    ],
)
def test_other_checkpoints_are_refused(change, words):
    state = {k: torch.zeros(v) for k, v in naive.layout().items()}
    change(state)
    with pytest.raises(WeightsError, match=words):
        convert(state)


@pytest.mark.parametrize("size", [(60, 108), (5, 9), (1, 1), (16, 22), (30, 31)])
def test_tokens_fold_back_and_every_cell_is_covered(size):
    grid = tk.Grid(*size)
    x = torch.randn(2, 3, *size)
    tokens = tk.unfold(x)
    assert tokens.shape == (2, grid.tokens, 3 * 49)
    covered = tk.fold(tk.unfold(torch.ones(1, 1, *size)), grid)[0, 0]
    assert torch.equal(tk.overlaps(grid), covered)
    assert torch.allclose(tk.fold(tokens, grid) / covered, x, atol=1e-6)


@pytest.mark.parametrize(
    "cells", [(0, 0, 60, 108), (10, 20, 30, 50), (0, 100, 9, 108), (59, 0, 60, 1), (33, 33, 34, 34)]
)
def test_a_part_of_the_map_is_folded_as_the_whole_is(cells):
    grid = tk.Grid(60, 108)
    box = grid.cover(cells)
    tokens = torch.randn(1, grid.tokens, 2 * 49, dtype=torch.float64)
    whole = tk.fold(tokens, grid)
    part = tk.fold_part(tk.crop_tokens(tokens, grid, box), box, cells)
    at = (..., slice(cells[0], cells[2]), slice(cells[1], cells[3]))
    assert torch.allclose(part, whole[at], atol=1e-12)


def test_attention_in_bf16_is_attention(monkeypatch):
    monkeypatch.setattr("vrm.nets.fuseformer.blocks._QUERIES", 7)
    q, k, v = (torch.randn(2, 3, n, 16, generator=torch.Generator().manual_seed(n)) for n in (20, 31, 31))
    k[..., 0] *= 4
    v = v[:, :, : k.shape[2]]
    expected = F.scaled_dot_product_attention(q, k, v)
    with torch.no_grad():
        found = attend(*(x.bfloat16() for x in (q, k, v)))
        assert torch.equal(attend(q, k, v), expected)
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().max() < 0.05


@pytest.mark.parametrize("size", [(64, 96), (60, 92), (240, 432), (4, 4)])
def test_any_resolution(size):
    net = Savit(SavitConfig(32, 49, 2, 2, 4, (16, 24), 0, (), classify=False)).eval()
    with torch.no_grad():
        made = net(torch.rand(1, 2, 3, *size)).frames
    assert made.shape == (1, 2, 3, *size)
    assert made.isfinite().all()


def test_positions_and_bias_are_interpolated_only_elsewhere():
    net = Savit(SavitConfig(32, 49, 2, 2, 4, (16, 24), 0, (), classify=False))
    torch.nn.init.normal_(net.composition.bias)
    own, other = tk.Grid(16, 24), tk.Grid(32, 48)
    assert torch.equal(net.positions(own), net.position.flatten(0, 1))
    assert net.composition.bias_for(own) is net.composition.bias
    larger = F.interpolate(net.composition.bias[None], (32, 48), mode="bilinear", align_corners=False)[0]
    assert torch.equal(net.composition.bias_for(other), larger)
    assert net.positions(other).shape == (other.tokens, 32)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 33},
        {"inner": 50},
        {"base": 6},
        {"experts": 3},
        {"semantic_blocks": (8,)},
        {"experts": 0},
        {"route": "none"},
    ],
)
def test_networks_that_cannot_be_built_are_refused(change):
    settings = {**dataclasses.asdict(SavitConfig()), **change}
    with pytest.raises(WeightsError, match="settings do not describe"):
        SavitConfig.from_settings(settings)
    assert SavitConfig.from_settings(SavitConfig().settings()) == SavitConfig()
