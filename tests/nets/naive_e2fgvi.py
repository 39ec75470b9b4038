"""E2FGVI written out slowly from its description, on tensors under their published names. The oracle of our own."""

import torch
from torch.nn import functional as F

WINDOW = (5, 9)


def layout(width=512, inner=1960, blocks=8, base=64, field=(60, 108)):
    """Every published tensor's name and shape."""
    c = 2 * base
    convs = [(1, 3), (1, base), (2, base), (4, c), (6, 4 * base), (8, 5 * c // 2), (6, 3 * base), (4, base + base // 4)]
    shapes = {}

    def conv(name, into, out, kernel=3):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into, kernel, kernel), (out,)

    def linear(name, into, out):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into), (out,)

    for k, (times, into) in enumerate([*convs, (2, 8 * base)]):
        conv(f"encoder.layers.{2 * k}", into, times * base)
    for name, into, out in (("0.conv", c, c), ("2", c, base), ("4.conv", base, base), ("6", base, 3)):
        conv(f"decoder.{name}", into, out)
    for k, way in enumerate(("backward_", "forward_")):
        conv(f"feat_prop_module.deform_align.{way}", 2 * c, c)
        for n, (into, out) in enumerate(((3 * c + 4, c), (c, c), (c, c), (c, 432))):
            conv(f"feat_prop_module.deform_align.{way}.conv_offset.{2 * n}", into, out)
        conv(f"feat_prop_module.backbone.{way}.0", (2 + k) * c, c)
        conv(f"feat_prop_module.backbone.{way}.2", c, c)
    conv("feat_prop_module.fusion", 2 * c, c, 1)
    linear("ss.embedding", 49 * c, width)
    linear("sc.embedding", width, 49 * c)
    shapes["sc.bias"] = (c, *field)
    for k in range(blocks):
        linear(f"transformer.{k}.pool_layers.0", 45, 1)
        linear(f"transformer.{k}.attn.qkv", width, 3 * width)
        linear(f"transformer.{k}.attn.proj", width, width)
        linear(f"transformer.{k}.mlp.conv1.0", width, inner)
        linear(f"transformer.{k}.mlp.conv2.1", inner, width)
        for norm in ("norm1", "norm2"):
            shapes[f"transformer.{k}.{norm}.weight"] = shapes[f"transformer.{k}.{norm}.bias"] = (width,)
        shapes[f"transformer.{k}.attn.valid_ind_rolled"] = (120,)
    for level in range(6):
        for n, (into, out) in enumerate(((8, 32), (32, 64), (64, 32), (32, 16), (16, 2))):
            conv(f"update_spynet.basic_module.{level}.basic_module.{n}.conv", into, out, 7)
    shapes["update_spynet.mean"] = shapes["update_spynet.std"] = (1, 3, 1, 1)
    return shapes


def random_state(dtype=torch.float64, **size):
    source = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in layout(**size).items():
        fan = torch.Size(shape[1:]).numel() if len(shape) > 1 else 100
        state[name] = torch.randn(shape, generator=source, dtype=dtype) * (0.05 if "norm" in name else fan**-0.5)
        if "norm" in name and name.endswith("weight"):
            state[name] += 1
    state["update_spynet.mean"] = torch.tensor([0.485, 0.456, 0.406], dtype=dtype).reshape(1, 3, 1, 1)
    state["update_spynet.std"] = torch.tensor([0.229, 0.224, 0.225], dtype=dtype).reshape(1, 3, 1, 1)
    return state


def look_up(image, y, x):
    """An image ``(C, H, W)`` bilinearly at places ``(h, w)``; zero outside."""
    h, w = image.shape[1:]
    out = torch.zeros(len(image), *y.shape, dtype=image.dtype)
    for j in (0, 1):
        for i in (0, 1):
            v, u = y.floor() + j, x.floor() + i
            share = (1 - (y - v).abs()) * (1 - (x - u).abs())
            inside = (v >= 0) & (v < h) & (u >= 0) & (u < w)
            out += image[:, v.clamp(0, h - 1).long(), u.clamp(0, w - 1).long()] * (share * inside)
    return out


def moved(image, flow, border=False):
    h, w = image.shape[1:]
    y = torch.arange(h, dtype=image.dtype)[:, None] + flow[1]
    x = torch.arange(w, dtype=image.dtype)[None] + flow[0]
    return look_up(image, y.clamp(0, h - 1), x.clamp(0, w - 1)) if border else look_up(image, y, x)


class Network:
    def __init__(self, state, heads=4):
        self.state, self.heads = state, heads

    def conv(self, x, name, stride=1, groups=1):
        weight = self.state[f"{name}.weight"]
        return F.conv2d(x[None], weight, self.state[f"{name}.bias"], stride, weight.shape[-1] // 2, 1, groups)[0]

    def linear(self, x, name):
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def flow(self, a, b):
        h, w = a.shape[1:]
        size = -(-h // 32) * 32, -(-w // 32) * 32
        mean, std = (self.state[f"update_spynet.{x}"][0] for x in ("mean", "std"))
        a, b = ((F.interpolate(x[None], size, mode="bilinear", align_corners=False)[0] - mean) / std for x in (a, b))
        found = torch.zeros(2, size[0] // 32, size[1] // 32, dtype=a.dtype)
        for level in range(6):
            small, other = (F.avg_pool2d(x, 2 ** (5 - level)) for x in (a, b))
            if level:
                found = 2 * F.interpolate(found[None], scale_factor=2, mode="bilinear", align_corners=True)[0]
            x = torch.cat([small, moved(other, found, border=True), found])
            for n in range(5):
                x = self.conv(x, f"update_spynet.basic_module.{level}.basic_module.{n}.conv")
                x = x.clamp(min=0) if n < 4 else x
            found = found + x
        found = F.interpolate(found[None], (h, w), mode="bilinear", align_corners=False)[0]
        return torch.stack([found[0] * w / size[1], found[1] * h / size[0]])

    def align(self, way, pair, seen, flows):
        name = f"feat_prop_module.deform_align.{way}"
        x = torch.cat([seen, *flows])
        for n in range(4):
            x = self.conv(x, f"{name}.conv_offset.{2 * n}")
            x = F.leaky_relu(x, 0.1) if n < 3 else x
        offsets, mask = 10 * x[:288].tanh(), x[288:].sigmoid()
        h, w = pair.shape[1:]
        ys, xs = torch.arange(h, dtype=x.dtype)[:, None], torch.arange(w, dtype=x.dtype)[None]
        weight, each = self.state[f"{name}.weight"], len(pair) // 16
        out = self.state[f"{name}.bias"][:, None, None].expand(-1, h, w).clone()
        for g in range(16):
            flow = flows[0] if g < 8 else flows[1]
            for k in range(9):
                dy, dx = offsets[18 * g + 2 * k] + flow[1], offsets[18 * g + 2 * k + 1] + flow[0]
                part = (
                    look_up(pair[each * g : each * (g + 1)], ys + k // 3 - 1 + dy, xs + k % 3 - 1 + dx)
                    * mask[9 * g + k]
                )
                out += torch.einsum("oc,chw->ohw", weight[:, each * g : each * (g + 1), k // 3, k % 3], part)
        return out

    def propagate(self, features, images):
        t = len(features)
        there = [self.flow(images[n], images[n + 1]) for n in range(t - 1)]
        back = [self.flow(images[n + 1], images[n]) for n in range(t - 1)]
        passed = {}
        for way, flows in (("backward_", there), ("forward_", back)):
            order = list(range(t))[::-1] if way == "backward_" else list(range(t))
            states, state = {}, torch.zeros_like(features[0])
            for n, at in enumerate(order):
                if n:
                    flow, before, second = flows[n - 1], torch.zeros_like(state), torch.zeros_like(flows[0])
                    seen = [moved(state, flow), features[at], torch.zeros_like(state)]
                    if n > 1:
                        before, second = states[order[n - 2]], flow + moved(flows[n - 2], flow)
                        seen[2] = moved(before, second)
                    state = self.align(way, torch.cat([state, before]), torch.cat(seen), (flow, second))
                given = [features[at], state] if way == "backward_" else [features[at], passed["backward_"][at], state]
                x = F.leaky_relu(self.conv(torch.cat(given), f"feat_prop_module.backbone.{way}.0"), 0.1)
                state = states[at] = state + self.conv(x, f"feat_prop_module.backbone.{way}.2")
            passed[way] = states
        return torch.stack(
            [
                self.conv(torch.cat([passed["backward_"][n], passed["forward_"][n]]), "feat_prop_module.fusion")
                + features[n]
                for n in range(t)
            ]
        )

    def encode(self, x):
        tap = None
        for k, (stride, groups) in enumerate(((2, 1), (1, 1), (2, 1), (1, 1), (1, 1), (1, 2), (1, 4), (1, 8), (1, 1))):
            tap = x if k == 4 else tap
            if k > 4:
                pairs = zip(tap.chunk(groups), x.chunk(groups), strict=True)
                x = torch.cat([part for pair in pairs for part in pair])
            x = F.leaky_relu(self.conv(x, f"encoder.layers.{2 * k}", stride, groups), 0.2)
        return x

    def attend(self, x, name):
        """Tokens ``(T, rows, cols, width)``, normalised, token by token of each window."""
        t, rows, cols, width = x.shape
        down, across = rows // 5, cols // 9
        pooled = torch.zeros(t, down, across, width, dtype=x.dtype)
        weight, bias = self.state[f"{name}.pool_layers.0.weight"][0], self.state[f"{name}.pool_layers.0.bias"]
        for a in range(down):
            for b in range(across):
                window = x[:, 5 * a : 5 * a + 5, 9 * b : 9 * b + 9].flatten(1, 2)
                pooled[:, a, b] = (window * weight[:, None]).sum(1) + bias
        out = torch.zeros_like(x)
        for a in range(down):
            for b in range(across):
                seen = [x[:, 5 * a : 5 * a + 5, 9 * b : 9 * b + 9].reshape(-1, width)]
                for dy, dx in ((2, 4), (2, -4), (-2, 4), (-2, -4)):
                    for i in range(5):
                        for j in range(9):
                            if not (0 <= i + dy < 5 and 0 <= j + dx < 9):
                                seen.append(x[:, (5 * a + i + dy) % rows, (9 * b + j + dx) % cols])
                for p in range(max(0, a - 2), min(down, a + 3)):
                    for q in range(max(0, b - 4), min(across, b + 5)):
                        seen.append(pooled[:, p, q])
                _, key, value = self.linear(torch.cat(seen), f"{name}.attn.qkv").chunk(3, 1)
                query = self.linear(seen[0], f"{name}.attn.qkv")[:, :width]
                heads = []
                for h in range(self.heads):
                    at = slice(h * width // self.heads, (h + 1) * width // self.heads)
                    scores = query[:, at] @ key[:, at].T / (width / self.heads) ** 0.5
                    heads.append(scores.softmax(-1) @ value[:, at])
                made = self.linear(torch.cat(heads, 1), f"{name}.attn.proj")
                out[:, 5 * a : 5 * a + 5, 9 * b : 9 * b + 9] = made.reshape(t, 5, 9, width)
        return out

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def run(self, frames, local):
        """Frames ``(T, 3, H, W)`` in [-1, 1], the first ``local`` of which follow one another, to the same."""
        size = frames.shape[2] // 4, frames.shape[3] // 4
        small = F.interpolate((frames[:local] + 1) / 2, size, mode="bilinear", align_corners=True)
        features = torch.stack([self.encode(x) for x in frames])
        features = torch.cat([self.propagate(features[:local], small), features[local:]])
        rows, cols = (size[0] - 1) // 3 + 1, (size[1] - 1) // 3 + 1

        def put(tokens):
            return F.fold(tokens.transpose(1, 2), size, 7, padding=3, stride=3)

        def take(maps):
            return F.unfold(maps, 7, padding=3, stride=3).transpose(1, 2)

        x = self.linear(take(features), "ss.embedding").unflatten(1, (rows, cols))
        count = sum(name.endswith("attn.proj.weight") for name in self.state)
        for k in range(count):
            name = f"transformer.{k}"
            x = x + self.attend(self.norm(x, f"{name}.norm1"), name)
            y = self.linear(self.norm(x, f"{name}.norm2"), f"{name}.mlp.conv1.0").flatten(1, 2)
            y = take(put(y) / put(torch.ones_like(y)))
            x = x + self.linear(F.gelu(y), f"{name}.mlp.conv2.1").reshape(x.shape)
        features = features + put(self.linear(x.flatten(1, 2), "sc.embedding")) + self.state["sc.bias"]
        made = []
        for y in features:
            for n, name in enumerate(("0.conv", "2", "4.conv", "6")):
                if n in (0, 2):
                    y = F.interpolate(y[None], scale_factor=2, mode="bilinear", align_corners=True)[0]
                y = self.conv(y, f"decoder.{name}")
                y = F.leaky_relu(y, 0.2) if n < 3 else y.tanh()
            made.append(y)
        return torch.stack(made)
