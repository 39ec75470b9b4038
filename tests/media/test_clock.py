"""Recordings that were joined from parts, and recordings that carry a broadcaster's clock."""

from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import av
import numpy as np
import pytest
from everything import packets, times

from vrm.media.read.clock import Clock, ClockScan
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.read.times import timestamps
from vrm.media.write.plan import plan_output
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions

FRAME = Fraction(1, 25)
HOURS = 22953
MILLISECOND = Fraction(1, 1000)


@pytest.fixture
def recording(make_video, tmp_path):
    """``recording(name, start)``: a transport stream of 12 frames with two sounds; its picture begins at ``start``."""

    def record(name, start):
        source, out = make_video(tmp_path / f"{name}.mp4", "mpeg2video", audio=2), tmp_path / f"{name}.ts"
        with av.open(str(source)) as given, av.open(str(out), "w", container_options={"mpegts_copyts": "1"}) as made:
            streams = [made.add_stream_from_template(s, opaque=True) for s in given.streams]
            ready = [p for p in given.demux() if p.dts is not None]
            for packet in sorted(ready, key=lambda p: p.dts * p.time_base):
                later = round(Fraction(start) / packet.time_base)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                packet.stream = streams[packet.stream_index]
                made.mux(packet)
        return out

    return record


def rewrite(source, out):
    info = probe(source)
    plan = plan_output(info, out, OutputOptions(codec="libx264", crf=30))
    with Reader(info) as reader:
        return plan, write_video(plan, reader.frames())


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("ending", [".ts", ".mkv", ".mp4"])
@pytest.mark.parametrize("starts", [(2, 2), (HOURS, 2), (2, HOURS), (5, 700, 2)])
def test_all_streams_of_a_joined_recording_go_on_in_step(recording, tmp_path, starts, ending):
    parts = [recording(f"part{k}", start) for k, start in enumerate(starts)]
    source = joined(tmp_path / "joined.ts", *parts)
    plan, _ = rewrite(source, tmp_path / f"out{ending}")
    assert any("starts again" in note for note in plan.notes)
    part, out = packets(parts[0]), packets(tmp_path / f"out{ending}")
    begin, n = out[0][0][0], len(parts)
    rounding = MILLISECOND if ending == ".mkv" else Fraction(1, 44100)
    assert [t - begin for t, _ in out[0]] == [k * FRAME for k in range(12 * n)]
    for sound in (1, 2):
        count = len(part[sound])
        assert len(out[sound]) == n * count
        for k in range(n):
            written = out[sound][k * count : (k + 1) * count]
            wanted = [t - part[0][0][0] + 12 * k * FRAME for t, _ in part[sound]]
            late = [abs(t - begin - w) for (t, _), w in zip(written, wanted, strict=True)]
            overlap = 0 if k == 0 else 4  # the part before sounds a little longer than its picture is shown
            assert max(late[overlap:]) <= rounding
            assert max(late) < Fraction(1, 10)


def test_a_joined_recording_is_as_long_as_its_parts(recording, tmp_path):
    info = probe(joined(tmp_path / "joined.ts", recording("a", 3), recording("b", 3)))
    assert (info.n_frames, info.duration) == (24, 24 * FRAME)
    with Reader(info) as reader:
        shown = [frame.pts for frame in reader.frames()]
    assert shown == timestamps(info)
    assert {(b - a) * info.time_base for a, b in pairwise(shown)} == {FRAME}


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_piece_of_a_packet_at_the_joint_is_left_out_and_named(make_video, tmp_path, ending):
    part = make_video(tmp_path / "part.ts", audio=1, frames=50).read_bytes()
    source = tmp_path / "joined.ts"
    lost = []
    for cells in range(60, 90, 5):
        source.write_bytes(part[: -188 * cells] + part)
        report = rewrite(source, tmp_path / f"out{cells}{ending}")[1]
        assert report.frames > 50
        lost += report.lost
    assert all("damaged packets of stream 1" in line for line in lost)
    assert lost


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("start", [Fraction(3, 2), HOURS])
def test_a_broadcasters_clock_becomes_zero_for_all_streams_together(recording, tmp_path, start, ending):
    source = recording("tv", start)
    rewrite(source, tmp_path / f"out{ending}")
    before, after = packets(source), packets(tmp_path / f"out{ending}")
    first = min(found[0][0] for found in before.values())
    for index, given in before.items():
        wanted = [t - first for t, _ in given]
        off = [abs(t - w) for (t, _), w in zip(after[index], wanted, strict=True)]
        assert max(off) <= (MILLISECOND if ending == ".mkv" else Fraction(1, 44100))


def test_a_broadcasters_clock_stays_in_a_transport_stream(recording, tmp_path):
    source = recording("tv", HOURS)
    plan, _ = rewrite(source, tmp_path / "out.ts")
    before, after = packets(source), packets(tmp_path / "out.ts")
    assert {k: [t for t, _ in v] for k, v in before.items()} == {k: [t for t, _ in v] for k, v in after.items()}
    assert plan.shift == 0


def test_hours_of_nothing_before_a_matroska_file_are_left_out(make_video, tmp_path):
    hours = 7 * 3600
    video, source = make_video(tmp_path / "a.mkv", pts=[hours * 25 + t for t in range(12)]), tmp_path / "in.mkv"
    with av.open(str(video)) as given, av.open(str(source), "w") as made:
        copy = made.add_stream_from_template(given.streams.video[0], opaque=True)
        bounds = {"start": hours * 1000 + 200, "end": hours * 1000 + 400, "time_base": MILLISECOND}
        made.set_chapters([{"id": 1, "metadata": {"title": "One"}, **bounds}])
        for packet in [p for p in given.demux() if p.size]:
            packet.stream = copy
            made.mux(packet)
    rewrite(source, tmp_path / "out.mkv")
    assert times(tmp_path / "out.mkv") == [t * FRAME for t in range(12)]
    with av.open(str(tmp_path / "out.mkv")) as out:
        assert [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in out.chapters()] == [
            (Fraction(1, 5), Fraction(2, 5))
        ]


def test_a_preview_of_a_recording_starts_at_zero(recording, tmp_path):
    info = probe(recording("tv", HOURS))
    plan = plan_output(info, tmp_path / "preview.mp4", OutputOptions(codec="libx264"), copy_streams=False)
    with Reader(info) as reader:
        write_video(plan, reader.frames(4, 8), part=True)
    assert times(tmp_path / "preview.mp4") == [t * FRAME for t in range(4)]


def test_every_frame_of_a_joined_recording_is_found_again(make_video, tmp_path):
    part = make_video(tmp_path / "part.ts", frames=60, options={"g": "30", "preset": "ultrafast"})
    info = probe(joined(tmp_path / "joined.ts", part, part))
    with Reader(info) as reader:
        whole = [(f.pts, f.planes[0]) for f in reader.frames()]
        for start in (29, 61, 95, 119):
            for frame in reader.frames(start, start + 2):
                assert frame.pts == whole[frame.index][0]
                np.testing.assert_array_equal(frame.planes[0], whole[frame.index][1])


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"g": "12", "preset": "fast"}),
        ("libx265", {"preset": "fast", "x265-params": "keyint=12:log-level=none"}),
        ("mpeg2video", {"g": "12", "bf": "2"}),
    ],
)
def test_parts_that_were_cut_anywhere_are_counted_as_they_are_read(make_video, tmp_path, codec, options):
    part = make_video(tmp_path / "part.ts", codec, frames=60, size=(144, 192), options=options).read_bytes()
    path = tmp_path / "joined.ts"
    for end, begin in ((0, 40), (30, 70)):
        path.write_bytes(part[: len(part) - 188 * end] + part[188 * begin :])
        info = probe(path)
        assert len(info.restarts) == 1
        with Reader(info) as reader:
            shown = [frame.pts for frame in reader.frames()]
        assert info.n_frames == len(shown)
        assert reader.lost == 0
        assert any("left out, between a joint" in said for said in reader.warnings)
        assert shown == sorted(set(shown))


def packet(stream, seconds, position, kind="video"):
    dts = round(seconds * 90000)
    owner = SimpleNamespace(type=kind, disposition=0)
    base = Fraction(1, 90000)
    return SimpleNamespace(
        stream=owner, stream_index=stream, pts=dts, dts=dts, duration=3600, pos=position, time_base=base
    )


def scanned(given, **known):
    scan = ClockScan(0, own_clock=known.get("own_clock", True))
    for one in given:
        scan.add(one)
    return scan.restarts()


def test_one_wrong_time_is_no_other_clock():
    given = [packet(0, 100 + 0.04 * t, 1000 * t) for t in range(50)]
    given[20] = packet(0, 3, 20000)
    assert scanned(given) == ()


@pytest.mark.parametrize(("own_clock", "found"), [(True, 1), (False, 0)])
def test_only_a_broadcasters_clock_jumps_ahead(own_clock, found):
    given = [packet(0, (100 if t >= 10 else 0) + 0.04 * t, 1000 * t) for t in range(30)]
    assert len(scanned(given, own_clock=own_clock)) == found


def test_sound_that_keeps_the_old_clock_for_a_while_is_moved_only_where_it_jumps():
    pictures = [packet(0, (50 if t < 20 else 0) + 0.04 * t, 2000 * t) for t in range(60)]
    sounds = [packet(1, (50 if t < 30 else 0) + 0.04 * t, 2000 * t + 1000, "audio") for t in range(60)]
    given = [one for pair in zip(pictures, sounds, strict=True) for one in pair]
    clock = Clock(scanned(given))
    for one in given:
        clock.continue_times(one)
    for stream in (pictures, sounds):
        np.testing.assert_allclose(np.diff([p.dts for p in stream]), 3600)


def test_subtitles_move_with_the_picture():
    given = [packet(0, 1 + 0.04 * (t % 25), 1000 * t) for t in range(50)]
    clock = Clock(scanned(given))
    text = packet(5, 1.4, 30500, "subtitle")
    clock.continue_times(text)
    assert text.pts == round(2.4 * 90000)
