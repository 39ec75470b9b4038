"""The two-stream network against the paper's formulas, written out pixel by pixel."""

import math

import pytest
import torch

from vrm.nets.two_stream.model import (
    CONFIGS,
    KeyFeatures,
    TwoStreamConfig,
    TwoStreamGenerator,
    fourier_position,
    padded,
)
from vrm.nets.two_stream.streams import DeformableWrite, KeyframeAttention, Read, Write, divisible

SMALL = TwoStreamConfig(width=8, heads=4, grid=2, blocks=3)


def stirred(net, seed=0):
    """Random weights that are large enough to matter, and norms that have seen data."""
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                torch.nn.init.normal_(module.bias, std=0.1)
    return net.eval()


@pytest.mark.parametrize(("name", "count"), [("ours", 47_571_139), ("big", 132_264_259), ("no-ffc", 43_931_875)])
def test_published_sizes(name, count):
    with torch.device("meta"):
        net = TwoStreamGenerator(CONFIGS[name])
    assert sum(p.numel() for p in net.parameters()) == count


@torch.no_grad()
def test_read_is_equation_1():
    read = stirred(Read(8, 2, 2))
    lif = torch.randn(1, 8, 6, 4)
    mixed = read.mix(lif)
    w_s, b_s = read.logits.weight[:, :, 0, 0], read.logits.bias
    w_v, b_v = read.values.weight[:, :, 0, 0], read.values.bias
    for j in range(4):
        row, col = divmod(j, 2)
        patch = lif[0, :, 3 * row : 3 * row + 3, 2 * col : 2 * col + 2].reshape(8, 6).T  # (pixels, c)
        for head in range(2):
            weight = torch.softmax(patch @ w_s[head] + b_s[head], 0)
            values = patch @ w_v[4 * head : 4 * head + 4].T + b_v[4 * head : 4 * head + 4]
            assert torch.allclose(mixed[0, j, 4 * head : 4 * head + 4], weight @ values, atol=1e-5)


@torch.no_grad()
def test_write_is_equation_2():
    write = stirred(Write(8, 2, 2))
    lif, tokens = torch.randn(1, 8, 4, 6), torch.randn(1, 4, 8)
    spread = write.spread(lif, tokens)
    values = tokens[0] @ write.values.weight.T + write.values.bias
    for y in range(4):
        for x in range(6):
            j = 2 * (y // 2) + x // 3
            for head in range(2):
                gate = torch.sigmoid(lif[0, :, y, x] @ write.gates.weight[head, :, 0, 0] + write.gates.bias[head])
                wanted = gate * values[j, 4 * head : 4 * head + 4]
                assert torch.allclose(spread[0, 4 * head : 4 * head + 4, y, x], wanted, atol=1e-5)


@torch.no_grad()
def test_attention_appends_keys_and_values_of_key_frames():
    attend = stirred(KeyframeAttention(8, 2))
    target, source = torch.randn(1, 5, 8), torch.randn(1, 5, 8)
    alone, own = attend(source)
    crossed, _ = attend(target, own)
    for tokens, everything, found in ((source, source, alone), (target, torch.cat([target, source], 1), crossed)):
        q, k, v = attend.query(attend.norm(tokens))[0], attend.key(attend.norm(everything))[0], None
        v = attend.value(attend.norm(everything))[0]
        heads = []
        for part in (slice(0, 4), slice(4, 8)):
            weight = torch.softmax(q[:, part] @ k[:, part].T / math.sqrt(4), -1)
            heads.append(weight @ v[:, part])
        out = tokens[0] + attend.project(torch.cat(heads, -1))
        out = out + attend.mlp(attend.mlp_norm(out))
        assert torch.allclose(found[0], out, atol=1e-5)


@torch.no_grad()
def test_deformable_write_is_its_formula():
    write = stirred(DeformableWrite(4))
    lif, keys = torch.randn(1, 4, 5, 6), torch.randn(1, 3, 4, 5, 6)
    flow, error = 1.5 * torch.randn(1, 3, 2, 5, 6), torch.rand(1, 3, 1, 5, 6)
    found = write(lif, keys, flow, error)
    again = write.write(lif, write.prepare(keys[0]), flow[0], error[0])
    assert torch.allclose(found, again, atol=1e-5)
    w_q, w_v = write.confidence.weight[:, :, 0, 0], write.value.weight[:, :, 0, 0]
    for y in range(5):
        for x in range(6):
            confidences, values = [], []
            for i in range(3):
                at_x, at_y = x + float(flow[0, i, 0, y, x]), y + float(flow[0, i, 1, y, x])
                left, top = math.floor(at_x), math.floor(at_y)
                sampled = torch.zeros(4)
                for xx in (left, left + 1):
                    for yy in (top, top + 1):
                        if 0 <= xx < 6 and 0 <= yy < 5:
                            sampled += (1 - abs(at_x - xx)) * (1 - abs(at_y - yy)) * keys[0, i, :, yy, xx]
                seen = torch.cat([sampled, error[0, i, :, y, x]])
                confidences.append(w_q @ torch.cat([seen, lif[0, :, y, x]]) + write.confidence.bias)
                values.append(w_v @ seen + write.value.bias)
            weight = torch.softmax(torch.stack(confidences), 0)
            wanted = lif[0, :, y, x] + (weight * torch.stack(values)).sum(0)
            assert torch.allclose(found[0, :, y, x], wanted, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("streams", ["both", "global", "local"])
@pytest.mark.parametrize("size", [(64, 96), (40, 56)])
def test_shared_key_features_give_what_the_plain_structure_gives(streams, size):
    config = TwoStreamConfig(width=8, heads=4, grid=2, blocks=3, streams=streams, spectral=streams != "global")
    net = stirred(TwoStreamGenerator(config))
    target, keys = torch.rand(1, 4, *size), torch.rand(1, 3, 4, *size)
    flow, error = 6 * torch.randn(1, 3, 2, *size), torch.rand(1, 3, 1, *size)
    plain = net(target, keys, flow, error)
    features = KeyFeatures.join([net.key_features(keys[0, i : i + 1]) for i in range(3)])
    shared = net.complete(target, features, flow[0], error[0])
    assert plain.std() > 0.01
    assert (plain - shared).abs().max() <= 1e-4
    without = net(target, keys[:, :0], flow[:, :0], error[:, :0])
    assert ((without - plain).abs().max() > 1e-4) == (streams != "local")


def test_positions_are_sines_and_cosines_of_64_bands():
    position = fourier_position(3, 5)
    assert position.shape == (1, 258, 3, 5)
    y, x, band = 0.0, 0.5, 1 + 15 / 63  # row 1 of 3, column 3 of 5, the second band
    assert torch.allclose(position[0, :2, 1, 3], torch.tensor([y, x]))
    assert position[0, 2 + 64 + 1, 1, 3] == pytest.approx(math.sin(math.pi * x * band), abs=1e-5)
    assert position[0, 2 + 128 + 64 + 1, 1, 3] == pytest.approx(math.cos(math.pi * x * band), abs=1e-5)


def test_sizes_that_the_grid_does_not_divide():
    assert divisible((30, 54), 16) == (32, 48)
    assert divisible((3, 5), 16) == (16, 16)
    assert padded(torch.zeros(1, 3, 61, 30)).shape == (1, 3, 64, 32)


def test_impossible_configurations_are_refused():
    with pytest.raises(ValueError, match="blocks"):
        TwoStreamConfig(blocks=0)
    with pytest.raises(ValueError, match="multiple"):
        TwoStreamConfig(width=6)


def test_settings_come_back():
    for config in (SMALL, TwoStreamConfig(spectral=False, blocks=6)):
        assert TwoStreamConfig.from_settings(config.settings) == config
