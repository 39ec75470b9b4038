"""`vrm remove` with an empty mask against ffmpeg's own decode-encode, same codec settings, in turns.

    python benchmarks/passthrough.py CLIP [--codec libx264] [--crf 16] [--rounds 3]

Three ways through CLIP: the whole command as a user gives it, reading and writing alone (``vrm.media``, in this
process, without Python's start), and ffmpeg with the options the command's encoder is given. Prints seconds on the
clock and of the processor for each turn, and the ratios turn by turn (median, smallest, largest): 1.00 = as fast as
ffmpeg, 0.80 = it takes a quarter longer. Needs ffmpeg; run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from turns import ratio, where

from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.plan import OutputPlan, plan_output
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions


def command(source: Path, out: Path, codec: str, crf: int) -> None:
    height, width = probe(source).display_size
    empty = out.with_name("empty.png")
    cv2.imwrite(str(empty), np.zeros((height, width), np.uint8))
    arguments = ["remove", str(source), "--mask", str(empty), "--static-mask", "-o", str(out), "--overwrite"]
    arguments += ["--codec", codec, "--crf", str(crf)]
    subprocess.run([sys.executable, "-m", "vrm", *arguments], check=True, stdout=subprocess.DEVNULL)


def planned(source: Path, out: Path, codec: str, crf: int) -> OutputPlan:
    return plan_output(probe(source), out, OutputOptions(codec=codec, crf=crf, overwrite=True))


def read_and_write(source: Path, out: Path, codec: str, crf: int) -> None:
    with Reader(probe(source)) as reader:
        write_video(planned(source, out, codec, crf), reader.frames())


def ffmpeg(source: Path, out: Path, codec: str, crf: int) -> None:
    arguments = ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-map", "0", "-c", "copy", "-c:v:0", codec]
    for name, value in planned(source, out, codec, crf).options.items():
        arguments += [f"-{name}:v" if name == "profile" else f"-{name}", value]
    subprocess.run([*arguments, str(out)], check=True)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock and of the processor, child processes included."""
    clock, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - clock, sum(after[:4]) - sum(before[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--codec", default="libx264")
    parser.add_argument("--crf", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    ways = {"vrm remove": command, "vrm, reading and writing": read_and_write, "ffmpeg": ffmpeg}
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            for name, work in ways.items():
                out = Path(folder) / f"out{args.clip.suffix}"
                turns[name].append(timed(lambda w=work, o=out: w(args.clip, o, args.codec, args.crf)))
                sizes[name] = out.stat().st_size
    plain = list(zip(*turns["ffmpeg"], strict=True))
    print("| | clock s | processor s | bytes | speed by the clock | by the processor |\n|---|---|---|---|---|---|")
    for name, measured in turns.items():
        clocks, processors = zip(*measured, strict=True)
        clock, processor = ratio(plain[0], clocks), ratio(plain[1], processors)
        print(f"| {name} | {_list(clocks)} | {_list(processors)} | {sizes[name]} | {clock} | {processor} |")
    print(where())


def _list(seconds: tuple[float, ...]) -> str:
    return ", ".join(f"{s:.1f}" for s in seconds)


if __name__ == "__main__":
    main()
