import torch
from torch.nn import functional as F

from vrm.nets.savit.discriminators import SemanticDiscriminator, TemporalPatchDiscriminator
from vrm.nets.savit.losses import adversarial, hinge, pixels


def test_the_patch_discriminator_is_as_counted():
    net = TemporalPatchDiscriminator()
    assert sum(p.numel() for p in net.parameters()) == 4_461_728
    small = TemporalPatchDiscriminator(4)
    assert small(torch.rand(2, 5, 3, 64, 96)).shape == (2, 5, 16, 1, 2)


def test_its_weights_are_spectrally_normalised():
    torch.manual_seed(0)
    net = TemporalPatchDiscriminator(4)
    for _ in range(60):
        net(torch.rand(1, 2, 3, 32, 32))
    for conv in net.convs:
        assert abs(torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2).item() - 1) < 0.05
    assert not hasattr(net.last, "parametrizations")


def test_sad_scores_tokens_with_the_generators_routing():
    torch.manual_seed(0)
    net = SemanticDiscriminator(8, 4, 32)
    routing = torch.rand(2, 6 * 8, 8, requires_grad=True)
    images = torch.rand(2, 11, 64, 96, requires_grad=True)
    scores = net(images, routing)
    assert scores.shape == (2, 48)
    tokens = net.split(net.encoder(images))
    expected = sum(routing[..., c] * (tokens @ net.score.weight[c, 0] + net.score.bias[c, 0]) for c in range(8))
    assert torch.allclose(scores, expected, atol=1e-6)
    scores.sum().backward()
    assert images.grad is not None
    assert routing.grad is None, "the routing is taken as given"


def test_losses_are_the_equations():
    source = torch.Generator().manual_seed(0)
    made, truth = (torch.rand(2, 3, 3, 8, 8, generator=source) * 2 - 1 for _ in range(2))
    hole = (torch.rand(2, 3, 1, 8, 8, generator=source) < 0.3).float()
    inside = hole.expand_as(made) > 0
    error = (made - truth).abs()
    assert torch.allclose(pixels(made, truth, hole), error[inside].mean() + error[~inside].mean())
    real, fake = torch.randn(50, generator=source), torch.randn(50, generator=source)
    assert torch.allclose(hinge(real, fake), (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2)
    assert torch.allclose(adversarial(fake), -fake.mean())
    assert pixels(made, truth, torch.zeros_like(hole)).isfinite()
