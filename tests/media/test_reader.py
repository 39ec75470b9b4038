import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from vrm.errors import VideoError
from vrm.media.frame.pixel_layout import layout_of
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.png import write_png

ROBUST = Path(__file__).parents[3] / "shared" / "data" / "robust"
N = 60


@pytest.fixture(params=["file", "folder"])
def source(request, tmp_path, make_video, textured, lossless):
    """A video of 60 frames with known planes: ``(info, planes of frame t)``. A file in H.264 and a folder of PNGs."""
    if request.param == "file":
        options = {**lossless["libx264"], "g": "30"}
        path = make_video(tmp_path / "a.mp4", "libx264", "yuv420p", frames=N, options=options, audio=1)
        return probe(path), lambda t: textured(t, "yuv420p", (48, 64))
    for t in range(N):
        write_png(tmp_path / f"{t}.png", np.dstack([textured(t, "gbrp", (48, 64))[c] for c in (2, 0, 1)]))
    return probe(tmp_path), lambda t: textured(t, "gbrp", (48, 64))


def test_every_frame_comes_once_in_order(source):
    info, truth = source
    with Reader(info) as reader:
        frames = list(reader.frames())
    assert [f.index for f in frames] == list(range(N))
    step = frames[1].pts
    assert [f.pts for f in frames] == [step * t for t in range(N)]
    assert {f.duration for f in frames} == {step}
    assert step * info.time_base == Fraction(1, 25)
    assert reader.lost == 0
    assert reader.warnings == []
    for t in (0, 1, N - 1):
        for ours, theirs in zip(frames[t].planes, truth(t), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert frames[t].layout == layout_of(info.pix_fmt)
        assert frames[t].rgb().shape == (48, 64, 3)


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (7, 9), (55, None), (40, 1000), (N, None), (5, 5), (9, 3)])
@pytest.mark.parametrize("read_before", [False, True])
def test_ranges_are_exact(source, start, stop, read_before):
    info, truth = source
    with Reader(info) as reader:
        if read_before:  # now a seek is possible
            assert len(list(reader.frames())) == N
        frames = list(reader.frames(start, stop))
    assert [f.index for f in frames] == list(range(N))[start:stop]
    for frame in frames[:2]:
        assert frame.pts * info.time_base == Fraction(frame.index, 25)
        np.testing.assert_array_equal(frame.planes[0], truth(frame.index)[0])


def test_readers_do_not_disturb_each_other(source):
    info, _ = source
    with Reader(info) as reader:
        for a, b in zip(reader.frames(), reader.frames(10), strict=False):
            assert b.index == a.index + 10


def test_a_reader_that_is_left_early_ends_its_thread(source):
    info, _ = source
    with Reader(info) as reader:
        frames = reader.frames()
        next(frames)
    assert not [t for t in threading.enumerate() if t.name == "vrm-decode"]
    frames = Reader(info).frames()
    next(frames)
    del frames
    assert not [t for t in threading.enumerate() if t.name == "vrm-decode"]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "gray", "gbrp16le"])
@pytest.mark.parametrize("size", [(48, 64), (37, 51)])
def test_planes_are_the_decoders(make_video, textured, tmp_path, pix_fmt, size):
    path = make_video(tmp_path / "a.mkv", "ffv1", pix_fmt, frames=3, size=size)
    with Reader(probe(path)) as reader:
        for t, frame in enumerate(reader.frames()):
            assert frame.native is not None
            for ours, theirs in zip(frame.planes, textured(t, pix_fmt, size), strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_variable_frame_rate_is_exact(make_video, tmp_path):
    pts = [0, 40, 100, 133, 200, 1000, 1001, 1500]
    path = make_video(tmp_path / "a.mkv", "ffv1", frames=len(pts), pts=pts, time_base=Fraction(1, 1000))
    with Reader(probe(path)) as reader:
        assert [f.pts for f in reader.frames()] == pts
    options = {"preset": "veryfast", "bf": "2"}
    path = make_video(tmp_path / "a.mp4", frames=len(pts), pts=pts, time_base=Fraction(1, 1000), options=options)
    info = probe(path)
    with Reader(info) as reader:
        frames = list(reader.frames())
    assert [f.pts * info.time_base * 1000 for f in frames] == pts
    assert [f.duration for f in frames[:-1]] == [b.pts - a.pts for a, b in pairwise(frames)]


def test_a_start_offset_is_kept(make_video, tmp_path):
    path = make_video(tmp_path / "a.mkv", "ffv1", frames=4, pts=[1400, 1440, 1480, 1520], time_base=Fraction(1, 1000))
    with Reader(probe(path)) as reader:
        assert [f.pts for f in reader.frames()] == [1400, 1440, 1480, 1520]


def test_alpha_of_vp9_is_read(make_video, textured, tmp_path):
    opacity = np.zeros((48, 64), np.uint8)
    opacity[:, 20:] = 255

    def planes(t):
        return (*textured(t, "yuv420p", (48, 64)), opacity)

    path = make_video(tmp_path / "a.webm", "libvpx-vp9", "yuva420p", frames=10, planes=planes)
    with Reader(probe(path)) as reader:
        frames = list(reader.frames())
    assert [f.layout.name for f in frames] == ["yuva420p"] * 10
    assert np.abs(frames[9].planes[3].astype(int) - opacity).mean() < 8
    assert frames[9].pts - frames[8].pts == 40


def test_a_broken_off_file_gives_what_decodes(make_video, tmp_path):
    path = make_video(tmp_path / "a.mkv", "ffv1", frames=30)
    info = probe(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Reader(info) as reader:
        frames = list(reader.frames())
    assert 5 < len(frames) < 25
    assert reader.lost == 30 - len(frames)
    assert [f.index for f in frames] == list(range(len(frames)))


def test_damaged_packets_are_skipped(make_video, tmp_path):
    options = {"preset": "ultrafast", "g": "1", "slices": "1"}
    path = make_video(tmp_path / "a.mkv", frames=20, options=options)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        target = bytes(packets[8])
    data = path.read_bytes()
    at = data.index(target)
    path.write_bytes(data[: at + 4] + bytes(len(target) - 4) + data[at + len(target) :])
    info = probe(path)
    with Reader(info) as reader:
        frames = list(reader.frames())
    assert len(frames) == 19
    assert reader.lost == 1
    assert len(reader.warnings) == 1
    step = frames[1].pts - frames[0].pts
    assert [f.pts for f in frames] == [t * step for t in range(20) if t != 8], "the others keep their times"
    with Reader(info) as again:
        assert [f.pts for f in again.frames(15)] == [f.pts for f in frames[15:]]


def test_nothing_decodable_is_an_error(make_video, tmp_path):
    path = make_video(tmp_path / "a.mkv", "ffv1", frames=3)
    info = probe(path)
    with av.open(str(path)) as container:
        chunks = [bytes(p) for p in container.demux(video=0) if p.size]
    data = path.read_bytes()
    for chunk in chunks:
        data = data.replace(chunk, bytes(len(chunk)))
    path.write_bytes(data)
    with Reader(info) as reader, pytest.raises(VideoError, match=r"a\.mkv"):
        list(reader.frames())
    with pytest.raises(VideoError, match="can be decoded"):
        probe(path)


def test_a_change_of_size_on_the_way_is_refused(make_video, tmp_path):
    small, large = make_video(tmp_path / "a.h264"), make_video(tmp_path / "b.h264", size=(64, 96))
    (tmp_path / "c.h264").write_bytes(small.read_bytes() + large.read_bytes())
    with Reader(probe(tmp_path / "c.h264")) as reader, pytest.raises(VideoError, match="frame 12 from 64x48"):
        list(reader.frames())


def test_a_mixed_folder_is_read_as_one_kind(tmp_path):
    write_png(tmp_path / "1.png", np.full((4, 4), 7, np.uint8))
    write_png(tmp_path / "2.png", np.full((4, 4, 3), (1, 2, 3), np.uint8))
    write_png(tmp_path / "3.png", np.full((4, 4, 4), (1, 2, 3, 4), np.uint8))
    info = probe(tmp_path)
    assert info.pix_fmt == "gbrap"
    with Reader(info) as reader:
        frames = list(reader.frames())
    assert [tuple(int(p[0, 0]) for p in f.planes) for f in frames] == [(7, 7, 7, 255), (2, 3, 1, 255), (2, 3, 1, 4)]
    assert frames[2].to_av().format.name == "gbrap"


@pytest.mark.skipif(not ROBUST.is_dir(), reason="the shared data is not here")
@pytest.mark.parametrize(
    ("name", "frames", "lost"),
    [
        ("decord_corrupted.mp4", 49, 1),
        ("androidx_sample_vvc.mp4", 120, 0),
        ("androidx_roadtrip-vp92-10bit.webm", 72, 0),
        ("androidx_sample.avi", 96, 0),
        ("androidx_sample_sef_super_slow_motion.mp4", 435, 0),
    ],
)
def test_real_files(name, frames, lost):
    with Reader(probe(ROBUST / name)) as reader:
        pts = [f.pts for f in reader.frames()]
    assert len(pts) == frames
    assert reader.lost == lost
    assert all(a < b for a, b in pairwise(pts))


def test_a_file_cut_in_the_middle_of_a_packet_keeps_the_frames_before(make_video, tmp_path):
    # An MP4 whose index comes first promises all frames; the last packet that is there is half a packet.
    whole = make_video(tmp_path / "a.mp4", frames=50, options={"preset": "veryfast", "bf": "3"})
    with av.open(str(whole)) as source, av.open(str(tmp_path / "b.mp4"), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    path = tmp_path / "b.mp4"
    with av.open(str(path)) as container:
        cut = next(p for k, p in enumerate(container.demux(video=0)) if k == 30)
        path.write_bytes(path.read_bytes()[: cut.pos + cut.size // 2])
    info = probe(path)
    assert info.n_frames == 50
    with Reader(info) as reader:
        frames = list(reader.frames())
    assert 28 <= len(frames) <= 30
    assert reader.lost == 50 - len(frames)
    assert reader.warnings
    assert frames[-1].duration == frames[1].pts, "the missing rest is not made up by showing the last frame longer"


def test_a_recording_that_starts_between_key_frames(make_video, tmp_path):
    path = make_video(tmp_path / "a.ts", frames=60, options={"preset": "ultrafast", "g": "20", "keyint_min": "20"})
    data = path.read_bytes()
    half = len(data) // 188 // 6 * 188
    path.write_bytes(data[half:])
    info = probe(path)
    with Reader(info) as reader:
        assert len(list(reader.frames())) == info.n_frames == 40
    assert reader.lost == 0
