"""A checkpoint laid out as the published one, converted strictly."""

import pytest
import torch

from vrm.errors import WeightsError
from vrm.nets.two_stream.model import TwoStreamConfig, TwoStreamGenerator
from vrm.weights.convert.guided_inpainting import convert, our_name

C, HALF = 64, 24  # width 8: 64 channels, 48 of them global, halved in the spectrum


def conv(state, name, *shape, bias=False):
    state[f"{name}.weight"] = torch.randn(*shape)
    if bias:
        state[f"{name}.bias"] = torch.randn(shape[0])


def norm(state, name, n, running=True):
    state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(n), torch.randn(n)
    if running:
        state[f"{name}.running_mean"], state[f"{name}.running_var"] = torch.randn(n), torch.rand(n) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)


def published(blocks=3, spectral=True):
    """Names and shapes as the published generator has them, 8 channels wide."""
    state = {}
    for i, (a, b, k) in enumerate([(4, 8, 7), (8, 16, 3), (16, 32, 3), (32, 64, 3)]):
        conv(state, f"model.{i + 1}.conv", b, a, k, k)
        norm(state, f"model.{i + 1}.norm", b)
    state["model.5.latents"] = torch.randn(16, C)
    conv(state, "model.5.project", C, C + 258, 1, 1, bias=True)
    for n in range(6, 6 + blocks):
        for part, shape in (("read", ()), ("write", (1, 1))):
            conv(state, f"model.{n}.{part}.to_logits", 8, C, 1, 1, bias=True)
            conv(state, f"model.{n}.{part}.to_values", C, C, *((1, 1) if part == "read" else ()), bias=True)
            conv(state, f"model.{n}.{part}.projection", C, C, *shape, bias=True)
            for layer in ("mlp.dense1", "mlp.dense2"):
                conv(state, f"model.{n}.{part}.{layer}", C, C, *shape, bias=True)
            for layer in ("ln1", "ln2"):
                norm(state, f"model.{n}.{part}.{layer}", C, running=part == "write")
        for part in ("attn1", "attn2"):
            for layer in ("attn.query", "attn.key", "attn.value", "projection", "mlp.dense1", "mlp.dense2"):
                conv(state, f"model.{n}.{part}.{layer}", C, C, bias=True)
            for layer in ("attn.layernorm1", "ln_premlp"):
                norm(state, f"model.{n}.{part}.{layer}", C, running=False)
        for part in ("block1", "block2"):
            if not spectral:
                conv(state, f"model.{n}.{part}.conv", C, C // 4, 3, 3)
                norm(state, f"model.{n}.{part}.norm", C)
                continue
            for layer in ("conv1", "conv2"):
                name = f"model.{n}.{part}.{layer}"
                for way, (b, a) in {"l2l": (16, 16), "l2g": (48, 16), "g2l": (16, 48)}.items():
                    conv(state, f"{name}.ffc.conv{way}", b, a, 3, 3)
                conv(state, f"{name}.ffc.convg2g.conv1.0", HALF, 48, 1, 1)
                norm(state, f"{name}.ffc.convg2g.conv1.1", HALF)
                conv(state, f"{name}.ffc.convg2g.fu.conv_layer", 48, 48, 1, 1)
                norm(state, f"{name}.ffc.convg2g.fu.bn", 48)
                conv(state, f"{name}.ffc.convg2g.conv2", 48, HALF, 1, 1)
                norm(state, f"{name}.bn_l", 16)
                norm(state, f"{name}.bn_g", 48)
    after = 7 + blocks
    for i, (a, b) in enumerate([(64, 32), (32, 16), (16, 8)]):
        state[f"model.{after + 3 * i}.weight"] = torch.randn(a, b, 3, 3)
        state[f"model.{after + 3 * i}.bias"] = torch.randn(b)
        norm(state, f"model.{after + 3 * i + 1}", b)
    conv(state, f"model.{after + 10}", 3, 8, 7, 7, bias=True)
    for i in range(2):
        conv(state, f"deformable_writes.{i}.q", C, 2 * C + 1, 1, 1, bias=True)
        conv(state, f"deformable_writes.{i}.v", C, C + 1, 1, 1, bias=True)
    return {f"generator.{name}": value for name, value in state.items()}


@pytest.mark.parametrize("spectral", [True, False])
def test_a_published_checkpoint_loads_strictly(spectral):
    state = published(spectral=spectral)
    more = {"discriminator.model0.0.weight": torch.zeros(1), "flow.raft.x": torch.zeros(1)}
    made = convert({"state_dict": state | more, "epoch": 3})
    config, converted = TwoStreamConfig.from_settings(made.settings), made.tensors
    assert made.network == "two-stream"
    assert config == TwoStreamConfig(width=8, grid=4, blocks=3, heads=8, spectral=spectral)
    net = TwoStreamGenerator(config)
    net.load_state_dict(converted, strict=True)
    assert torch.equal(net.blocks[1].write.gates.weight, state["generator.model.7.write.to_logits.weight"])
    assert torch.equal(net.decoder[2][0].weight, state["generator.model.16.weight"])
    assert torch.equal(net.deformable[1].value.weight, state["generator.deformable_writes.1.v.weight"])
    if spectral:
        theirs = state["generator.model.8.block2.conv1.ffc.convg2g.fu.conv_layer.weight"]
        assert torch.equal(net.blocks[2].local2.first.wide_wide.filter.weight, theirs)


def test_every_tensor_of_ours_has_one_name_of_theirs():
    state = {name.removeprefix("generator.") for name in published()}
    ours = {our_name(name, 3) for name in state}
    assert ours == set(TwoStreamGenerator(TwoStreamConfig(width=8, grid=4, blocks=3)).state_dict())
    assert len(ours) == len(state)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("generator.model.6.attn1.attn.query.weight"), "lacks"),
        (lambda s: s.update({"generator.model.6.attn9.weight": torch.zeros(1)}), "unknown tensors"),
        (lambda s: s.update({"generator.model.5.project.bias": torch.zeros(3)}), "is expected"),
        (lambda s: s.clear(), "no two-stream generator"),
    ],
)
def test_other_checkpoints_are_refused(change, said):
    state = published()
    change(state)
    with pytest.raises(WeightsError, match=said):
        convert({"state_dict": state})
