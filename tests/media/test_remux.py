from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest
from everything import enrich, ffprobe, packets

from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.containers import codec_name
from vrm.media.write.plan import plan_output
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions

MILLISECOND = Fraction(1, 1000)


QUICK = OutputOptions(codec="libx264", crf=30)


def rewrite(source, out, options=QUICK, stream=None):
    info = probe(source, stream)
    plan = plan_output(info, out, options)
    with Reader(info) as reader:
        return plan, write_video(plan, reader.frames())


@pytest.mark.parametrize(("ending", "text"), [(".mkv", "subrip"), (".mp4", "mov_text")])
def test_every_stream_comes_along_packet_for_packet(make_video, tmp_path, ending, text):
    source = enrich(make_video(tmp_path / "a.mp4", audio=2), tmp_path / f"in{ending}", subtitles=text)
    plan, report = rewrite(source, tmp_path / f"out{ending}")
    before, after = packets(source), packets(tmp_path / f"out{ending}")
    assert [t for t, _ in before[0]] == [t for t, _ in after[0]]
    assert {k: before[k] for k in (1, 2, 3)} == {k: after[k] for k in (1, 2, 3)}
    assert {k: report.packets[k] for k in (1, 2)} == {k: len(after[k]) for k in (1, 2)}
    assert not plan.lost
    with av.open(str(tmp_path / f"out{ending}")) as out:
        assert [s.language for s in out.streams][1:4] == ["deu", "fra", "spa"]
        assert [c["metadata"]["title"] for c in out.chapters()] == ["One", "Two"]
        assert out.metadata["title"] == "A title"


def test_attachment_and_cover_are_kept_in_matroska(make_video, tmp_path):
    source = enrich(make_video(tmp_path / "a.mp4", audio=1), tmp_path / "in.mkv", attachment=True, cover=True)
    plan, _ = rewrite(source, tmp_path / "out.mkv")
    assert not plan.lost
    with av.open(str(source)) as given, av.open(str(tmp_path / "out.mkv")) as made:
        kinds = sorted((s.type, int(s.disposition)) for s in given.streams)
        assert kinds == sorted((s.type, int(s.disposition)) for s in made.streams)
        assert next(s.data for s in made.streams if s.type == "attachment") == b"not really a font" * 20


def test_attachment_is_named_as_lost_in_mp4(make_video, tmp_path):
    source = enrich(make_video(tmp_path / "a.mp4", audio=1), tmp_path / "in.mkv", attachment=True)
    _, report = rewrite(source, tmp_path / "out.mp4")
    assert any("attachment" in line and "MP4" in line for line in report.lost)


@pytest.mark.parametrize(
    ("given", "text", "ending", "becomes"),
    [
        (".mp4", "mov_text", ".mkv", "subrip"),
        (".mkv", "subrip", ".mp4", "mov_text"),
        (".mkv", "ass", ".mp4", "mov_text"),
    ],
)
def test_text_subtitles_are_converted_at_their_own_times(make_video, tmp_path, given, text, ending, becomes):
    source = enrich(make_video(tmp_path / "a.mp4"), tmp_path / f"in{given}", subtitles=text)
    plan, _ = rewrite(source, tmp_path / f"out{ending}")
    assert any(becomes in note for note in plan.notes)
    lines = []
    with av.open(str(tmp_path / f"out{ending}")) as out:
        stream = out.streams.subtitles[0]
        assert (stream.codec_context.codec.canonical_name, stream.language) == (becomes, "spa")
        for packet in out.demux(stream):
            if packet.size:
                for line in stream.codec_context.decode2(packet) or ():
                    lines.append((packet.pts * packet.time_base, packet.duration * packet.time_base, line.dialogue))
    words = [(t, d, w) for t, d, w in lines if w]
    start, length = Fraction(40, 1000), Fraction(150, 1000)
    assert words == [(start, length, b"first line"), (start + Fraction(1, 5), length, b"second line")]


def test_sound_that_starts_before_the_picture_does_not_move_it(make_video, tmp_path):
    source = make_video(tmp_path / "a.mp4", audio=1)  # AAC's priming lies at -1024 samples
    assert packets(source)[1][0][0] < 0
    rewrite(source, tmp_path / "out.mkv")
    before, after = packets(source), packets(tmp_path / "out.mkv")
    assert after[0][0][0] == 0
    assert [d for _, d in before[1]] == [d for _, d in after[1]]
    assert all(abs(a - b) <= MILLISECOND / 2 for (a, _), (b, _) in zip(before[1], after[1], strict=True))


def test_start_offset_of_a_transport_stream_is_kept(make_video, tmp_path):
    video = make_video(tmp_path / "a.mp4", pts=[90000 + 3600 * t for t in range(12)], time_base=Fraction(1, 90000))
    source = tmp_path / "in.ts"
    with av.open(str(video)) as given, av.open(str(source), "w", container_options={"mpegts_copyts": "1"}) as made:
        copy = made.add_stream_from_template(given.streams.video[0], opaque=True)
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                made.mux(packet)
    assert packets(source)[0][0][0] == 1
    rewrite(source, tmp_path / "out.ts")
    assert [t for t, _ in packets(source)[0]] == [t for t, _ in packets(tmp_path / "out.ts")[0]]


def test_late_start_in_mp4_is_exact(make_video, tmp_path):
    base = Fraction(1, 24000)
    source = make_video(tmp_path / "a.mp4", audio=1, pts=[2002 + 1001 * t for t in range(12)], time_base=base)
    rewrite(source, tmp_path / "out.mp4")
    before, after = packets(source), packets(tmp_path / "out.mp4")
    assert before[0][0][0] > Fraction(8, 100)
    assert [t for t, _ in before[0]] == [t for t, _ in after[0]]
    assert before[1] == after[1]


def test_second_video_stream_is_copied(make_video, tmp_path):
    first, second = make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4", frames=8, size=(32, 32))
    source = tmp_path / "in.mkv"
    with av.open(str(first)) as a, av.open(str(second)) as b, av.open(str(source), "w") as made:
        copies = [made.add_stream_from_template(x.streams.video[0], opaque=True) for x in (a, b)]
        for given, copy in zip((a, b), copies, strict=True):
            for packet in given.demux(video=0):
                if packet.dts is not None:
                    packet.stream = copy
                    made.mux(packet)
    for worked, other in ((0, 1), (1, 0)):
        rewrite(source, tmp_path / f"out{worked}.mkv", stream=worked)
        before, after = packets(source), packets(tmp_path / f"out{worked}.mkv")
        assert before[other] == after[other]
        assert [t for t, _ in before[worked]] == [t for t, _ in after[worked]]
        assert before[worked] != after[worked]


def test_a_stretch_takes_only_its_own_sound(make_video, tmp_path):
    source = make_video(tmp_path / "a.mkv", frames=50, audio=1)
    info = probe(source)
    plan = plan_output(info, tmp_path / "out.mkv", OutputOptions(crf=30))
    with Reader(info) as reader:
        report = write_video(plan, reader.frames(20, 40), part=True)
    after = packets(tmp_path / "out.mkv")
    assert report.frames == 20
    assert [t for t, _ in after[0]] == [Fraction(40 * t, 1000) for t in range(20)]
    assert abs(after[1][-1][0] - Fraction(4, 5)) < Fraction(1, 20)
    assert after[1][0][0] > Fraction(-1, 20)


def test_nothing_is_copied_where_nothing_is_asked_for(make_video, tmp_path):
    source = make_video(tmp_path / "a.mp4", frames=20, audio=1)
    info = probe(source)
    wide = replace(info, width=2 * info.width)
    plan = plan_output(wide, tmp_path / "out.mp4", OutputOptions(crf=30), copy_streams=False)
    with Reader(info) as reader:
        pairs = (replace(f, native=None, template=None, replaced=_doubled(f.planes)) for f in reader.frames(10, 15))
        write_video(plan, pairs)
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert len(out.streams) == 1
        frames = list(out.decode(video=0))
        assert [(f.width, f.height) for f in frames] == [(2 * info.width, info.height)] * 5
        assert frames[0].pts == 0


def _doubled(planes):
    import numpy as np

    return tuple(np.hstack([p, p]) for p in planes)


def test_ffprobe_sees_languages_and_chapters(make_video, tmp_path):
    source = enrich(make_video(tmp_path / "a.mp4", audio=2), tmp_path / "in.mp4", subtitles="mov_text")
    rewrite(source, tmp_path / "out.mp4")
    before, after = ffprobe(source), ffprobe(tmp_path / "out.mp4")
    assert len(before["chapters"]) == len(after["chapters"]) == 2
    tags = [[s["tags"].get("language") for s in x["streams"] if s["codec_type"] != "data"] for x in (before, after)]
    assert tags[0] == tags[1]


@pytest.mark.parametrize(("stream", "name"), [
    (SimpleNamespace(codec_context=None), "unknown"),  # a video stream of a codec nobody knows
    (SimpleNamespace(codec_context=None, name=None), "unknown"),
    (SimpleNamespace(codec_context=None, name="ttf"), "ttf"),
])  # fmt: skip
def test_a_stream_without_a_decoder_has_a_name(stream, name):
    assert codec_name(stream) == name
