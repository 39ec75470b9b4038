import gc

import numpy as np
import pytest

from vrm.errors import OutputError
from vrm.system.array_folder import ArrayFolder


def array(value, n=100):
    return np.full(n, value, np.uint8)


def test_values_beyond_the_memory_are_in_files_and_come_back_the_same(tmp_path):
    folder = ArrayFolder(tmp_path, 250)
    for t in (5, 3, 4, 1):
        folder[t] = array(t)
    assert len(list(tmp_path.rglob("*.npy"))) == 2, "those set last are in memory"
    assert [int(folder[t][0]) for t in (1, 3, 4, 5)] == [1, 3, 4, 5]
    assert list(folder) == [1, 3, 4, 5]
    assert 3 in folder
    assert 2 not in folder
    with pytest.raises(KeyError):
        folder[2]
    folder[3] = array(30)  # the file that was written is out of date
    assert [int(folder[t][0]) for t in (4, 5, 1, 3)] == [4, 5, 1, 30]
    del folder[3]
    assert 3 not in folder
    assert len(folder) == 3


def test_what_fits_needs_no_files(tmp_path):
    folder = ArrayFolder(tmp_path)
    folder[0] = array(1)
    assert not list(tmp_path.rglob("*.npy"))
    assert folder[0][0] == 1


def test_values_are_read_only(tmp_path):
    folder = ArrayFolder(tmp_path, 0)
    folder[0] = array(1)
    with pytest.raises(ValueError, match="read-only"):
        folder[0][0] = 2


def test_values_of_several_arrays(tmp_path):
    folder = ArrayFolder(tmp_path, 0, lambda t, value: value, lambda t, arrays: tuple(arrays))
    value = (np.arange(6, dtype=np.int64), np.zeros((0, 3), np.float32), np.ones((2, 3), np.bool_))
    folder[7] = value
    for given, found in zip(value, folder[7], strict=True):
        assert given.dtype == found.dtype
        assert np.array_equal(given, found)


@pytest.mark.parametrize("closed", [True, False])
def test_files_go_with_the_mapping(tmp_path, closed):
    folder = ArrayFolder(tmp_path, 0)
    folder[0] = array(1)
    assert list(tmp_path.rglob("*.npy"))
    if closed:
        folder.close()
    del folder
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_a_vanished_folder_is_said(tmp_path):
    folder = ArrayFolder(tmp_path, 0)
    for place in tmp_path.iterdir():
        place.rmdir()
    with pytest.raises(OutputError, match="Scratch"):
        folder[0] = array(1)


def test_durable_values_outlast_the_mapping_unless_they_are_damaged(tmp_path):
    first = ArrayFolder(tmp_path / "kept", durable=True)
    for t in range(4):
        first[t] = array(t)
    first.close()
    del first
    gc.collect()
    halved, changed = tmp_path / "kept" / "00000001.npz", tmp_path / "kept" / "00000002.npz"
    halved.write_bytes(halved.read_bytes()[:50])
    data = changed.read_bytes()
    changed.write_bytes(data.replace(bytes(array(2)), bytes(array(9))))
    assert changed.read_bytes() != data
    (tmp_path / "kept" / ".00000009.npz.77.part").write_bytes(b"half")
    again = ArrayFolder(tmp_path / "kept", durable=True)
    assert list(again) == [0, 3]
    assert int(again[3][0]) == 3
    again[1] = array(10)
    assert int(ArrayFolder(tmp_path / "kept", durable=True)[1][0]) == 10
