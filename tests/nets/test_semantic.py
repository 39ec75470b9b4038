"""The semantic-aware parts against the paper's equations written out, in double precision."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from vrm.errors import UsageError
from vrm.nets.savit.model import ABLATIONS, Savit, SavitConfig
from vrm.nets.savit.semantic import (
    Router,
    SemanticFeedForward,
    SemanticLinear,
    histograms,
    one_hot,
    token_classification,
)

SMALL = SavitConfig(32, 98, 2, 4, 4, (16, 24), 8, (1,))


def naive_sal(layer, tokens, routing):
    """Eq. 2 and 3, one token at a time, its matrix built."""
    out = []
    for f, r in zip(tokens, routing, strict=True):
        matrix = sum(r[c] * layer.weight[c].T for c in range(len(r)))
        out.append(f @ matrix + sum(r[c] * layer.bias[c] for c in range(len(r))))
    return torch.stack(out)


@pytest.mark.parametrize(("inputs", "outputs"), [(24, 60), (60, 24), (30, 30)])
def test_sal_is_equation_3(inputs, outputs):
    torch.manual_seed(0)
    layer = SemanticLinear(inputs, outputs, 8).double()
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.normal_(layer.weight)
    tokens, routing = torch.randn(50, inputs).double(), torch.rand(50, 8).double() * 2
    found, expected = layer(tokens, routing), naive_sal(layer, tokens, routing)
    assert (found - expected).abs().max() <= 1e-10
    grads = (
        torch.autograd.grad(found.sin().sum(), layer.weight),
        torch.autograd.grad(expected.sin().sum(), layer.weight),
    )
    assert (grads[0][0] - grads[1][0]).abs().max() <= 1e-10


def test_chunks_of_tokens_are_mixed_alike(monkeypatch):
    layer = SemanticLinear(6, 9, 2).double()
    tokens, routing = torch.randn(2, 25, 6).double(), torch.rand(2, 25, 2).double()
    whole = layer(tokens, routing)
    monkeypatch.setattr("vrm.nets.savit.semantic._CHUNK", 7)
    assert (layer(tokens, routing) - whole).abs().max() <= 1e-12


def test_saffn_is_equation_4():
    torch.manual_seed(0)
    ffn = SemanticFeedForward(12, 49, 4, 16).double()
    tokens, histogram = torch.randn(30, 12).double(), torch.rand(30, 4).double().softmax(-1)
    found, routing = ffn(tokens, histogram, F.relu)
    router = ffn.router
    learned = (F.leaky_relu(tokens @ router.first.weight.T + router.first.bias, 0.2) @ router.second.weight.T
               + router.second.bias).sigmoid()  # fmt: skip
    expected = learned.clone()
    for i, c in enumerate(histogram.argmax(-1)):
        expected[i, c] += 1
    assert (routing - expected).abs().max() <= 1e-12
    inner = naive_sal(ffn.expand, tokens, expected).clamp(min=0)
    assert (found - naive_sal(ffn.contract, inner, expected)).abs().max() <= 1e-10


def test_routes():
    tokens = torch.randn(5, 7, 12)
    histogram = torch.rand(5, 7, 4).softmax(-1)
    hard, soft, chance = (Router(12, 4, 8, route) for route in ("hardmax", "softmax", "random"))
    soft.load_state_dict(hard.state_dict())
    assert torch.allclose(
        hard(tokens, histogram).sum(-1) - soft(tokens, histogram).sum(-1), torch.zeros(5, 7), atol=1e-5
    )
    assert torch.equal(chance(tokens, histogram), chance(-tokens, histogram))
    tie = torch.zeros(1, 4)
    tie[0, [2, 3]] = 0.5
    added = hard(torch.zeros(1, 12), tie) - hard(torch.zeros(1, 12), F.one_hot(torch.tensor([2]), 4).float())
    assert added.abs().max() == 0, "ties go to the lowest index"


def test_histograms_count_the_pixels_that_a_token_covers():
    labels = torch.randint(0, 8, (2, 64, 96), generator=torch.Generator().manual_seed(0))
    found = histograms(one_hot(labels, 8))
    assert found.shape == (2, 6 * 8, 8)
    for n, y, x in [(0, 0, 0), (1, 3, 4), (0, 5, 7), (1, 2, 0)]:
        seen = labels[n, max(0, 12 * y - 12) : 12 * y + 16, max(0, 12 * x - 12) : 12 * x + 16].flatten()
        expected = torch.bincount(seen, minlength=8).float() / seen.numel()
        assert torch.allclose(found[n, y * 8 + x], expected, atol=1e-6)


@pytest.mark.parametrize("experts", [1, 2, 4, 8])
def test_fewer_experts_share_the_super_categories(experts):
    classes = one_hot(torch.arange(8).reshape(1, 2, 4), experts)
    assert classes.shape == (1, experts, 2, 4)
    assert (classes.sum(1) == 1).all()
    assert (classes.sum((0, 2, 3)) > 0).all(), "every expert serves some class"


def test_classification_is_equation_9():
    scores, target = torch.randn(2, 5, 8), torch.rand(2, 5, 8).softmax(-1)
    expected = torch.stack(
        [F.cross_entropy(s, t) for s, t in zip(scores.flatten(0, 1), target.flatten(0, 1), strict=True)]
    )
    assert torch.allclose(token_classification(scores, target), expected.mean())


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_row_of_the_ablations_builds_and_gives_what_it_says(name):
    config = ABLATIONS[name]
    small = replace(config, width=32, inner=98, heads=2, blocks=5, base=4, field=(16, 24))
    net = Savit(small)
    labels = torch.randint(0, 8, (1, 2, 64, 96)) if config.experts else None
    out = net(torch.rand(1, 2, 3, 64, 96), labels)
    assert out.frames.shape == (1, 2, 3, 64, 96)
    assert len(out.routing) == len(config.semantic_blocks)
    assert len(out.scores) == (len(config.semantic_blocks) if config.classify else 0)
    for routing in out.routing:
        assert routing.shape == (1, 2, 48, config.experts)
    (out.frames.mean() + sum(s.mean() for s in out.scores)).backward()
    unused = [n for n, p in net.named_parameters() if p.grad is None]
    assert all("router" in n for n in unused), unused
    assert not unused or config.route == "random"


@pytest.mark.parametrize("labels", [None, torch.zeros(1, 2, 64, 95), torch.zeros(1, 1, 64, 96)])
def test_labels_that_are_missing_or_do_not_fit_are_refused(labels):
    with pytest.raises(UsageError, match="needs labels"):
        Savit(SMALL)(torch.rand(1, 2, 3, 64, 96), labels)


def test_labels_change_the_result_and_the_dominant_class_is_routed_highest():
    torch.manual_seed(0)
    net = Savit(SMALL).eval()
    frames = torch.rand(1, 2, 3, 64, 96)
    with torch.no_grad():
        one, other = (net(frames, torch.full((1, 2, 64, 96), c)) for c in (1, 6))
    assert not torch.equal(one.frames, other.frames)
    assert (one.routing[0].argmax(-1) == 1).all()
    assert (other.routing[0].argmax(-1) == 6).all()
