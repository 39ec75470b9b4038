"""Does a change of the code leave the result alone? Hashes of what `vrm remove --preset fast` writes.

    python benchmarks/same_bytes.py DATA --write hashes.json [--vrm "OTHER/.venv/bin/python -m vrm"]
    python benchmarks/same_bytes.py DATA --check hashes.json [--only "davis-*"] [--options "--preset balanced"]

DATA holds clips/<name>/{frames,masks} and robust/<file>. The example is filled under a mask that holds for every
frame, three clips under their own masks, and twenty files of robust/ (high bit depths, HDR, rotation, odd sizes,
several tracks) under a box in the middle of the picture. Equal bytes need the same machine, threads and library
versions: write the list with one checkout and check it with the other, one after the other. --only takes the names
that match a pattern; --options stand after all others, so that they win.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CLIPS = ("davis-tennis", "davis-blackswan", "davis-libby")
FILES = (
    "androidx_bbb_176x144_128kbps_15fps_h263.3gp",
    "androidx_bbb_642x642_768kbps_30fps_vp9.webm",
    "androidx_bear-vp9-odd-dimensions.webm",
    "androidx_bt601.mov",
    "androidx_hlg10-color-test.mp4",
    "androidx_roadtrip-vp92-10bit.webm",
    "androidx_sample.avi",
    "androidx_sample_h262_mpeg_audio.ts",
    "androidx_sample_h265.ts",
    "androidx_sample_portrait.mp4",
    "androidx_sample_sef_super_slow_motion.mp4",
    "androidx_sample_vvc.mp4",
    "androidx_sample_with_srt.mkv",
    "autoeditor_SAR-2by3.mp4",
    "autoeditor_mov_text.mp4",
    "autoeditor_testsrc_with_attachment.mkv",
    "decord_video_90.mov",
    "decord_video_180.mov",
    "torchcodec_bt709_full_range.mp4",
    "torchcodec_h264_10bits.mp4",
)


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files in order of their names."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(hashlib.sha256(p.read_bytes()).digest() for p in files)).hexdigest()[:16]


def box_mask(vrm: list[str], video: Path, to: Path) -> Path:
    """A mask of the video's displayed size with a box of an eighth of width and height in the middle."""
    facts = json.loads(subprocess.run([*vrm, "info", str(video), "--json"], capture_output=True, check=True).stdout)
    h, w = facts["height"], facts["width"]
    mask = np.zeros((h, w), np.uint8)
    mask[h * 7 // 16 : h * 9 // 16, w * 7 // 16 : w * 9 // 16] = 255
    cv2.imwrite(str(to), mask)
    return to


def arguments(name: str, vrm: list[str], data: Path, scratch: Path) -> list[str]:
    """The arguments of ``vrm remove`` for one of the names, without the output."""
    if name == "example":
        return [str(EXAMPLES / "crab.mp4"), "--mask", str(EXAMPLES / "crab.png"), "--static-mask"]
    if name in CLIPS:
        clip = data / "clips" / name
        return [str(clip / "frames"), "--mask", str(clip / "masks"), "--end", "24f"]
    video = data / "robust" / name
    mask = box_mask(vrm, video, scratch / f"{name}.png")
    return [str(video), "--mask", str(mask), "--static-mask", "--end", "24f"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--check", type=Path, metavar="FILE")
    parser.add_argument("--vrm", type=shlex.split, default=[sys.executable, "-m", "vrm"], help="the command to run")
    parser.add_argument("--only", default="*", metavar="PATTERN")
    parser.add_argument("--options", type=shlex.split, default=["--preset", "fast"])
    args = parser.parse_args()
    names = fnmatch.filter(("example", *CLIPS, *FILES), args.only)
    known = json.loads(args.check.read_text()) if args.check else {}
    known = {name: known[name] for name in names if name in known}
    hashes: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name in names:
            words = arguments(name, args.vrm, args.data, scratch)
            source = Path(words[0])
            out = scratch / "out" / (name if source.is_dir() else f"{source.stem}{source.suffix}")
            out.parent.mkdir(exist_ok=True)
            command = [*args.vrm, "remove", *words, "-o", str(out), "--threads", "2", "--seed", "0", *args.options]
            done = subprocess.run(command, capture_output=True, text=True)
            hashes[name] = digest(out) if done.returncode == 0 else f"exit {done.returncode}: {done.stderr[-200:]}"
            verdict = "" if not known else "same" if known.get(name) == hashes[name] else "DIFFERENT"
            print(f"{name:65s} {hashes[name]} {verdict}", flush=True)
    if args.write:
        args.write.write_text(json.dumps(hashes, indent=1) + "\n")
    different = [name for name in known if known[name] != hashes.get(name)]
    if known:
        print(f"{len(known) - len(different)} of {len(known)} are the same bytes")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
