"""Shared key features against the plain structure: one target after another, as many key frames each.

    python benchmarks/generator.py [--threads 2] [--targets 8] [--keys 14] [--sizes 256x256 432x240] [--config ours]

Random weights; the ratio does not depend on them. The plain structure encodes every key frame anew for each target
(``TwoStreamGenerator.forward``); the shared one encodes each key frame once (``key_features``, ``complete``). Both rows
are of the same run, in turns, and the largest difference of their outputs is printed beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import time

import torch

from vrm.nets.two_stream import CONFIGS, KeyFeatures, TwoStreamGenerator


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--targets", type=int, default=8)
    parser.add_argument("--keys", type=int, default=14)
    parser.add_argument("--sizes", nargs="+", default=["256x256", "432x240"])
    parser.add_argument("--config", default="ours", choices=sorted(CONFIGS))
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    net = TwoStreamGenerator(CONFIGS[args.config]).eval().to(memory_format=torch.channels_last)
    print(f"{args.config}, {args.targets} targets, {args.keys} key frames, {args.threads} threads")
    print("size      dtype  plain s/target  shared s/target  ratio  largest difference")
    for size in args.sizes:
        w, h = map(int, size.split("x"))
        keys = torch.rand(args.keys, 4, h, w)
        targets = torch.rand(args.targets, 1, 4, h, w)
        flow, error = 4 * torch.randn(args.keys, 2, h, w), torch.rand(args.keys, 1, h, w)
        for name in args.dtypes:
            half = torch.autocast("cpu", torch.bfloat16) if name == "bf16" else contextlib.nullcontext()
            with half:
                start = time.perf_counter()
                features = KeyFeatures.join([net.key_features(k[None]) for k in keys])
                shared = [net.complete(t, features, flow, error) for t in targets]
                middle = time.perf_counter()
                plain = [net(t, keys[None], flow[None], error[None]) for t in targets]
                end = time.perf_counter()
            apart = max(float((a - b).abs().max()) for a, b in zip(plain, shared, strict=True))
            one, other = (end - middle) / args.targets, (middle - start) / args.targets
            print(f"{size:9s} {name:5s} {one:14.2f} {other:16.2f} {one / other:6.2f}  {apart:.1e}", flush=True)


if __name__ == "__main__":
    main()
