"""Reading and writing alone against ffmpeg's own decode-encode, same codec settings, in turns on the same machine.

    python benchmarks/passthrough.py CLIP.mp4 [--preset medium] [--crf 16] [--rounds 3]

Prints seconds on the clock and of the processor for each turn, and the ratio of the best ones: 1.00 = as fast as
ffmpeg, 0.80 = it takes a quarter longer. Needs ffmpeg; run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vrm.media.plan import OutputPlan, plan_output
from vrm.media.probe import probe
from vrm.media.read import Reader
from vrm.media.write import write_video
from vrm.options import OutputOptions


def planned(source: Path, out: Path, crf: int) -> OutputPlan:
    return plan_output(probe(source), out, OutputOptions(codec="libx264", crf=crf, overwrite=True))


def ours(source: Path, out: Path, preset: str, crf: int) -> None:
    info = probe(source)
    plan = planned(source, out, crf)
    plan = replace(plan, options={**plan.options, "preset": preset})
    with Reader(info) as reader:
        write_video(plan, reader.frames())


def theirs(source: Path, out: Path, preset: str, crf: int) -> None:
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-map", "0", "-c", "copy"]
    command += ["-c:v:0", "libx264", "-crf", str(crf), "-preset", preset]
    if profile := planned(source, out, crf).options.get("profile"):
        command += ["-profile:v", profile]
    subprocess.run([*command, str(out)], check=True)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock and of the processor, child processes included."""
    clock, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - clock, sum(after[:4]) - sum(before[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--crf", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    turns: dict[str, list[tuple[float, float]]] = {"vrm": [], "ffmpeg": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            for name, work in (("vrm", ours), ("ffmpeg", theirs)):
                out = Path(folder) / f"{name}.mp4"
                turns[name].append(timed(lambda w=work, o=out: w(args.clip, o, args.preset, args.crf)))
        sizes = {name: (Path(folder) / f"{name}.mp4").stat().st_size for name in turns}
    print("| | clock s | processor s | bytes |\n|---|---|---|---|")
    for name, measured in turns.items():
        clocks, processors = zip(*measured, strict=True)
        print(f"| {name} | {_list(clocks)} | {_list(processors)} | {sizes[name]} |")
    best = {name: [min(column) for column in zip(*measured, strict=True)] for name, measured in turns.items()}
    clock, processor = (f / v for f, v in zip(best["ffmpeg"], best["vrm"], strict=True))
    print(f"ratio to ffmpeg's speed: {clock:.2f} by the clock, {processor:.2f} by processor time")


def _list(seconds: tuple[float, ...]) -> str:
    return ", ".join(f"{s:.1f}" for s in seconds)


if __name__ == "__main__":
    main()
