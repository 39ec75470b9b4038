"""FuseFormer written out slowly from its description, on tensors under their published names. The oracle of our own."""

import torch
from torch.nn import functional as F


def layout(width=512, inner=1960, blocks=8):
    """Every published tensor's name and shape."""
    convs = [(64, 3), (64, 64), (128, 64), (256, 128), (384, 256), (512, 320), (384, 192), (256, 80), (128, 512)]
    shapes = {}
    for k, (out, into) in enumerate(convs):
        shapes[f"encoder.layers.{2 * k}.weight"] = (out, into, 3, 3)
        shapes[f"encoder.layers.{2 * k}.bias"] = (out,)

    def linear(name, into, out):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into), (out,)

    linear("ss.embedding", 6272, width)
    shapes["add_pos_emb.pos_emb"] = (1, 1, 720, width)
    for k in range(blocks):
        for part in ("query_embedding", "key_embedding", "value_embedding", "output_linear"):
            linear(f"transformer.{k}.attention.{part}", width, width)
        linear(f"transformer.{k}.ffn.conv1.0", width, inner)
        linear(f"transformer.{k}.ffn.conv2.2", inner, width)
        for norm in ("norm1", "norm2"):
            shapes[f"transformer.{k}.{norm}.weight"] = shapes[f"transformer.{k}.{norm}.bias"] = (width,)
    linear("sc.embedding", width, 6272)
    shapes["sc.bias"] = (128, 60, 108)
    for name, out, into in (("0.conv", 128, 128), ("2", 64, 128), ("4.conv", 64, 64), ("6", 3, 64)):
        shapes[f"decoder.{name}.weight"], shapes[f"decoder.{name}.bias"] = (out, into, 3, 3), (out,)
    return shapes


def random_state(seed=0, width=512, inner=1960):
    source = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in layout(width, inner).items():
        fan = torch.Size(shape[1:]).numel() if len(shape) > 1 else 100
        state[name] = torch.randn(shape, generator=source) * (0.05 if "norm" in name else fan**-0.5)
        if "norm" in name and name.endswith("weight"):
            state[name] += 1
    return state


def run(state, frames):
    """Frames ``(T, 3, 240, 432)`` in [-1, 1] to the same."""

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def conv(x, name, stride=1, groups=1):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride, 1, 1, groups)

    x = frames
    for k, stride in enumerate((2, 1, 2, 1)):
        x = F.leaky_relu(conv(x, f"encoder.layers.{2 * k}", stride), 0.2)
    tap = x
    x = F.leaky_relu(conv(x, "encoder.layers.8"), 0.2)
    for k, groups in ((5, 2), (6, 4), (7, 8), (8, 1)):
        pieces = []
        for a, b in zip(tap.chunk(groups, 1), x.chunk(groups, 1), strict=True):
            pieces += [a, b]
        x = F.leaky_relu(conv(torch.cat(pieces, 1), f"encoder.layers.{2 * k}", 1, groups), 0.2)
    features = x

    patches = take(features)
    tokens = linear(patches, "ss.embedding") + state["add_pos_emb.pos_emb"][0]
    count, n, width = tokens.shape
    for k in range(8):
        name = f"transformer.{k}"
        every = tokens.reshape(count * n, width)
        y = F.layer_norm(every, (width,), state[f"{name}.norm1.weight"], state[f"{name}.norm1.bias"])
        q, key, v = (linear(y, f"{name}.attention.{part}_embedding") for part in ("query", "key", "value"))
        heads = []
        for h in range(4):
            at = slice(h * width // 4, (h + 1) * width // 4)
            heads.append(((q[:, at] @ key[:, at].T) / (width / 4) ** 0.5).softmax(-1) @ v[:, at])
        every = every + linear(torch.cat(heads, 1), f"{name}.attention.output_linear")
        y = F.layer_norm(every, (width,), state[f"{name}.norm2.weight"], state[f"{name}.norm2.bias"])
        y = linear(y, f"{name}.ffn.conv1.0").reshape(count, n, -1)
        y = take(put(y) / put(torch.ones_like(y))).clamp(min=0)
        tokens = (every + linear(y.reshape(count * n, -1), f"{name}.ffn.conv2.2")).reshape(count, n, width)
    x = features + put(linear(tokens, "sc.embedding")) + state["sc.bias"]

    def double(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)

    x = F.leaky_relu(conv(double(x), "decoder.0.conv"), 0.2)
    x = F.leaky_relu(conv(x, "decoder.2"), 0.2)
    x = F.leaky_relu(conv(double(x), "decoder.4.conv"), 0.2)
    return conv(x, "decoder.6").tanh()


def take(maps):
    """7x7 patches, one after the other, of maps with 3 zeros around, every 3 cells: ``(T, 720, C * 49)``."""
    padded = F.pad(maps, (3, 3, 3, 3))
    found = [padded[:, :, 3 * i : 3 * i + 7, 3 * j : 3 * j + 7].flatten(1) for i in range(20) for j in range(36)]
    return torch.stack(found, 1)


def put(patches):
    """Patches added up where they came from: ``(T, C, 60, 108)``."""
    count, _, size = patches.shape
    out = torch.zeros(count, size // 49, 66, 114)
    for k in range(720):
        i, j = divmod(k, 36)
        out[:, :, 3 * i : 3 * i + 7, 3 * j : 3 * j + 7] += patches[:, k].reshape(count, -1, 7, 7)
    return out[:, :, 3:63, 3:111]
