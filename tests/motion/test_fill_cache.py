import dataclasses
import gc

import numpy as np
import pytest

from vrm.errors import OutputError
from vrm.motion.config import MotionConfig
from vrm.motion.fill_cache import FillFolder
from vrm.motion.propagation import propagate

from .shots import MadeShot, box_hole, texture

SIZE = (48, 64)


@pytest.fixture
def in_files(monkeypatch):
    """Nothing stays in memory."""
    monkeypatch.setattr(FillFolder, "memory_bytes", 0)


def shot() -> MadeShot:
    wide = texture(SIZE[0], SIZE[1] + 40)
    return MadeShot(8, lambda t: wide[:, 3 * t : 3 * t + SIZE[1]].copy(), lambda t: box_hole(SIZE, 16, 24, 12, 14))


def test_what_is_kept_in_files_is_what_would_be_in_memory(tmp_path, in_files):
    config = MotionConfig(rounds=2, nonlocal_frames=4)
    plain = propagate(shot(), range(8), range(8), config, nonlocal_frames=range(8))
    kept = propagate(shot(), range(8), range(8), config, nonlocal_frames=range(8), fills=FillFolder(tmp_path))
    assert list(kept.fills) == sorted(plain.fills)
    for t, fill in kept.fills.items():
        other = plain.fills[t]
        for name in ("index", "rgb", "seen", "confidence", "detail", "source", "place"):
            np.testing.assert_array_equal(getattr(fill, name), getattr(other, name))


def test_files_go_with_the_mapping(tmp_path, in_files):
    fills = FillFolder(tmp_path)
    fills[3] = propagate(shot(), range(8), range(8), MotionConfig(rounds=1, calibrate=False)).fills[3]
    assert list(tmp_path.rglob("*.npy"))
    with pytest.raises(KeyError):
        fills[4]
    del fills[3]
    assert len(fills) == 0
    del fills
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_no_room_is_said(tmp_path, in_files):
    fills = FillFolder(tmp_path)
    for folder in tmp_path.iterdir():
        folder.rmdir()
    with pytest.raises(OutputError, match="Scratch"):
        fills[3] = propagate(shot(), range(8), range(8), MotionConfig(rounds=1, calibrate=False)).fills[3]


def test_small_fills_need_no_files_and_large_ones_leave_memory(tmp_path, monkeypatch):
    found = propagate(shot(), range(8), range(8), MotionConfig(rounds=1))
    few = FillFolder(tmp_path)
    monkeypatch.setattr(FillFolder, "memory_bytes", 2 * found.fills[0].nbytes + 1)
    for t, fill in found.fills.items():
        few[t] = fill
    assert len(list(tmp_path.rglob("*.npy"))) == len(found.fills) - 2
    few[0] = dataclasses.replace(few[0], rgb=1 - few[0].rgb)  # a file that was written is out of date now
    for t in (3, 4, 5, 0):
        wanted = 1 - found.fills[t].rgb if t == 0 else found.fills[t].rgb
        assert np.array_equal(few[t].rgb, wanted)
        assert few[t].nbytes == found.fills[t].nbytes
    assert 0 in few
    assert 99 not in few
