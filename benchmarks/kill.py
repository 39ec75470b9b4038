"""Runs of `vrm remove --resume` killed (SIGKILL) at random moments, then resumed: are the bytes the same?

    python benchmarks/kill.py [--runs 20] [--seed 0] [--twice 0.3] [--preset balanced] [--engine internal]

A made clip of two shots, each with stretches of masks that need windows of their own, is worked
on once undisturbed and without --resume. Every run after that has a cache of its own and is killed: the first
ones once in each stage, the others at random moments of the undisturbed run's time, some of them twice; then it is run
again with --resume until it ends. The outputs must have the same bytes, and no file may be left but the fits that
--resume keeps for later jobs. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np

SIZE = (96, 128)
SHOT = 34
"""Frames of each shot."""
HOLES = (range(8), range(24, 32))
"""Frames of a shot that have a mask: farther apart than one window reaches."""

CHILD = """
from vrm.engines.internal import engine as internal
from vrm.job import checkpoints as kept
internal.STEPS = dict.fromkeys(internal.STEPS, 30)
kept.APART = 0.2

import os
from vrm import events
stage, _, n = os.environ.get("KILL_IN", "").partition(":")
left = int(n or 0)

def dying(told):
    def tell(self, name, *rest):
        global left
        told(self, name, *rest)
        left -= name == stage
        if name == stage and left < 0:
            os.kill(os.getpid(), 9)
    return tell

for name in ("stage", "advance"):
    setattr(events.JsonEvents, name, dying(getattr(events.JsonEvents, name)))

from vrm.cli.main import main
main()
"""
"""The command with short fits whose checkpoints lie close together: a kill is to hit between them, not to wait. It
kills itself in a stage: from outside, a short stage may be over first."""


def make_case(folder: Path, shots: int = 2) -> list[str]:
    """Write a clip and its masks; the words of the command after INPUT."""
    rng = np.random.default_rng(7)
    masks = folder / "masks"
    masks.mkdir(parents=True)
    with av.open(str(folder / "in.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for n in range(shots):
            texture = cv2.resize(rng.integers(0, 256, (30, 60, 3)).astype(np.uint8), (400, 200)).astype(np.uint8)
            for k in range(SHOT):
                picture = texture[k // 2 : k // 2 + SIZE[0], k : k + SIZE[1]].copy()
                mask = np.zeros(SIZE, np.uint8)
                if any(k in holes for holes in HOLES):
                    x = 20 + k
                    cv2.rectangle(picture, (x, 30), (x + 20, 60), (40 * n, 220, 60), -1)
                    cv2.rectangle(mask, (x, 30), (x + 20, 60), 255, -1)
                cv2.imwrite(str(masks / f"{n * SHOT + k:05d}.png"), mask)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return ["--mask", str(masks)]


@dataclass
class Run:
    """One command to its end, or to its death.

    Attributes:
        code: exit code; -9 where it was killed.
        seconds: it lived.
        stages: in the order they were met, with the second each began at.
        last: the stage it was in.
        text: stderr.
    """

    code: int
    seconds: float
    stages: list[tuple[str, float]] = field(default_factory=list)
    last: str = ""
    text: str = ""


def run(words: list[str], cache: Path, kill_at: float | None = None, kill_in: str | None = None) -> Run:
    """Run `vrm remove`, and kill it after so many seconds, or at one of the first events of a stage."""
    command = [sys.executable, "-c", CHILD, "remove", *words, "--json", "--threads", "1"]
    env = os.environ | {"XDG_CACHE_HOME": str(cache)}
    if kill_in is not None:
        env["KILL_IN"] = f"{kill_in}:{random.randrange(3)}"
    begin = time.monotonic()
    stages: list[tuple[str, float]] = []
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors)
        timer = threading.Timer(kill_at if kill_at is not None else 1e6, process.kill)
        timer.daemon = True
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line) if line.endswith(b"}\n") else {}
            if event.get("event") == "stage":
                stages.append((event["stage"], time.monotonic() - begin))
        code = process.wait()
        timer.cancel()
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    last = stages[-1][0] if stages else "start"
    return Run(code, time.monotonic() - begin, stages, last, text)


def leftovers(folder: Path) -> list[str]:
    """Files beside the result and in the cache that should not be there."""
    beside = [p.name for p in folder.iterdir() if p.name not in ("out.mp4", "cache")]
    cache = [p.relative_to(folder) for p in (folder / "cache").rglob("*") if p.is_file() and "fits" not in p.parts]
    return beside + [str(p) for p in cache if p.name != "scratch.lock"]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of one run: where it was killed, how often, and what was wrong (empty: nothing)."""

    killed: tuple[str, ...]
    wrong: str


def survive(
    source: Path, words: list[str], folder: Path, truth: str, kills: list[tuple[float | None, str | None]]
) -> Outcome:
    """Kill a job at the given moments, one after another, resume it, and compare."""
    folder.mkdir()
    command = [str(source), *words, "-o", str(folder / "out.mp4"), "--resume"]
    killed = []
    for at, stage in kills:
        done = run(command, folder / "cache", at, stage)
        if done.code == -9:
            killed.append(done.last)
        elif done.code:
            return Outcome(tuple(killed), f"exit code {done.code}: {done.text[-300:]}")
    if killed or not (folder / "out.mp4").exists():
        there = (folder / "out.mp4").exists()  # in its place already: the next run refuses
        done = run(command, folder / "cache")
        if done.code != (8 if there else 0):
            return Outcome(tuple(killed), f"exit code {done.code}: {done.text[-300:]}")
    wrong = "" if digest(folder / "out.mp4") == truth else "other bytes"
    stray = leftovers(folder)
    return Outcome(tuple(killed), wrong or (f"left behind: {', '.join(stray)}" if stray else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--twice", type=float, default=0.3, help="share of the runs that are killed twice")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--engine", default="motion")
    args = parser.parse_args()
    random.seed(args.seed)
    bad = 0
    with tempfile.TemporaryDirectory() as made:
        base = Path(made)
        words = [*make_case(base / "case"), "--preset", args.preset, "--engine", args.engine]
        source = base / "case" / "in.mp4"
        plain = run([str(source), *words, "-o", str(base / "plain.mp4")], base / "cache")
        if plain.code:
            raise SystemExit(plain.text)
        truth = digest(base / "plain.mp4")
        stages = list(dict.fromkeys(name for name, _ in plain.stages))
        print(f"undisturbed: {plain.seconds:.1f} s; stages: {', '.join(stages)}", flush=True)
        for n in range(args.runs):
            moment = (None, stages[n]) if n < len(stages) else (random.uniform(0.3, plain.seconds), None)
            kills: list[tuple[float | None, str | None]] = [moment]
            if random.random() < args.twice:
                kills.append((random.uniform(0.3, plain.seconds), None))
            outcome = survive(source, words, base / f"run{n}", truth, kills)
            bad += bool(outcome.wrong)
            print(
                f"{n:3d}  killed in {' and '.join(outcome.killed) or 'nothing (it was done)':30s}"
                f"  {outcome.wrong or 'same bytes, nothing left'}",
                flush=True,
            )
            shutil.rmtree(base / f"run{n}")
    print(f"{args.runs - bad} of {args.runs} right")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
