"""``vrm remove --engine keyframe`` from the command line, on a video of its own."""

import json

import numpy as np
import pytest

from vrm.cli.main import run
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.stills import read_image
from vrm.media.write.png import write_png


@pytest.fixture
def clip(tmp_path):
    """A folder of frames: a still texture with a patch that is missing on every frame, and what belongs there."""
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 255, (8, 12, 3)).astype(np.uint8), np.ones((8, 8, 1), np.uint8))
    mask = np.zeros(truth.shape[:2], np.uint8)
    mask[20:40, 30:60] = 255
    frame = truth.copy()
    frame[mask > 0] = 128
    (tmp_path / "in").mkdir()
    for t in range(6):
        write_png(tmp_path / "in" / f"{t:05d}.png", frame)
    write_png(tmp_path / "mask.png", mask)
    write_png(tmp_path / "clean.png", truth)
    return tmp_path


def remove(clip, *words):
    mask = ["--mask", str(clip / "mask.png"), "--static-mask", "--grow", "0", "--threads", "1", "--preset", "fast"]
    return run(["remove", str(clip / "in"), *mask, "-o", str(clip / "out"), *words])


def test_one_clean_frame_fills_all_and_comes_back_when_exported(clip):
    words = ["--engine", "keyframe", "--keyframe", f"3={clip / 'clean.png'}", "--export-keyframes", str(clip / "keys")]
    assert remove(clip, *words) == 0
    truth = read_image(clip / "clean.png").astype(int)
    for t in range(6):
        error = np.abs(read_image(clip / "out" / f"{t:05d}.png").astype(int) - truth)
        assert error.mean() < (1e-9 if t == 3 else 1.0)  # the grey patch itself: about 6
    assert sorted(path.name for path in (clip / "keys").iterdir()) == ["00000.png", "00003.png"]
    assert np.array_equal(read_image(clip / "keys" / "00003.png"), truth)


def test_the_report_calls_a_keyframe_a_keyframe(clip):
    report = clip / "report.json"
    assert remove(clip, "--engine", "keyframe", "--keyframe", f"3={clip / 'clean.png'}", "--report", str(report)) == 0
    found = json.loads(report.read_text())
    frames = found["shots"][0]["frames"]
    assert [f["frame"] for f in frames] == list(range(6))
    assert all(f["given"] == 1 and f["seen"] == f["never"] == 0 for f in frames), "nothing else shows it"
    assert found["coverage"] == 0
    page = clip / "report.html"
    words = ["--keyframe", f"3={clip / 'clean.png'}", "--report", str(page), "--overwrite", "--preset", "paper"]
    assert remove(clip, "--engine", "keyframe", *words) == 0
    assert "from your keyframes" in page.read_text()


def test_a_preview_takes_keyframes_from_outside_its_three_seconds(tmp_path, make_video):
    clip, n = make_video(tmp_path / "clip.mkv", frames=100, size=(48, 64)), 100
    (tmp_path / "masks").mkdir()
    for t in range(n):
        mask = np.zeros((48, 64), np.uint8)
        mask[10:20, 10 : 30 if t > 15 else 12] = 255
        write_png(tmp_path / "masks" / f"{t:05d}.png", mask)
    write_png(tmp_path / "clean.png", np.full((48, 64, 3), 90, np.uint8))
    words = ["--mask", str(tmp_path / "masks"), "--engine", "keyframe", "--keyframe", f"2={tmp_path / 'clean.png'}"]
    words += ["--preset", "fast", "--threads", "1", "--preview", "-o", str(tmp_path / "out.mkv")]
    assert run(["remove", str(clip), *words]) == 0
    with Reader(probe(tmp_path / "out-preview.mkv")) as reader:
        shown = sum(1 for _ in reader.frames())
    assert 0 < shown < n - 2, "the preview is shorter than the video, and its keyframe lies before it"


def test_what_is_wrong_is_said_before_anything_is_written(clip, capsys):
    clean = clip / "clean.png"
    write_png(clip / "square.png", np.zeros((50, 50, 3), np.uint8))
    for words, code, said in (
        ((), 5, "frames 0 to 5"),
        (("--keyframe", f"9={clean}"), 2, "6 frames"),
        (("--keyframe", f"1={clean}", "--keyframe", f"1={clean}"), 2, "two pictures"),
        (("--keyframe", f"1={clip / 'square.png'}"), 2, "another shape"),
        (("--keyframe", f"1={clip / 'none.png'}"), 3, "cannot be read"),
        (("--weights", str(clip / "none.safetensors")), 5, "none.safetensors does not exist"),
    ):
        assert remove(clip, "--engine", "keyframe", *words) == code
        assert said in capsys.readouterr().err.replace("\n", " ")
        assert not (clip / "out").exists()
    assert remove(clip, "--keyframe", f"1={clean}") == 2
