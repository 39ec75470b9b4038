from fractions import Fraction

import av
import pytest

from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.times import frame_at, timestamps


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.webm", "in.avi"])
def test_the_packets_times_are_the_frames(make_video, tmp_path, name):
    codec = {"in.webm": "libvpx-vp9", "in.avi": "mpeg4"}.get(name, "libx264")
    info = probe(make_video(tmp_path / name, codec, frames=30))
    with Reader(info) as reader:
        assert timestamps(info) == [frame.pts for frame in reader.frames()]


@pytest.mark.parametrize("missing", [1, 4])
@pytest.mark.parametrize(
    ("codec", "options", "ending", "shown"),
    [
        ("mpeg4", {"g": "12"}, ".avi", "all"),
        ("mpeg4", {"g": "12", "bf": "2"}, ".mkv", "all"),
        ("mpeg4", {"g": "12"}, ".mp4", "all"),
        ("wmv2", {"g": "12"}, ".avi", "all"),
        ("libx264", {"g": "12", "preset": "fast"}, ".ts", "from key"),
        ("libx264", {"g": "12", "preset": "fast"}, ".mp4", "from key"),
        ("libx265", {"x265-params": "keyint=12:log-level=none"}, ".mkv", "from key"),
        ("mpeg2video", {"g": "12", "bf": "2"}, ".ts", "from key"),
        ("libvpx-vp9", {"g": "12", "cpu-used": "8", "deadline": "realtime"}, ".webm", "from key"),
    ],
)
def test_files_that_begin_between_key_frames_are_counted_as_they_are_read(
    make_video, tmp_path, codec, options, ending, shown, missing
):
    whole = make_video(tmp_path / f"whole{ending}", codec, frames=24, size=(96, 128), options=options)
    path = tmp_path / f"cut{ending}"
    with av.open(str(whole)) as given, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0], opaque=True)
        for packet in [p for p in given.demux(video=0) if p.size][missing:]:
            packet.stream = stream
            made.mux(packet)
    info = probe(path)
    with Reader(info) as reader:
        times = [frame.pts for frame in reader.frames()]
    assert info.n_frames == len(times) == (24 - missing if shown == "all" else 12)
    assert timestamps(info) == times


def test_the_first_frame_at_or_after_a_moment():
    times = [100, 140, 150, 300]
    base = Fraction(1, 100)
    moments = [Fraction(0), Fraction(2, 5), Fraction(41, 100), Fraction(1), Fraction(2), Fraction(3)]
    assert [frame_at(times, base, s) for s in moments] == [0, 1, 2, 3, 3, 4]
    assert frame_at([], base, Fraction(1)) == 0
