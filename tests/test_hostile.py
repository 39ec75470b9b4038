"""Input made to do harm, or damaged by chance: limits hold before memory is taken, nothing ends in a traceback."""

import ast
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vrm.errors import MaskError, VideoError
from vrm.events import Events
from vrm.media.read.probe import probe
from vrm.media.read.stills import read_image, read_index
from vrm.options.remove import EngineOptions, MaskOptions, RemoveOptions
from vrm.pipeline import remove

SIZE = (48, 64)


def claims(path, width, height, colour=0):
    """A PNG of a few bytes that claims a size."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(9)) if colour == 3 else b""
    body = chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("colour", [0, 3])
def test_a_picture_that_claims_to_be_huge_is_refused_by_its_header(tmp_path, monkeypatch, colour):
    bomb = claims(tmp_path / "bomb.png", 30_000, 30_000, colour)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("unpacked"))
    monkeypatch.setattr(av, "open", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(VideoError, match=r"30000x30000 pixels, more than --max-pixels 67108864"):
        (read_index if colour == 3 else read_image)(bomb)


@pytest.mark.parametrize("ending", ["bmp", "jpg", "tif", "webp"])
def test_so_are_other_formats(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    cv2.imwrite(str(path), np.zeros((300, 400), np.uint8))
    with pytest.raises(VideoError, match="400x300 pixels, more than --max-pixels 100000"):
        read_image(path, 100_000)
    assert read_image(path, 120_000).shape[:2] == (300, 400)


@pytest.mark.parametrize(
    "what", ["mask", "mask folder", "mask video", "long mask video", "keyframe", "labels", "frames"]
)
def test_the_limits_hold_for_whatever_comes_with_the_video(make_video, tmp_path, what):
    source = make_video(tmp_path / "in.mp4", size=SIZE)
    small = np.zeros(SIZE, np.uint8)
    small[10:20, 10:20] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), small)
    mask, engine, more = MaskOptions(path=tmp_path / "mask.png", static=True), {}, {}
    folder = tmp_path / "folder"
    folder.mkdir()
    bomb = claims(folder / "00000.png", 5000, 5000)
    if what == "mask":
        mask = MaskOptions(path=bomb, static=True)
    elif what == "mask folder":
        mask = MaskOptions(path=folder)
    elif what == "mask video":
        mask = MaskOptions(path=make_video(tmp_path / "mask.mkv", size=(400, 300)))
    elif what == "long mask video":
        mask = MaskOptions(path=make_video(tmp_path / "mask.mkv", size=SIZE, frames=40))
        more = {"max_frames": 30}
    elif what == "keyframe":
        engine = {"engine": "keyframe", "keyframes": ((3, bomb),)}
    elif what == "labels":
        mask = MaskOptions(classes=("person",), labels=folder)
    else:
        source = folder
    options = RemoveOptions(
        mask=mask, engine=EngineOptions(preset="fast", threads=1, **engine), max_pixels=10_000, **more
    )
    with pytest.raises((VideoError, MaskError)) as raised:
        remove(source, tmp_path / ("out" if what == "frames" else "out.mkv"), options, Events())
    assert what == "labels" or "--max-" in str(raised.value)
    assert not (tmp_path / "out.mkv").exists()


def test_a_video_that_claims_to_be_huge_is_refused_undecoded(make_video, tmp_path, monkeypatch):
    source = make_video(tmp_path / "in.mkv", "ffv1", size=(200, 300))
    monkeypatch.setattr("vrm.media.read.decode.StreamDecoder.frames", lambda self: pytest.fail("decoded"))
    with pytest.raises(VideoError, match="300x200 pixels, more than --max-pixels 50000"):
        probe(source, most_pixels=50_000)


def test_counting_ends_at_the_limit(make_video, tmp_path, monkeypatch):
    source = make_video(tmp_path / "in.ts", frames=50, size=SIZE)  # no index says how many
    read = []
    real = av.Packet.size.__get__
    monkeypatch.setattr("vrm.media.read.probe.shows_a_frame", lambda packet, codec: read.append(real(packet)) or True)
    with pytest.raises(VideoError, match="more frames than --max-frames 20"):
        probe(source, most_frames=20)
    assert len(read) < 30


def test_pipes_devices_and_playlists_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "endless.png"):
        with pytest.raises(VideoError, match="a pipe or a device"):
            read_image(tmp_path / name)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match="is empty"):
        probe(tmp_path / "empty.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="pipe or a device"):
        probe(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError):
        probe(Path("/dev/zero"))
    (tmp_path / "in.ts").write_bytes(bytes(188 * 10))
    for name, text in (
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nin.ts\n"),
        ("list.txt", "ffconcat version 1.0\nfile in.ts\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(VideoError) as raised:
            probe(tmp_path / name)
        assert "\n" not in str(raised.value)


def test_nothing_is_loaded_that_could_run_a_program():
    """Of torch's files only tensors, of NumPy's no objects, and no pickle is opened by ourselves but inertly."""
    inert = "weights/convert/inert.py"  # see tests/weights/test_inert.py
    for path in (Path(__file__).parents[1] / "vrm").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and "pickle.Unpickler" in map(ast.unparse, node.bases):
                assert path.as_posix().endswith(inert), f"{path}:{node.lineno}"
            if not isinstance(node, ast.Call):
                continue
            called, words = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert called != "torch.load" or words.get("weights_only") == "True", f"{path}:{node.lineno}"
            assert "allow_pickle" not in words, f"{path}:{node.lineno}"
            assert called not in ("pickle.load", "pickle.loads", "yaml.load", "eval", "exec"), f"{path}:{node.lineno}"


@pytest.mark.slow
def test_files_changed_by_chance_end_in_a_result_or_a_sentence():
    """A few cases of ``benchmarks/fuzz.py``."""
    program = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
    command = [sys.executable, str(program), "--cases", "15", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
