import pytest
import torch

from vrm.errors import OutputError
from vrm.job.checkpoints import FitFolder, Kept, video_key


def fit(value):
    return Kept({"value": value}, {"a": torch.full((2, 3), float(value))})


def test_the_shots_own_fit_comes_first_then_the_nearest_of_its_kind(tmp_path):
    folder = FitFolder(tmp_path / "fits")
    assert folder.find("best", 0) is None
    earlier = FitFolder(tmp_path / "earlier job")
    for start in (0, 50, 200):
        earlier.keep("best", start, fit(start))
    earlier.keep("balanced", 40, fit(40))
    folder.lend(earlier.folder)
    assert folder.find("best", 50).about == {"value": 50}
    assert folder.find("best", 60).about == {"value": 50}
    assert folder.find("best", 1000).tensors["a"][0, 0] == 200
    folder.keep("best", 50, fit(51))
    assert folder.find("best", 50).about == {"value": 51}
    assert folder.find("best", 51).about == {"value": 50}, "another shot's own fit is not this one's"
    folder.publish(earlier.folder)
    assert earlier.find("best", 50).about == {"value": 51}


def test_a_damaged_fit_counts_as_none(tmp_path):
    folder = FitFolder(tmp_path)
    folder.keep("best", 0, fit(0))
    (tmp_path / "best-0.safetensors").write_bytes(b"no")
    assert folder.find("best", 0) is None


def test_a_full_or_closed_folder_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be kept"):
        FitFolder(tmp_path / "file" / "fits").keep("best", 0, fit(0))


def test_videos_are_told_apart_by_content(tmp_path):
    one, two = tmp_path / "one.mp4", tmp_path / "two.mp4"
    one.write_bytes(b"a" * 100)
    two.write_bytes(b"a" * 100)
    assert video_key(one) == video_key(two)
    two.write_bytes(b"a" * 99 + b"b")
    assert video_key(one) != video_key(two)
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "0.png").write_bytes(b"a")
    before = video_key(frames)
    (frames / "1.png").write_bytes(b"a")
    assert video_key(frames) != before
