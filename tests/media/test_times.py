from fractions import Fraction

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


def test_the_first_frame_at_or_after_a_moment():
    times = [100, 140, 150, 300]
    base = Fraction(1, 100)
    moments = [Fraction(0), Fraction(2, 5), Fraction(41, 100), Fraction(1), Fraction(2), Fraction(3)]
    assert [frame_at(times, base, s) for s in moments] == [0, 1, 2, 3, 3, 4]
    assert frame_at([], base, Fraction(1)) == 0
