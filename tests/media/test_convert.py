"""Sound and cover pictures that an output may not hold as they are: kept, converted, refused or named as lost."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from everything import packets
from PIL import Image

from vrm.errors import OutputError
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.plan import plan_output
from vrm.media.write.writer import write_video
from vrm.options.remove import OutputOptions


def rewrite(source, out, audio="auto"):
    info = probe(source)
    plan = plan_output(info, out, OutputOptions(crf=30, audio=audio))
    with Reader(info) as reader:
        return plan, write_video(plan, reader.frames())


def tone(path, seconds=1.0, codec="wmav2", layout="stereo", rate=44100):
    """A video with a tone of 40 Hz, left louder than right."""
    wave = np.sin(2 * np.pi * 40 * np.arange(int(seconds * rate)) / rate) * 0.5
    with av.open(str(path), "w") as made:
        video = made.add_stream("mpeg4", rate=25, width=64, height=48)
        sound = made.add_stream(codec, rate=rate, layout=layout)
        if codec == "wmav2":
            sound.codec_context.bit_rate = 128_000
        for _ in range(int(25 * seconds)):
            made.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        made.mux(video.encode(None))
        channels = av.AudioLayout(layout).nb_channels
        frame = av.AudioFrame.from_ndarray(
            np.stack([wave / (k + 1) for k in range(channels)]).astype("f4"), "fltp", layout
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        made.mux(sound.encode(frame))
        made.mux(sound.encode(None))
    return path


def heard(path):
    """Codec, samples ``(channels, n)`` and seconds of the first one of the sound of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("fltp", stream.codec_context.layout, 44100)
        frames = list(container.decode(stream))
        start = frames[0].pts * frames[0].time_base
        parts = [each.to_ndarray() for frame in frames for each in resampler.resample(frame)]
        return stream.codec_context.codec.canonical_name, np.concatenate(parts, 1), start


def test_matroska_holds_sound_that_it_has_only_under_the_names_of_microsoft(tmp_path):
    source = tone(tmp_path / "it's a.wmv")
    plan, _ = rewrite(source, tmp_path / "it's a.mkv")
    assert not plan.lost
    assert not [note for note in plan.notes if "sound" in note]
    before, after = packets(source)[1], packets(tmp_path / "it's a.mkv")[1]
    assert [data for _, data in before] == [data for _, data in after]
    assert all(abs(a - b) <= Fraction(1, 1000) for (a, _), (b, _) in zip(before, after, strict=True))
    assert heard(tmp_path / "it's a.mkv")[0] == "wmav2"


@pytest.mark.parametrize(
    ("ending", "becomes"),
    [(".mp4", "aac"), (".mov", "alac"), (".ts", "aac"), (".webm", "opus"), (".3gp", "aac")],
)
def test_sound_that_does_not_fit_is_converted_with_a_note_at_its_own_times(tmp_path, ending, becomes):
    source = tone(tmp_path / "a.wmv")
    plan, report = rewrite(source, tmp_path / f"out{ending}")
    assert any("does not hold sound 1 (wmav2)" in note and becomes in note for note in plan.notes)
    assert f"sound 1 (wmav2), as {becomes}" in report.kept
    (_, before, start), (codec, after, later) = heard(source), heard(tmp_path / f"out{ending}")
    assert codec == becomes
    offset = round((start - later) * 44100)
    a, b = (before, after[:, offset:]) if offset >= 0 else (before[:, -offset:], after)
    if ending == ".ts":  # its streams start later, all by the same time
        a, b = before, after[:, 1024:]
    n = min(a.shape[1], b.shape[1]) - 4096
    assert n > 25_000
    for left, right in zip(a[:, 2048:n], b[:, 2048:n], strict=True):
        assert np.corrcoef(left, right)[0, 1] > 0.95


def test_sound_of_more_bits_stays_lossless_where_the_output_has_a_lossless_kind(tmp_path):
    source = tone(tmp_path / "a.mkv", codec="pcm_s24le")
    rewrite(source, tmp_path / "out.mkv", "convert")
    codec, after, _ = heard(tmp_path / "out.mkv")
    assert codec == "flac"
    assert np.array_equal(heard(source)[1], after)


def test_sound_may_be_left_out_and_is_named_as_lost(tmp_path):
    plan, _ = rewrite(tone(tmp_path / "a.wmv"), tmp_path / "out.mp4", "drop")
    assert any("sound 1 (wmav2)" in line and "--audio drop" in line for line in plan.lost)
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert [stream.type for stream in made.streams] == ["video"]


def test_a_refusal_names_only_containers_that_hold_it(tmp_path):
    info = probe(tone(tmp_path / "a.wmv"))
    with pytest.raises(OutputError, match=r"MP4 does not hold sound 1 \(wmav2\)") as raised:
        plan_output(info, tmp_path / "out.mp4", OutputOptions(audio="copy"))
    named = [word.strip(",") for word in raised.value.fix.split() if word.startswith(".")]
    assert named
    for ending in named:
        plan_output(info, tmp_path / f"out{ending}", OutputOptions(audio="copy"))
    for ending in {".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts"} - set(named):
        with pytest.raises(OutputError):
            plan_output(info, tmp_path / f"out{ending}", OutputOptions(audio="copy"))


@pytest.mark.parametrize(("layout", "says"), [("mono", "1 channels"), ("stereo", "2 channels")])
def test_one_or_two_channels_that_the_file_does_not_name_become_mono_or_stereo(tmp_path, layout, says):
    source = tone(tmp_path / "a.avi", codec="pcm_s16le", layout=layout)
    assert says in probe(source).streams[1].detail
    rewrite(source, tmp_path / "out.mp4")
    assert probe(tmp_path / "out.mp4").streams[1].detail.split(" Hz ")[1] in (layout, "1 channels")
    assert np.array_equal(heard(source)[1], heard(tmp_path / "out.mp4")[1])


def test_more_channels_that_the_file_does_not_name_are_refused_before_the_work(tmp_path):
    source = tone(tmp_path / "a.mkv", codec="pcm_s16le", layout="5.1")  # PCM in Matroska: a number of channels
    assert "6 channels" in probe(source).streams[1].detail
    with pytest.raises(OutputError, match=r"MP4 does not hold sound 1 .*6 channels.*\.mkv.*--audio drop"):
        plan_output(probe(source), tmp_path / "out.mp4", OutputOptions())


def test_sound_that_cannot_be_converted_may_still_be_copied_and_the_refusal_says_so(tmp_path):
    source = tone(tmp_path / "a.mkv", codec="pcm_s16le", layout="5.1")
    with pytest.raises(OutputError, match=r"Sound 1 .* cannot be converted: .*6 channels.*Leave --audio out"):
        plan_output(probe(source), tmp_path / "out.mkv", OutputOptions(audio="convert"))


def jpeg():
    file = io.BytesIO()
    Image.fromarray(np.full((16, 24, 3), (200, 30, 60), np.uint8)).save(file, "jpeg")
    return file.getvalue()


def with_cover(source, out):
    """The video with a JPEG as its cover: ``covr`` in MP4, an attachment in Matroska."""
    with av.open(str(source)) as given, av.open(str(out), "w") as made, av.open(io.BytesIO(jpeg())) as picture:
        copy = made.add_stream_from_template(given.streams.video[0], opaque=True)
        if out.suffix == ".mkv":
            made.add_attachment("cover.jpg", "image/jpeg", jpeg())
        else:
            cover = made.add_stream_from_template(picture.streams[0], opaque=True)
            cover.disposition = Disposition.attached_pic
            packet = next(picture.demux())
            packet.pts = packet.dts = 0
            packet.stream = cover
            made.mux_one(packet)
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                made.mux_one(packet)
    return out


def covers(path):
    """The files of all cover pictures, and how many video streams there are beside them."""
    with av.open(str(path)) as container:
        attached = {s.index: bool(s.disposition & Disposition.attached_pic) for s in container.streams.video}
    files = []
    for index in (index for index, cover in attached.items() if cover):
        with av.open(str(path)) as container:
            packets_of_it = container.demux(container.streams[index])
            files.append(next(bytes(packet) for packet in packets_of_it if packet.size))
    others = len(attached) - len(files)
    return files, others


@pytest.mark.parametrize("given", [".mp4", ".mkv"])
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_cover_picture_is_kept(make_video, tmp_path, given, ending):
    source = with_cover(make_video(tmp_path / "a.mp4"), tmp_path / f"in{given}")
    assert covers(source) == ([jpeg()], 1)
    plan, report = rewrite(source, tmp_path / f"out{ending}")
    assert "cover 1 (mjpeg)" in plan.kept
    assert not plan.lost
    assert covers(tmp_path / f"out{ending}") == ([jpeg()], 1)
    assert report.packets[1] == 1


def test_a_cover_picture_survives_there_and_back(make_video, tmp_path):
    source = with_cover(make_video(tmp_path / "a.mp4"), tmp_path / "in.mkv")
    rewrite(source, tmp_path / "there.mp4")
    rewrite(tmp_path / "there.mp4", tmp_path / "back.mkv")
    assert covers(tmp_path / "back.mkv") == ([jpeg()], 1)


@pytest.mark.parametrize("ending", [".mov", ".avi", ".ts"])
def test_a_cover_picture_that_the_output_does_not_hold_is_named_as_lost(make_video, tmp_path, ending):
    source = with_cover(make_video(tmp_path / "a.mp4"), tmp_path / "in.mp4")
    plan, _ = rewrite(source, tmp_path / f"out{ending}")
    assert any("cover 1 (mjpeg)" in line for line in plan.lost)
    assert covers(tmp_path / f"out{ending}") == ([], 1)


def test_tags_that_a_cover_picture_takes_the_place_of_are_named_as_lost(make_video, tmp_path):
    tagged = make_video(tmp_path / "a.mkv", metadata={"mood": "calm", "title": "kept"})
    source = tmp_path / "in.mkv"
    with av.open(str(tagged)) as given, av.open(str(source), "w") as made:
        made.metadata.update(given.metadata)
        copy = made.add_stream_from_template(given.streams.video[0], opaque=True)
        made.add_attachment("cover.jpg", "image/jpeg", jpeg())
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = copy
                made.mux_one(packet)
    plan, _ = rewrite(source, tmp_path / "out.mp4")
    assert any("MOOD" in line for line in plan.lost)
    assert covers(tmp_path / "out.mp4")[0] == [jpeg()]
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert made.metadata["title"] == "kept"
        assert "MOOD" not in {tag.upper() for tag in made.metadata}


def test_what_a_muxer_refuses_while_writing_is_blamed_on_its_stream(make_video, tmp_path, monkeypatch):
    source = make_video(tmp_path / "a.mp4", audio=1)
    info = probe(source)
    plan = plan_output(info, tmp_path / "out.mp4", OutputOptions(crf=30))
    real = av.container.OutputContainer.mux_one

    class Refusing:
        def __init__(self, out):
            self._out = out

        def __getattr__(self, name):
            return getattr(self._out, name)

        def mux_one(self, packet):
            if packet.stream.type == "audio":
                raise av.error.ArgumentError(22, "Invalid argument")
            real(self._out, packet)

    monkeypatch.setattr("vrm.media.write.remux.Remuxer.__init__", wrapped(Refusing))
    with (
        Reader(info) as reader,
        pytest.raises(OutputError, match=r"Stream 1 of the source \(aac\) cannot be written: Invalid argument"),
    ):
        write_video(plan, reader.frames())
    assert not (tmp_path / "out.mp4").exists()


def wrapped(refusing):
    from vrm.media.write.remux import Remuxer

    begin = Remuxer.__init__

    def init(self, plan, out):
        begin(self, plan, out)
        self._out = refusing(out)

    return init
