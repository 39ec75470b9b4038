"""The ADE20k encoder against its structure written down by hand, on random weights."""

import pytest
import torch
from torch.nn import functional as F

from vrm.errors import WeightsError
from vrm.nets.two_stream.ade20k import Ade20kFeatures, perceptual_loss
from vrm.weights.convert.ade20k import convert

BLOCKS = {"layer1": (3, 1, 1), "layer2": (4, 2, 1), "layer3": (6, 1, 2), "layer4": (3, 1, 4)}
"""Blocks, stride of the first, dilation of all but the first (of which it is half where the stride was given up)."""


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = Ade20kFeatures()
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif name.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.1)
    return net


def naive(state, picture):
    def norm(x, name):
        return F.batch_norm(x, *(state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))

    def conv(x, name, bn, stride=1, padding=0, dilation=1):
        return norm(F.conv2d(x, state[f"{name}.weight"], None, stride, padding, dilation), bn)

    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, None, :, None, None]
    x = (picture - mean) / deviation
    for i in (1, 2, 3):
        x = conv(x, f"conv{i}", f"bn{i}", 2 if i == 1 else 1, 1).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    found = []
    for layer, (count, stride, rest) in BLOCKS.items():
        for b in range(count):
            at, first = f"{layer}.{b}", b == 0
            dilation, step = (max(1, rest // 2), stride) if first else (rest, 1)
            y = conv(x, f"{at}.conv1", f"{at}.bn1").relu()
            y = conv(y, f"{at}.conv2", f"{at}.bn2", step, dilation, dilation).relu()
            y = conv(y, f"{at}.conv3", f"{at}.bn3")
            x = (y + (conv(x, f"{at}.downsample.0", f"{at}.downsample.1", step) if first else x)).relu()
        found.append(x)
    return found


def test_it_computes_what_its_structure_says(net):
    picture = torch.rand(1, 3, 64, 72)
    with torch.no_grad():
        ours, theirs = net.train()(picture), naive(net.state_dict(), picture)
    assert [f.shape[1:] for f in ours] == [(256, 16, 18), (512, 8, 9), (1024, 8, 9), (2048, 8, 9)]
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_the_loss_is_a_sum_over_layers_and_teaches_the_picture_alone(net):
    truth, output = torch.rand(2, 1, 3, 48, 48)
    output.requires_grad_()
    loss = perceptual_loss(net, output, truth)
    pairs = zip(naive(net.state_dict(), output), naive(net.state_dict(), truth), strict=True)
    assert torch.allclose(loss, sum(((a - b) ** 2).mean() for a, b in pairs), rtol=1e-4)
    loss.backward()
    assert output.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.parameters())
    assert perceptual_loss(net, truth, truth) == 0


def test_the_published_layout_converts_strictly(net):
    state = {name: tensor for name, tensor in net.state_dict().items() if "num_batches" not in name}
    made = convert({f"module.{name}": tensor for name, tensor in state.items()})
    Ade20kFeatures().load_state_dict(made.tensors, strict=True)
    assert made.network == "ade20k-resnet50"
    with pytest.raises(WeightsError, match="lacks tensors: layer4"):
        convert({name: tensor for name, tensor in state.items() if name != "layer4.2.conv3.weight"})
    with pytest.raises(WeightsError, match="unknown tensors: fc"):
        convert(state | {"fc.weight": torch.zeros(1)})
