"""Many short clips: a command for each, one after another, two at a time, and over Ray, as ratios of one run.

    python benchmarks/batch.py VIDEO [--clips 50] [--frames 24] [--jobs 2] [--rounds 2] [--preset fast] [--box 0.2]

Cuts so many clips out of VIDEO (a file; ffmpeg encodes them anew), each beginning a little later, and removes a static
box from all of them: with a shell's loop (a ``vrm remove`` for each clip), with one command and --jobs 1 (all threads
for each clip), with --jobs N (as many threads in all), and with --ray local (as many tasks at a time, each with as many
threads as one of the N). All are measured in turns, --rounds times. A row has the least seconds by the clock, the
processor's seconds of all its processes (Ray's do not all count), and how many times as fast it was as the loop and as
--jobs 1 (median of the rounds, smallest, largest): "one job after another" can mean either. Said as well is whether
--jobs N and Ray wrote the same bytes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from turns import ratio, where

from vrm.media.read.probe import probe
from vrm.options.remove import EngineOptions


def cut(video: Path, folder: Path, clips: int, frames: int) -> None:
    """Clips of so many frames, their beginnings spread over the video."""
    folder.mkdir()
    info = probe(video)
    last = max(0, info.n_frames - frames)
    for k in range(clips):
        start = float(round(k * last / max(1, clips - 1)) / info.frame_rate)
        command = ["ffmpeg", "-nostdin", "-v", "error", "-ss", f"{start:.3f}", "-i", str(video)]
        command += ["-frames:v", str(frames), "-an", "-c:v", "libx264", "-crf", "16", str(folder / f"clip{k:03d}.mp4")]
        subprocess.run(command, check=True)


def box_mask(video: Path, path: Path, share: float) -> None:
    """A picture with a box of this share of the height and width in its middle."""
    height, width = probe(video).display_size
    picture = np.zeros((height, width), np.uint8)
    tall, wide = int(height * share), int(width * share)
    top, left = (height - tall) // 2, (width - wide) // 2
    picture[top : top + tall, left : left + wide] = 255
    cv2.imwrite(str(path), picture)


def timed(*commands: Sequence[object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor of commands one after another, with all their processes."""
    begin, used = time.perf_counter(), _used()
    for words in commands:
        command = [sys.executable, "-m", "vrm", "remove", *map(str, words)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin, _used() - used


def _used() -> float:
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=EngineOptions().cpu_threads)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--box", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", default="loop,one,jobs,ray", help="which of these; ratios need loop and one")
    args = parser.parse_args()
    each = max(1, args.threads // args.jobs)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        clips, mask = work / "clips", work / "mask.png"
        cut(args.video, clips, args.clips, args.frames)
        box_mask(args.video, mask, args.box)
        words = ("--mask", mask, "--static-mask", "--preset", args.preset, "--device", "cpu", "--overwrite")
        whole = (*words, "--threads", args.threads)
        (work / "loop").mkdir()
        loop = [(path, "-o", work / "loop" / path.name, *whole) for path in sorted(clips.iterdir())]
        rows = {
            "loop": ("loop of commands", loop),
            "one": ("--jobs 1", [(clips, "-o", work / "one", "--jobs", 1, *whole)]),
            "jobs": (f"--jobs {args.jobs}", [(clips, "-o", work / "jobs", "--jobs", args.jobs, *whole)]),
            "ray": (
                f"--ray local --jobs {args.jobs}",
                [(clips, "-o", work / "ray", "--ray", "local", "--jobs", args.jobs, *words, "--threads", each)],
            ),
        }
        taken: dict[str, list[tuple[float, float]]] = {row: [] for row in args.rows.split(",")}
        for _ in range(args.rounds):
            for row, own in taken.items():
                own.append(timed(*rows[row][1]))
                print(f"{rows[row][0]}: {own[-1][0]:.1f} s", file=sys.stderr, flush=True)
        print(f"{args.clips} clips of {args.frames} frames, {args.preset}, {args.threads} threads in all; {where()}")
        print(f"{'':22s} {'seconds':>8s} {'processor':>9s} {'as the loop':>22s} {'as --jobs 1':>22s}")
        for row, own in taken.items():
            clocks = {base: [clock for clock, _ in taken[base]] for base in ("loop", "one", row) if base in taken}
            ratios = [ratio(clocks[base], clocks[row]) if base in clocks else "" for base in ("loop", "one")]
            least, used = (min(column) for column in zip(*own, strict=True))
            print(f"{rows[row][0]:22s} {least:8.1f} {used:9.1f} {ratios[0]:>22s} {ratios[1]:>22s}")
        if {"jobs", "ray"} <= set(taken):
            made = sorted(path.name for path in (work / "jobs").iterdir())
            same = all((work / "jobs" / n).read_bytes() == (work / "ray" / n).read_bytes() for n in made)
            print(f"{len(made)} clips, the same bytes from --jobs {args.jobs} and --ray local: {same}")


if __name__ == "__main__":
    main()
