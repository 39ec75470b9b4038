import errno
import os
import struct
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from everything import ffprobe, frame_side_data, times

from vrm.errors import OutputError, VideoError
from vrm.media.read.frame_folder import frame_files
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.stills import read_image
from vrm.media.write.plan import plan_output
from vrm.media.write.png import write_png
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions
from vrm.types import Colour

QUICK = OutputOptions(crf=30)


def rewrite(source, out, options=QUICK):
    info = probe(source)
    plan = plan_output(info, out, options)
    with Reader(info) as reader:
        return plan, write_video(plan, reader.frames())


def planes(path):
    info = probe(path)
    with Reader(info) as reader:
        return [frame.planes for frame in reader.frames()]


def test_x264_works_on_whole_pictures(make_video, tmp_path):
    """PyAV's default makes it cut them into slices: larger, and a quarter slower."""
    source = make_video(tmp_path / "in.mp4", "libx264", size=(288, 352))
    rewrite(source, tmp_path / "out.mp4")
    settings = (tmp_path / "out.mp4").read_bytes()
    assert b"sliced_threads=0" in settings
    assert b"sliced_threads=1" not in settings


REWRITE = """
import sys
from pathlib import Path
from vrm.media.write.plan import plan_output
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions
info = probe(Path(sys.argv[1]))
with Reader(info) as reader:
    write_video(plan_output(info, Path(sys.argv[2]), OutputOptions(codec=sys.argv[3])), reader.frames())
"""


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_equal_runs_give_equal_files_whatever_memory_held_before(make_video, tmp_path, encoder):
    """glibc's MALLOC_PERTURB_ fills fresh memory; x264's AVX-512 code looked at it at widths like this one."""
    source = make_video(tmp_path / "in.mkv", "ffv1", frames=40, size=(96, 160))
    written = []
    for fresh in ("0", "85", "170"):
        out = tmp_path / f"{fresh}.mkv"
        subprocess.run(
            [sys.executable, "-c", REWRITE, str(source), str(out), encoder],
            env={**os.environ, "MALLOC_PERTURB_": fresh}, check=True,
        )  # fmt: skip
        written.append(out.read_bytes())
    assert written[1] == written[0]
    assert written[2] == written[0]


VARYING = [0, 1000, 1500, 4000, 4001, 9000, 9100, 9900, 12000, 20000, 20500, 31000]


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_varying_frame_times_are_exact(make_video, tmp_path, ending, codec):
    ticks = [90 * t for t in VARYING]
    source = make_video(tmp_path / f"in{ending}", codec, pts=ticks, time_base=Fraction(1, 90000))
    rewrite(source, tmp_path / f"out{ending}")
    assert times(tmp_path / f"out{ending}") == times(source)
    assert len(times(source)) == 12


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "ending"),
    [
        ("libx264", "yuv420p", ".mp4"),
        ("libx264", "yuv422p10le", ".mkv"),
        ("libx264", "yuv444p", ".mp4"),
        ("libx265", "yuv420p10le", ".mp4"),
        ("libx265", "yuv422p12le", ".mkv"),
        ("libvpx-vp9", "yuv420p", ".webm"),
        ("libvpx-vp9", "yuva420p", ".webm"),
        ("libsvtav1", "yuv420p10le", ".mp4"),
        ("ffv1", "yuv444p12le", ".mkv"),
        ("ffv1", "gbrp10le", ".mkv"),
        ("prores_ks", "yuv422p10le", ".mov"),
        ("mpeg4", "yuv420p", ".avi"),
        ("mpeg2video", "yuv420p", ".ts"),
        ("mjpeg", "yuv420p", ".mov"),
    ],
)
def test_codec_depth_and_chroma_stay(make_video, tmp_path, codec, pix_fmt, ending):
    colour = Colour(full_range=True) if codec == "mjpeg" else None
    source = make_video(tmp_path / f"in{ending}", codec, pix_fmt, colour=colour)
    _, report = rewrite(source, tmp_path / f"out{ending}", OutputOptions())
    before, after = probe(source), probe(tmp_path / f"out{ending}")
    assert (after.codec, after.pix_fmt, after.n_frames) == (before.codec, before.pix_fmt, 12)
    assert times(tmp_path / f"out{ending}") == times(source)
    assert report.frames == 12
    assert not report.lost
    error = [np.abs(a[0].astype(int) - b[0]).mean() for a, b in zip(planes(source), planes(report.path), strict=True)]
    assert np.mean(error) < 2 * 2 ** (before.bit_depth - 8)


def test_prores_holds_the_samples_of_eight_bit_420(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", "libx264", "yuv420p")
    rewrite(source, tmp_path / "out.mov", OutputOptions(codec="prores"))
    assert (probe(tmp_path / "out.mov").codec, probe(tmp_path / "out.mov").pix_fmt) == ("prores", "yuv422p10le")
    for (before, *_), (after, *_) in zip(planes(source), planes(tmp_path / "out.mov"), strict=True):
        assert np.abs(4 * before.astype(int) - after).mean() < 4, "luma of 10 bits is four times that of 8"


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "options", "ending"),
    [
        ("libx264", "yuv420p", OutputOptions(lossless=True), ".mkv"),
        ("libx264", "yuv420p10le", OutputOptions(lossless=True), ".mkv"),
        ("libx264", "yuv422p", OutputOptions(lossless=True), ".mkv"),
        ("libx264", "yuv444p", OutputOptions(lossless=True, codec="h264"), ".mp4"),
        ("libx264", "yuv420p", OutputOptions(lossless=True, codec="h264"), ".mp4"),
        ("libx265", "yuv420p10le", OutputOptions(lossless=True, codec="hevc"), ".mp4"),
        ("libvpx-vp9", "yuv420p", OutputOptions(lossless=True, codec="vp9"), ".webm"),
        ("ffv1", "gbrp10le", OutputOptions(lossless=True), ".mkv"),
        ("ffv1", "gray", OutputOptions(lossless=True), ".mkv"),
    ],
)
def test_lossless_gives_every_sample_back(make_video, tmp_path, codec, pix_fmt, options, ending):
    source = make_video(tmp_path / "in.mkv", codec, pix_fmt, frames=4)
    plan, _ = rewrite(source, tmp_path / f"out{ending}", options)
    assert plan.lossless
    for before, after in zip(planes(source), planes(tmp_path / f"out{ending}"), strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)


def test_changed_frames_are_written_as_changed(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", frames=5)
    info = probe(source)
    plan = plan_output(info, tmp_path / "out.mkv", OutputOptions(lossless=True))
    with Reader(info) as reader:
        frames = [f.with_planes(tuple(255 - p for p in f.planes)) if f.index % 2 else f for f in reader.frames()]
        write_video(plan, frames)
    for k, (before, after) in enumerate(zip(planes(source), planes(tmp_path / "out.mkv"), strict=True)):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(255 - a if k % 2 else a, b)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_rotation_aspect_and_colour_are_kept(make_video, tmp_path, ending):
    source = make_video(
        tmp_path / f"in{ending}",
        rotation=90,
        sample_aspect=Fraction(2, 1),
        colour=Colour(9, 16, 9, False),
        pix_fmt="yuv420p10le",
    )
    rewrite(source, tmp_path / f"out{ending}")
    before, after = (ffprobe(p)["streams"][0] for p in (source, tmp_path / f"out{ending}"))
    same = ("sample_aspect_ratio", "color_primaries", "color_transfer", "color_space", "color_range", "pix_fmt")
    assert [before[k] for k in same] == [after[k] for k in same]
    assert [d.get("rotation") for d in before["side_data_list"]] == [d.get("rotation") for d in after["side_data_list"]]
    assert before["r_frame_rate"] == after["r_frame_rate"]


def test_full_range_stays_full_range(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", colour=Colour(1, 1, 1, True), frames=3)
    rewrite(source, tmp_path / "out.mkv", OutputOptions(lossless=True, codec="h264"))
    assert probe(tmp_path / "out.mkv").colour == probe(source).colour == Colour(1, 1, 1, True)
    for before, after in zip(planes(source), planes(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(before[0], after[0])


_DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (OutputOptions(), ".mp4"),
        (OutputOptions(codec="av1"), ".mp4"),
        (OutputOptions(codec="h264"), ".mkv"),
        (OutputOptions(lossless=True), ".mkv"),
        (OutputOptions(codec="vp9", pix_fmt="yuv420p"), ".webm"),
    ],
)
def test_hdr_static_metadata_is_kept(make_video, tmp_path, options, ending):
    hdr = {"preset": "ultrafast", "x265-params": f"log-level=none:master-display={_DISPLAY}:max-cll=1000,400"}
    colour = Colour(9, 16, 9, False)
    source = make_video(tmp_path / "in.mp4", "libx265", "yuv420p10le", colour=colour, options=hdr, size=(64, 96))
    plan, _ = rewrite(source, tmp_path / f"out{ending}", options)
    before, after = frame_side_data(source), frame_side_data(tmp_path / f"out{ending}")
    assert "HDR static metadata" in plan.kept
    assert struct.unpack("<2I", after["CONTENT_LIGHT_LEVEL"]) == (1000, 400)
    display = [
        np.array(struct.unpack("<20i", data["MASTERING_DISPLAY_METADATA"][:80]), float) for data in (before, after)
    ]
    np.testing.assert_allclose(*(d[0::2] / d[1::2] for d in display), atol=1e-3)


def test_odd_size_is_kept_exactly(make_video, tmp_path):
    source = make_video(tmp_path / "in.webm", "libvpx-vp9", size=(121, 161), frames=4)
    rewrite(source, tmp_path / "out.webm", OutputOptions())
    assert probe(tmp_path / "out.webm").size == (121, 161)


def test_interlaced_flags_reach_the_encoder(tmp_path, make_video):
    options = {"flags": "+ildct+ilme", "x264-params": "tff=1", "preset": "ultrafast"}
    source = make_video(tmp_path / "in.mkv", options=options)
    with av.open(str(source)) as given:
        assert next(given.decode(video=0)).interlaced_frame
    plan, _ = rewrite(source, tmp_path / "out.mkv")
    assert "interlacing flags" in plan.kept
    with av.open(str(tmp_path / "out.mkv")) as made:
        assert next(made.decode(video=0)).interlaced_frame


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_folder_of_frames_comes_back_as_a_folder(tmp_path, dtype):
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pictures = {f"shot_{k:03d}": rng.integers(0, np.iinfo(dtype).max, (20, 31, 3)).astype(dtype) for k in (8, 9, 10)}
    for name, picture in pictures.items():
        write_png(folder / f"{name}.png", picture)
    _, report = rewrite(folder, tmp_path / "out", OutputOptions())
    assert [p.stem for p in frame_files(tmp_path / "out")] == list(pictures)
    for name, picture in pictures.items():
        np.testing.assert_array_equal(read_image(tmp_path / "out" / f"{name}.png"), picture)
    assert report.frames == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize("alpha", [False, True])
def test_a_folder_of_frames_is_lossless_in_ffv1(tmp_path, alpha):
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 256, (20, 30, 4 if alpha else 3)).astype(np.uint8) for _ in range(3)]
    for k, picture in enumerate(pictures):
        write_png(folder / f"{k}.png", picture)
    rewrite(folder, tmp_path / "out.mkv", OutputOptions(lossless=True))
    with Reader(probe(tmp_path / "out.mkv")) as reader:
        for frame, picture in zip(reader.frames(), pictures, strict=True):
            np.testing.assert_array_equal(frame.rgb(), picture[..., :3])


def test_a_folder_of_frames_becomes_a_video(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    grey = np.full((20, 30, 3), 128, np.uint8)
    for k in range(3):
        write_png(folder / f"{k}.png", grey)
    plan, _ = rewrite(folder, tmp_path / "out.mp4", OutputOptions())
    assert (plan.pix_fmt, plan.colour) == ("yuv420p", Colour(1, 1, 1, False))
    assert any("chroma" in line for line in plan.lost)
    with Reader(probe(tmp_path / "out.mp4")) as reader:
        assert np.abs(next(reader.frames()).rgb().astype(int) - 128).max() <= 2


def test_an_error_of_the_frames_leaves_nothing_behind(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", frames=6)
    info = probe(source)
    plan = plan_output(info, tmp_path / "out.mp4", OutputOptions())

    def broken(kind):
        with Reader(info) as reader:
            for frame in reader.frames():
                if frame.index == 4:
                    raise kind
                yield frame

    for error in (KeyboardInterrupt(), VideoError("broken"), OSError(errno.ENOSPC, "somewhere else")):
        with pytest.raises(type(error)):
            write_video(plan, broken(error))
        assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


def test_an_existing_output_survives_a_failure(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", frames=3)
    (tmp_path / "out.mp4").write_bytes(b"precious")
    plan = plan_output(probe(source), tmp_path / "out.mp4", OutputOptions(overwrite=True))
    with pytest.raises(OutputError, match="no frame"):
        write_video(plan, iter(()))
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"
    rewrite(source, tmp_path / "out.mp4", OutputOptions(overwrite=True))
    assert probe(tmp_path / "out.mp4").n_frames == 3


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_a_full_disk_is_said_and_leaves_nothing(make_video, tmp_path, small_disk, ending):
    source = make_video(tmp_path / "in.mp4", frames=30, size=(240, 320), audio=1)
    info = probe(source)
    plan = plan_output(info, small_disk / f"out{ending}", OutputOptions(crf=0))
    with Reader(info) as reader, pytest.raises(OutputError, match=r"disk.*the disk is full"):
        write_video(plan, reader.frames())
    assert not list(small_disk.iterdir())


def test_progress_counts_frames(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", frames=4)
    info = probe(source)
    seen = []
    plan = plan_output(info, tmp_path / "out.mp4", OutputOptions())
    with Reader(info) as reader:
        write_video(plan, reader.frames(), progress=seen.append)
    assert seen == [1, 2, 3, 4]


def test_repeated_times_of_a_damaged_source_are_moved_apart(make_video, tmp_path):
    source = make_video(tmp_path / "in.mp4", frames=4)
    info = probe(source)
    plan = plan_output(info, tmp_path / "out.mp4", OutputOptions())
    with Reader(info) as reader:
        frames = [replace(f, pts=0) for f in reader.frames()]
        report = write_video(plan, frames)
    assert report.frames == 4 == len(set(times(tmp_path / "out.mp4")))
