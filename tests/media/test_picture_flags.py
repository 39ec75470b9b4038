"""What a picture carries beside its samples: order of fields, place of chroma samples, colours beside alpha."""

import json
import shutil
import subprocess

import av
import pytest

from vrm.media.read.frame_flags import FrameFlags, frame_flags
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.plan import plan_output
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions
from vrm.types import Colour

BOTTOM_FIRST = 3
"""FFmpeg's field order of which the bottom field is stored and shown first."""


def rewrite(source, out, options, changed=False):
    info = probe(source)
    plan = plan_output(info, out, options)
    with Reader(info) as reader:
        frames = reader.frames()
        return write_video(plan, (f.with_planes(f.planes) for f in frames) if changed else frames)


def ffprobe(path):
    """The first video stream and its frames, as ffprobe sees them."""
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_streams", "-show_frames", "-of", "json"]
    seen = json.loads(subprocess.run([*command, str(path)], capture_output=True, check=True, text=True).stdout)
    return seen["streams"][0], seen["frames"]


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (OutputOptions(crf=30), ".mkv"),
        (OutputOptions(lossless=True), ".mkv"),
        (OutputOptions(codec="mpeg2video"), ".mkv"),
        (OutputOptions(codec="prores", pix_fmt="yuv422p10le"), ".mov"),
    ],
)
def test_a_tape_stays_bottom_field_first(make_video, tmp_path, options, ending, changed):
    source = make_video(tmp_path / "tape.avi", "dvvideo", size=(576, 720), frames=3)
    with av.open(str(source)) as container:
        assert container.streams.video[0].codec_context.field_order == 0
    report = rewrite(source, tmp_path / f"out{ending}", options, changed)
    assert "interlacing flags" in report.kept
    with av.open(str(report.path)) as container:
        assert container.streams.video[0].codec_context.field_order == BOTTOM_FIRST
        assert all(f.interlaced_frame and frame_flags(f).bottom_first for f in container.decode(video=0))
    stream, frames = ffprobe(report.path)
    assert stream["field_order"] == "bb"
    assert [(f["interlaced_frame"], f["top_field_first"]) for f in frames] == [(1, 0)] * 3


@pytest.mark.parametrize("stated", [2, 5])
def test_what_the_container_states_of_fields_stays(make_video, tmp_path, stated):
    tape = make_video(tmp_path / "tape.avi", "dvvideo", size=(576, 720), frames=2)
    source = tmp_path / "in.mov"
    with av.open(str(tape)) as given, av.open(str(source), "w") as made:
        track = made.add_stream("prores_ks", rate=25, options={"flags": "+ildct"})
        track.height, track.width, track.pix_fmt = 576, 720, "yuv422p10le"
        track.codec_context.field_order = stated
        for frame in given.decode(video=0):
            made.mux(track.encode(frame.reformat(format="yuv422p10le")))
        made.mux(track.encode(None))
    report = rewrite(source, tmp_path / "out.mov", OutputOptions(), changed=True)
    with av.open(str(report.path)) as container:
        assert container.streams.video[0].codec_context.field_order == stated
        assert all(frame_flags(f).bottom_first for f in container.decode(video=0))


def uhd(make_video, path, place):
    options = {"preset": "ultrafast", "x265-params": f"log-level=none:chromaloc={place}"}
    return make_video(path, "libx265", frames=3, size=(64, 96), options=options)


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (OutputOptions(), ".mp4"),
        (OutputOptions(codec="h264"), ".mp4"),
        (OutputOptions(codec="av1"), ".mp4"),
        (OutputOptions(codec="vp9"), ".webm"),
        (OutputOptions(lossless=True), ".mkv"),
    ],
)
def test_chroma_stays_where_it_lies(make_video, tmp_path, options, ending):
    report = rewrite(uhd(make_video, tmp_path / "uhd.mp4", 2), tmp_path / f"out{ending}", options)
    assert "chroma location (topleft)" in report.kept
    with av.open(str(report.path)) as container:
        assert frame_flags(next(container.decode(video=0))) == FrameFlags("topleft")
    assert ffprobe(report.path)[0]["chroma_location"] == "topleft"


@pytest.mark.parametrize(
    ("place", "options", "ending"),
    [
        (2, OutputOptions(codec="mpeg4"), ".mp4"),
        (2, OutputOptions(codec="vp9"), ".mp4"),
        (4, OutputOptions(codec="av1"), ".mkv"),
    ],
)
def test_a_place_of_chroma_that_nothing_states_is_named_as_lost(make_video, tmp_path, place, options, ending):
    report = rewrite(uhd(make_video, tmp_path / "uhd.mp4", place), tmp_path / f"out{ending}", options)
    named = {2: "topleft", 4: "bottomleft"}[place]
    assert f"chroma location ({named})" in report.lost
    with av.open(str(report.path)) as container:
        assert frame_flags(next(container.decode(video=0))).chroma_location != named


def test_chroma_of_motion_jpeg_stays_in_the_middle(make_video, tmp_path):
    source = make_video(tmp_path / "in.avi", "mjpeg", frames=3, colour=Colour(full_range=True))
    report = rewrite(source, tmp_path / "out.mp4", OutputOptions(codec="h264", crf=30))
    with av.open(str(report.path)) as container:
        assert frame_flags(next(container.decode(video=0))).chroma_location == "center"


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx"])
@pytest.mark.parametrize("lossless", [False, True])
def test_colours_are_kept_beside_alpha(make_video, tmp_path, codec, lossless):
    colour = Colour(9, 16, 9, False)
    options = {"auto-alt-ref": "0", "cpu-used": "8", "deadline": "realtime"}
    source = make_video(tmp_path / "in.webm", codec, "yuva420p", frames=3, colour=colour, options=options)
    with av.open(str(source), "r") as given:  # what the container says of it
        context = given.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (9, 16, 9)
    assert probe(source).colour == colour
    out = tmp_path / ("out.mkv" if lossless else "out.webm")
    report = rewrite(source, out, OutputOptions(lossless=lossless))
    assert "the alpha plane" in report.kept
    found = probe(out)
    assert (found.colour, found.has_alpha) == (colour, True)
    stream, _ = ffprobe(out)
    named = ("color_primaries", "color_transfer", "color_space")
    assert [stream[k] for k in named] == ["bt2020", "smpte2084", "bt2020nc"]


def test_flags_may_be_asked_for_again(make_video, tmp_path):
    level = av.logging.get_level()
    with av.open(str(uhd(make_video, tmp_path / "uhd.mp4", 2))) as container:
        frame = next(container.decode(video=0))
        assert frame_flags(frame) == frame_flags(frame) == FrameFlags("topleft")
    assert av.logging.get_level() == level
