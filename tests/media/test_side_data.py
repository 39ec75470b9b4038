"""Files whose side data PyAV fails on: kinds it has no name for, profiles with a name, channels in their own order.

What went wrong ended the process, so each is read in a process of its own.
"""

import json
import shutil
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from everything import packets
from PIL import Image, ImageCms

from vrm.media.frame.side_data import EXIF, side_data
from vrm.media.read.probe import probe
from vrm.media.read.reader import Reader
from vrm.media.write.plan import plan_output
from vrm.options.remove import OutputOptions

SIZE = (64, 48)


def vrm(*words):
    done = subprocess.run([sys.executable, "-m", "vrm", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def picture(shade=90):
    return Image.fromarray(np.full((SIZE[1], SIZE[0], 3), (shade, 40, 200), np.uint8))


def with_profile(folder, ending):
    """A picture with a named ICC profile; a MOV holds such PNGs as its frames."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = folder / ("still.png" if ending == "mov" else f"a.{ending}")
    more = {"save_all": True, "append_images": [picture(120)], "duration": 100} if ending == "apng" else {}
    picture().save(path, "png", icc_profile=profile, **more)
    if ending != "mov":
        return path
    with av.open(str(path)) as given, av.open(str(folder / "a.mov"), "w") as made:
        copy = made.add_stream_from_template(given.streams[0], opaque=True)
        data = bytes(next(given.demux(video=0)))
        for t in range(2):
            packet = av.Packet(data)
            packet.pts = packet.dts = t
            packet.duration, packet.time_base, packet.stream = 1, Fraction(1, 25), copy
            packet.is_keyframe = True
            made.mux_one(packet)
    return folder / "a.mov"


@pytest.mark.parametrize("ending", ["png", "apng", "mov"])
def test_a_picture_with_a_named_profile_is_worked_on_and_the_profile_is_named_as_lost(tmp_path, ending):
    source = with_profile(tmp_path, ending)
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[10:20, 10:20] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out, report = tmp_path / "out.mkv", tmp_path / "r.json"
    vrm("remove", source, "--mask", tmp_path / "mask.png", "--static-mask", "--preset", "fast", "--threads", 1,
        "--lossless", "-o", out, "--report", report)  # fmt: skip
    assert "ICC profile" in json.loads(report.read_text())["lost"]
    with av.open(str(out)) as made:
        shown = next(made.decode(video=0)).to_ndarray(format="rgb24")
    assert np.array_equal(shown, np.asarray(picture()))


def test_what_a_camera_states_is_named_as_lost_where_its_picture_becomes_a_video(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    picture().save(tmp_path / "a.jpg", exif=exif)
    info = probe(tmp_path / "a.jpg")
    assert (info.orientation, info.size) == (6, SIZE), "turned as viewers show it"
    assert "EXIF" in plan_output(info, tmp_path / "out.mkv", OutputOptions()).lost


def test_side_data_that_pyav_has_no_name_for_is_read_as_any_other(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(tmp_path / "a.jpg", exif=exif)
    with av.open(str(tmp_path / "a.jpg")) as file:
        found = side_data(next(file.decode(video=0)))
    assert EXIF in found
    assert EXIF.name == "KIND_31"


def test_a_projection_is_named_as_lost_and_a_stereo_layout_where_its_codec_has_none(make_video, tmp_path):
    options = {"preset": "ultrafast", "x264-params": "frame-packing=3"}
    source = make_video(tmp_path / "a.mkv", options=options)
    info = probe(source)
    assert "stereo 3d" in info.extras
    assert "the stereo 3D layout" in plan_output(info, tmp_path / "out.mkv", OutputOptions(codec="ffv1")).lost
    plan = plan_output(info, tmp_path / "out.mkv", OutputOptions())
    assert "the stereo 3D layout" in plan.kept
    from vrm.media.write.writer import write_video

    with Reader(info) as reader:
        write_video(plan, reader.frames())
    assert "stereo 3d" in probe(tmp_path / "out.mkv").extras


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_channels_in_an_order_of_their_own_are_named_and_copied(make_video, tmp_path):
    source = tmp_path / "a.mov"
    channels = "|".join(f"sin({100 * k}*t)" for k in range(1, 9))
    command = ["ffmpeg", "-v", "error", "-i", make_video(tmp_path / "a.mp4"), "-f", "lavfi", "-i"]
    command += [f"aevalsrc={channels}:d=0.4:c=7.1", "-c:v", "copy", "-c:a", "pcm_s16le", source]
    subprocess.run([str(word) for word in command], check=True)
    facts = json.loads(vrm("info", source, "--json"))
    assert facts["streams"][1]["detail"] in ("44100 Hz 7.1", "44100 Hz 8 channels (FL+FR+FC+LFE+SL+SR+BL+BR)")
    for _ in range(3):
        assert probe(source).streams[1].detail == facts["streams"][1]["detail"]
    report = tmp_path / "r.json"
    Image.new("L", (64, 48), 0).save(tmp_path / "mask.png")
    vrm(
        "remove",
        source,
        "--mask",
        tmp_path / "mask.png",
        "--static-mask",
        "-o",
        tmp_path / "out.mov",
        "--report",
        report,
    )
    assert not json.loads(report.read_text())["lost"]
    assert packets(source)[1] == packets(tmp_path / "out.mov")[1]
