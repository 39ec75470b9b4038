"""From file to file: what must be the same is the same, sample by sample."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from itertools import zip_longest

import av
import cv2
import numpy as np
import pytest

from vrm.cli.main import run as command
from vrm.engines.internal import engine as internal
from vrm.errors import MaskError, OutputError, UsageError, VideoError
from vrm.events import Events
from vrm.media.frame.composite import support
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.options.remove import EngineOptions, MaskOptions, OutputOptions, RemoveOptions
from vrm.options.values import Moment
from vrm.pipeline import remove
from vrm.selection.masks.morphology import grown
from vrm.selection.resolve import track

SIZE = (96, 128)


def object_mask(t=0, size=SIZE):
    mask = np.zeros(size, np.uint8)
    mask[30:50, 20 + 2 * t : 44 + 2 * t] = 255
    return mask


@pytest.fixture
def mask_folder(tmp_path):
    def make(frames=12, empty=()):
        folder = tmp_path / "masks"
        folder.mkdir()
        for t in range(frames):
            picture = object_mask(t) * (t not in empty)
            cv2.imwrite(str(folder / f"{t:05d}.png"), picture)
        return folder

    return make


def run(source, target, mask, events=None, **more):
    preset = more.pop("preset", "fast")
    shaped = {k: more.pop(k) for k in ("static", "frame", "save_to") if k in more}
    output = {k: more.pop(k) for k in ("codec", "crf", "lossless", "pix_fmt", "overwrite") if k in more}
    options = RemoveOptions(
        mask=MaskOptions(path=mask, grow=3, feather=2, **shaped),
        engine=EngineOptions(engine="internal" if preset == "paper" else "motion", preset=preset, threads=1),
        output=OutputOptions(**output),
        **more,
    )
    return remove(source, target, options, events or Events())


def decoded(path):
    with Reader(probe(path)) as reader:
        return list(reader.frames())


@pytest.mark.parametrize("grow", [0, None, 3])
def test_masks_of_every_frame_are_exact_where_nothing_is_to_grow(mask_folder, tmp_path, grow):
    masks, frames = mask_folder(5, empty=(2,)), tmp_path / "clip"
    frames.mkdir()
    for t in range(5):
        cv2.imwrite(str(frames / f"{t}.png"), np.random.default_rng(t).integers(0, 255, (*SIZE, 3), np.uint8))
    options = RemoveOptions(mask=MaskOptions(path=masks, grow=grow))
    report = track(frames, tmp_path / "out", options, Events())
    written = [cv2.imread(str(path), 0) > 0 for path in sorted((tmp_path / "out").iterdir())]
    if grow == 0:
        for t, mask in enumerate(written):
            assert np.array_equal(mask, (object_mask(t) > 0) & (t != 2))
        assert report.notes == []
    else:
        assert written[2][object_mask(2) > 0].all(), "what is missing from one mask would flash back"
        assert any("lack an object" in note and "--grow 0" in note for note in report.notes)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"),
    [
        ("libx264", "yuv420p", "in.mp4"),
        ("libx265", "yuv420p10le", "in.mp4"),
        ("libx264", "yuv422p10le", "in.mkv"),
        ("libx264", "yuv444p", "in.mkv"),
        ("ffv1", "gbrp10le", "in.mkv"),
    ],
)
def test_lossless_output_differs_under_the_grown_mask_only(make_video, mask_folder, tmp_path, codec, pix_fmt, name):
    source = make_video(tmp_path / name, codec, pix_fmt, size=SIZE)
    target = tmp_path / "out.mkv"
    report = run(source, target, mask_folder(), lossless=True)
    assert report.changed_outside == 0
    assert report.frames == report.masked_frames == 12
    changed = 0
    for before, after in zip_longest(decoded(source), decoded(target)):
        assert after.layout.name == before.layout.name
        hole = grown(object_mask(before.index) > 0, 3)
        touched = support(hole.astype(np.float32), (0, 0, *SIZE), before.layout, SIZE)
        for old, new, where in zip(before.planes, after.planes, touched, strict=True):
            assert np.array_equal(old[~where], new[~where])
            changed += np.count_nonzero(old[where] != new[where])
    assert changed > 0


def test_nothing_masked_passes_through(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE, audio=2)
    report = run(source, tmp_path / "out.mkv", mask_folder(empty=range(12)), lossless=True)
    assert report.masked_frames == 0
    for before, after in zip_longest(decoded(source), decoded(tmp_path / "out.mkv")):
        assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))
        assert before.pts * before.time_base == pytest.approx(after.pts * after.time_base, abs=0.001)


def test_what_passes_through_needs_no_learning_library(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE)
    program = (
        "import sys, vrm; vrm.remove(sys.argv[1], sys.argv[2], mask=sys.argv[3]); print({'torch'} & set(sys.modules))"
    )
    arguments = [str(source), str(tmp_path / "out.mp4"), str(mask_folder(empty=range(12)))]
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_frames_with_an_empty_mask_pass_through(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE)
    report = run(source, tmp_path / "out.mkv", mask_folder(empty=(0, 1, 2, 9, 10, 11)), lossless=True)
    assert report.masked_frames == 6
    for before, after in zip_longest(decoded(source), decoded(tmp_path / "out.mkv")):
        same = all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))
        assert same == (before.index in (0, 1, 2, 9, 10, 11))


def test_the_range_alone_is_worked_on(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE)
    # Frame 4 at 25 frames per second is shown at 0.16 s.
    run(source, tmp_path / "o.mkv", mask_folder(), lossless=True, start=Moment.parse("0.16"), end=Moment(frame=7))
    for before, after in zip_longest(decoded(source), decoded(tmp_path / "o.mkv")):
        same = all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))
        assert same == (before.index not in (4, 5, 6))


def test_a_preview_shows_before_and_after_side_by_side(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE, frames=12, rate=2)
    run(source, tmp_path / "p.mkv", mask_folder(empty=range(6)), lossless=True, preview=True)
    shown, whole = decoded(tmp_path / "p.mkv"), decoded(source)
    assert len(shown) == 6
    for frame, before in zip(shown, whole[6:], strict=True):
        luma = frame.planes[0]
        assert luma.shape == (SIZE[0], 2 * SIZE[1])
        assert np.array_equal(luma[:, : SIZE[1]], before.planes[0])
        hole = grown(object_mask(before.index) > 0, 3)
        assert np.array_equal(luma[:, SIZE[1] :][~hole], before.planes[0][~hole])
        assert not np.array_equal(luma[:, SIZE[1] :], before.planes[0])


def test_a_turned_video_takes_masks_as_it_is_displayed(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE, rotation=90)
    displayed = np.rot90(object_mask(), -1)
    cv2.imwrite(str(tmp_path / "mask.png"), displayed)
    run(source, tmp_path / "out.mkv", tmp_path / "mask.png", static=True, lossless=True)
    assert probe(tmp_path / "out.mkv").rotation == 90
    hole = grown(object_mask() > 0, 3)
    for before, after in zip_longest(decoded(source), decoded(tmp_path / "out.mkv")):
        differs = before.planes[0] != after.planes[0]
        assert differs.any()
        assert not differs[~hole].any()


def test_one_mask_is_followed(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE)
    cv2.imwrite(str(tmp_path / "mask.png"), object_mask(5))
    saved = tmp_path / "saved"
    report = run(source, tmp_path / "out.mp4", tmp_path / "mask.png", frame=5, save_to=saved)
    assert len(list(saved.glob("*.png"))) == 12
    kept = cv2.imread(str(saved / "00005.png"), 0) > 0
    assert (kept | ~(object_mask(5) > 0)).all()
    assert any("followed" in note for note in report.notes)


def test_track_writes_a_mask_for_every_frame(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE, rotation=90)
    cv2.imwrite(str(tmp_path / "mask.png"), np.rot90(object_mask(), -1))
    options = RemoveOptions(mask=MaskOptions(path=tmp_path / "mask.png"))
    track(source, tmp_path / "masks", options, Events())
    files = sorted((tmp_path / "masks").iterdir())
    assert [f.name for f in files] == [f"{t:05d}.png" for t in range(12)]
    assert cv2.imread(str(files[0]), 0).shape == (SIZE[1], SIZE[0])


def test_a_folder_of_frames_comes_back_as_a_folder(mask_folder, tmp_path):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    pictures = [cv2.GaussianBlur(rng.integers(0, 65535, (*SIZE, 3)).astype(np.uint16), (9, 9), 3) for _ in range(12)]
    for t, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / "in" / f"shot_{t + 7:03d}.png"), picture)
    run(tmp_path / "in", tmp_path / "out", mask_folder())
    assert [f.name for f in sorted((tmp_path / "out").iterdir())] == [f"shot_{t + 7:03d}.png" for t in range(12)]
    for t, picture in enumerate(pictures):
        written = cv2.imread(str(tmp_path / "out" / f"shot_{t + 7:03d}.png"), cv2.IMREAD_UNCHANGED)
        hole = grown(object_mask(t) > 0, 3)
        assert written.dtype == np.uint16
        assert np.array_equal(written[~hole], picture[~hole])


def test_equal_runs_give_equal_bytes(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE)
    masks = mask_folder()
    for name in ("a.mkv", "b.mkv"):
        run(source, tmp_path / name, masks, preset="balanced", lossless=True)
    for one, other in zip_longest(decoded(tmp_path / "a.mkv"), decoded(tmp_path / "b.mkv")):
        assert all(np.array_equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


def test_what_a_fit_learned_is_used_again(make_video, mask_folder, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(internal, "STEPS", {"paper": 3})
    monkeypatch.setattr(internal, "WIDTH", {"paper": 8})
    source, masks = make_video(tmp_path / "in.mp4", size=SIZE), mask_folder()

    def result(name, **more):
        report = run(source, tmp_path / name, masks, preset="paper", lossless=True, **more)
        return report.notes, [frame.planes for frame in decoded(tmp_path / name)]

    plain, first = result("plain.mkv", resume=False)
    assert not (tmp_path / "cache" / "vrm" / "fits").exists()
    kept, second = result("kept.mkv", resume=True)
    used, third = result("used.mkv", resume=True)
    for one, two, three in zip(first, second, third, strict=True):
        assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(one, two, three, strict=True))
    turned = tmp_path / "turned"
    turned.mkdir()
    for t in range(12):
        cv2.imwrite(str(turned / f"{t:05d}.png"), object_mask(t)[::-1])
    other = run(source, tmp_path / "other.mkv", turned, preset="balanced", resume=True)
    assert not any("earlier run" in note for note in other.notes), "a fit for another object was used"
    assert ["earlier run" in " ".join(notes) for notes in (plain, kept, used)] == [False, False, True]


def test_reports_say_what_was_done(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE)
    masks = mask_folder()
    run(source, tmp_path / "a.mp4", masks, report=tmp_path / "a.json")
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["changed_outside"] == 0
    assert said["frames"] == 12
    assert {"write", "fill"} <= set(said["timings"])
    for what, path in (("source", source), ("result", tmp_path / "a.mp4")):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            facts = (str(path), stream.codec.canonical_name, stream.pix_fmt, stream.width, stream.height, stream.frames)
        assert tuple(said[what][key] for key in ("path", "codec", "pix_fmt", "width", "height", "n_frames")) == facts
    assert datetime.fromisoformat(said["date"]).tzinfo is not None
    shot = said["shots"][0]
    for row in shot["frames"]:
        assert row["seen"] + row["unreliable"] + row["never"] == pytest.approx(1)
        assert row["hole"] == pytest.approx(grown(object_mask(row["frame"]) > 0, 3).mean())
    run(source, tmp_path / "b.mp4", masks, report=tmp_path / "b.html")
    page = (tmp_path / "b.html").read_text()
    assert page.count("data:image/") >= 3
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (VideoError, {"source": "missing.mp4"}),
        (VideoError, {"source": "notes.txt"}),
        (MaskError, {"mask": "missing.png"}),
        (MaskError, {"mask": "short"}),
        (MaskError, {"mask": "other.png", "static": True}),
        (MaskError, {"mask": "notes.png", "static": True}),
        (MaskError, {"mask": "mask.png", "frame": 12}),
        (MaskError, {"mask": "mask.png", "end": Moment(frame=3), "frame": 5}),
        (UsageError, {"target": "in.mp4"}),
        (OutputError, {"target": "there.mp4"}),
        (OutputError, {"target": "notes.txt/folder/out.mp4"}),
        (OutputError, {"report": "there.html"}),
        (UsageError, {"codec": "nonsense"}),
        (UsageError, {"start": Moment(frame=99)}),
        (UsageError, {"stream": 7}),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(make_video, tmp_path, error, change):
    make_video(tmp_path / "in.mp4", size=SIZE)
    cv2.imwrite(str(tmp_path / "mask.png"), object_mask())
    cv2.imwrite(str(tmp_path / "other.png"), object_mask()[:, :40])
    for name in ("notes.txt", "notes.png", "there.mp4", "there.html"):
        (tmp_path / name).write_text("not what it says")
    (tmp_path / "short").mkdir()
    for t in range(9):
        cv2.imwrite(str(tmp_path / "short" / f"{t}.png"), object_mask(t))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    given = {"source": "in.mp4", "target": "out.mp4", "mask": "mask.png"} | change
    paths = {k: tmp_path / given.pop(k) for k in ("source", "target", "mask", "report") if k in given}
    # One of a wrong stream is a matter of the video, unless no such number exists; both are clear.
    with pytest.raises((error, VideoError) if "stream" in change else error) as raised:
        run(**paths, **given)
    assert "\n" not in str(raised.value)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_limits(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", size=SIZE)
    masks = mask_folder()
    with pytest.raises(VideoError, match="max-pixels"):
        run(source, tmp_path / "out.mp4", masks, max_pixels=1000)
    with pytest.raises(VideoError, match="max-frames"):
        run(source, tmp_path / "out.mp4", masks, max_frames=5)


def test_a_truncated_file_gives_what_it_holds(make_video, tmp_path):
    source = make_video(tmp_path / "in.ts", frames=60, size=SIZE)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    cv2.imwrite(str(tmp_path / "mask.png"), object_mask())
    report = run(source, tmp_path / "out.ts", tmp_path / "mask.png", static=True)
    assert 20 < report.frames < 60
    assert report.frames == len(decoded(tmp_path / "out.ts"))


def test_an_interrupt_leaves_nothing(make_video, mask_folder, tmp_path):
    source = make_video(tmp_path / "in.mp4", frames=60, size=SIZE)  # seconds of motion, however fast the machine
    masks = mask_folder(60)
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "vrm", "remove", str(source), "--mask", str(masks), "--threads", "1"]
    command += ["-o", str(tmp_path / "out.mp4"), "--preset", "best", "--json"]
    # Whoever starts the tests in the background may have had interrupts ignored, which children inherit.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, preexec_fn=heard)
    assert process.stdout is not None
    for line in process.stdout:
        if b'"motion"' in line:
            break
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    assert process.wait(60) == 130
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cache") == ["in.mp4", "masks"]
    assert [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()] == ["scratch.lock"]


def test_a_full_disk_is_named_and_leaves_nothing(make_video, mask_folder, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            try:
                source = make_video(tmp_path / "in.mp4", size=SIZE)
                with pytest.raises(OutputError, match="space"):
                    run(source, small / "out.mkv", mask_folder(), lossless=True)
                assert not list(small.iterdir())
            finally:
                subprocess.run(["umount", str(small)], check=True)
            return
    pytest.skip("a small file system cannot be mounted here")


def test_folders_of_what_is_written_are_made(make_video, mask_folder, tmp_path):
    """``-o new/deep/`` and ``-o new/x.mp4`` both; and nothing is made where the work is refused."""
    source, masks = make_video(tmp_path / "in.mp4", size=SIZE), mask_folder()
    words = ["remove", source, "--mask", masks, "--preset", "fast", "--threads", 1]
    assert command([str(w) for w in (*words, "-o", tmp_path / "no/x.mp4", "--codec", "none")]) == 2
    assert not (tmp_path / "no").exists()
    assert command([str(w) for w in (*words, "-o", f"{tmp_path}/new/deep/")]) == 0
    report = tmp_path / "other/pages/r.json"
    assert command([str(w) for w in (*words, "-o", tmp_path / "other/x.mp4", "--report", report)]) == 0
    assert probe(tmp_path / "new/deep/in.mp4").n_frames == probe(tmp_path / "other/x.mp4").n_frames == 12
    assert json.loads(report.read_text())["frames"] == 12
