"""Many short clips: one after another, two at a time, and over Ray, as ratios of one run.

    python benchmarks/batch.py VIDEO [--clips 50] [--frames 24] [--jobs 2] [--preset fast] [--box 0.2] [--commands]

Cuts so many clips out of VIDEO (a file; ffmpeg encodes them anew), each beginning a little later, and removes a static
box from all of them: with --jobs 1 (all threads for each), with --jobs N (as many threads in all), and with --ray local
(as many tasks at a time, each with as many threads as one of the N). --commands also runs a command for each clip. The
ratio is the time of --jobs 1 over the row's; the last line says whether --jobs N and Ray wrote the same bytes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from vrm.media.probe import probe
from vrm.options import EngineOptions


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


def timed(*words: object) -> float:
    """Seconds of one command."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "vrm", "remove", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=EngineOptions().cpu_threads)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--box", type=float, default=0.2)
    parser.add_argument("--commands", action="store_true", help="also a command for each clip")
    args = parser.parse_args()
    each = max(1, args.threads // args.jobs)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        clips, mask = work / "clips", work / "mask.png"
        cut(args.video, clips, args.clips, args.frames)
        box_mask(args.video, mask, args.box)
        words = ("--mask", mask, "--static-mask", "--preset", args.preset, "--device", "cpu")
        rows = {
            "--jobs 1": (clips, "-o", work / "one", "--jobs", 1, "--threads", args.threads, *words),
            f"--jobs {args.jobs}": (clips, "-o", work / "jobs", "--jobs", args.jobs, "--threads", args.threads, *words),
            "--ray local": (
                *(clips, "-o", work / "ray", "--ray", "local", "--jobs", args.jobs, "--threads", each),
                *words,
            ),
        }
        print(f"{args.clips} clips of {args.frames} frames, {args.preset}, {args.threads} threads in all")
        print(f"{'':14s} {'seconds':>8s} {'ratio':>6s}")
        base = 0.0
        for label, row in rows.items():
            seconds = timed(*row)
            base = base or seconds
            print(f"{label:14s} {seconds:8.1f} {base / seconds:6.2f}", flush=True)
        if args.commands:
            seconds = sum(
                timed(path, "-o", work / f"single-{path.name}", "--threads", args.threads, *words)
                for path in sorted(clips.iterdir())
            )
            print(f"{'commands':14s} {seconds:8.1f} {base / seconds:6.2f}", flush=True)
        made = sorted(path.name for path in (work / "jobs").iterdir())
        same = all((work / "jobs" / n).read_bytes() == (work / "ray" / n).read_bytes() for n in made)
        print(f"{len(made)} clips, the same bytes from --jobs {args.jobs} and --ray local: {same}")


if __name__ == "__main__":
    main()
