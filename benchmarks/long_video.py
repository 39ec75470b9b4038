"""Peak memory of `vrm remove` against the length of the video, and a long video whole.

    python benchmarks/long_video.py LONG [--frames 300,1500] [--repeat] [--preset fast] [--box 0.1] [--whole]

LONG is a video file; its first so many frames are cut off with ffmpeg, without encoding, and a box of a tenth of the
frame's height and width is removed from each (--static-mask). What a window needs depends on what it shows, so with
--repeat the longer parts are the first one again and again, and nothing but the length differs. With --whole the file
passes through whole under an empty mask as well. --rounds N takes all in turns N times. The peak is the largest
resident set of the command (Linux: ru_maxrss); said is how many times that of the shortest part it is, over the rounds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from turns import ratio, where

from vrm.media.read.probe import probe


def run(source: Path, mask: Path, out: Path, preset: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of one command."""
    command = [sys.executable, "-m", "vrm", "remove", str(source), "--mask", str(mask), "--static-mask"]
    command += ["-o", str(out), "--preset", preset, "--overwrite"]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"vrm failed on {source}")
    return time.perf_counter() - begin, used.ru_maxrss / 1024


def cut_off(video: Path, count: int, part: Path, again: int = 0) -> None:
    """The first so many frames of a video that is played once and ``again`` times more, not encoded anew."""
    command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", str(again), "-i", str(video)]
    subprocess.run([*command, "-frames:v", str(count), "-c", "copy", "-an", str(part)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", default="300,1500")
    parser.add_argument("--repeat", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--box", type=float, default=0.1)
    parser.add_argument("--whole", action="store_true")
    args = parser.parse_args()
    height, width = probe(args.video).display_size
    print(f"{'video':24s} {'seconds':>8s} {'peak MB':>8s}")
    with tempfile.TemporaryDirectory() as folder:
        mask, empty, out = (Path(folder) / name for name in ("mask.png", "empty.png", f"out{args.video.suffix}"))
        picture = np.zeros((height, width), np.uint8)
        cv2.imwrite(str(empty), picture)
        top, left = int(height * 0.45), int(width * 0.45)
        picture[top : top + int(height * args.box), left : left + int(width * args.box)] = 255
        cv2.imwrite(str(mask), picture)
        counts = [int(n) for n in args.frames.split(",") if n]
        peaks: dict[int, list[float]] = {count: [] for count in counts}
        for count in counts * args.rounds:
            part = Path(folder) / f"part{args.video.suffix}"
            first = Path(folder) / f"first{args.video.suffix}"
            cut_off(args.video, counts[0] if args.repeat else count, first)
            cut_off(first, count, part, -(-count // counts[0]) - 1 if args.repeat else 0)
            seconds, peak = run(part, mask, out, args.preset)
            peaks[count].append(peak)
            print(f"{probe(part).n_frames:6d} frames, a box gone  {seconds:6.0f} {peak:8.0f}", flush=True)
        for count in counts[1:]:
            print(f"{count} frames take {ratio(peaks[count], peaks[counts[0]])} times the memory of {counts[0]}")
        if args.whole:
            seconds, peak = run(args.video, empty, out, args.preset)
            same = probe(out).n_frames == probe(args.video).n_frames
            print(f"{probe(out).n_frames:6d} frames, empty mask  {seconds:6.0f} {peak:8.0f}  all frames there: {same}")
    print(where())


if __name__ == "__main__":
    main()
