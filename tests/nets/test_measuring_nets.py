"""I3D and FID's Inception: structure against what is known of them, padding and pools against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vrm.nets.metric.i3d import LAYERS, I3d, _same
from vrm.nets.metric.inception import FidInception, _without_padding


@pytest.fixture(scope="module")
def i3d() -> I3d:
    torch.manual_seed(0)
    return I3d()


def test_i3d_has_the_ports_names_and_sizes(i3d: I3d) -> None:
    state = i3d.state_dict()
    assert state["Conv3d_1a_7x7.conv3d.weight"].shape == (64, 3, 7, 7, 7)
    assert state["Mixed_3b.b1b.conv3d.weight"].shape == (128, 96, 3, 3, 3)
    assert state["Mixed_5c.b3b.bn.running_var"].shape == (128,)
    assert not any("bias" in key and "conv3d" in key for key in state)
    # The published network has 12,697,264 parameters with a classifier of 400 classes (1024 x 400 + 400).
    trained = sum(p.numel() for p in i3d.parameters())
    assert trained + 1024 * 400 + 400 == 12_697_264


def test_i3d_gives_the_layers_that_are_compared(i3d: I3d) -> None:
    with torch.no_grad():
        found = i3d(torch.rand(1, 3, 10, 64, 64))
    assert tuple(found) == LAYERS
    assert [tuple(v.shape[1:]) for v in found.values()] == [
        (192, 5, 16, 16),
        (480, 5, 8, 8),
        (832, 3, 4, 4),
        (1024, 2, 2, 2),
    ]


def test_batch_statistics_change_the_result_and_learn_nothing(i3d: I3d) -> None:
    clip = torch.rand(1, 3, 10, 48, 48)
    before = {k: v.clone() for k, v in i3d.state_dict().items() if "num_batches" not in k}
    learned = i3d(clip)["Mixed_5c"]
    i3d.use_batch_statistics(True)
    own = i3d(clip)["Mixed_5c"]
    i3d.use_batch_statistics(False)
    assert not torch.allclose(learned, own)
    assert torch.equal(i3d(clip)["Mixed_5c"], learned)
    assert all(torch.equal(i3d.state_dict()[k], v) for k, v in before.items())


@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [(10, 7, 2), (9, 7, 2), (8, 3, 2), (5, 3, 1), (7, 2, 2), (1, 2, 2)],
)
def test_padding_is_tensorflows(size: int, kernel: int, stride: int) -> None:
    x = torch.arange(1.0, size + 1).reshape(1, 1, 1, 1, size)
    padded = _same(x, (1, 1, kernel), (1, 1, stride))
    out = -(-size // stride)
    assert F.max_pool3d(padded, (1, 1, kernel), (1, 1, stride)).shape[-1] == out
    total = max((out - 1) * stride + kernel - size, 0)
    values = padded.flatten().tolist()
    assert values == [0.0] * (total // 2) + list(range(1, size + 1)) + [0.0] * (total - total // 2)


def test_inceptions_averages_leave_the_padding_out() -> None:
    x = torch.rand(2, 3, 6, 5)
    (found,) = _without_padding(torch.nn.Identity(), (F.avg_pool2d(x, 3, 1, 1),))
    expected = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    assert torch.allclose(found, expected, atol=1e-6)


def test_fids_inception() -> None:
    torch.manual_seed(0)
    net = FidInception()
    state = net.state_dict()
    assert state["fc.weight"].shape == (1008, 2048)
    assert state["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)
    seen: dict[str, np.ndarray] = {}
    net.Mixed_7c.branch_pool.register_forward_pre_hook(lambda _, x: seen.update(pool=x[0].numpy()))
    net.Mixed_7c.register_forward_pre_hook(lambda _, x: seen.update(block=x[0].numpy()))
    with torch.no_grad():
        assert net(torch.rand(1, 3, 40, 64)).shape == (1, 2048)
    y, x = 0, 3
    assert seen["pool"][0, :, y, x] == pytest.approx(seen["block"][0, :, : y + 2, x - 1 : x + 2].max((1, 2)))
