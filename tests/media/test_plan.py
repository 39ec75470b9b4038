import os
import subprocess
from dataclasses import replace
from fractions import Fraction

import pytest
from everything import enrich

from vrm.errors import OutputError, UsageError
from vrm.media.frame.pixel_layout import layout_of
from vrm.media.read.probe import probe
from vrm.media.write.encoders import ENCODERS, encoders_of, pix_fmts, quality_options, same_samples
from vrm.media.write.plan import plan_output
from vrm.options.remove import OutputOptions


@pytest.fixture
def clip(make_video, tmp_path):
    return make_video(tmp_path / "clip.mp4", frames=3)


def test_output_must_not_be_the_input(clip, tmp_path, monkeypatch):
    info = probe(clip)
    (tmp_path / "soft.mp4").symlink_to(clip)
    (tmp_path / "hard.mp4").hardlink_to(clip)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "./clip.mp4", "sub/../clip.mp4", str(clip), "soft.mp4", "hard.mp4"):
        with pytest.raises(UsageError, match="is the input itself"):
            plan_output(info, tmp_path.__class__(name), OutputOptions(overwrite=True))


def test_existing_output_needs_overwrite(clip, tmp_path):
    (tmp_path / "out.mp4").touch()
    with pytest.raises(OutputError, match="--overwrite"):
        plan_output(probe(clip), tmp_path / "out.mp4", OutputOptions())
    assert plan_output(probe(clip), tmp_path / "out.mp4", OutputOptions(overwrite=True)).overwrite


def test_a_folder_may_be_missing_but_not_be_something_else(clip, tmp_path):
    (tmp_path / "file").touch()
    assert plan_output(probe(clip), tmp_path / "none/deep/out.mp4", OutputOptions()).path.name == "out.mp4"
    assert not (tmp_path / "none").exists(), "it is made when the output is written"
    for place in ("file/out.mp4", "file/deep/out.mp4"):
        with pytest.raises(OutputError, match=r"file, where the output .* is not a folder"):
            plan_output(probe(clip), tmp_path / place, OutputOptions())
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OutputError, match="is a folder already"):
        plan_output(probe(clip), tmp_path / "folder.mp4", OutputOptions(overwrite=True))


def test_read_only_folder_is_refused(clip, tmp_path):
    place = tmp_path / "sealed"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(place)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    place.chmod(0o500) if os.geteuid() else None
    try:
        with pytest.raises(OutputError, match=r"sealed: .*(ead-only|ermission)"):
            plan_output(probe(clip), place / "out.mp4", OutputOptions())
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(("name", "words"), [("out.xyz", r"'\.xyz'"), ("out", "no ending")])
def test_unknown_ending_lists_the_known_ones(clip, tmp_path, name, words):
    with pytest.raises(UsageError, match=rf"{words}.*\.mkv"):
        plan_output(probe(clip), tmp_path / name, OutputOptions())


def test_unknown_names_come_with_near_ones(clip, tmp_path):
    with pytest.raises(UsageError, match="h264"):
        plan_output(probe(clip), tmp_path / "o.mp4", OutputOptions(codec="h246"))
    with pytest.raises(UsageError, match="yuv420p10le"):
        plan_output(probe(clip), tmp_path / "o.mp4", OutputOptions(pix_fmt="yuv420p10"))


@pytest.mark.parametrize("name", ["x264", "H265", "hevc", "libvpx-vp9", "prores", "svtav1"])
def test_codecs_go_by_several_names(name):
    assert encoders_of(name)


def test_codec_that_the_container_does_not_hold_is_refused(clip, tmp_path):
    with pytest.raises(OutputError, match=r"WebM does not hold H\.264.*\.mkv"):
        plan_output(probe(clip), tmp_path / "o.webm", OutputOptions(codec="h264"))


def test_container_without_the_source_codec_takes_its_own(clip, tmp_path):
    plan = plan_output(probe(clip), tmp_path / "o.webm", OutputOptions())
    assert plan.codec == "vp9"
    assert plan.notes == ("WebM does not hold H.264. Written as VP9.",)


def test_codec_without_an_encoder_is_written_as_h264(clip, tmp_path):
    plan = plan_output(replace(probe(clip), codec="vvc"), tmp_path / "o.mp4", OutputOptions())
    assert (plan.encoder, plan.notes) == ("libx264", ("VVC has no encoder here: written as H.264.",))


def test_depth_that_the_codec_does_not_have_is_not_rounded(make_video, tmp_path):
    deep = probe(make_video(tmp_path / "deep.mkv", "ffv1", "yuv420p12le", frames=2))
    with pytest.raises(OutputError, match=r"does not take yuv420p12le.*--pix-fmt"):
        plan_output(deep, tmp_path / "o.mkv", OutputOptions(codec="h264"))
    assert plan_output(replace(deep, codec="vc1"), tmp_path / "o.mp4", OutputOptions()).encoder == "libx265"
    chosen = plan_output(deep, tmp_path / "o.mkv", OutputOptions(codec="h264", pix_fmt="yuv420p10le"))
    assert chosen.pix_fmt == "yuv420p10le"
    assert "12 bits (written with 10)" in chosen.lost


def test_ten_bit_webm_becomes_av1(make_video, tmp_path):
    deep = probe(make_video(tmp_path / "deep.mkv", "ffv1", "yuv420p10le", frames=2))
    assert plan_output(deep, tmp_path / "o.webm", OutputOptions()).encoder == "libsvtav1"


def test_odd_size_takes_a_codec_that_keeps_it(make_video, tmp_path):
    odd = probe(make_video(tmp_path / "odd.webm", "libvpx-vp9", size=(41, 63), frames=2))
    assert plan_output(odd, tmp_path / "o.webm", OutputOptions()).encoder == "libvpx-vp9"
    with pytest.raises(OutputError, match="63x41 is odd"):
        plan_output(odd, tmp_path / "o.mkv", OutputOptions(codec="h264"))
    other = plan_output(replace(odd, codec="theora"), tmp_path / "o.mkv", OutputOptions())
    assert other.encoder == "libsvtav1"
    assert "no encoder here: written as AV1." in other.notes[0]


def test_alpha_is_lost_only_by_name(make_video, tmp_path):
    clear = probe(make_video(tmp_path / "a.mkv", "ffv1", "yuva444p10le", frames=2))
    assert "the alpha plane" in plan_output(clear, tmp_path / "o.mov", OutputOptions(codec="prores")).kept
    assert "the alpha plane" in plan_output(clear, tmp_path / "o.mp4", OutputOptions(codec="hevc")).lost


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "written"),
    [
        ("yuv420p", "prores", "yuv422p10le"),
        ("yuv444p", "prores", "yuv444p10le"),
        ("yuv420p10le", "prores", "yuv422p10le"),
        ("yuva420p", "prores", "yuva444p10le"),
        ("yuv420p", "dnxhd", "yuv422p"),
    ],
)
def test_a_codec_that_is_asked_for_takes_the_nearest_format_that_loses_nothing(
    make_video, tmp_path, pix_fmt, codec, written
):
    source = probe(make_video(tmp_path / "in.mkv", "ffv1", pix_fmt, size=(128, 256), frames=2))
    plan = plan_output(source, tmp_path / "o.mov", OutputOptions(codec=codec))
    assert plan.pix_fmt == written
    assert f"({written})" in plan.notes[0]
    assert not plan.lost
    with pytest.raises(OutputError, match=f"does not take {pix_fmt}"):
        plan_output(source, tmp_path / "o.mov", OutputOptions(codec=codec, pix_fmt=pix_fmt))


def test_alpha_beside_the_packets_stays_only_where_it_can(make_video, tmp_path):
    clear = probe(make_video(tmp_path / "a.mkv", "ffv1", "yuva420p", frames=2))
    assert "the alpha plane" in plan_output(clear, tmp_path / "o.webm", OutputOptions(codec="vp9")).kept
    assert "the alpha plane" in plan_output(clear, tmp_path / "o.mp4", OutputOptions(codec="vp9")).lost


def test_transport_streams_hide_nothing_as_private_data(make_video, tmp_path):
    source = enrich(make_video(tmp_path / "a.mp4"), tmp_path / "in.mkv", subtitles="subrip")
    plan = plan_output(probe(source), tmp_path / "o.ts", OutputOptions())
    assert any("subtitles" in line for line in plan.lost)
    assert "2 chapters" in plan.lost
    with pytest.raises(OutputError, match="MPEG-TS does not hold VP9"):
        plan_output(probe(source), tmp_path / "o.ts", OutputOptions(codec="vp9"))


def test_lossless_needs_a_container_that_holds_it(clip, tmp_path):
    assert plan_output(probe(clip), tmp_path / "o.mkv", OutputOptions(lossless=True)).encoder == "ffv1"
    with pytest.raises(UsageError, match=r"o\.mkv"):
        plan_output(probe(clip), tmp_path / "o.mp4", OutputOptions(lossless=True))
    with pytest.raises(UsageError, match="cannot be lossless"):
        plan_output(probe(clip), tmp_path / "o.mp4", OutputOptions(lossless=True, codec="av1"))


def test_crf_is_checked_against_the_codec(clip, tmp_path):
    assert plan_output(probe(clip), tmp_path / "o.mp4", OutputOptions(crf=23)).options["crf"] == "23"
    with pytest.raises(UsageError, match=r"0\.\.51"):
        plan_output(probe(clip), tmp_path / "o.mp4", OutputOptions(crf=55))
    with pytest.raises(UsageError, match="no --crf"):
        plan_output(probe(clip), tmp_path / "o.mov", OutputOptions(codec="prores", pix_fmt="yuv422p10le", crf=20))


def test_varying_frame_rate_does_not_go_into_avi(make_video, tmp_path):
    source = make_video(tmp_path / "v.mp4", pts=[0, 10, 50, 55], frames=4, time_base=Fraction(1, 1000))
    with pytest.raises(OutputError, match="AVI holds no times"):
        plan_output(probe(source), tmp_path / "o.avi", OutputOptions())


def test_a_constant_rate_that_begins_between_two_frames_goes_into_avi(make_video, tmp_path):
    ticks = [48600 + 3600 * t for t in range(6)]  # 13.5 frames
    source = make_video(tmp_path / "v.mkv", pts=ticks, frames=6, time_base=Fraction(1, 90000))
    assert plan_output(probe(source), tmp_path / "o.avi", OutputOptions()).container == "avi"


def test_rounded_times_are_said(make_video, tmp_path):
    thirty = make_video(tmp_path / "t.mp4", rate=30, frames=3)
    assert "1/1000 s" in plan_output(probe(thirty), tmp_path / "o.mkv", OutputOptions()).notes[0]
    assert not plan_output(probe(thirty), tmp_path / "o.mov", OutputOptions()).notes


def test_planning_writes_nothing(clip, tmp_path):
    plan_output(probe(clip), tmp_path / "o.mp4", OutputOptions())
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: e.name)
def test_every_encoder_of_the_table_is_there(encoder):
    assert quality_options(encoder, None, False) is not None
    assert encoder.name == "rawvideo" or pix_fmts(encoder)


@pytest.mark.parametrize(
    ("layout", "formats", "found"),
    [
        ("yuv420p", ["yuvj420p", "yuv420p"], "yuv420p"),
        ("gbrp", ["bgr0", "yuv444p"], "bgr0"),
        ("gbrap", ["bgra"], "bgra"),
        ("yuv420p10le", ["p010le"], "p010le"),
        ("yuv420p10le", ["yuv420p", "yuv420p12le"], None),
        ("yuv444p", ["yuv420p"], None),
    ],
)
def test_same_samples(layout, formats, found):
    assert same_samples(layout_of(layout), formats) == found
