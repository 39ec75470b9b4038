import pytest
import torch

from vrm.nets.internal.gated import BaseNetwork, CoarseToFineNetwork, GatedConv

# Appendix A.1, written out again: (outputs before the split, kernel) of each convolution, in order.
BASE = [
    (48, 5), (96, 3), (96, 3), (192, 3), (192, 3), (192, 3), (192, 3), (192, 3), (192, 3), (192, 3),
    (192, 3), (192, 3), (96, 3), (96, 3), (48, 3), (24, 3),
]  # fmt: skip
EXTRA = [(48, 5), (96, 3), (96, 3), (192, 3), (192, 3), (192, 3), (192, 3), (192, 3), (192, 3)]


def count(layers, inputs):
    """Weights and biases of gated layers in a row: half of each layer's outputs reach the next."""
    total = 0
    for outputs, kernel in layers:
        total += outputs * inputs * kernel**2 + outputs
        inputs = outputs // 2
    return total, inputs


def base_count():
    body, last = count(BASE, 4)
    return body + 3 * last + 3


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_parameter_counts_follow_from_the_paper():
    assert parameters(BaseNetwork(48)) == base_count()
    branch, _ = count(EXTRA, 4)
    wider_join = 192 * 96 * 9  # the first layer of the decoder takes both branches
    assert parameters(CoarseToFineNetwork(48)) == 2 * base_count() + branch + wider_join


def test_gated_conv_is_elu_times_sigmoid_padded_by_reflection():
    torch.manual_seed(0)
    layer = GatedConv(2, 6, dilation=2)
    x = torch.randn(1, 2, 9, 11)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    raw = torch.nn.functional.conv2d(padded, layer.conv.weight, layer.conv.bias, dilation=2)
    features, gates = raw[:, :3], raw[:, 3:]
    naive = torch.where(features > 0, features, torch.exp(features) - 1) / (1 + torch.exp(-gates))
    assert torch.allclose(layer(x), naive, atol=1e-5)


def test_gated_conv_needs_an_even_number_of_outputs():
    with pytest.raises(ValueError, match="split"):
        GatedConv(3, 5)


@pytest.mark.parametrize("size", [(1, 1), (2, 70), (75, 97), (128, 64)])
@pytest.mark.parametrize("kind", [BaseNetwork, CoarseToFineNetwork])
def test_any_size_comes_out_as_it_went_in(kind, size):
    out = kind(8)(torch.rand(1, 4, *size))
    for picture in out if isinstance(out, tuple) else (out,):
        assert picture.shape == (1, 3, *size)
        assert torch.isfinite(picture).all()
        assert picture.abs().max() <= 1


def test_second_network_sees_the_coarse_result_only_in_the_hole():
    torch.manual_seed(0)
    net = CoarseToFineNetwork(8)
    seen = {}
    net.encoder.register_forward_pre_hook(lambda m, args: seen.update(x=args[0]))
    x = torch.rand(1, 4, 80, 80)
    x[:, 3] = 0
    x[:, 3, 20:40, 20:40] = 1
    _, coarse = net(x)
    assert torch.equal(seen["x"][:, :3, :20], x[:, :3, :20])
    assert torch.allclose(seen["x"][:, :3, 20:40, 20:40], coarse[..., 20:40, 20:40])
