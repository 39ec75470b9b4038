"""Frames in any order are those that the reader counts; pictures for the eye are as displayed, within bounds."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from page import made
from page.conftest import Tab
from vrm.errors import VideoError
from vrm.media.frame.tone_map import HLG, PQ, for_the_eye
from vrm.media.read.probe import probe
from vrm.media.read.random_access import RandomAccess
from vrm.media.read.reader import Reader
from vrm.page.facts import notes_of
from vrm.page.frames import FrameStore, RecentlyUsed, shown_size
from vrm.types import Colour


def lumas(video: Path) -> list[np.ndarray]:
    return [frame.planes[0] for frame in Reader(probe(video)).frames()]


def seen(picture: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.mark.parametrize(("group", "more"), [(6, {}), (30, {"sc_threshold": "0"}), (250, {})])
def test_every_frame_by_seeking_is_the_frame_by_counting(tmp_path: Path, group: int, more: dict[str, str]) -> None:
    video = made.write(tmp_path / "long.mp4", frames=90, group=group, **more)
    truth = lumas(video)
    access = RandomAccess(probe(video))
    for t in (89, 3, 44, 60, 59, 24, 25, 88):
        found = next(access.frames(t))
        assert found.index == t
        assert np.array_equal(found.planes[0], truth[t])
    assert access.exact
    assert access.key_before(89) == 89 // group * group
    assert [frame.index for frame in access.frames(50, 54)] == [50, 51, 52, 53]


def test_a_damaged_video_is_counted_as_it_decodes(tmp_path: Path) -> None:
    video = made.write(tmp_path / "damaged.mp4", frames=90)
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 900] = bytes(900)
    video.write_bytes(data)
    truth = lumas(video)
    store = FrameStore(probe(video), prepare=False)
    for t in (20, 10, 5):
        assert np.array_equal(store.decoded(t).planes[0], truth[t])
    with contextlib.suppress(VideoError):  # the end may not decode, but does not hang either
        store.decoded(89)
    assert seen(store.picture(10, 640)).shape[:2] == made.SIZE


def test_frames_that_are_not_there(tab: Tab) -> None:
    assert tab.get("api/picture/20").status_code == 409
    assert tab.get("api/picture/-1").status_code == 404
    assert tab.get("api/result/remove/0").status_code == 404
    assert tab.get("api/picture/3?size=99999999").status_code == 200


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_are_turned_and_have_square_pixels(video: Path, rotation: int) -> None:
    info = replace(probe(video), rotation=rotation, sample_aspect=Fraction(2))
    store = FrameStore(info, prepare=False)
    shown = seen(store.picture(5, 1280))
    assert shown.shape[:2] == shown_size(info)
    plain = seen(FrameStore(probe(video), prepare=False).picture(5, 1280))
    wide = cv2.resize(plain, (256, 96), interpolation=cv2.INTER_LINEAR)

    def apart(turns: int) -> float:
        turned = np.rot90(wide, turns)
        return float(np.abs(turned.astype(int) - shown).mean()) if turned.shape == shown.shape else 255.0

    assert apart(-rotation // 90) < 8  # JPEG's own error
    assert min(apart(turns) for turns in range(-rotation // 90 + 1, -rotation // 90 + 4)) > 16
    small = seen(store.picture(5, 64))
    assert max(small.shape[:2]) == 64


def test_a_mask_lies_where_the_picture_shows_the_thing(tab: Tab) -> None:
    tab.edit(do="box", frame=7, box=[20, 10, 60, 50], every=True)
    import base64

    png = base64.b64decode(tab.get("api/overlay/7").json()["png"])
    drawn = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    ys, xs = np.nonzero(drawn[..., 3])
    assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (20, 10, 60, 50)


def test_one_frame_and_sixty_four_pixels(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    cv2.imwrite(str(path), np.full((64, 64, 3), 90, np.uint8))
    store = FrameStore(probe(path), prepare=False)
    assert seen(store.picture(0, 1280)).shape == (64, 64, 3)
    assert seen(store.thumbnail(0, 54)).shape == (54, 54, 3)
    with pytest.raises(VideoError, match="no frame 1"):
        store.decoded(1)


def test_a_variable_frame_rate(tmp_path: Path) -> None:
    path = tmp_path / "vfr.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.time_base = 64, 64, Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"g": "8"}
        for t in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 4 * t, np.uint8), "rgb24")
            frame.pts, frame.time_base = t * t, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    store = FrameStore(probe(path), prepare=False)
    for t in (59, 31, 0, 40):
        assert seen(store.picture(t, 640)).mean() == pytest.approx(4 * t, abs=4)


def test_what_is_kept_stays_within_its_bound() -> None:
    kept: RecentlyUsed[int] = RecentlyUsed(100)
    for n in range(50):
        kept.put(n, f"{n}", 30)
        kept.get(0)
    assert [n for n in range(50) if kept.get(n)] == [0, 48, 49]
    kept.put(99, "large", 1000)
    assert kept.get(99) == "large"
    assert kept.get(49) is None


def test_memory_does_not_grow_with_the_frames_that_were_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vrm.page.frames as frames

    size = made.SIZE[0] * made.SIZE[1] * 3 // 2
    monkeypatch.setattr(frames, "_DECODED", 5 * size)
    store = FrameStore(probe(made.write(tmp_path / "long.mp4", frames=90)), prepare=False)
    for t in range(90):
        store.picture(t, 64)
    assert sum(store._decoded.get(t) is not None for t in range(90)) <= 5


# HDR


def test_plain_pictures_keep_their_values() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(for_the_eye(picture, Colour(1, 1, 1, False)), picture)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_tone_mapped(transfer: int) -> None:
    signal = np.linspace(0, 65535, 256).astype(np.uint16)
    grey = np.repeat(signal[None, :, None], 3, 2)
    shown = for_the_eye(grey, Colour(9, transfer, 9, False))[0].astype(int)
    assert np.abs(shown - shown[:, :1]).max() <= 1, "grey stays grey"
    assert (np.diff(shown[:, 0]) >= 0).all()
    assert shown[0, 0] == 0
    assert shown[-1, 0] >= 250
    assert len(set(shown[:, 0])) > 90


def test_reference_white_of_pq_is_bright_but_not_white() -> None:
    """BT.2408, 2.1: 203 cd/m2 is 58 % of PQ's signal."""
    white = np.full((1, 1, 3), round(0.5807 * 65535), np.uint16)
    shown = for_the_eye(white, Colour(1, PQ, 9, False))
    expected = (1 + 1 / (1000 / 203) ** 2) / 2
    light = np.where(shown / 255 <= 0.04045, shown / 255 / 12.92, ((shown / 255 + 0.055) / 1.055) ** 2.4)
    assert light.mean() == pytest.approx(expected, abs=0.01)


def test_it_is_said_that_hdr_is_tone_mapped(video: Path) -> None:
    info = probe(video)
    assert notes_of(info) == []
    assert any("tone-mapped" in note for note in notes_of(replace(info, colour=Colour(9, PQ, 9, False))))


def test_thumbnails_are_quick_anywhere(tab: Tab) -> None:
    shown = seen(tab.get("api/thumbnail/13").content)
    assert shown.shape[0] == 54
