"""What labelling costs beside the network, what the vote does to flicker, and how much memory `vrm segment` takes.

    python benchmarks/labelling.py VIDEO [--frames N] [--every N] [--rounds 2] [--folder MODEL]
    python benchmarks/labelling.py CLIPS_FOLDER --annotated [NAME ...] [--frames N]
    python benchmarks/labelling.py VIDEO --lengths 12,36 [--size 1920x1080] [--folder MODEL]

Without a model's folder a Mask2Former of Swin-T size with random weights is built (its labels mean nothing, its time
and its flicker are a network's). Printed: seconds per frame in the network, seconds per frame in everything else but
writing (decoding, flow, numbering, vote), their ratio (median of the rounds, smallest, largest), flicker before and
after the vote, and peak memory.

With --annotated, the vote is measured on maps that people drew: clips are folders with ``frames/`` and ``masks/``, and
what they annotated is one class, the rest another.

With --lengths, ffmpeg makes clips of so many frames of VIDEO (repeated if it is shorter) in that size, and the whole
command labels each, writing included: its largest resident set (Linux: ru_maxrss), which must not grow with the length,
seconds per frame in the network and in everything else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from tracking import truth
from turns import ratio, where

from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.metrics.regions import region_similarity
from vrm.options.remove import EngineOptions
from vrm.selection.labels.base import from_classes
from vrm.selection.labels.registry import create_segmenter
from vrm.selection.labels.taxonomy import taxonomy, taxonomy_of
from vrm.selection.labels.temporal_vote import TemporalVote


def build(folder: Path) -> Path:
    """A Mask2Former of the published Swin-T size, weights random, sure of its classes so that something is labelled."""
    import torch
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        Mask2FormerImageProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
    names = taxonomy("coco-panoptic").classes
    config = Mask2FormerConfig(
        backbone_config=SwinConfig(
            depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], out_features=["stage1", "stage2", "stage3", "stage4"]
        ),
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    net = Mask2FormerForUniversalSegmentation(config)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("class_predictor.weight"):
                parameter.mul_(0).add_(torch.randn_like(parameter) * 30)
            if name.endswith("class_predictor.bias"):
                parameter.zero_()
                parameter[-1] = -1e4
            if "mask_embed" in name:
                parameter.mul_(20)
    net.save_pretrained(folder)
    Mask2FormerImageProcessor(size={"shortest_edge": 800, "longest_edge": 1333}).save_pretrained(folder)
    return folder


class Timed:
    """A segmenter that counts its seconds."""

    def __init__(self, inner) -> None:
        self.inner, self.taxonomy, self.seconds = inner, inner.taxonomy, 0.0

    def label(self, frame, t=0):
        begin = time.perf_counter()
        found = self.inner.label(frame, t)
        self.seconds += time.perf_counter() - begin
        return found


class Drawn:
    """Masks that people drew, as maps of two classes."""

    name, device, dtype = "annotations", "", ""
    taxonomy = taxonomy_of(("ground", "object"), "annotations")

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.iterdir())

    def label(self, frame, t=0):
        return from_classes(truth(self.files[t]).astype(np.uint8))


def annotated(clips: Path, names: list[str], frames: int) -> None:
    """Flicker of drawn maps before and after the vote, and how far the vote moves them (J against the drawn ones)."""
    rows = []
    print(f"{'clip':28s}{'frames':>8s}{'before':>9s}{'after':>9s}{'J':>8s}")
    for name in names or sorted(d.name for d in clips.glob("davis-*") if (d / "masks").is_dir()):
        info = probe(clips / name / "frames")
        drawn = Drawn(clips / name / "masks")
        vote = TemporalVote(drawn)
        kept = []
        with Reader(info) as reader:
            for frame in vote(((f.index, f.rgb()) for f in reader.frames(0, frames)), {0}):
                kept.append(region_similarity(vote.segment_ids.classes(frame.voted) == 1, truth(drawn.files[frame.t])))
        rows.append((vote.flicker.before, vote.flicker.after, float(np.mean(kept))))
        print(f"{name:28s}{len(kept):8d}{rows[-1][0]:9.2%}{rows[-1][1]:9.2%}{rows[-1][2]:8.3f}", flush=True)
    before, after, kept = np.mean(rows, 0)
    print(f"{'mean':36s}{before:9.2%}{after:9.2%}{kept:8.3f}")


def command(video: Path, folder: Path, threads: int) -> tuple[float, dict]:
    """Peak memory in MB of one `vrm segment`, and its report."""
    with tempfile.TemporaryDirectory() as scratch:
        words = [str(video), "-o", f"{scratch}/labels", "--segmenter", str(folder), "--threads", str(threads), "--json"]
        with Path(scratch, "events").open("w+") as events:
            process = subprocess.Popen([sys.executable, "-m", "vrm", "segment", *words], stdout=events)
            _, status, used = os.wait4(process.pid, 0)
            if status:
                raise SystemExit(f"vrm segment failed on {video}")
            events.seek(0)
            done = [json.loads(line) for line in events][-1]
    return used.ru_maxrss / 1024, done["report"]


def lengths(video: Path, folder: Path, counts: list[int], size: str, threads: int) -> None:
    print(f"{'frames':>6s} {'size':>10s} {'peak MB':>8s} {'network, s/frame':>17s} {'the rest':>9s} {'share':>7s}")
    for count in counts:
        with tempfile.TemporaryDirectory() as scratch:
            clip = Path(scratch) / "clip.mp4"
            words = ["-vf", f"scale={size.replace('x', ':')}", "-frames:v", str(count), "-pix_fmt", "yuv420p", "-an"]
            source = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(video)]
            subprocess.run([*source, *words, "-c:v", "libx264", "-preset", "ultrafast", str(clip)], check=True)
            peak, report = command(clip, folder, threads)
        net = report["network_seconds"] / report["frames"]
        rest = report["seconds"] / report["frames"] - net
        print(f"{report['frames']:6d} {size:>10s} {peak:8.0f} {net:17.2f} {rest:9.2f} {rest / net:7.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--annotated", nargs="*", metavar="NAME", help="default: every davis-* clip")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lengths", help="frames of each clip for the whole command: 12,36")
    parser.add_argument("--size", default="1920x1080")
    chosen = parser.parse_args()
    import torch

    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    if chosen.annotated is not None:
        annotated(chosen.video, chosen.annotated, chosen.frames)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or build(Path(scratch))
        if chosen.lengths:
            lengths(chosen.video, folder, [int(n) for n in chosen.lengths.split(",")], chosen.size, chosen.threads)
            print(where(chosen.threads))
            return
        info = probe(chosen.video)
        model = Timed(create_segmenter(str(folder), EngineOptions(threads=chosen.threads)))
        networks, rests = [], []
        for _ in range(chosen.rounds):
            vote, model.seconds = TemporalVote(model, chosen.every), 0.0
            begin, frames, voted = time.perf_counter(), 0, 0.0
            with Reader(info) as reader:
                pictures = ((f.index, f.rgb()) for f in reader.frames(0, chosen.frames))
                for frame in vote(pictures, {0}):
                    frames += 1
                    voted += float((vote.segment_ids.classes(frame.voted) != 255).mean())
            rests.append(time.perf_counter() - begin - model.seconds)
            networks.append(model.seconds)
    print(f"{info.width}x{info.height}, {frames} frames, every {chosen.every}, {voted / frames:.0%} labelled")
    print(f"network      {min(networks) / frames:8.2f} s per frame ({model.inner.dtype})")
    print(f"all the rest {min(rests) / frames:8.2f} s per frame: {ratio(rests, networks)} times the network")
    print(f"flicker      {vote.flicker.before:8.2%} before the vote, {vote.flicker.after:.2%} after")
    print(f"peak memory  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:8.2f} GB")
    print(where(chosen.threads))


if __name__ == "__main__":
    main()
