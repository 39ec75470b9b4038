"""Shared key features against the plain structure: one target after another, as many key frames each.

    python benchmarks/generator.py [--threads 2] [--rounds 2] [--targets 8] [--keys 14] [--sizes 256x256 432x240]
                                   [--config ours]

Random weights; the ratio does not depend on them. The plain structure encodes every key frame anew for each target
(``TwoStreamGenerator.forward``); the shared one encodes each key frame once (``key_features``, ``complete``). Both are
measured in turns; printed are seconds of the best turns, the ratio over the rounds, and the largest difference of their
outputs.
"""

from __future__ import annotations

import argparse
import contextlib

import torch
from torch import Tensor
from turns import in_turns, ratio, where

from vrm.nets.two_stream.model import CONFIGS, KeyFeatures, TwoStreamGenerator


@torch.no_grad()
def measured(net: TwoStreamGenerator, count: int, n_keys: int, size: tuple[int, int], rounds: int) -> str:
    """Seconds a target of both, their ratio and difference, as a row has them."""
    h, w = size
    keys = torch.rand(n_keys, 4, h, w)
    targets = torch.rand(count, 1, 4, h, w)
    flow, error = 4 * torch.randn(n_keys, 2, h, w), torch.rand(n_keys, 1, h, w)
    made: dict[str, list[Tensor]] = {}

    def shared() -> None:
        features = KeyFeatures.join([net.key_features(k[None]) for k in keys])
        made["shared"] = [net.complete(t, features, flow, error) for t in targets]

    def plain() -> None:
        made["plain"] = [net(t, keys[None], flow[None], error[None]) for t in targets]

    taken = in_turns({"shared": shared, "plain": plain}, rounds)
    apart = max(float((a - b).abs().max()) for a, b in zip(made["plain"], made["shared"], strict=True))
    one, other = ([turn.clock / count for turn in taken[way]] for way in ("plain", "shared"))
    return f"{min(one):14.2f} {min(other):16.2f}  {ratio(one, other):22s}  {apart:.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--targets", type=int, default=8)
    parser.add_argument("--keys", type=int, default=14)
    parser.add_argument("--sizes", nargs="+", default=["256x256", "432x240"])
    parser.add_argument("--config", default="ours", choices=sorted(CONFIGS))
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    net = TwoStreamGenerator(CONFIGS[args.config]).eval().to(memory_format=torch.channels_last)
    print(f"{args.config}, {args.targets} targets, {args.keys} key frames")
    print(where(args.threads))
    print(f"size      dtype  plain s/target  shared s/target  {'times as fast':22s}  largest difference")
    for size in args.sizes:
        w, h = map(int, size.split("x"))
        for name in args.dtypes:
            half = torch.autocast("cpu", torch.bfloat16) if name == "bf16" else contextlib.nullcontext()
            with half:
                row = measured(net, args.targets, args.keys, (h, w), args.rounds)
            print(f"{size:9s} {name:5s} {row}", flush=True)


if __name__ == "__main__":
    main()
