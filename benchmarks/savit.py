"""Frames per second of the engine savit against the plain published inference on the same weights, in one run.

    python benchmarks/savit.py [--weights FILE] [--config fuseformer] [--frames 80] [--size 240x432] [--hole 0.1]
                               [--threads 2] [--rows paper-fp32,paper-bf16,fast-bf16] [--rounds 2] [--whole]
                               [--dynamic]

Without weights random ones are taken: times are the same, pictures mean nothing. The hole is a box of the given share
of the frame that wanders. All ways are measured in turns; ratios (median of the rounds, smallest, largest) are given
by the clock and by processor time, which other work on the machine disturbs less. The engine always fills the whole
clip, alone (without motion).

The plain way takes most of the time, and what one of its runs takes depends on how many frames it sees: fewer at the
ends of the clip than in between. Two pairs of neighbouring runs are made, the first two and the middle two, and one
more of each kind (number of frames seen) that is not among these; each kind counts as often as it occurs. Results are
compared in the frames that the runs made decide. ``--whole`` makes all runs. 80 frames of 432x240 need about 8 GB and a
quarter of an hour a round on 2 cores, with ``--whole`` twice that.

``--dynamic`` measures the semantic-aware block's overhead instead: the label-free network against one with label maps
and the dynamic block, whole frames, one run of 5 and of 15 frames.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import torch
from plain_savit import decided, inpaint, windows
from turns import ratio, where

from vrm.engines.savit.engine import SavitSession, in_working_format, load_network
from vrm.engines.savit.schedule import SCHEDULES
from vrm.events import no_progress
from vrm.nets.savit.model import ABLATIONS, Savit
from vrm.options.remove import EngineOptions
from vrm.shots.windows import Window
from vrm.system.device import choose
from vrm.system.memory import peak_mb


class Took:
    """Seconds that a block took, by the clock and of the processor."""

    def __enter__(self) -> Took:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.clock, self.processor = time.perf_counter() - self._began[0], time.process_time() - self._began[1]


class Wandering:
    """A smooth drifting picture with a box of a hole."""

    def __init__(self, count: int, size: tuple[int, int], share: float) -> None:
        h, w = size
        side = share**0.5
        y, x = np.mgrid[:h, :w].astype(np.float32)
        self.start, self.stop, self.size, self.depth = 0, count, size, 16
        self.holes = np.zeros((count, h, w), bool)
        self.frames = np.zeros((count, h, w, 3), np.uint16)
        for t in range(count):
            waves = [np.sin((x + 3 * t) / (17 + 5 * c)) * np.cos((y - t) / (13 + 4 * c)) for c in range(3)]
            self.frames[t] = (np.stack(waves, -1) * 0.45 + 0.5) * 65535
            top = int((h - h * side) * (0.5 + 0.3 * np.sin(t / 9)))
            left = int((w - w * side) * (0.5 + 0.3 * np.cos(t / 11)))
            self.holes[t, top : top + round(h * side), left : left + round(w * side)] = True

    def frame(self, t: int) -> np.ndarray:
        return self.frames[t]

    def hole(self, t: int) -> np.ndarray:
        return self.holes[t]

    def windows(self) -> list[Window]:
        return [Window(0, self.stop, 0, self.stop)]


def ours(net: Savit, shot: Wandering, preset: str, dtype: str, threads: int) -> tuple[np.ndarray, Took]:
    compute = choose(EngineOptions(device="cpu", dtype=dtype, threads=threads))
    net = compute.place(in_working_format(copy.deepcopy(net), compute.dtype))
    session = SavitSession(shot, net, SCHEDULES[preset], compute, False, 400_000_000, no_progress)
    with Took() as took:
        patches = session.fill(shot.windows()[0])
    out = shot.frames.astype(np.float32) / 65535
    for t, patch in patches.items():
        y0, x0, y1, x1 = patch.box
        out[t, y0:y1, x0:x1] = patch.rgb / np.float32(65535)
    return out, took


def network(weights: str | None, config: str, size: tuple[int, int]) -> Savit:
    if weights is not None:
        return load_network(weights).eval()
    torch.manual_seed(0)
    field = size[0] // 4, size[1] // 4  # that of training, so that every row works at the same size
    net = Savit(replace(ABLATIONS[config], field=field)).eval()
    with torch.no_grad():  # outputs of an untrained network are all alike: give them contrast
        for p in net.parameters():
            if p.dim() > 1:
                p.mul_(2)
    return net


def timed_runs(length: int, whole: bool) -> list[int]:
    """Centres of the plain runs that are made."""
    seen = {centre: len(near) + len(far) for centre, near, far in windows(length)}
    centres = list(seen)
    if whole or len(centres) <= 4:
        return centres
    middle = len(centres) // 2
    made = [*centres[:2], *centres[middle - 1 : middle + 1]]
    for centre, kind in seen.items():
        if kind not in {seen[c] for c in made}:
            made.append(centre)
    return sorted(made)


class Plain:
    """A round of the plain way, of whose runs some are made: what all would take.

    Attributes:
        image: what they made.
        kinds: by the number of frames seen: how many runs were made, and how many there are.
    """

    def __init__(self, net: Savit, shot: Wandering, centres: list[int]) -> None:
        taken: list[tuple[int, float, float]] = []
        began = [time.perf_counter(), time.process_time()]

        def ran(seen: int) -> None:
            now = [time.perf_counter(), time.process_time()]
            taken.append((seen, now[0] - began[0], now[1] - began[1]))
            began[:] = now

        self.image = inpaint(net, shot.frames.astype(np.float32) / 65535, shot.holes, centres=centres, ran=ran)
        occur = Counter(len(near) + len(far) for _, near, far in windows(shot.stop))
        made = Counter(seen for seen, _, _ in taken)
        self.kinds = {seen: (made[seen], occur[seen]) for seen in sorted(made)}
        self.clock, self.processor = (sum(t[k] * occur[t[0]] / made[t[0]] for t in taken) for k in (1, 2))


def compare(args: argparse.Namespace) -> None:
    h, w = (int(n) for n in args.size.split("x"))
    net = network(args.weights, args.config, (h, w))
    shot = Wandering(args.frames, (h, w), args.hole)
    torch.set_num_threads(args.threads)
    parameters = sum(p.numel() for p in net.parameters()) / 1e6
    print(where(args.threads))
    print(
        f"{args.frames} frames {w}x{h}, hole {shot.holes.mean():.0%}, "
        f"{args.weights or 'random weights'}, {parameters:.1f} M parameters"
    )
    centres = timed_runs(args.frames, args.whole)
    looked_at = np.zeros_like(shot.holes)
    looked_at[decided(args.frames, centres)] = True
    rows = args.rows.split(",")
    taken: dict[str, list[Plain | Took]] = {name: [] for name in ("plain", *rows)}
    errors: dict[str, np.ndarray] = {}
    for _ in range(args.rounds):
        plain = Plain(net, shot, centres)
        taken["plain"].append(plain)
        for row in rows:
            made, own = ours(net, shot, *row.split("-"), args.threads)
            taken[row].append(own)
            errors[row] = np.abs(made - plain.image)[shot.holes & looked_at]
    clocks = {row: [t.clock for t in own] for row, own in taken.items()}
    work = {row: [t.processor for t in own] for row, own in taken.items()}
    made_of = "; ".join(f"{made} of {all_} with {seen} frames" for seen, (made, all_) in plain.kinds.items())
    print(f"{'plain fp32':12} {args.frames / min(clocks['plain']):7.3f} frames/s (runs made: {made_of})")
    for row, error in errors.items():
        print(
            f"{row:12} {args.frames / min(clocks[row]):7.3f} frames/s, {ratio(clocks['plain'], clocks[row])} times as "
            f"fast, by processor time {ratio(work['plain'], work[row])}; difference from plain in the hole, of 1: "
            f"mean {error.mean():.1e}, most {error.max():.1e}"
        )
    print(f"peak memory {peak_mb() / 1000:.2f} GB (the plain way included)")


def dynamic(args: argparse.Namespace) -> None:
    h, w = (int(n) for n in args.size.split("x"))
    torch.set_num_threads(args.threads)
    nets = [network(None, name, (h, w)) for name in ("fuseformer", "savit")]
    for count in (5, 15):
        frames, labels = torch.rand(1, count, 3, h, w) * 2 - 1, torch.randint(0, 8, (1, count, h, w))
        times: list[list[float]] = [[], []]
        with torch.inference_mode():
            for _ in range(args.rounds):  # in turns, so that what else the machine does meets both
                for k, net in enumerate(nets):
                    began = time.perf_counter()
                    net(frames, labels if k else None)
                    times[k].append(time.perf_counter() - began)
        plain, ours = (min(t) for t in times)
        more = ratio(times[1], times[0])
        print(f"{count} frames: {plain:.2f} s without, {ours:.2f} s with labels and experts: {more} times as long")
    print(where(args.threads))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights")
    parser.add_argument("--config", default="fuseformer")
    parser.add_argument("--frames", type=int, default=80)
    parser.add_argument("--size", default="240x432")
    parser.add_argument("--hole", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", default="paper-fp32,paper-bf16,fast-bf16")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--dynamic", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    dynamic(given) if given.dynamic else compare(given)
