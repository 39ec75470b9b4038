import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vrm.errors import VideoError
from vrm.media.read.frame_folder import frame_files
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.png import write_png
from vrm.types import Colour

ROBUST = Path(__file__).parents[3] / "shared" / "data" / "robust"
ffprobe = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")


def ask_ffprobe(path, stream=0):
    command = [
        "ffprobe",
        "-v",
        "quiet",
        "-of",
        "json",
        "-count_frames",
        "-show_streams",
        "-select_streams",
        str(stream),
    ]
    return json.loads(subprocess.run([*command, str(path)], capture_output=True, check=True).stdout)["streams"][0]


@ffprobe
@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("a.mp4", "libx264", "yuv420p", {"preset": "veryfast", "bf": "3"}),  # B-frames: an edit list
        ("a.mkv", "libx264", "yuv422p10le", None),
        ("a.ts", "libx264", "yuv420p", None),
        ("a.mp4", "libx265", "yuv420p10le", None),
        ("a.webm", "libvpx-vp9", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "12", "cpu-used": "8"}),
        ("a.webm", "libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "12", "cpu-used": "8"}),
        ("a.avi", "mpeg4", "yuv420p", {"bf": "2"}),
        ("a.mkv", "ffv1", "gray", None),
        ("a.mov", "prores_ks", "yuv422p10le", None),
    ],
)
def test_facts_agree_with_ffprobe(make_video, tmp_path, name, codec, pix_fmt, options):
    path = make_video(tmp_path / name, codec, pix_fmt, frames=30, size=(64, 96), options=options)
    info, theirs = probe(path), ask_ffprobe(path)
    assert info.n_frames == int(theirs["nb_read_frames"]) == 30
    assert (info.codec, info.pix_fmt) == (theirs["codec_name"], theirs["pix_fmt"])
    assert (info.height, info.width) == (theirs["height"], theirs["width"])
    assert info.time_base == Fraction(theirs["time_base"])
    assert info.frame_rate == 25
    assert info.container == path.suffix[1:].replace("mkv", "matroska").replace("ts", "mpegts")
    assert info.duration == pytest.approx(Fraction(30, 25), abs=0.045)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_is_clockwise(make_video, tmp_path, rotation):
    info = probe(make_video(tmp_path / "a.mp4", rotation=rotation))
    assert info.rotation == rotation
    assert info.display_size == ((64, 48) if rotation in (90, 270) else (48, 64))


def test_colour_aspect_and_tags(make_video, tmp_path):
    path = make_video(
        tmp_path / "a.mp4",
        audio=2,
        colour=Colour(9, 16, 9, False),
        sample_aspect=Fraction(4, 3),
        metadata={"title": "a title"},
    )
    info = probe(path)
    assert info.colour == Colour(9, 16, 9, False)
    assert info.sample_aspect == Fraction(4, 3)
    assert info.metadata["title"] == "a title"
    assert [s.kind for s in info.streams] == ["video", "audio", "audio"]
    assert [s.codec for s in info.streams] == ["h264", "aac", "aac"]


def test_untagged_colour_stays_unspecified(make_video, tmp_path):
    assert probe(make_video(tmp_path / "a.mkv")).colour == Colour()


def test_alpha_of_vp9_is_seen(make_video, tmp_path):
    info = probe(make_video(tmp_path / "a.webm", "libvpx-vp9", "yuva420p"))
    assert info.has_alpha
    assert (info.codec, info.pix_fmt, info.bit_depth) == ("vp9", "yuva420p", 8)


def test_hdr_interlacing_and_mirroring_are_named(make_video, tmp_path):
    master = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    params = {"x265-params": f"log-level=none:hdr10=1:master-display={master}:max-cll=1000,400", "preset": "ultrafast"}
    info = probe(make_video(tmp_path / "h.mp4", "libx265", "yuv420p10le", options=params, size=(64, 64)))
    assert "hdr10" in info.extras
    params = {"x264-params": "tff=1", "preset": "ultrafast"}
    info = probe(make_video(tmp_path / "i.mp4", options=params, size=(64, 64)))
    assert info.interlaced


def test_streams_are_chosen_by_index(make_video, tmp_path):
    first, second = make_video(tmp_path / "a.mkv", audio=1), make_video(tmp_path / "b.mkv", size=(32, 32), frames=5)
    both = tmp_path / "both.mkv"
    with av.open(str(first)) as one, av.open(str(second)) as two, av.open(str(both), "w") as out:
        pairs = {s: out.add_stream_from_template(s) for source in (one, two) for s in source.streams}
        for packet in [*one.demux(), *two.demux()]:
            if packet.dts is not None:
                packet.stream = pairs[packet.stream]
                out.mux(packet)
    assert probe(both).size == (48, 64)
    info = probe(both, 2)
    assert (info.stream, info.size, info.n_frames) == (2, (32, 32), 5)
    with Reader(info) as reader:
        assert len(list(reader.frames())) == 5
    with pytest.raises(VideoError, match=r"no video stream 1.*0, 2"):
        probe(both, 1)


def test_cover_pictures_are_no_video(tmp_path, make_video):
    song = tmp_path / "song.mp4"
    with av.open(str(make_video(tmp_path / "a.mp4", audio=1))) as source, av.open(str(song), "w") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = out.add_stream_from_template(source.streams.audio[0])
        out.mux(cover.encode(av.VideoFrame(32, 32, "yuvj420p")))
        out.mux(cover.encode(None))
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                out.mux(packet)
    with pytest.raises(VideoError, match=r"no video stream.*audio \(aac\).*cover picture"):
        probe(song)


def test_audio_alone_is_refused(tmp_path, make_video):
    with av.open(str(make_video(tmp_path / "a.mp4", audio=1))) as source, av.open(str(tmp_path / "b.mp4"), "w") as out:
        sound = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                out.mux(packet)
    with pytest.raises(VideoError, match=r"no video stream; it holds audio \(aac\)"):
        probe(tmp_path / "b.mp4")


@pytest.mark.parametrize("content", [None, b"", b"hello, this is text\n" * 50, bytes(5000)])
@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "concat:a.mkv"])
def test_what_is_no_video_is_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=name):
        probe(tmp_path / name)


def test_a_file_without_its_index_is_refused(make_video, tmp_path):
    whole = make_video(tmp_path / "a.mp4", frames=30).read_bytes()
    (tmp_path / "b.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"b\.mp4"):
        probe(tmp_path / "b.mp4")


def test_a_folder_of_frames(tmp_path):
    for k in (1, 2, 10):
        write_png(tmp_path / f"f{k}.png", np.full((6, 8, 3), k, np.uint16))
    (tmp_path / "notes.txt").write_text("not a frame")
    info = probe(tmp_path)
    assert (info.container, info.codec, info.pix_fmt, info.bit_depth) == ("frames", "png", "gbrp16le", 16)
    assert (info.n_frames, info.frame_rate, info.time_base, info.size) == (3, 25, Fraction(1, 25), (6, 8))
    assert [p.stem for p in frame_files(info.path)] == ["f1", "f2", "f10"]
    with pytest.raises(VideoError, match="no stream 1"):
        probe(tmp_path, 1)


@pytest.mark.parametrize("odd", [np.zeros((6, 9, 3), np.uint8), np.zeros((6, 8, 3), np.uint16)])
def test_frames_that_differ_are_named(tmp_path, odd):
    write_png(tmp_path / "001.png", np.zeros((6, 8, 3), np.uint8))
    write_png(tmp_path / "002.png", odd)
    with pytest.raises(VideoError, match=r"002\.png"):
        probe(tmp_path)


def test_a_folder_without_frames_is_refused(tmp_path):
    with pytest.raises(VideoError, match="no frames"):
        probe(tmp_path)


@ffprobe
@pytest.mark.skipif(not ROBUST.is_dir(), reason="the shared data is not here")
@pytest.mark.parametrize(
    "name",
    [
        "androidx_bbb_176x144_128kbps_15fps_h263.3gp",
        "androidx_roadtrip-vp92-10bit.webm",
        "androidx_sample.avi",
        "androidx_sample_h262_mpeg_audio.ts",
        "androidx_bt601.mov",
        "androidx_portrait_4k60.mp4",
        "androidx_sample_sef_super_slow_motion.mp4",
        "decord_video_90.mov",
        "decord_video_180.mov",
        "mediabunny_rotate-buck-bunny.mp4",
        "moviepy_no_duration.webm",
        "torchcodec_h264_10bits.mp4",
    ],
)
def test_real_files(name):
    info = probe(ROBUST / name)
    theirs = ask_ffprobe(ROBUST / name, info.stream)
    assert info.n_frames == int(theirs["nb_read_frames"])
    assert (info.codec, info.pix_fmt, info.width) == (theirs["codec_name"], theirs["pix_fmt"], theirs["width"])
    turns = [s["rotation"] for s in theirs.get("side_data_list", []) if "rotation" in s]
    assert info.rotation == (-turns[0] % 360 if turns else 0)
    assert {None: None, True: "pc", False: "tv"}[info.colour.full_range] == theirs.get("color_range")
