"""E2FGVI: published size, published layout, the same function as a naive one, and the semantic-aware parts on it."""

import pytest
import torch

from vrm.cli.main import run
from vrm.errors import WeightsError
from vrm.nets.savit.model import ABLATIONS, Savit, SavitConfig
from vrm.weights.cards import find
from vrm.weights.convert.e2fgvi import convert, ours, split_qkv

from . import naive_e2fgvi as naive

SMALL = {"width": 16, "inner": 49, "blocks": 2, "base": 4, "field": (30, 54)}
LAYERS = {"heads": 2, "experts": 0, "semantic_blocks": (), "classify": False, "backbone": "e2fgvi"}


def test_it_is_as_large_as_published():
    with torch.device("meta"):
        net = Savit(ABLATIONS["e2fgvi"])
    assert sum(p.numel() for p in net.parameters()) == 41_799_743  # the paper says 41.8 M


@pytest.mark.parametrize(("count", "local"), [(4, 3), (2, 1)])
def test_it_is_the_published_function(count, local):
    state = naive.random_state(**SMALL)
    net = Savit(SavitConfig(**SMALL, **LAYERS)).double().eval()
    net.load_state_dict({ours(name): tensor for name, tensor in split_qkv(state).items()}, strict=True)
    frames = torch.rand(count, 3, 120, 216, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    with torch.no_grad():
        expected, found = naive.Network(state, 2).run(frames, local), net(frames[None], local=local).frames[0]
    assert expected.std() > 0.05
    assert (found - expected).abs().max() < 1e-9


def test_the_published_layout_is_imported(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    state = {name: torch.zeros(shape) for name, shape in naive.layout().items()}
    state["transformer.3.attn.qkv.weight"][512:1024] = 1
    torch.save(state, tmp_path / "E2FGVI-CVPR22.pth")
    assert run(["weights", "import", "e2fgvi", str(tmp_path / "E2FGVI-CVPR22.pth")]) == 0
    card, _ = find("e2fgvi", "savit")
    assert SavitConfig.from_settings(card.settings) == ABLATIONS["e2fgvi"]
    made = convert(state).tensors
    assert made["blocks.3.attention.key.weight"].min() == 1
    assert made["blocks.3.attention.query.weight"].max() == made["blocks.3.attention.value.weight"].max() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("feat_prop_module.fusion.bias"), "lacks tensors: guide.fusion.bias"),
        (lambda s: s.update({"transformer.0.attn.qkv.weight": torch.zeros(1537, 512)}), "three layers cannot share"),
        (
            lambda s: s.update({"transformer.0.attn.qkv.weight": torch.zeros(768, 256)}),
            r"attn.query.weight is \(256, 256\)",
        ),
        (lambda s: s.update({"sc.bias_conv.weight": torch.zeros(1)}), "E2FGVI-HQ"),
        (lambda s: s.update({"more": torch.zeros(1)}), "unknown tensors: more"),
        (lambda s: s.clear() or s.update({"a": torch.zeros(1)}), "feat_prop_module"),
    ],
)
def test_other_checkpoints_are_refused(change, words):
    state = {name: torch.zeros(shape) for name, shape in naive.layout().items()}
    change(state)
    with pytest.raises(WeightsError, match=words):
        convert(state)


def test_labels_reach_the_second_backbone():
    torch.manual_seed(0)
    net = Savit(SavitConfig(**SMALL, heads=2, semantic_blocks=(1,), backbone="e2fgvi")).eval()
    frames = torch.rand(1, 3, 3, 120, 216)
    with torch.no_grad():
        one, other = (net(frames, torch.full((1, 3, 120, 216), c), 2) for c in (1, 6))
    assert not torch.equal(one.frames, other.frames)
    assert (other.routing[0].argmax(-1) == 6).all()
