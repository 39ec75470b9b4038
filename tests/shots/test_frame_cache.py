import numpy as np
import pytest

from vrm.shots.frame_cache import CHUNK, FrameCache, durable_frames
from vrm.shots.patch_store import PatchStore
from vrm.shots.windows import Window
from vrm.system import array_folder
from vrm.types import Patch


class Decoded:
    def __init__(self, t):
        self.t = t

    def rgb(self):
        return np.full((4, 6, 3), self.t, np.uint8)


def counting_decode(log):
    def decode(start, stop):
        log.append(start)
        return (Decoded(t) for t in range(start, stop))

    return decode


def test_any_order_gives_the_right_frame(tmp_path):
    store = FrameCache(counting_decode([]), 150, tmp_path, memory_bytes=3 * 72, disk_bytes=1)
    for t in [0, 149, 3, 70, 69, 68, 140, 0, 149, 31, 32]:
        assert store.frame(t)[0, 0, 0] == t


def test_reading_on_decodes_once(tmp_path):
    log = []
    store = FrameCache(counting_decode(log), 150, tmp_path)
    for t in range(150):
        store.frame(t)
    assert log == [0]


def test_disk_and_memory_stay_bounded(tmp_path):
    store = FrameCache(counting_decode([]), 200, tmp_path, memory_bytes=5 * 72, disk_bytes=50 * 72)
    for t in range(200):
        store.frame(t)
        assert len(list(tmp_path.rglob("*.npy"))) <= 2 * CHUNK
        assert len(store._frames._recent) <= 5
    store.close()
    assert not list(tmp_path.iterdir())


def test_out_of_range_is_an_index_error(tmp_path):
    store = FrameCache(counting_decode([]), 5, tmp_path)
    with pytest.raises(IndexError):
        store.frame(5)


def test_overlapping_windows_are_cross_faded(tmp_path):
    patches = PatchStore(tmp_path)
    box = (1, 1, 3, 4)

    def window(start, stop, value):
        made = {t: Patch(box, np.full((2, 3, 3), value, np.uint8)) for t in range(start, stop)}
        patches.add(Window(start, stop, start, stop), made)

    window(0, 6, 0)
    window(3, 9, 100)
    values = [int(patches[t].rgb[0, 0, 0]) for t in range(9)]
    assert values == [0, 0, 0, 25, 50, 75, 100, 100, 100]
    assert 9 not in patches


def test_what_is_free_goes_back_while_frames_come_and_go(tmp_path, monkeypatch):
    trims = []
    monkeypatch.setattr(array_folder, "_GONE", 10 * 72)
    monkeypatch.setattr(array_folder, "give_back", lambda: trims.append(1))
    store = FrameCache(counting_decode([]), 150, tmp_path, memory_bytes=5 * 72)
    for t in range(5):
        store.frame(t)  # a chunk of 32 is decoded, of which 27 leave, and 5 of these are read again
    assert len(trims) == 3
    for t in range(5, 26):
        store.frame(t)
    assert len(trims) == 5
    store.close()
    assert len(trims) == 6  # the encoder comes next


def test_of_durable_frames_only_the_hole_is_kept(tmp_path):
    hole = np.zeros((8, 9), np.bool_)
    hole[2:5, 3:7] = True
    whole = np.arange(72, dtype=np.uint8).reshape(8, 9)
    frame = whole.copy()
    frame[hole] = 200
    durable_frames(tmp_path / "kept", lambda t: whole, lambda t: hole)[4] = frame
    again = durable_frames(tmp_path / "kept", lambda t: whole + 1, lambda t: hole)
    assert list(again) == [4]
    assert np.array_equal(again[4], np.where(hole, 200, whole + 1))
    with pytest.raises(ValueError, match="no hole"):
        durable_frames(tmp_path / "none", lambda t: whole, lambda t: np.zeros_like(hole))[1] = frame
