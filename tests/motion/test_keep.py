import gc

import numpy as np
import pytest

from vrm.errors import OutputError
from vrm.motion.keep import FillFolder
from vrm.motion.propagate import MotionConfig, propagate

from .shots import MadeShot, box_hole, texture

SIZE = (48, 64)


def shot() -> MadeShot:
    wide = texture(SIZE[0], SIZE[1] + 40)
    return MadeShot(8, lambda t: wide[:, 3 * t : 3 * t + SIZE[1]].copy(), lambda t: box_hole(SIZE, 16, 24, 12, 14))


def test_what_is_kept_in_files_is_what_would_be_in_memory(tmp_path):
    config = MotionConfig(rounds=2, sources=4)
    plain = propagate(shot(), 0, 8, 0, 8, config, distant=range(8))
    kept = propagate(shot(), 0, 8, 0, 8, config, distant=range(8), keep=FillFolder(tmp_path))
    assert list(kept.fills) == sorted(plain.fills)
    for t, fill in kept.fills.items():
        other = plain.fills[t]
        for name in ("index", "rgb", "seen", "confidence"):
            np.testing.assert_array_equal(getattr(fill, name), getattr(other, name))
        assert list(fill.candidates) == list(other.candidates)
        for name, candidate in fill.candidates.items():
            for part in ("rgb", "valid", "error", "distance"):
                np.testing.assert_array_equal(getattr(candidate, part), getattr(other.candidates[name], part))


def test_files_go_with_the_mapping(tmp_path):
    fills = FillFolder(tmp_path)
    fills[3] = propagate(shot(), 0, 8, 0, 8, MotionConfig(rounds=1, holdback=False)).fills[3]
    assert list(tmp_path.rglob("*.npz"))
    with pytest.raises(KeyError):
        fills[4]
    del fills[3]
    assert len(fills) == 0
    del fills
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_no_room_is_said(tmp_path):
    fills = FillFolder(tmp_path)
    for folder in tmp_path.iterdir():
        folder.rmdir()
    with pytest.raises(OutputError, match="Scratch"):
        fills[3] = propagate(shot(), 0, 8, 0, 8, MotionConfig(rounds=1, holdback=False)).fills[3]
