import dataclasses
import errno
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from vrm.errors import OutOfMemory
from vrm.events import Events
from vrm.job.preflight import hole_warning, least_gb
from vrm.media.read.probe import probe
from vrm.options.remove import EngineOptions, MaskOptions, RemoveOptions
from vrm.pipeline import remove
from vrm.system.memory import bounded, is_shortage
from vrm.types import Masks

GROWING = """
import numpy as np
from vrm.system.memory import resident
before = resident()
block = None if before is None else np.ones(64 << 20, np.uint8)
print(-1 if before is None else resident() - before)
"""


def test_what_is_held_grows_with_what_is_held():
    """In a process of its own: this one may have as much free already."""
    grown = int(subprocess.run([sys.executable, "-c", GROWING], check=True, capture_output=True, text=True).stdout)
    if grown < 0:
        pytest.skip("this system does not say")
    assert 60e6 < grown < 80e6


def test_work_stops_where_it_holds_more_than_the_bound():
    told = []
    held = iter([1e9, 2.5e9, 1.5e9, 2.5e9, 2.5e9])
    progress = bounded(lambda *at: told.append(at), 2e9, lambda: int(next(held)))
    progress("motion", 1, 9)
    progress("motion", 2, 9)  # free memory given back, it is below the bound again
    with pytest.raises(OutOfMemory, match=r"2\.5 GB.*--memory allows 2 \(motion\)"):
        progress("motion", 3, 9)
    assert [done for _, done, _ in told] == [1, 2, 3]


def test_work_goes_on_where_the_system_does_not_say():
    bounded(lambda *_: None, 1, lambda: None)("motion", 1, 9)


def test_each_library_s_shortage_is_known():
    def raised(call):
        try:
            call()
        except Exception as error:
            return error
        raise AssertionError

    assert is_shortage(raised(lambda: np.empty(1 << 60, np.uint8)))
    assert is_shortage(raised(lambda: torch.empty(1 << 60, dtype=torch.uint8)))
    # made by OpenCV itself: an image of 2^46 bytes
    assert is_shortage(raised(lambda: cv2.copyMakeBorder(np.zeros((1, 1), np.float64), 0, 1 << 22, 0, 1 << 21, 0)))
    assert is_shortage(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert not is_shortage(ValueError("shapes do not fit"))
    assert not is_shortage(OSError(errno.ENOSPC, "No space left on device"))


def test_the_least_that_will_do_is_said_before_the_work(tmp_path, monkeypatch, make_video):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = make_video(tmp_path / "in.mp4", frames=2, size=(1080, 1920))
    info = probe(source)
    said = {}
    for words in ({}, {"engine": "internal", "preset": "paper"}, {"engine": "savit"}, {"engine": "keyframe"}):
        options = EngineOptions(**words)
        said[words.get("engine", "motion")] = least_gb(info, options)
    assert said == {"motion": 1.0, "internal": 1.4, "savit": 1.4, "keyframe": 1.0}
    assert least_gb(dataclasses.replace(info, height=2160, width=3840), EngineOptions(preset="fast")) == 1.2
    holes = Masks(info.size, 2)
    for share, warned in ((0.1, False), (0.5, True)):
        hole = np.zeros(info.size, bool)
        hole[: int(share * 1080), : int(share * 1920)] = True
        holes[1] = hole
        found = hole_warning(info, EngineOptions(engine="keyframe", memory_gb=1.0, weights="none"), holes)
        assert (found is not None) is warned
    assert hole_warning(info, EngineOptions(engine="keyframe", weights="none"), holes) is None
    mask = MaskOptions(path=tmp_path / "none.png")
    options = RemoveOptions(mask=mask, engine=EngineOptions(engine="internal", preset="paper", memory_gb=1))
    with pytest.raises(OutOfMemory, match=r"1920x1080 cannot be worked on in --memory 1 .*--memory 1\.4"):
        remove(source, tmp_path / "out.mp4", options, Events())
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".mp4") == ["in.mp4"]
