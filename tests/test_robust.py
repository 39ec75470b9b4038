"""Files that decoders and encoders trip over: each comes out right, checked with ffprobe, or is refused in one line."""

import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from vrm.errors import VideoError
from vrm.events import Events
from vrm.media.read.probe import probe
from vrm.options.remove import EngineOptions, MaskOptions, OutputOptions, RemoveOptions
from vrm.options.values import Moment
from vrm.pipeline import remove

FOLDER = Path(__file__).parents[1] / ".." / "shared" / "data" / "robust"
FILES = sorted(f for f in FOLDER.glob("*") if f.suffix != ".md") if FOLDER.is_dir() else []
UNREADABLE = {"androidx_sample_ac3.mp4", "mediabunny_multiple-aac-tracks.mp4"}
TOO_LONG = {"androidx_long_1080p_lowbitrate.mp4"}  # 10,883 frames: see benchmarks/long_video.py

pytestmark = [
    pytest.mark.skipif(not FILES, reason="the collection of difficult files is not here"),
    pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is the judge"),
]


def ffprobe(path, *what):
    command = ["ffprobe", "-v", "error", "-of", "json", *what, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def frames(path):
    """Presentation times of the frames that decode, in seconds."""
    stream = ffprobe(path, "-select_streams", "v:0", "-show_frames", "-show_entries", "frame=pts_time")
    return sorted(float(f["pts_time"]) for f in stream["frames"] if "pts_time" in f)


def packets(path):
    """Presentation times of the video packets, in seconds: for a codec that ffprobe knows, but cannot decode."""
    found = ffprobe(path, "-select_streams", "v:0", "-show_packets", "-show_entries", "packet=pts_time")
    return sorted(float(p["pts_time"]) for p in found["packets"])


def streams(path):
    return ffprobe(path, "-show_streams")["streams"]


def audio(path):
    """Every audio packet's hash and time, per track."""
    what = ["-select_streams", "a", "-show_packets", "-show_data_hash", "md5"]
    tracks = {}
    for p in ffprobe(path, *what, "-show_entries", "packet=stream_index,pts_time,data_hash")["packets"]:
        tracks.setdefault(p["stream_index"], []).append((p["data_hash"], float(p.get("pts_time", "nan"))))
    return list(tracks.values())


def rotation(stream):
    return next((int(s["rotation"]) for s in stream.get("side_data_list", []) if "rotation" in s), 0)


@pytest.mark.parametrize("file", [f for f in FILES if f.name in UNREADABLE], ids=lambda f: f.name)
def test_what_cannot_be_read_is_refused(file, tmp_path):
    with pytest.raises(VideoError) as raised:
        remove(file, tmp_path / "out.mp4", RemoveOptions(), Events())
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("file", [f for f in FILES if f.name not in UNREADABLE | TOO_LONG], ids=lambda f: f.name)
def test_difficult_files_come_out_right(file, tmp_path):
    info = probe(file)
    mask = np.zeros(info.display_size, np.uint8)
    height, width = mask.shape
    mask[height // 2 : height // 2 + height // 8, width // 3 : width // 3 + width // 10] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    out = tmp_path / file.name
    options = RemoveOptions(
        mask=MaskOptions(path=tmp_path / "mask.png", static=True),
        engine=EngineOptions(preset="fast", threads=1),
        output=OutputOptions(),
        end=Moment(frame=3),
    )
    report = remove(file, out, options, Events())
    assert report.changed_outside == 0
    check_same(file, out, report)


def check_same(file, out, report):
    before, after = frames(file) or packets(file), frames(out)
    # Debian's ffprobe and ours may differ on damaged frames; the report says how many were lost.
    assert len(after) == report.frames
    assert abs(len(before) - len(after)) <= report.frames_lost
    if not report.frames_lost:
        assert np.allclose(before, after, atol=0.0011), "frame times"
    for old, new in zip(audio(file), audio(out), strict=True):
        assert [h for h, _ in old] == [h for h, _ in new]
        assert np.allclose([t for _, t in old], [t for _, t in new], atol=0.0011, equal_nan=True)
    old, new = (next(s for s in streams(p) if s["codec_type"] == "video") for p in (file, out))
    assert rotation(old) == rotation(new)
    for key in ("width", "height", "sample_aspect_ratio", "color_primaries", "color_transfer", "color_space"):
        unset = ("unknown", "N/A", "1:1", None)
        assert new.get(key) == old.get(key) or (old.get(key) in unset and new.get(key) in unset), key
    if old.get("color_range") == "pc":
        assert new.get("color_range") == "pc"
