"""Damaged and hostile files, made by chance from a seed: each ends in a result or in one line, never in anything else.

    python benchmarks/fuzz.py [--cases 1000] [--seed 0] [--limit 60] [--keep DIR] [--only N]

Small clips in ten containers, and masks as a picture, a folder and a video, are made; a case changes one of them (bits,
blocks, lengths, ends, pieces of another file) and hands it to the command line, in a process of its own. A case is a
defect if its process is killed by a signal or by the time limit, ends with exit code 1, shows a traceback, or leaves a
file behind that was not asked for (in scratch or beside the output). Exit code 1 if there was one; --keep saves their
files, --only runs one case again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from vrm.media.write.containers import CONTAINERS

SIZE = (48, 64)
FRAMES = 10
KINDS = {
    "h264.mp4": ("libx264", "yuv420p"),
    "hevc.mkv": ("libx265", "yuv420p10le"),
    "vp9.webm": ("libvpx-vp9", "yuv420p"),
    "mpeg4.avi": ("mpeg4", "yuv420p"),
    "h264.ts": ("libx264", "yuv420p"),
    "prores.mov": ("prores_ks", "yuv422p10le"),
    "ffv1.mkv": ("ffv1", "yuv420p"),
    "mjpeg.avi": ("mjpeg", "yuvj420p"),
    "mpeg2.mpg": ("mpeg2video", "yuv420p"),
    "flv1.flv": ("flv1", "yuv420p"),
}
FAST = {"libx264": {"preset": "ultrafast"}, "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"}}
ALLOWED = (0, 2, 3, 4, 5, 6, 8)


def make_clip(path: Path, codec: str, pix_fmt: str, mask: bool = False) -> Path:
    """A moving square on a texture; as a mask, the square alone."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=FAST.get(codec, {}))
        stream.height, stream.width, stream.pix_fmt = *SIZE, pix_fmt
        for t in range(FRAMES):
            grey = np.zeros(SIZE) if mask else 110 + 60 * np.sin((x + t) / 3) * np.cos(y / 4)
            picture = np.repeat(grey.astype(np.uint8)[..., None], 3, 2)
            picture[16:30, 10 + 2 * t : 26 + 2 * t] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    return path


def make_sources(folder: Path) -> None:
    """Everything a case may change."""
    folder.mkdir()
    for name, (codec, pix_fmt) in KINDS.items():
        make_clip(folder / name, codec, pix_fmt)
    make_clip(folder / "mask.mkv", "ffv1", "gray", mask=True)
    picture = np.zeros(SIZE, np.uint8)
    picture[14:34, 10:44] = 255
    (folder / "masks").mkdir()
    for t in range(FRAMES):
        cv2.imwrite(str(folder / "masks" / f"{t:05d}.png"), picture)
    for ending in ("png", "bmp", "tif", "webp", "jpg"):
        cv2.imwrite(str(folder / f"mask.{ending}"), picture)
    cv2.imwrite(str(folder / "key.png"), np.repeat(picture[..., None], 3, 2))


# --- what chance does to a file ---------------------------------------------------------------------------------


def flip(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    for _ in range(rng.choice((1, 3, 30, 300))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def head(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    """Change bytes of the header alone, where sizes and counts stand."""
    for _ in range(rng.choice((1, 2, 8))):
        data[rng.randrange(min(len(data), 600))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return data


def lengths(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    """Put extreme numbers where four or eight bytes may be one."""
    for _ in range(rng.choice((1, 4))):
        value = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFF, rng.getrandbits(32)))
        at = rng.randrange(max(1, len(data) - 4))
        data[at : at + 4] = struct.pack(rng.choice(("<I", ">I")), value)
    return data


def cut(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    return data[: rng.randrange(len(data) + 1)]


def drop(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 7, 100, 2000))]
    return data


def blank(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    at, length = rng.randrange(len(data)), rng.choice((4, 64, 1000))
    data[at : at + length] = bytes([rng.choice((0, 255))]) * min(length, len(data) - at)
    return data


def repeat(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    at, length = rng.randrange(len(data)), rng.choice((16, 400, 5000))
    return data[:at] + data[at : at + length] * rng.choice((2, 20)) + data[at + length :]


def splice(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    at = rng.randrange(len(data))
    return data[:at] + other[rng.randrange(len(other)) :]


def noise(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    return bytearray(data[: rng.choice((0, 4, 40))]) + bytearray(rng.randbytes(rng.choice((0, 1, 50, 5000))))


CHANGES: tuple[Callable[[bytearray, random.Random, bytes], bytearray], ...] = (
    flip, flip, head, head, lengths, lengths, cut, drop, blank, repeat, splice, noise,
)  # fmt: skip


def bomb(path: Path, rng: random.Random) -> None:
    """A PNG that says it is huge: 100 gigapixels in a few bytes, or a real one of many megapixels of zeros."""
    import zlib

    side = rng.choice((40_000, 65_000, 300_000, 0x7FFFFFFF))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    colour = rng.choice((0, 2, 3, 6))
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, colour, 0, 0, 0))]
    parts += [chunk(b"PLTE", bytes(9))] if colour == 3 else []
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(rng.choice((1, 64)))) + packer.flush()
    path.write_bytes(b"".join([*parts, chunk(b"IDAT", body), chunk(b"IEND", b"")]))


# --- one case ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A command over changed files in a folder of its own."""

    number: int
    what: str
    words: list[str]


def make_case(number: int, seed: int, sources: Path, folder: Path) -> Case:
    """Copy what the case needs into its folder and change one file of it."""
    rng = random.Random(f"{seed} {number}")
    folder.mkdir(parents=True)
    clip = rng.choice(list(KINDS))
    masked = rng.random()
    mask = "masks" if masked < 0.2 else "mask.mkv" if masked < 0.35 else rng.choice(("mask.png",) * 4 + (
        "mask.bmp", "mask.tif", "mask.webp", "mask.jpg"))  # fmt: skip
    for name in (clip, mask):
        copy = shutil.copytree if (sources / name).is_dir() else shutil.copy
        copy(sources / name, folder / name)
    ending = Path(clip).suffix if Path(clip).suffix in CONTAINERS else ".mkv"
    words = ["remove", str(folder / clip), "--mask", str(folder / mask), "-o", str(folder / f"out{ending}")]
    words += ["--preset", "fast", "--threads", "1", "--max-pixels", "1000000", "--max-frames", "60"]
    words += ["--static-mask"] if Path(mask).suffix not in ("", ".mkv") and rng.random() < 0.8 else []
    target = clip
    kind = rng.random()
    if kind > 0.62:
        target = mask if (folder / mask).is_file() else f"{mask}/{rng.randrange(FRAMES):05d}.png"
    if kind > 0.92:
        shutil.copy(sources / "key.png", folder / "key.png")
        words += ["--engine", "keyframe", "--weights", "none", "--keyframe", f"3={folder / 'key.png'}"]
        target = "key.png"
    path = folder / target
    if path.suffix == ".png" and rng.random() < 0.25:
        bomb(path, rng)
        return Case(number, f"bomb {target}", words)
    other = (sources / rng.choice(list(KINDS))).read_bytes()
    data, names = bytearray(path.read_bytes()), []
    for change in rng.sample(CHANGES, rng.choice((1, 1, 1, 2))):
        if data:
            data = change(data, rng, other)
            names.append(change.__name__)
    path.write_bytes(data)
    if rng.random() < 0.1 and target == clip:
        words = ["info", str(path)]
    return Case(number, f"{'+'.join(names)} {target}", words)


def run_case(case: Case, folder: Path, limit: float) -> tuple[int, str, float]:
    """Exit code (negative: the signal), stderr and seconds of the case, in a forked process."""
    log = folder.with_suffix(".log")
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", 0), write_through=True)
        sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", 0), write_through=True)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        code = 1
        with contextlib.suppress(BaseException):
            from vrm.cli.main import run

            try:
                code = run(case.words)
            except BaseException:
                traceback.print_exc()
        os._exit(code)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - begin > limit:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            status = signal.SIGALRM
            break
        time.sleep(0.01)
    text = log.read_text(errors="replace")
    log.unlink()
    return os.waitstatus_to_exitcode(status), text, time.monotonic() - begin


def judge(case: Case, folder: Path, before: set[str], code: int, text: str) -> str:
    """What is wrong with how a case ended; empty: nothing."""
    if code == -signal.SIGALRM:
        return "took longer than the limit"
    if code < 0:
        return f"killed by signal {-code}"
    if code not in ALLOWED:
        return f"exit code {code}"
    if "Traceback" in text:
        return "a traceback"
    after = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "scratch.lock"}
    asked = {n for n in after if n.startswith("out.")} if code == 0 else set()
    stray = after - before - asked - {"cache/vrm/scratch.lock"}
    return f"left behind: {', '.join(sorted(stray))}" if stray else ""


def fuzz(cases: range, seed: int, limit: float, base: Path, keep: Path | None = None) -> tuple[list[str], Counter[int]]:
    """Run cases; the defects in words, and how often each exit code came."""
    sources = base / "sources"
    make_sources(sources)
    defects, codes = [], Counter[int]()
    for number in cases:
        folder = base / f"case{number}"
        case = make_case(number, seed, sources, folder)
        before = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        code, text, seconds = run_case(case, folder, limit)
        codes[code] += 1
        wrong = judge(case, folder, before, code, text)
        if wrong:
            defects.append(f"case {number} ({case.what}, {seconds:.0f} s): {wrong}: {text.strip()[-600:]}")
            if keep is not None:
                shutil.copytree(folder, keep / folder.name, dirs_exist_ok=True)
        shutil.rmtree(folder)
    return defects, codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", type=int)
    args = parser.parse_args()
    import vrm.engines.runner
    import vrm.pipeline
    import vrm.selection.tracking.classifier  # noqa: F401  # loaded once, here: every case is a fork of this process

    begin = time.monotonic()
    cases = range(args.cases) if args.only is None else range(args.only, args.only + 1)
    with tempfile.TemporaryDirectory() as made:
        defects, codes = fuzz(cases, args.seed, args.limit, Path(made), args.keep)
    for defect in defects:
        print(defect, "\n")
    print(f"{len(cases)} cases, {time.monotonic() - begin:.0f} s; exit codes: {dict(sorted(codes.items()))}")
    print(f"{len(defects)} defects")
    sys.exit(1 if defects else 0)


if __name__ == "__main__":
    main()
